#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/status.h"

// Settings are plain values; components are objects. A variant describes its settings in a table of
// SettingSpec rows (name, unit, default, range); a composition root parses and validates them into
// a SettingBag; the variant's factory reads its own out of the bag. No default stands anywhere
// else. Rows that a part has whatever variant fills it stand in engine/tree/part_settings.cc, a
// variant's in its own file; both live as long as the program.
//
// Thread safety: rows never change, and a bag that nobody changes may be read by any thread.
// Errors: InvalidArgument from ParseSetting, nothing else fails. Nothing here waits.
namespace lsmlab {

enum class SettingType : uint8_t {
  kBool,
  kInteger,   // 64-bit signed
  kBytes,     // written "64MiB" or as a number
  kDuration,  // nanoseconds; written "10ms"
  kReal,
  kChoice,      // one of `choices`
  kRealList,    // per level; the last entry repeats
  kChoiceList,  // per level; the last entry repeats
};

struct SettingSpec {
  std::string_view name;  // dotted, below the part: "block.size"
  SettingType type;
  std::string_view default_value;  // in the written form; lists are comma-separated
  double min = 0;                  // for numbers, in base units (bytes, ns)
  double max = 0;
  std::string_view choices;  // "restarts|slotted"
  std::string_view summary;  // one line: meaning, unit, interaction
};

using SettingValue =
    std::variant<bool, int64_t, double, std::string, std::vector<double>, std::vector<std::string>>;

// Validated values of one part (all settings present, defaults filled in). Asking for a name that
// the spec does not have, or as another type, is a programmer error and asserts.
class SettingBag {
 public:
  bool Bool(std::string_view name) const { return std::get<bool>(At(name)); }
  int64_t Integer(std::string_view name) const { return std::get<int64_t>(At(name)); }
  uint64_t Bytes(std::string_view name) const {
    return static_cast<uint64_t>(std::get<int64_t>(At(name)));
  }
  int64_t Nanos(std::string_view name) const { return std::get<int64_t>(At(name)); }
  double Real(std::string_view name) const { return std::get<double>(At(name)); }
  const std::string& Choice(std::string_view name) const { return std::get<std::string>(At(name)); }
  const std::vector<double>& RealList(std::string_view name) const {
    return std::get<std::vector<double>>(At(name));
  }
  const std::vector<std::string>& ChoiceList(std::string_view name) const {
    return std::get<std::vector<std::string>>(At(name));
  }
  bool Has(std::string_view name) const { return values_.find(name) != values_.end(); }
  void Set(std::string_view name, SettingValue value) {
    values_.insert_or_assign(std::string(name), std::move(value));
  }
  const std::map<std::string, SettingValue, std::less<>>& values() const noexcept {
    return values_;
  }

 private:
  const SettingValue& At(std::string_view name) const {
    auto found = values_.find(name);
    LSMLAB_ASSERT(found != values_.end());
    return found->second;
  }
  std::map<std::string, SettingValue, std::less<>> values_;
};

// Parses the written form of one value. The error names value, what is allowed, and the unit; it
// does not name the setting or the file, which the caller knows.
Result<SettingValue> ParseSetting(const SettingSpec& spec, std::string_view text);
// The inverse: "64MiB", "10ms", "0.5", "none,none,lz4".
std::string FormatSetting(const SettingSpec& spec, const SettingValue& value);
// A bag of all defaults. REQUIRES: every default parses (held by a test over the registry).
SettingBag DefaultSettings(std::span<const SettingSpec> specs);

}  // namespace lsmlab
