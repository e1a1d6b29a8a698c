#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/base/random.h"

namespace lsmlab::workloads {

// Distances with an exponential distribution by inversion: `percentile` percent of the draws are
// below `range`. The mean is 1 / gamma.
class ExponentialGenerator {
 public:
  // REQUIRES: 0 < percentile < 100, range > 0.
  ExponentialGenerator(double percentile, double range) noexcept
      : inverse_gamma_(-range / std::log1p(-percentile / 100.0)) {}
  // At most 53 ln 2 / gamma, since the uniform draw has 53 bits and is taken from (0, 1]; never
  // above 2^62, however large the range.
  uint64_t Next(Random& random) noexcept {
    const double distance = -std::log(1.0 - random.NextDouble()) * inverse_gamma_;
    return static_cast<uint64_t>(std::min(distance, 0x1p62));
  }

 private:
  double inverse_gamma_;
};

}  // namespace lsmlab::workloads
