#include "variants/presets.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "variants/home.h"
#include "variants/nearest.h"
#include "variants/toml_file.h"

namespace lsmlab {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".toml";

fs::path PresetDirectory() { return fs::path(HomeDirectory()) / "variants" / "presets"; }

Status UnknownPreset(std::string_view name) {
  const std::vector<std::string> names = PresetNames();
  const std::vector<std::string_view> known(names.begin(), names.end());
  return Status::NotFound("unknown preset '" + Shown(name) + "', known are " + JoinNames(known) +
                          DidYouMean(name, known));
}

Status Read(const TomlValue& root, int layer, Preset* preset) {
  static constexpr std::string_view kKeys[] = {"summary", "engine"};
  for (const auto& [key, value] : root.entries) {
    if (key == "summary" && value.kind == TomlValue::Kind::kString) {
      preset->summary = value.text;
    } else if (key == "engine" && value.kind == TomlValue::Kind::kTable) {
      std::vector<TomlLeaf> leaves;
      LSMLAB_TRY(FlattenToml(value, key, &leaves));
      for (TomlLeaf& leaf : leaves) {
        preset->assignments.push_back({leaf.name, leaf.text, leaf.origin, layer});
      }
    } else {
      return Status::InvalidArgument(
          value.origin + ": " + Shown(key) + " as " + std::string(TomlKindName(value.kind)) +
          "; a preset has summary (a string) and engine (a table)" + DidYouMean(key, kKeys));
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(PresetDirectory(), error)) {
    if (entry.path().extension() == kSuffix) names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<Preset> LoadPreset(std::string_view name_or_path, int layer) {
  Preset preset;
  if (name_or_path.find('/') != std::string_view::npos || name_or_path.ends_with(kSuffix)) {
    preset.path = FindShippedFile(name_or_path);
  } else {
    const std::vector<std::string> names = PresetNames();
    if (std::find(names.begin(), names.end(), name_or_path) == names.end()) {
      return UnknownPreset(name_or_path);
    }
    preset.path = (PresetDirectory() / name_or_path).string() + std::string(kSuffix);
  }
  preset.name = fs::path(preset.path).stem().string();
  Result<TomlValue> root = ReadTomlFile(preset.path);
  if (!root.ok()) return root.status();
  LSMLAB_TRY(Read(root.value(), layer, &preset));
  return preset;
}

}  // namespace lsmlab
