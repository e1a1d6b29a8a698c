#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "engine/stats.h"

namespace lsmlab {

// The newest 65,536 events, until somebody takes them. Thread-safe.
class EventLog {
 public:
  void Add(StoreEvent event) {
    std::lock_guard guard(mutex_);
    if (events_.size() == kKeep) events_.pop_front();
    events_.push_back(std::move(event));
  }
  // A pause of one write. Pauses of a shard that follow each other within 100 ms make one slowdown:
  // the writers were slowed then, not stopped.
  void AddPause(uint32_t shard, int64_t start_ns, int64_t end_ns) {
    std::lock_guard guard(mutex_);
    size_t looked = 0;
    for (auto last = events_.rbegin(); last != events_.rend() && looked < kLook; ++last, ++looked) {
      if (last->kind != StoreEvent::Kind::kSlowdown || last->shard != shard) continue;
      if (start_ns - last->end_ns > kJoinNanos) break;
      last->end_ns = end_ns;
      return;
    }
    StoreEvent event;
    event.kind = StoreEvent::Kind::kSlowdown;
    event.start_ns = start_ns;
    event.end_ns = end_ns;
    event.shard = shard;
    event.cause = "compaction owed";
    if (events_.size() == kKeep) events_.pop_front();
    events_.push_back(std::move(event));
  }
  std::vector<StoreEvent> Take() {
    std::lock_guard guard(mutex_);
    std::vector<StoreEvent> taken(events_.begin(), events_.end());
    events_.clear();
    return taken;
  }

 private:
  static constexpr size_t kKeep = 65'536;
  static constexpr size_t kLook = 64;  // other events between two pauses, at most
  static constexpr int64_t kJoinNanos = 100'000'000;
  std::mutex mutex_;
  std::deque<StoreEvent> events_;
};

}  // namespace lsmlab
