#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lsmlab {

// Memory of one memtable: chunks of 2 MiB, aligned to 2 MiB and asked to be huge pages (first touch
// 17 ns per entry instead of 64), from a process-wide pool that recycles a bounded number of chunks
// between memtables (see Reserve). A piece larger than a chunk gets a mapping of its own.
//
// Thread safety: Allocate and FetchAhead by one thread at a time; the counters from any thread.
// Everything is given back when the arena is destroyed.
class Arena {
 public:
  static constexpr size_t kChunkBytes = 2u << 20;

  // While it lives, the pool keeps `bytes` more of idle chunks than the 64 MiB that it always may:
  // the memory of a memtable just flushed, which the next one would otherwise fault in anew. Never
  // more than was in use at one time. Any thread.
  class Reserve {
   public:
    explicit Reserve(size_t bytes) noexcept;
    ~Reserve();
    Reserve(const Reserve&) = delete;
    Reserve& operator=(const Reserve&) = delete;

   private:
    const size_t chunks_;
  };

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
  // Fetches the cache lines of the next `bytes` to be handed out, for writing. A recycled chunk is
  // long out of the caches: asked for before a search, its lines are there when it has ended.
  void FetchAhead(size_t bytes) const noexcept {
    for (const char* line = next_; line < next_ + bytes; line += 64) __builtin_prefetch(line, 1);
  }
  // Counts memory that the arena's user holds elsewhere as if it came from here. Same thread rule
  // as Allocate.
  void Charge(size_t bytes) noexcept {
    used_.store(used_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }
  // Bytes handed out, with alignment gaps and the ends of chunks that no piece fitted into, and
  // charged: what a memtable's size limit is compared with.
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
