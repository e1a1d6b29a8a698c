#pragma once

#include <cstdint>

#include "engine/base/random.h"

namespace lsmlab::workloads {

// Two uniform ranges: with probability `hot_share` a number of the first `hot_count`, else one of
// the rest (YCSB's hotspot: the hot set is the lowest-numbered part of the range). When one of the
// two is empty, the other one gets every draw.
class HotspotGenerator {
 public:
  // REQUIRES: count > 0; both fractions in [0, 1].
  HotspotGenerator(uint64_t first, uint64_t count, double hot_fraction, double hot_share) noexcept
      : first_(first), count_(count), hot_share_(hot_share) {
    hot_count_ = static_cast<uint64_t>(static_cast<double>(count) * hot_fraction);
    if (hot_count_ == 0) hot_share_ = 0;
    if (hot_count_ >= count) {
      hot_count_ = count;
      hot_share_ = 1;
    }
  }
  uint64_t Next(Random& random) noexcept {
    if (random.NextDouble() < hot_share_) return first_ + random.Below(hot_count_);
    return first_ + hot_count_ + random.Below(count_ - hot_count_);
  }

 private:
  uint64_t first_;
  uint64_t count_;
  uint64_t hot_count_;
  double hot_share_;
};

}  // namespace lsmlab::workloads
