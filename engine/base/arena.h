#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lsmlab {

// Memory of one memtable: chunks of 2 MiB, aligned to 2 MiB and asked to be huge pages (first touch
// 17 ns per entry instead of 64), from a process-wide pool that recycles a bounded number of chunks
// between memtables. A piece larger than a chunk gets a mapping of its own.
//
// Thread safety: Allocate by one thread at a time; the counters from any thread. Everything is
// given back when the arena is destroyed.
class Arena {
 public:
  static constexpr size_t kChunkBytes = 2u << 20;

  Arena() noexcept = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `alignment` is a power of two of at most 4096. Throws std::bad_alloc.
  char* Allocate(size_t bytes, size_t alignment = 8) {
    char* start = next_ + (-reinterpret_cast<uintptr_t>(next_) & (alignment - 1));
    if (next_ != nullptr && start + bytes <= end_) [[likely]] {
      used_.store(
          used_.load(std::memory_order_relaxed) + static_cast<size_t>(start + bytes - next_),
          std::memory_order_relaxed);
      next_ = start + bytes;
      return start;
    }
    return AllocateSlow(bytes, alignment);
  }
  // Counts memory that the arena's user holds elsewhere as if it came from here. Same thread rule
  // as Allocate.
  void Charge(size_t bytes) noexcept {
    used_.store(used_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }
  // Bytes handed out, with alignment gaps, and charged: what a memtable's size limit is compared
  // with.
  size_t used_bytes() const noexcept { return used_.load(std::memory_order_relaxed); }
  // Bytes mapped.
  size_t mapped_bytes() const noexcept { return mapped_.load(std::memory_order_relaxed); }

 private:
  char* AllocateSlow(size_t bytes, size_t alignment);
  struct Mapping {
    char* start;
    size_t bytes;
  };
  char* next_ = nullptr;
  char* end_ = nullptr;
  std::atomic<size_t> used_{0};
  std::atomic<size_t> mapped_{0};
  std::vector<Mapping> mappings_;
};

}  // namespace lsmlab
