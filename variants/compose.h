#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/composition.h"
#include "variants/registry.h"

// The composition root: from names and texts, as they stand in files and on command lines, to a
// validated Composition. Names: "engine.<part>.variant" and "engine.<part>.<setting>".
namespace lsmlab {

// One "name = text" and where it was found.
struct Assignment {
  std::string name;
  std::string text;
  std::string origin;  // "file:line" or "--set": begins every message about it
  // Higher layers win over lower ones (preset, experiment, one cell of it, command line); within a
  // layer the later one wins.
  int layer = 0;
};

// A setting that only some variants of a part know is dropped when a higher layer has chosen a
// variant that does not: `cache.variant = none` over a preset with `cache.bytes` is no mistake.
// Within one layer it is.
struct ComposedEngine {
  Composition composition;
  // Every setting of every part, defaults included: dotted name -> text. Enough to compose it
  // again.
  std::map<std::string, std::string, std::less<>> config;
  // Assignments that were dropped: "origin: name".
  std::vector<std::string> dropped;
};

// InvalidArgument, one line: origin, name, text, what is allowed, the nearest spelling.
// NotSupported for a valid text that asks for a composition which variants/validity.cc refuses.
Result<ComposedEngine> Compose(std::span<const Assignment> assignments);

// As Compose, of a configuration that Compose has given.
Result<ComposedEngine> ComposeConfig(const std::map<std::string, std::string, std::less<>>& config);

// 16 hex digits over names and texts: two runs with the same hash were configured alike.
std::string ConfigHash(const std::map<std::string, std::string, std::less<>>& config);

}  // namespace lsmlab
