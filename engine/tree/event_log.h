#pragma once

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
  std::vector<StoreEvent> Take() {
    std::lock_guard guard(mutex_);
    std::vector<StoreEvent> taken(events_.begin(), events_.end());
    events_.clear();
    return taken;
  }

 private:
  static constexpr size_t kKeep = 65'536;
  std::mutex mutex_;
  std::deque<StoreEvent> events_;
};

}  // namespace lsmlab
