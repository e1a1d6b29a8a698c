#include "workloads/ycsb/property_file.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "engine/base/shown.h"

namespace lsmlab::workloads {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\f'; }

// Natural lines of the text, and logical lines joined from them.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : text_(text) {}

  // The next logical line that is neither blank nor a comment, leading blanks removed, escapes
  // still in it; false at the end. `number` is the line it starts on, from 1.
  bool Next(std::string* line, int* number) {
    std::string_view natural;
    while (NextNatural(&natural)) {
      natural = WithoutLeadingBlanks(natural);
      if (natural.empty() || natural[0] == '#' || natural[0] == '!') continue;
      *number = number_;
      line->clear();
      while (Continues(natural)) {
        line->append(natural.substr(0, natural.size() - 1));
        if (!NextNatural(&natural)) return true;
        natural = WithoutLeadingBlanks(natural);
      }
      line->append(natural);
      return true;
    }
    return false;
  }

 private:
  bool NextNatural(std::string_view* line) {
    if (text_.empty()) return false;
    const size_t end = std::min(text_.find_first_of("\r\n"), text_.size());
    *line = text_.substr(0, end);
    const size_t separator = text_.substr(end, 2) == "\r\n" ? 2 : 1;
    text_.remove_prefix(std::min(end + separator, text_.size()));
    ++number_;
    return true;
  }
  static std::string_view WithoutLeadingBlanks(std::string_view line) {
    while (!line.empty() && IsBlank(line.front())) line.remove_prefix(1);
    return line;
  }
  // An odd number of backslashes at the end; an even number is escaped backslashes.
  static bool Continues(std::string_view line) {
    size_t count = 0;
    while (count < line.size() && line[line.size() - 1 - count] == '\\') ++count;
    return count % 2 == 1;
  }

  std::string_view text_;
  int number_ = 0;
};

// Splits a logical line at its first unescaped separator.
void Split(std::string_view line, std::string_view* name, std::string_view* value) {
  size_t i = 0;
  while (i < line.size() && !IsBlank(line[i]) && line[i] != '=' && line[i] != ':') {
    i += line[i] == '\\' ? 2 : 1;
  }
  i = std::min(i, line.size());
  *name = line.substr(0, i);
  while (i < line.size() && IsBlank(line[i])) ++i;
  if (i < line.size() && (line[i] == '=' || line[i] == ':')) ++i;
  while (i < line.size() && IsBlank(line[i])) ++i;
  size_t end = line.size();
  // A blank after a backslash is escaped and belongs to the value.
  while (end > i && IsBlank(line[end - 1]) && !(end - 1 > i && line[end - 2] == '\\')) --end;
  *value = line.substr(i, end - i);
}

Result<std::string> Unescape(std::string_view text, const std::string& where) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    switch (const char c = text[++i]) {
      case 't':
        out.push_back('\t');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'u':
        return Status::InvalidArgument(where + ": found a \\u escape; allowed: the character " +
                                       "itself as UTF-8");
      default:
        out.push_back(c);
    }
  }
  return out;
}

}  // namespace

Result<std::vector<Property>> ParseProperties(std::string_view text, const std::string& file) {
  std::vector<Property> properties;
  LineReader lines(text);
  std::string line;
  int number = 0;
  while (lines.Next(&line, &number)) {
    const std::string where = file + ":" + std::to_string(number);
    std::string_view raw_name, raw_value;
    Split(line, &raw_name, &raw_value);
    Result<std::string> name = Unescape(raw_name, where);
    if (!name.ok()) return name.status();
    Result<std::string> value = Unescape(raw_value, where);
    if (!value.ok()) return value.status();
    if (name->empty()) {
      return Status::InvalidArgument(where + ": found \"" + Shown(line) +
                                     "\"; allowed: a property name, '=', and a value");
    }
    properties.push_back({std::move(name).value(), std::move(value).value(), where});
  }
  return properties;
}

Result<std::vector<Property>> ReadPropertyFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::IoError("cannot open workload file " + path);
  std::string text(kMaxFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.gcount() == 0 && !in.eof())) {
    return Status::IoError("cannot read workload file " + path);
  }
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMaxFileBytes) {
    return Status::InvalidArgument(path + ": more than 1 MiB; allowed: a workload file up to that");
  }
  return ParseProperties(text, path);
}

}  // namespace lsmlab::workloads
