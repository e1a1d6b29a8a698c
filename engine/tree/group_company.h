#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace lsmlab {

// For whom the leader of a durable group waits. A sync costs the same for one writer as for all of
// them, and writers whom a group has served mostly write again at once, each on its own loop: a
// leader that begins as soon as it can finds only those of its own loop, and the others wait for
// the sync after. So it waits until as many are there as were when the group before ended, at most
// for half a sync, and less and less where they do not come.
//
// Thread safety: Arrive by any thread; everything else by the leader.
class GroupCompany {
 public:
  // A writer, before it joins the queue.
  void Arrive() noexcept { arrivals_.fetch_add(1, std::memory_order_relaxed); }

  bool IsComplete() const noexcept { return Present() >= expected_; }
  // How long to wait for it.
  int64_t patience_ns() const noexcept { return patience_ns_; }
  void EndWait() noexcept {
    patience_ns_ = IsComplete() ? std::min(longest_ns_, 2 * patience_ns_)
                                : std::max(kLeastPatienceNanos, patience_ns_ / 2);
  }

  // Before the writers of a group are told: how many they are, and how long its sync took; 0: it
  // logged nothing. `took_all`: nobody who was there was left out, because there was no room.
  void EndGroup(uint32_t writers, int64_t sync_ns, bool took_all) noexcept {
    if (sync_ns > 0) {
      longest_ns_ = std::max(sync_ns / 2, kLeastPatienceNanos);
      expected_ = took_all ? Present() : 0;
    }
    served_ += writers;
  }

 private:
  static constexpr int64_t kLeastPatienceNanos = 1'000;

  uint64_t Present() const noexcept { return arrivals_.load(std::memory_order_relaxed) - served_; }

  std::atomic<uint64_t> arrivals_{0};
  uint64_t served_ = 0;
  uint64_t expected_ = 0;
  int64_t longest_ns_ = kLeastPatienceNanos, patience_ns_ = kLeastPatienceNanos;
};

}  // namespace lsmlab
