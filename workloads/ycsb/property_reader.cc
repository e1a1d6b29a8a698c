#include "workloads/ycsb/property_reader.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "engine/base/real_text.h"
#include "engine/base/shown.h"
#include "workloads/ycsb/known_properties.h"

namespace lsmlab::workloads {
namespace {

// The whole text must be the number.
template <typename T>
bool ParseNumber(std::string_view text, T* value) {
  const char* end = text.data() + text.size();
  const auto [p, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && p == end;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::vector<std::string> GivenOfUse(const std::map<std::string, Property>& properties,
                                    PropertyUse use) {
  std::vector<std::string> out;
  for (const auto& [name, property] : properties) {
    if (UseOfProperty(name) == use) out.push_back(name + "=" + property.value);
  }
  return out;
}

}  // namespace

PropertyReader::PropertyReader(const std::vector<Property>& properties, const Overrides& overrides,
                               const Origins& origins) {
  std::vector<Property> all = properties;
  for (const auto& [name, value] : overrides) {
    const auto origin = origins.find(name);
    all.push_back({name, value, origin == origins.end() ? "-p" : origin->second});
  }
  for (Property& property : all) {
    if (UseOfProperty(property.name) == PropertyUse::kUnknown && status_.ok()) {
      status_ = Status::InvalidArgument(property.where + ": unknown property \"" +
                                        Shown(property.name) + "\"; did you mean \"" +
                                        std::string(NearestProperty(property.name)) + "\"?");
    }
    properties_[property.name] = property;
  }
}

const Property* PropertyReader::Find(std::string_view name) const {
  const auto it = properties_.find(std::string(name));
  return it == properties_.end() ? nullptr : &it->second;
}

void PropertyReader::Bad(const Property& property, const std::string& allowed) {
  if (!status_.ok()) return;
  status_ = Status::InvalidArgument(property.where + ": " + property.name + " = \"" +
                                    Shown(property.value) + "\"; allowed: " + allowed);
}

void PropertyReader::Note(std::string_view name, std::string value) {
  effective_.emplace_back(name, std::move(value));
}

uint64_t PropertyReader::Integer(std::string_view name, uint64_t fallback, uint64_t min,
                                 uint64_t max) {
  uint64_t value = fallback;
  if (const Property* property = Find(name)) {
    if (!ParseNumber(property->value, &value) || value < min || value > max) {
      Bad(*property, "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
      value = fallback;
    }
  }
  Note(name, std::to_string(value));
  return value;
}

double PropertyReader::RealOf(std::string_view name, double fallback, double min, double max,
                              bool open) {
  double value = fallback;
  if (const Property* property = Find(name)) {
    const bool inside = ParseNumber(property->value, &value) && std::isfinite(value) &&
                        (open ? value > min && value < max : value >= min && value <= max);
    if (!inside) {
      Bad(*property, "a number " + std::string(open ? "between " : "from ") + RealText(min) +
                         (open ? " and " : " to ") + RealText(max) +
                         (open ? ", both excluded" : ""));
      value = fallback;
    }
  }
  Note(name, RealText(value));
  return value;
}

double PropertyReader::Real(std::string_view name, double fallback, double min, double max) {
  return RealOf(name, fallback, min, max, false);
}
double PropertyReader::RealWithin(std::string_view name, double fallback, double min, double max) {
  return RealOf(name, fallback, min, max, true);
}

bool PropertyReader::Boolean(std::string_view name, bool fallback) {
  bool value = fallback;
  if (const Property* property = Find(name)) {
    const std::string text = Lower(property->value);
    value = text == "true";
    if (!value && text != "false") Bad(*property, "true or false");
  }
  Note(name, value ? "true" : "false");
  return value;
}

size_t PropertyReader::Choice(std::string_view name, size_t fallback,
                              std::initializer_list<std::string_view> allowed) {
  size_t value = fallback;
  if (const Property* property = Find(name)) {
    const auto it = std::find(allowed.begin(), allowed.end(), property->value);
    if (it != allowed.end()) {
      value = static_cast<size_t>(it - allowed.begin());
    } else {
      std::string names;
      for (const std::string_view a : allowed) {
        names.append(names.empty() ? "" : ", ").append(a);
      }
      Bad(*property, names);
    }
  }
  Note(name, std::string(allowed.begin()[value]));
  return value;
}

std::string PropertyReader::Text(std::string_view name, std::string_view fallback) {
  const Property* property = Find(name);
  std::string value = property ? property->value : std::string(fallback);
  Note(name, value);
  return value;
}

void PropertyReader::Fail(std::string_view name, const std::string& found_and_allowed) {
  if (!status_.ok()) return;
  const Property* property = Find(name);
  status_ = Status::InvalidArgument((property ? property->where + ": " : std::string()) +
                                    std::string(name) + ": " + found_and_allowed);
}

void PropertyReader::NotSupported(std::string_view name, const std::string& allowed) {
  if (!status_.ok()) return;
  const Property* property = Find(name);
  status_ = Status::NotSupported(
      (property ? property->where + ": " : std::string()) + std::string(name) + " = \"" +
      (property ? Shown(property->value) : std::string()) + "\"; allowed: " + allowed);
}

std::vector<std::string> PropertyReader::IgnoredOnes() const {
  return GivenOfUse(properties_, PropertyUse::kIgnored);
}
std::vector<std::string> PropertyReader::Extensions() const {
  return GivenOfUse(properties_, PropertyUse::kExtension);
}

}  // namespace lsmlab::workloads
