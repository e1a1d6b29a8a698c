#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "engine/base/slice.h"
#include "engine/base/status.h"

// The small text files of a store (IDENTITY, RECOVERY): a first line that names format and version,
// lines "name value", and a last line with a checksum over all before it.
namespace lsmlab {

std::string HexText(uint64_t value);

// Takes "name value\n" off the front; false when something else stands there.
bool TakeTextLine(Slice* rest, std::string_view name, std::string* value);

// The whole text is a number in this base.
template <typename T>
bool ParseNumber(const std::string& text, int base, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  return error == std::errc() && end == text.data() + text.size();
}

void AppendTextChecksum(std::string* text);
// The lines between the first one and the checksum. `path` for the error message.
Result<Slice> CheckedTextLines(Slice text, std::string_view first_line, const std::string& path);

}  // namespace lsmlab
