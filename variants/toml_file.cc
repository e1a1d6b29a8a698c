#include "variants/toml_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#include <toml++/toml.h>

#include "engine/base/real_text.h"
#include "variants/nearest.h"

namespace lsmlab {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr int kMaxDepth = 16;

std::string Origin(const std::string& file, const toml::source_region& source) {
  return file + ":" + std::to_string(source.begin.line);
}

// Copies the parser's tree into ours.
class Converter {
 public:
  explicit Converter(const std::string& file) : file_(file) {}

  Status Convert(const toml::node& node, int depth, TomlValue* out) {
    using Kind = TomlValue::Kind;
    out->origin = Origin(file_, node.source());
    if (depth > kMaxDepth) {
      return Status::InvalidArgument(out->origin + ": nested more than " +
                                     std::to_string(kMaxDepth) + " deep");
    }
    if (const toml::table* table = node.as_table()) return Table(*table, depth, out);
    if (const toml::array* array = node.as_array()) {
      out->kind = Kind::kArray;
      for (const toml::node& item : *array) {
        LSMLAB_TRY(Convert(item, depth + 1, &out->items.emplace_back()));
      }
    } else if (const auto* text = node.as_string()) {
      out->kind = Kind::kString;
      out->text = text->get();
    } else if (const auto* integer = node.as_integer()) {
      out->kind = Kind::kInteger;
      out->text = std::to_string(integer->get());
    } else if (const auto* real = node.as_floating_point()) {
      out->kind = Kind::kReal;
      out->text = RealText(real->get());
    } else if (const auto* flag = node.as_boolean()) {
      out->kind = Kind::kBool;
      out->text = flag->get() ? "true" : "false";
    } else {
      return Status::InvalidArgument(out->origin + ": a date or time, which nothing here takes");
    }
    return {};
  }

 private:
  Status Table(const toml::table& table, int depth, TomlValue* out) {
    out->kind = TomlValue::Kind::kTable;
    for (const auto& [key, value] : table) {
      auto& entry = out->entries.emplace_back(std::string(key.str()), TomlValue());
      LSMLAB_TRY(Convert(value, depth + 1, &entry.second));
      // A table that only dotted keys have made has no place of its own.
      entry.second.origin = Origin(file_, key.source());
    }
    const auto line = [](const auto& e) {
      const std::string& origin = e.second.origin;
      return std::strtoull(origin.c_str() + origin.rfind(':') + 1, nullptr, 10);
    };
    std::stable_sort(out->entries.begin(), out->entries.end(),
                     [&](const auto& a, const auto& b) { return line(a) < line(b); });
    return {};
  }

  const std::string& file_;
};

Status FileError(const std::string& path) {
  const std::string message = Shown(path) + ": " + std::strerror(errno);
  return errno == ENOENT ? Status::NotFound(message) : Status::IoError(message);
}

// O_NONBLOCK, so that a pipe cannot hold us up before it is refused.
Result<std::string> ReadSmallFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return FileError(path);
  struct stat info;
  std::string text;
  Status status;
  if (::fstat(fd, &info) != 0) {
    status = FileError(path);
  } else if (!S_ISREG(info.st_mode)) {
    status = Status::InvalidArgument(Shown(path) + ": not a regular file");
  } else {
    text.resize(kMaxBytes + 1);
    size_t have = 0;
    ssize_t got = 0;
    while (have < text.size() && (got = ::read(fd, text.data() + have, text.size() - have)) > 0) {
      have += static_cast<size_t>(got);
    }
    if (got < 0) status = FileError(path);
    if (have > kMaxBytes) status = Status::InvalidArgument(Shown(path) + ": larger than 1 MiB");
    text.resize(have);
  }
  ::close(fd);
  if (!status.ok()) return status;
  return text;
}

}  // namespace

const TomlValue* TomlValue::Find(std::string_view key) const noexcept {
  for (const auto& [name, value] : entries) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::string_view TomlKindName(TomlValue::Kind kind) noexcept {
  switch (kind) {
    case TomlValue::Kind::kString:
      return "a string";
    case TomlValue::Kind::kInteger:
      return "a whole number";
    case TomlValue::Kind::kReal:
      return "a number";
    case TomlValue::Kind::kBool:
      return "true or false";
    case TomlValue::Kind::kArray:
      return "an array";
    case TomlValue::Kind::kTable:
      return "a table";
  }
  return "?";
}

Result<std::string> TomlSettingText(const TomlValue& value, std::string_view name) {
  if (value.is_scalar()) return value.text;
  std::string joined;
  for (const TomlValue& item : value.items) {
    if (!item.is_scalar()) break;
    if (&item != &value.items.front()) joined += ',';
    joined += item.text;
    if (&item == &value.items.back()) return joined;
  }
  return Status::InvalidArgument(value.origin + ": " + Shown(name) + ": " +
                                 std::string(TomlKindName(value.kind)) +
                                 " where one value or a list of values is allowed");
}

Status FlattenToml(const TomlValue& table, std::string_view prefix, std::vector<TomlLeaf>* leaves) {
  for (const auto& [key, value] : table.entries) {
    const std::string name = prefix.empty() ? key : std::string(prefix) + "." + key;
    if (value.kind == TomlValue::Kind::kTable) {
      LSMLAB_TRY(FlattenToml(value, name, leaves));
      continue;
    }
    Result<std::string> text = TomlSettingText(value, name);
    if (!text.ok()) return text.status();
    leaves->push_back({name, std::move(text).value(), value.origin});
  }
  return {};
}

Result<TomlValue> ParseToml(std::string_view text, const std::string& name) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Status::InvalidArgument(Origin(name, error.source()) + ": " +
                                   Shown(error.description()));
  }
  TomlValue root;
  LSMLAB_TRY(Converter(name).Convert(parsed.table(), 0, &root));
  return root;
}

Result<TomlValue> ReadTomlFile(const std::string& path) {
  Result<std::string> text = ReadSmallFile(path);
  if (!text.ok()) return text.status();
  return ParseToml(text.value(), path);
}

}  // namespace lsmlab
