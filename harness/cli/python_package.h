#pragma once

#include <string>
#include <vector>

#include "engine/base/status.h"

namespace lsmlab::harness {

// Runs `python3 -m lsmlab_results <arguments>` of the package in results/ with our stdout and
// stderr, and gives its exit code. LSMLAB_PYTHON names another interpreter. NotFound when the
// package is not there; IoError when python3 cannot be started.
Result<int> RunResultsPackage(const std::vector<std::string>& arguments);

}  // namespace lsmlab::harness
