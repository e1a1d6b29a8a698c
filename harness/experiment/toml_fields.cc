#include "harness/experiment/toml_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/base/real_text.h"
#include "engine/parts/settings.h"
#include "variants/nearest.h"

namespace lsmlab::harness {
namespace {

using Kind = TomlValue::Kind;

// "500ms", "1.5s", "5m".
bool ParseSeconds(std::string_view text, double* seconds) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), *seconds);
  if (parsed.ec != std::errc() || !std::isfinite(*seconds)) return false;
  const std::string_view unit(parsed.ptr, text.data() + text.size() - parsed.ptr);
  if (unit == "ms") *seconds /= 1000;
  if (unit == "m") *seconds *= 60;
  return unit == "ms" || unit == "s" || unit == "m";
}

std::string ShownValue(const TomlValue& value) {
  return value.is_scalar() ? "'" + Shown(value.text) + "'" : std::string(TomlKindName(value.kind));
}

}  // namespace

const TomlValue* TomlFields::Take(std::string_view key) {
  known_.emplace_back(key);
  return status_.ok() ? table_.Find(key) : nullptr;
}

void TomlFields::FailAt(const TomlValue& value, std::string_view key, const std::string& allowed) {
  Fail(Status::InvalidArgument(value.origin + ": " + what_ + " " + Shown(key) + ": " +
                               ShownValue(value) + " is not allowed; allowed is " + allowed));
}

void TomlFields::Text(std::string_view key, std::string* value) {
  const TomlValue* found = Take(key);
  if (found == nullptr) return;
  if (found->kind != Kind::kString || found->text.empty()) {
    return FailAt(*found, key, "a string that is not empty");
  }
  *value = found->text;
}

void TomlFields::Choice(std::string_view key, std::span<const std::string_view> allowed,
                        std::string* value) {
  const TomlValue* found = Take(key);
  if (found == nullptr) return;
  const bool known = std::find(allowed.begin(), allowed.end(), found->text) != allowed.end();
  if (found->kind != Kind::kString || !known) {
    return FailAt(*found, key, JoinNames(allowed) + DidYouMean(found->text, allowed));
  }
  *value = found->text;
}

void TomlFields::Bool(std::string_view key, bool* value) {
  const TomlValue* found = Take(key);
  if (found == nullptr) return;
  if (found->kind != Kind::kBool) return FailAt(*found, key, "true or false");
  *value = found->text == "true";
}

void TomlFields::Count(std::string_view key, uint64_t min, uint64_t max, uint64_t* value) {
  const TomlValue* found = Take(key);
  if (found == nullptr) return;
  uint64_t number = 0;
  const char* end = found->text.data() + found->text.size();
  const auto parsed = std::from_chars(found->text.data(), end, number);
  const bool whole = found->kind == Kind::kInteger && parsed.ec == std::errc() && parsed.ptr == end;
  if (!whole || number < min || number > max) {
    return FailAt(*found, key,
                  "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  }
  *value = number;
}

void TomlFields::Count(std::string_view key, uint32_t min, uint32_t max, uint32_t* value) {
  uint64_t wide = *value;
  Count(key, uint64_t{min}, uint64_t{max}, &wide);
  *value = static_cast<uint32_t>(wide);
}

void TomlFields::Real(std::string_view key, double min, double max, double* value) {
  const TomlValue* found = Take(key);
  if (found == nullptr) return;
  double number = 0;
  const char* end = found->text.data() + found->text.size();
  const auto parsed = std::from_chars(found->text.data(), end, number);
  const bool numeric = (found->kind == Kind::kInteger || found->kind == Kind::kReal) &&
                       parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(number);
  if (!numeric || number < min || number > max) {
    return FailAt(*found, key, "a number from " + RealText(min) + " to " + RealText(max));
  }
  *value = number;
}

void TomlFields::Duration(std::string_view key, double min_s, double max_s, double* seconds) {
  const TomlValue* found = Take(key);
  if (found == nullptr) return;
  double number = 0;
  if (found->kind != Kind::kString || !ParseSeconds(found->text, &number) || number < min_s ||
      number > max_s) {
    return FailAt(*found, key,
                  "a time from " + RealText(min_s) + "s to " + RealText(max_s) +
                      "s, written with ms, s or m");
  }
  *seconds = number;
}

void TomlFields::Bytes(std::string_view key, uint64_t min, uint64_t max, uint64_t* bytes) {
  const TomlValue* found = Take(key);
  if (found == nullptr) return;
  const SettingSpec spec{.name = {},
                         .type = SettingType::kBytes,
                         .default_value = {},
                         .min = static_cast<double>(min),
                         .max = static_cast<double>(max),
                         .choices = {},
                         .summary = {}};
  const bool written = found->kind == Kind::kString || found->kind == Kind::kInteger;
  const Result<SettingValue> value = ParseSetting(spec, written ? found->text : std::string());
  if (!value.ok()) {
    return FailAt(*found, key,
                  "a size from " + FormatSetting(spec, int64_t(min)) + " to " +
                      FormatSetting(spec, int64_t(max)) +
                      ", written as a number of bytes or with KiB, MiB, GiB or TiB");
  }
  *bytes = static_cast<uint64_t>(std::get<int64_t>(value.value()));
}

const TomlValue* TomlFields::TakeTable(std::string_view key) {
  const TomlValue* found = Take(key);
  if (found == nullptr || found->kind == Kind::kTable) return found;
  FailAt(*found, key, "a table");
  return nullptr;
}

const TomlValue* TomlFields::TakeTables(std::string_view key) {
  const TomlValue* found = Take(key);
  if (found == nullptr) return nullptr;
  const bool fits = found->kind == Kind::kArray && !found->items.empty() &&
                    std::all_of(found->items.begin(), found->items.end(),
                                [](const TomlValue& v) { return v.kind == Kind::kTable; });
  if (fits) return found;
  FailAt(*found, key, "an array of tables, written [[" + std::string(key) + "]]");
  return nullptr;
}

std::string TomlFields::OriginOf(std::string_view key) const {
  const TomlValue* found = table_.Find(key);
  return found == nullptr ? table_.origin : found->origin;
}

bool TomlFields::Taken(std::string_view key) const {
  return std::find(known_.begin(), known_.end(), key) != known_.end();
}

Status TomlFields::Finish() {
  if (!status_.ok()) return status_;
  const std::vector<std::string_view> known(known_.begin(), known_.end());
  for (const auto& [key, value] : table_.entries) {
    if (Taken(key)) continue;
    return Status::InvalidArgument(value.origin + ": " + what_ + ": unknown key '" + Shown(key) +
                                   "', known are " + JoinNames(known) + DidYouMean(key, known));
  }
  return {};
}

}  // namespace lsmlab::harness
