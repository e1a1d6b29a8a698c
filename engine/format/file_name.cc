#include "engine/format/file_name.h"

#include <charconv>

namespace lsmlab {

std::string NumberedFileName(std::string_view prefix, uint64_t number, std::string_view suffix) {
  const std::string digits = std::to_string(number);
  std::string name(prefix);
  if (digits.size() < 6) name.append(6 - digits.size(), '0');
  name.append(digits).append(suffix);
  return name;
}

std::optional<uint64_t> ParseNumberedFileName(std::string_view prefix, std::string_view suffix,
                                              std::string_view name) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  if (name.size() < prefix.size() + suffix.size() + 6) return std::nullopt;
  const char* begin = name.data() + prefix.size();
  const char* end = name.data() + name.size() - suffix.size();
  uint64_t number = 0;
  const std::from_chars_result parsed = std::from_chars(begin, end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  if (NumberedFileName(prefix, number, suffix) != name) return std::nullopt;
  return number;
}

}  // namespace lsmlab
