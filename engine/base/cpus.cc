#include "engine/base/cpus.h"

namespace lsmlab {
namespace {

constinit thread_local bool is_pinned = false;

}  // namespace

const std::vector<int>& AllowedCpus() {
  static const std::vector<int> cpus = [] {
    std::vector<int> found;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
      for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) found.push_back(cpu);
      }
    }
    return found;
  }();
  return cpus;
}

cpu_set_t AllowedCpuSet() {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : AllowedCpus()) CPU_SET(cpu, &set);
  return set;
}

void PinThisThread(int cpu) noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  is_pinned = sched_setaffinity(0, sizeof set, &set) == 0;
}

bool ThisThreadIsPinned() noexcept { return is_pinned; }

}  // namespace lsmlab
