#pragma once

#include <sched.h>

#include <vector>

namespace lsmlab {

// The processors that the process may use, as they were when this was first called: by a thread
// that is not pinned. Thread-safe.
const std::vector<int>& AllowedCpus();
cpu_set_t AllowedCpuSet();

// Keeps the calling thread on one processor from now on. A hint: what the system refuses is left.
void PinThisThread(int cpu) noexcept;
bool ThisThreadIsPinned() noexcept;  // by PinThisThread

}  // namespace lsmlab
