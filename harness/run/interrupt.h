#pragma once

#include <atomic>

namespace lsmlab::harness {

// Set by the first SIGINT or SIGTERM after WatchInterrupts(): finish cleanly, mark the run as not
// complete. A second one ends the process at once.
std::atomic<bool>& InterruptFlag();
void WatchInterrupts();

}  // namespace lsmlab::harness
