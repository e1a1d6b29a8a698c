#pragma once

#include <cstdint>

#include "engine/base/status.h"

namespace lsmlab::harness {

// Writes to every page of so much new memory and gives it back. A virtual machine whose host takes
// free memory away (free page reporting, a balloon) pays for the first touch of each page that
// comes back, several times what a page costs otherwise; which run pays is chance. The memory that
// has just been given back here is what the next run's process and its files are given. NoSpace
// when less than that is available, by the kernel's own estimate. 0: does nothing.
Status TouchMemory(uint64_t bytes);

}  // namespace lsmlab::harness
