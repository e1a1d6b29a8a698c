#pragma once

#include <cstdint>

namespace lsmlab::harness {

// What the operating system has charged to this process, and to those it has waited for, so far.
// Figures it does not give are 0 and their `has_` flag is false.
struct ProcessUsage {
  double cpu_user_s = 0, cpu_system_s = 0;
  uint64_t context_switches = 0;
  bool has_io = false;  // /proc/self/io
  uint64_t device_read_bytes = 0, device_write_bytes = 0;
  uint64_t rss_bytes = 0, rss_peak_bytes = 0;  // peak since the start of the process
};

ProcessUsage ReadProcessUsage();

}  // namespace lsmlab::harness
