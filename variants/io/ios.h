#pragma once

#include "engine/parts/io.h"

namespace lsmlab {

// Blocking system calls; finishes inside the call.
extern const IoVariant kPosixIo;
// io_uring; a ring per thread or loop.
extern const IoVariant kUringIo;
// A disk in memory with a crash model, faults, latency and seeded completion order.
extern const IoVariant kSimulatedIo;

}  // namespace lsmlab
