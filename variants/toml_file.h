#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace lsmlab {

// A TOML document as plain values that remember their line, so that the parser's headers stay in
// one .cc and every message can name file and line. Keys keep the order of the file.
struct TomlValue {
  enum class Kind : uint8_t { kString, kInteger, kReal, kBool, kArray, kTable };
  Kind kind = Kind::kTable;
  std::string text;              // scalars: as a setting is written ("0.5", "true"; a string bare)
  std::vector<TomlValue> items;  // arrays
  std::vector<std::pair<std::string, TomlValue>> entries;  // tables, by line
  std::string origin;                                      // "file:line"

  bool is_scalar() const noexcept { return kind != Kind::kArray && kind != Kind::kTable; }
  const TomlValue* Find(std::string_view key) const noexcept;  // null: no such key; tables only
};

// "a string", "a number", "an array"...: for messages.
std::string_view TomlKindName(TomlValue::Kind kind) noexcept;

// One text for a scalar, the comma-joined scalars for an array of them; InvalidArgument with the
// origin for anything else.
Result<std::string> TomlSettingText(const TomlValue& value, std::string_view name);

// Appends "name = text" of all leaves below `table`, with dotted names that begin with `prefix`.
struct TomlLeaf {
  std::string name, text, origin;
};
Status FlattenToml(const TomlValue& table, std::string_view prefix, std::vector<TomlLeaf>* leaves);

// A regular file of at most 1 MiB; arrays and tables nested at most 16 deep. InvalidArgument names
// file, line and what is wrong; NotFound, IoError when the file cannot be read. Dates are refused.
Result<TomlValue> ReadTomlFile(const std::string& path);
// The text itself; `name` stands for the file in messages.
Result<TomlValue> ParseToml(std::string_view text, const std::string& name);

}  // namespace lsmlab
