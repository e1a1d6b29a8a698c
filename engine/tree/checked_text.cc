#include "engine/tree/checked_text.h"

#include <cstdio>

#include "engine/base/checksum.h"

namespace lsmlab {
namespace {

constexpr uint64_t kTextChecksumSeed = 0x6c736d6c61622e69ull;
constexpr std::string_view kChecksumName = "checksum";
constexpr size_t kChecksumLineBytes = kChecksumName.size() + 1 + 16 + 1;

}  // namespace

std::string HexText(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

bool TakeTextLine(Slice* rest, std::string_view name, std::string* value) {
  const size_t end = rest->find('\n');
  if (end == Slice::npos || !rest->starts_with(name) || rest->size() <= name.size() ||
      (*rest)[name.size()] != ' ') {
    return false;
  }
  value->assign(rest->substr(name.size() + 1, end - name.size() - 1));
  rest->remove_prefix(end + 1);
  return true;
}

void AppendTextChecksum(std::string* text) {
  const std::string sum = HexText(Checksum(*text, kTextChecksumSeed));
  text->append(kChecksumName).append(" ").append(sum).append("\n");
}

Result<Slice> CheckedTextLines(Slice text, std::string_view first_line, const std::string& path) {
  if (!text.starts_with(first_line)) {
    return Status::InvalidArgument(path + ": not a file of an lsmlab store (expected first line '" +
                                   std::string(first_line.substr(0, first_line.size() - 1)) + "')");
  }
  std::string found;
  Slice last;
  if (text.size() >= first_line.size() + kChecksumLineBytes) {
    last = text.substr(text.size() - kChecksumLineBytes);
  }
  if (!TakeTextLine(&last, kChecksumName, &found) || !last.empty()) {
    return Status::Corruption(path + ": damaged: lines are missing or in excess");
  }
  const Slice covered = text.substr(0, text.size() - kChecksumLineBytes);
  const std::string expected = HexText(Checksum(covered, kTextChecksumSeed));
  if (found != expected) {
    return Status::Corruption(path + " offset " + std::to_string(covered.size()) +
                              ": checksum is " + found + ", expected " + expected);
  }
  return covered.substr(first_line.size());
}

}  // namespace lsmlab
