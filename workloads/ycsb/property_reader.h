#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/status.h"
#include "workloads/workload.h"
#include "workloads/ycsb/property_file.h"

namespace lsmlab::workloads {

// Typed reading of properties. Each getter returns the value, or the default when the property is
// absent or bad; the first mistake is kept in status() and later ones are dropped, so that a
// caller reads everything and checks once. Remembers every effective value in the order of reading.
class PropertyReader {
 public:
  // Later entries win over earlier ones of the same name, and overrides over all of them. An
  // unknown name is a mistake; the message offers the nearest known one.
  PropertyReader(const std::vector<Property>& properties, const Overrides& overrides,
                 const Origins& origins = {});

  // A decimal integer in [min, max].
  uint64_t Integer(std::string_view name, uint64_t fallback, uint64_t min, uint64_t max);
  // A finite number in [min, max], or in (min, max) for RealWithin.
  double Real(std::string_view name, double fallback, double min, double max);
  double RealWithin(std::string_view name, double fallback, double min, double max);
  // "true" or "false" in any case.
  bool Boolean(std::string_view name, bool fallback);
  // The index of the value in `allowed`; fallback is an index too.
  size_t Choice(std::string_view name, size_t fallback,
                std::initializer_list<std::string_view> allowed);
  std::string Text(std::string_view name, std::string_view fallback);

  bool Given(std::string_view name) const { return properties_.contains(std::string(name)); }
  // Notes a mistake that involves several properties; the message starts at `name`'s place.
  void Fail(std::string_view name, const std::string& found_and_allowed);
  // As Fail, when what is asked for is right but not built.
  void NotSupported(std::string_view name, const std::string& allowed);

  const Status& status() const { return status_; }
  // "name=value" of what the caller gave of that use, sorted by name.
  std::vector<std::string> IgnoredOnes() const;
  std::vector<std::string> Extensions() const;
  std::vector<std::pair<std::string, std::string>> TakeEffective() { return std::move(effective_); }

 private:
  const Property* Find(std::string_view name) const;
  void Bad(const Property& property, const std::string& allowed);
  double RealOf(std::string_view name, double fallback, double min, double max, bool open);
  void Note(std::string_view name, std::string value);

  std::map<std::string, Property> properties_;
  std::vector<std::pair<std::string, std::string>> effective_;
  Status status_;
};

}  // namespace lsmlab::workloads
