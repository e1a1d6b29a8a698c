#include "engine/parts/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

#include "engine/base/real_text.h"

namespace lsmlab {
namespace {

// Deeper than any tree may be (32 levels), so a list per level always fits.
constexpr size_t kMaxListEntries = 64;

struct Unit {
  std::string_view suffix;
  int64_t factor;
};
// Largest first: formatting takes the first that divides the value.
constexpr Unit kByteUnits[] = {
    {"TiB", int64_t{1} << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};
constexpr Unit kTimeUnits[] = {{"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}, {"ns", 1}};

// The value as it may stand in a message: bounded, without control bytes.
std::string Quoted(std::string_view text) {
  constexpr size_t kShown = 64;
  std::string out = "\"";
  for (char c : text.substr(0, kShown)) {
    const bool plain = c >= 0x20 && c < 0x7f && c != '"';
    out += plain ? c : '?';
  }
  out += text.size() > kShown ? "...\"" : "\"";
  return out;
}

std::string WithUnit(int64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) {
      return std::to_string(value / unit.factor).append(unit.suffix);
    }
  }
  return std::string("0").append(units.back().suffix);
}

bool HasRange(const SettingSpec& spec) { return spec.min != 0 || spec.max != 0; }

std::string Bound(const SettingSpec& spec, double bound) {
  // Beyond 2^63 only as an open end of a range.
  constexpr double kEnd = 9223372036854775807.0;
  const int64_t whole =
      bound >= kEnd ? std::numeric_limits<int64_t>::max() : static_cast<int64_t>(bound);
  switch (spec.type) {
    case SettingType::kBytes:
      return WithUnit(whole, kByteUnits);
    case SettingType::kDuration:
      return WithUnit(whole, kTimeUnits);
    case SettingType::kInteger:
      return std::to_string(whole);
    default:
      return RealText(bound);
  }
}

std::string Allowed(const SettingSpec& spec) {
  std::string range;
  if (HasRange(spec)) range = " from " + Bound(spec, spec.min) + " to " + Bound(spec, spec.max);
  switch (spec.type) {
    case SettingType::kBool:
      return "true or false";
    case SettingType::kInteger:
      return "a whole number" + range;
    case SettingType::kBytes:
      return "a size" + range + ", written as a number of bytes or with KiB, MiB, GiB or TiB";
    case SettingType::kDuration:
      return "a time" + range + ", written with ns, us, ms or s";
    case SettingType::kReal:
      return "a number" + range;
    case SettingType::kRealList:
      return "a comma-separated list of numbers" + range;
    case SettingType::kChoice:
      return "one of " + std::string(spec.choices);
    case SettingType::kChoiceList:
      return "a comma-separated list of " + std::string(spec.choices);
  }
  return {};
}

Status Refused(const SettingSpec& spec, std::string_view text) {
  return Status::InvalidArgument(Quoted(text) + " is not allowed; allowed is " + Allowed(spec));
}

template <typename T>
bool ParseWhole(std::string_view text, T& value) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

bool InRange(const SettingSpec& spec, double value) {
  return !HasRange(spec) || (value >= spec.min && value <= spec.max);
}

bool ParseInteger(std::string_view text, int64_t& value) {
  // "-0" is a slip of the pen, not a number somebody means.
  return ParseWhole(text, value) && !(value == 0 && text[0] == '-');
}

bool ParseWithUnit(std::string_view text, std::span<const Unit> units, bool unit_needed,
                   int64_t& value) {
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const std::string_view suffix = text.substr(digits);
  if (!ParseInteger(text.substr(0, digits), value)) return false;
  if (suffix.empty()) return !unit_needed || value == 0;
  for (const Unit& unit : units) {
    if (suffix == unit.suffix) return !__builtin_mul_overflow(value, unit.factor, &value);
  }
  return false;
}

bool ParseReal(const SettingSpec& spec, std::string_view text, double& value) {
  return ParseWhole(text, value) && std::isfinite(value) && InRange(spec, value);
}

bool IsChoice(std::string_view choices, std::string_view text) {
  for (size_t begin = 0; begin <= choices.size();) {
    const size_t end = std::min(choices.find('|', begin), choices.size());
    if (choices.substr(begin, end - begin) == text) return !text.empty();
    begin = end + 1;
  }
  return false;
}

// Calls take(entry) for each; false when there are none, too many, or one is refused.
template <typename Take>
bool ParseList(std::string_view text, Take take) {
  size_t count = 0;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (++count > kMaxListEntries || !take(text.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace

Result<SettingValue> ParseSetting(const SettingSpec& spec, std::string_view text) {
  int64_t number = 0;
  switch (spec.type) {
    case SettingType::kBool:
      if (text == "true") return SettingValue(true);
      if (text == "false") return SettingValue(false);
      return Refused(spec, text);
    case SettingType::kInteger:
      if (!ParseInteger(text, number)) return Refused(spec, text);
      break;
    case SettingType::kBytes:
      if (!ParseWithUnit(text, kByteUnits, false, number)) return Refused(spec, text);
      break;
    case SettingType::kDuration:
      if (!ParseWithUnit(text, kTimeUnits, true, number)) return Refused(spec, text);
      break;
    case SettingType::kReal: {
      double real = 0;
      if (!ParseReal(spec, text, real)) return Refused(spec, text);
      return SettingValue(real);
    }
    case SettingType::kChoice:
      if (!IsChoice(spec.choices, text)) return Refused(spec, text);
      return SettingValue(std::string(text));
    case SettingType::kRealList: {
      std::vector<double> list;
      const bool good = ParseList(text, [&](std::string_view entry) {
        return ParseReal(spec, entry, list.emplace_back());
      });
      if (!good) return Refused(spec, text);
      return SettingValue(std::move(list));
    }
    case SettingType::kChoiceList: {
      std::vector<std::string> list;
      // An empty list is a value where it is the default: the setting then says what it means.
      if (text.empty() && spec.default_value.empty()) return SettingValue(std::move(list));
      const bool good = ParseList(text, [&](std::string_view entry) {
        return IsChoice(spec.choices, list.emplace_back(entry));
      });
      if (!good) return Refused(spec, text);
      return SettingValue(std::move(list));
    }
  }
  if (!InRange(spec, static_cast<double>(number))) return Refused(spec, text);
  return SettingValue(number);
}

std::string FormatSetting(const SettingSpec& spec, const SettingValue& value) {
  std::string out;
  switch (spec.type) {
    case SettingType::kBool:
      return std::get<bool>(value) ? "true" : "false";
    case SettingType::kInteger:
      return std::to_string(std::get<int64_t>(value));
    case SettingType::kBytes:
      return WithUnit(std::get<int64_t>(value), kByteUnits);
    case SettingType::kDuration:
      return WithUnit(std::get<int64_t>(value), kTimeUnits);
    case SettingType::kReal:
      return RealText(std::get<double>(value));
    case SettingType::kChoice:
      return std::get<std::string>(value);
    case SettingType::kRealList:
      for (double entry : std::get<std::vector<double>>(value)) {
        out.append(out.empty() ? "" : ",").append(RealText(entry));
      }
      return out;
    case SettingType::kChoiceList:
      for (const std::string& entry : std::get<std::vector<std::string>>(value)) {
        out.append(out.empty() ? "" : ",").append(entry);
      }
      return out;
  }
  return out;
}

SettingBag DefaultSettings(std::span<const SettingSpec> specs) {
  SettingBag bag;
  for (const SettingSpec& spec : specs) {
    Result<SettingValue> value = ParseSetting(spec, spec.default_value);
    LSMLAB_ASSERT(value.ok());
    bag.Set(spec.name, std::move(value).value());
  }
  return bag;
}

}  // namespace lsmlab
