#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/parts/io.h"

namespace lsmlab {

// What passed an Io, by call site. Relaxed atomics, one cache line per site: an operation costs
// microseconds, so sharing the line among the threads of one site does not show. Only operations
// that succeeded are counted. Thread-safe.
class SiteCounters {
 public:
  // A write that is durable when complete counts as a write and a sync.
  void Count(const IoOp& op) noexcept {
    Line& line = lines_[static_cast<size_t>(op.site)];
    switch (op.kind) {
      case IoKind::kRead:
        Add(line.reads, 1);
        Add(line.read_bytes, op.transferred);
        break;
      case IoKind::kWrite:
        Add(line.writes, 1);
        Add(line.write_bytes, op.transferred);
        if (op.data_sync_after) Add(line.syncs, 1);
        break;
      case IoKind::kSync:
      case IoKind::kDataSync:
      case IoKind::kSyncDir:
        Add(line.syncs, 1);
        break;
      default:
        break;
    }
  }
  void CountWithoutRing() noexcept { Add(without_ring_, 1); }
  void CountRefusedBuffers() noexcept { Add(buffers_refused_, 1); }
  IoCounters Of(IoSite site) const noexcept {
    IoCounters sum;
    AddTo(sum, lines_[static_cast<size_t>(site)]);
    return sum;
  }
  IoCounters All() const noexcept {
    IoCounters sum;
    for (const Line& line : lines_) AddTo(sum, line);
    sum.without_ring = without_ring_.load(std::memory_order_relaxed);
    sum.buffers_refused = buffers_refused_.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  using Counter = std::atomic<uint64_t>;
  struct alignas(64) Line {
    Counter reads{0}, read_bytes{0}, writes{0}, write_bytes{0}, syncs{0};
  };
  static void Add(Counter& counter, uint64_t n) noexcept {
    counter.fetch_add(n, std::memory_order_relaxed);
  }
  static void AddTo(IoCounters& sum, const Line& line) noexcept {
    sum.reads += line.reads.load(std::memory_order_relaxed);
    sum.read_bytes += line.read_bytes.load(std::memory_order_relaxed);
    sum.writes += line.writes.load(std::memory_order_relaxed);
    sum.write_bytes += line.write_bytes.load(std::memory_order_relaxed);
    sum.syncs += line.syncs.load(std::memory_order_relaxed);
  }
  Line lines_[static_cast<size_t>(IoSite::kCount)];
  Counter without_ring_{0}, buffers_refused_{0};
};

}  // namespace lsmlab
