#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "variants/compose.h"

namespace lsmlab {

// A named composition: a TOML file with `summary` and tables [engine.<part>]. What it leaves open
// has the defaults of the registry.
struct Preset {
  std::string name;  // the file's stem
  std::string summary;
  std::string path;
  std::vector<Assignment> assignments;
};

// By name (variants/presets/<name>.toml of HomeDirectory()) or, with a '/' or ".toml" in it, by
// path. NotFound lists the known presets and the nearest name; other errors as ReadTomlFile and
// Compose.
Result<Preset> LoadPreset(std::string_view name_or_path, int layer = 0);

// The names of the shipped presets, sorted.
std::vector<std::string> PresetNames();

}  // namespace lsmlab
