#pragma once

#include <cstdint>

#include "engine/base/random.h"

namespace lsmlab::workloads {

constexpr double kYcsbZipfianConstant = 0.99;

// Ranks 0 .. items-1 with a zipfian distribution, rank 0 the most frequent; the approximation by
// inversion of Gray, Sundaresan, Englert, Baclawski, Weinberger, "Quickly generating billion-record
// synthetic databases" (SIGMOD 1994), as YCSB uses it: exact for ranks 0 and 1, close for the rest.
//
// Cost: the formula raises to the power 1 / (1 - theta). For YCSB's theta 0.99 that is 100 but for
// the rounding of a double (99.99999999999991), and is done by repeated squaring: it moves a rank
// by less than 1e-13 of itself, as much as the rounding of the formula's own argument, and saves
// the call to pow().
class ZipfianGenerator {
 public:
  // REQUIRES: items > 0, 0 < theta < 1.
  ZipfianGenerator(uint64_t items, double theta) noexcept;
  // With a known zeta(items) instead of the computed one.
  ZipfianGenerator(uint64_t items, double theta, double zeta) noexcept;

  uint64_t Next(Random& random) noexcept { return Draw(random, zeta_items_); }

  // The rank that a uniform number of [0, 1) leads to, as the last Next() would have counted items.
  uint64_t RankOf(double u) const noexcept { return RankOf(u, zeta_items_); }

  // A draw over a number of items that may have grown since the last call. As in YCSB the sum grows
  // with it, one factor of the formula keeps the first count (a small error), and a smaller number
  // than before is ignored by the sum.
  uint64_t Next(Random& random, uint64_t items) noexcept {
    if (items > zeta_items_) Grow(items);
    return Draw(random, items);
  }

 private:
  uint64_t Draw(Random& random, uint64_t items) const noexcept {
    return RankOf(random.NextDouble(), items);
  }
  uint64_t RankOf(double u, uint64_t items) const noexcept {
    const double uz = u * zeta_;
    if (uz < 1.0) return 0;
    if (uz < two_items_) return items > 1 ? 1 : 0;
    const double x = eta_ * u - eta_ + 1;
    const double share = integer_alpha_ != 0 ? IntegerPower(x) : RealPower(x);
    const uint64_t rank = static_cast<uint64_t>(static_cast<double>(items) * share);
    return rank < items ? rank : items - 1;
  }
  double IntegerPower(double x) const noexcept {
    double result = 1;
    for (uint32_t bits = integer_alpha_;;) {
      if (bits & 1) result *= x;
      if ((bits >>= 1) == 0) return result;
      x *= x;
    }
  }
  double RealPower(double x) const noexcept;
  void Grow(uint64_t items) noexcept;
  void SetEta() noexcept;

  double theta_;
  double alpha_;
  uint32_t integer_alpha_;  // alpha_ when it is a whole number up to rounding, else 0.
  uint64_t first_items_;    // Items at construction.
  uint64_t zeta_items_;     // Items that zeta_ stands for.
  double zeta_;
  double two_items_;  // zeta(2)
  double eta_ = 0;
};

}  // namespace lsmlab::workloads
