#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "variants/toml_file.h"

// Reading one table of an experiment: each Take finds its key, checks type and range and stores the
// value; Finish refuses what nobody has taken. The first failure stays and later calls do nothing.
namespace lsmlab::harness {

class TomlFields {
 public:
  // `what` names the table in messages: "[run]".
  TomlFields(const TomlValue& table, std::string what) : table_(table), what_(std::move(what)) {}

  void Text(std::string_view key, std::string* value);
  void Choice(std::string_view key, std::span<const std::string_view> allowed, std::string* value);
  void Bool(std::string_view key, bool* value);
  void Count(std::string_view key, uint64_t min, uint64_t max, uint64_t* value);
  void Count(std::string_view key, uint32_t min, uint32_t max, uint32_t* value);
  void Real(std::string_view key, double min, double max, double* value);
  // Written "500ms", "10s", "5m"; stored as seconds.
  void Duration(std::string_view key, double min_s, double max_s, double* seconds);
  // Written "64MiB" or as a number of bytes. REQUIRES: max < 2^63.
  void Bytes(std::string_view key, uint64_t min, uint64_t max, uint64_t* bytes);
  // Null when it is not there; counts as taken.
  const TomlValue* Take(std::string_view key);
  const TomlValue* TakeTable(std::string_view key);
  const TomlValue* TakeTables(std::string_view key);  // an array of tables
  std::string OriginOf(std::string_view key) const;

  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  void FailAt(const TomlValue& value, std::string_view key, const std::string& allowed);
  // Also refuses keys that were not taken.
  Status Finish();
  // Calls take(key, value) for each key that was not taken so far, and counts it as taken.
  template <typename Taker>
  void TakeRest(Taker take) {
    for (const auto& [key, value] : table_.entries) {
      if (!Taken(key) && status_.ok()) take(key, value);
      known_.push_back(key);
    }
  }

 private:
  bool Taken(std::string_view key) const;

  const TomlValue& table_;
  std::string what_;
  std::vector<std::string> known_;
  Status status_;
};

}  // namespace lsmlab::harness
