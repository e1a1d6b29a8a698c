#include "harness/driver/process_usage.h"

#include <sys/resource.h>

#include <fstream>
#include <string>

namespace lsmlab::harness {
namespace {

// The number after "key:" of a /proc file of such lines.
bool ReadField(const char* path, const std::string& key, uint64_t* value) {
  std::ifstream file(path);
  std::string name;
  while (file >> name) {
    if (name == key) return static_cast<bool>(file >> *value);
    file.ignore(256, '\n');
  }
  return false;
}

double Seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

}  // namespace

ProcessUsage ReadProcessUsage() {
  ProcessUsage usage;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    if (getrusage(who, &used) != 0) continue;
    usage.cpu_user_s += Seconds(used.ru_utime);
    usage.cpu_system_s += Seconds(used.ru_stime);
    usage.context_switches += static_cast<uint64_t>(used.ru_nvcsw + used.ru_nivcsw);
  }
  usage.has_io = ReadField("/proc/self/io", "read_bytes:", &usage.device_read_bytes) &&
                 ReadField("/proc/self/io", "write_bytes:", &usage.device_write_bytes);
  constexpr uint64_t kKiB = 1024;
  if (ReadField("/proc/self/status", "VmHWM:", &usage.rss_peak_bytes)) usage.rss_peak_bytes *= kKiB;
  if (ReadField("/proc/self/status", "VmRSS:", &usage.rss_bytes)) usage.rss_bytes *= kKiB;
  return usage;
}

}  // namespace lsmlab::harness
