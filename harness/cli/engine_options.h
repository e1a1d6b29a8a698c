#pragma once

#include <vector>

#include "engine/base/status.h"
#include "harness/cli/options.h"
#include "variants/compose.h"

namespace lsmlab::harness {

// What --preset (default baseline) and every --set say, in this order. InvalidArgument, one line:
// an unknown preset, a --set without '='. The settings themselves are checked by who composes them.
Result<std::vector<Assignment>> ReadEngineOptions(const ParsedOptions& options);

}  // namespace lsmlab::harness
