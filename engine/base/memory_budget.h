#pragma once

#include <atomic>
#include <cstdint>

namespace lsmlab {

// Counts bytes that several owners take out of one allowance, so that they stay below it together.
// Thread safety: all methods from any thread.
class MemoryBudget {
 public:
  // False, and nothing is taken: more than `limit` bytes would be in use.
  bool Take(uint64_t bytes, uint64_t limit) noexcept {
    uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit || used > limit - bytes) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  // REQUIRES: taken before.
  void Give(uint64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> used_{0};
};

}  // namespace lsmlab
