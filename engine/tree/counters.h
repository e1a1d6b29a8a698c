#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace lsmlab {

enum class Counter : uint8_t {
  kBatches,
  kOperationsWritten,
  kUserBytesWritten,
  kGroups,
  kFlushes,
  kFlushBytes,
  kCompactions,
  kTrivialMoves,
  kCompactionBytesRead,
  kCompactionBytesWritten,
  kSlowdowns,
  kSlowdownNanos,
  kStalls,
  kStallNanos,
  kStallMemtableNanos,
  kStallL0Nanos,
  kGets,
  kGetsFound,
  kMemtableHits,
  kSeeks,
  kNexts,
  kFilterProbes,
  kFilterNegatives,
  kFilterFalsePositives,
  kCacheHits,
  kCacheMisses,
  kValueFlushBytes,
  kValueGcBytes,
  kValueGcBytesRead,
  kValueReads,
  kValueReadBytes,
  kCount,
};

// Counts of one thread: written by it alone, so an increment is a plain load and store (1 ns where
// a shared atomic would cost 5 to 50); read by anyone, relaxed.
struct alignas(128) CounterCells {
  std::atomic<uint64_t> value[static_cast<size_t>(Counter::kCount)] = {};
  void Add(Counter counter, uint64_t n) noexcept {
    std::atomic<uint64_t>& cell = value[static_cast<size_t>(counter)];
    cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
};

// The counters of one store: cells per thread. Those of a thread that has ended go on, with what
// they count, as another thread's: there are as many as threads have counted at once. Thread-safe.
class Counters {
 public:
  Counters();
  // The calling thread's cells. A pointer, not to be kept across a co_await.
  CounterCells& Local() { return cached_owner_ == id_ ? *cached_cells_ : LocalSlow(); }
  void Add(Counter counter, uint64_t n) { Local().Add(counter, n); }
  uint64_t Sum(Counter counter) const;
  // How many threads' cells there are, in use or not.
  size_t cells() const;

 private:
  // Whether a thread has ended: known as long as cells name it, which may be longer than it runs.
  struct Thread {
    std::atomic<bool> ended{false};
  };
  class ThreadLife;
  struct Owned {
    std::shared_ptr<const Thread> owner;
    std::unique_ptr<CounterCells> cells;
  };
  CounterCells& LocalSlow();
  static thread_local uint64_t cached_owner_;  // 0: none
  static thread_local CounterCells* cached_cells_;
  const uint64_t id_;  // unique for the process: a recycled address cannot be mistaken
  mutable std::mutex mutex_;
  std::vector<Owned> cells_;
};

}  // namespace lsmlab
