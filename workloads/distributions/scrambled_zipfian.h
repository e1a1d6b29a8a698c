#pragma once

#include <array>
#include <cstdint>

#include "engine/base/random.h"
#include "workloads/distributions/fnv.h"
#include "workloads/distributions/zipfian.h"

namespace lsmlab::workloads {

// YCSB's scrambled zipfian (Cooper et al., "Benchmarking cloud serving systems with YCSB", SoCC
// 2010): a rank is drawn over 10^10 items, whatever the size of the range, and hashed onto it. The
// hash is no permutation: ranks collide, and all those above the size of the range fall on it
// nearly evenly. So the hottest number gets 3.78 % of the draws at every size, much less than a
// zipfian over the range itself would give.
class ScrambledZipfianGenerator {
 public:
  static constexpr uint64_t kItems = 10'000'000'000;
  static constexpr double kZetaOfItems = 26.46902820178302;  // YCSB's figure for theta 0.99.

  // Numbers of [first, first + count). REQUIRES: count > 0, 0 < theta < 1.
  ScrambledZipfianGenerator(uint64_t first, uint64_t count, double theta) noexcept
      : first_(first),
        count_(count),
        ranks_(theta == kYcsbZipfianConstant ? ZipfianGenerator(kItems + 1, theta, kZetaOfItems)
                                             : ZipfianGenerator(kItems + 1, theta)) {}
  uint64_t Next(Random& random) noexcept {
    if (next_ == kBatch) Refill(random);
    return batch_[next_++];
  }

 private:
  // Each step is a long chain of dependent instructions; done for several draws at once, step by
  // step, the chains overlap. The draws are the same as one by one.
  static constexpr uint32_t kBatch = 16;

  void Refill(Random& random) noexcept {
    std::array<double, kBatch> uniform;
    for (double& u : uniform) u = random.NextDouble();
    for (uint32_t i = 0; i < kBatch; ++i) batch_[i] = ranks_.RankOf(uniform[i]);
    for (uint64_t& number : batch_) number = first_ + YcsbHash(number) % count_;
    next_ = 0;
  }

  uint32_t next_ = kBatch;
  std::array<uint64_t, kBatch> batch_;
  uint64_t first_;
  uint64_t count_;
  ZipfianGenerator ranks_;
};

}  // namespace lsmlab::workloads
