#pragma once

#include <array>
#include <cstdint>

#include "engine/base/random.h"
#include "workloads/workload.h"

namespace lsmlab::workloads {

// Draws operation kinds by weight. Immutable.
class OpMix {
 public:
  // Shares need not add up to 1. REQUIRES: none negative, at least one positive.
  explicit OpMix(const std::array<double, kOpKindCount>& weights) noexcept {
    double sum = 0;
    for (const double w : weights) sum += w;
    double running = 0;
    for (size_t i = 0; i < kOpKindCount; ++i) {
      if (weights[i] <= 0) continue;
      running += weights[i];
      kinds_[size_] = static_cast<OpKind>(i);
      below_[size_++] = running / sum;
    }
  }
  // One draw, none when there is only one kind.
  OpKind Next(Random& random) const noexcept {
    if (size_ == 1) return kinds_[0];
    const double u = random.NextDouble();
    size_t i = 0;
    while (i + 1 < size_ && u >= below_[i]) ++i;
    return kinds_[i];
  }

 private:
  size_t size_ = 0;
  std::array<OpKind, kOpKindCount> kinds_{};
  std::array<double, kOpKindCount> below_{};
};

}  // namespace lsmlab::workloads
