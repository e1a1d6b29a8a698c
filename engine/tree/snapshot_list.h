#pragma once

#include <mutex>
#include <set>
#include <vector>

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
    alive_.insert(sequence);
    return sequence;
  }
  void Release(Sequence sequence) {
    std::lock_guard guard(mutex_);
    alive_.erase(alive_.find(sequence));
  }
  bool any() const {
    std::lock_guard guard(mutex_);
    return !alive_.empty();
  }
  // Ascending, without repetition.
  std::vector<Sequence> All() const {
    std::lock_guard guard(mutex_);
    std::vector<Sequence> all;
    for (Sequence sequence : alive_) {
      if (all.empty() || all.back() != sequence) all.push_back(sequence);
    }
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::multiset<Sequence> alive_;
};

}  // namespace lsmlab
