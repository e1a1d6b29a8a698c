#pragma once

#include "engine/base/status.h"

namespace lsmlab {

struct Plugin;

// Calls every factory of a plugin once, with the default settings, and drops what it makes: who
// throws here would throw in the middle of a run, where nobody can catch it. What a factory is
// given lies in memory. InvalidArgument, one line: which one threw what.
Status TryFactories(const Plugin& plugin);

}  // namespace lsmlab
