#pragma once

#include <cstdint>
#include <iterator>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "engine/format/entry.h"

namespace lsmlab {

// The snapshots that are alive, for flushes and compactions to respect. Thread-safe.
//
// A snapshot's number is read while the list is locked: a job that copied the list before cannot
// hold anything newer than that number, so whatever it drops is shadowed for the snapshot too.
class SnapshotList {
 public:
  template <typename Now>
  Sequence Take(Now&& now) {
    std::lock_guard guard(mutex_);
    const Sequence sequence = now();
    alive_.emplace(sequence, WallNanos());
    return sequence;
  }
  // Of several of one number the one taken last goes.
  void Release(Sequence sequence) {
    std::lock_guard guard(mutex_);
    alive_.erase(std::prev(alive_.upper_bound({sequence, INT64_MAX})));
  }
  // When the oldest was taken, in nanoseconds since 1970; 0: there is none.
  int64_t OldestTaken() const {
    std::lock_guard guard(mutex_);
    return alive_.empty() ? 0 : alive_.begin()->second;
  }
  // Ascending, without repetition.
  std::vector<Sequence> All() const {
    std::lock_guard guard(mutex_);
    std::vector<Sequence> all;
    for (const auto& [sequence, taken_ns] : alive_) {
      if (all.empty() || all.back() != sequence) all.push_back(sequence);
    }
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::multiset<std::pair<Sequence, int64_t>> alive_;  // with when it was taken
};

}  // namespace lsmlab
