#include "harness/cli/engine_options.h"

#include <string>
#include <utility>

#include "harness/experiment/experiment.h"
#include "variants/presets.h"

namespace lsmlab::harness {

Result<std::vector<Assignment>> ReadEngineOptions(const ParsedOptions& options) {
  const Result<Preset> preset = LoadPreset(options.Get("preset", "baseline"), kPresetLayer);
  if (!preset.ok())
    return Status::InvalidArgument("--preset: " + std::string(preset.status().message()));
  std::vector<Assignment> assignments = preset.value().assignments;
  for (const std::string& text : options.All("set")) {
    Result<std::pair<std::string, std::string>> parts = SplitAssignment("--set", text);
    if (!parts.ok()) return parts.status();
    assignments.push_back({parts->first, parts->second, "--set", kCommandLineLayer});
  }
  return assignments;
}

}  // namespace lsmlab::harness
