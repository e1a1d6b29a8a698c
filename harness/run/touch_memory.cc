#include "harness/run/touch_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace lsmlab::harness {
namespace {

// MemAvailable; UINT64_MAX where the kernel does not say.
uint64_t AvailableMemory() {
  std::ifstream file("/proc/meminfo");
  for (std::string word; file >> word;) {
    uint64_t kib = 0;
    if (word == "MemAvailable:" && file >> kib) return kib << 10;
  }
  return UINT64_MAX;
}

std::string MiB(uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

Status TouchMemory(uint64_t bytes) {
  // A page of four KiB at a time: where the system gives large pages, the rest costs little.
  constexpr uint64_t kPage = 4096;
  if (bytes == 0) return {};
  const uint64_t available = AvailableMemory();
  if (bytes > available) {
    return Status::NoSpace("[run] touch_memory: " + MiB(bytes) + " of memory, and " +
                           MiB(available) + " are available");
  }
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return Status::NoSpace("[run] touch_memory: the system refuses " + MiB(bytes));
  }
  volatile char* first = static_cast<volatile char*>(memory);
  for (uint64_t at = 0; at < bytes; at += kPage) first[at] = 1;
  munmap(memory, bytes);
  return {};
}

}  // namespace lsmlab::harness
