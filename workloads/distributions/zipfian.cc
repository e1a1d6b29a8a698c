#include "workloads/distributions/zipfian.h"

#include <cmath>

#include "engine/base/assert.h"
#include "workloads/distributions/zeta.h"

namespace lsmlab::workloads {

ZipfianGenerator::ZipfianGenerator(uint64_t items, double theta) noexcept
    : ZipfianGenerator(items, theta, Zeta(items, theta)) {}

ZipfianGenerator::ZipfianGenerator(uint64_t items, double theta, double zeta) noexcept
    : theta_(theta),
      alpha_(1.0 / (1.0 - theta)),
      integer_alpha_(0),
      first_items_(items),
      zeta_items_(items),
      zeta_(zeta),
      two_items_(1.0 + std::pow(0.5, theta)) {
  LSMLAB_ASSERT(items > 0 && theta > 0 && theta < 1);
  const double nearest = std::round(alpha_);
  if (nearest < 1e6 && std::fabs(alpha_ - nearest) < 1e-12 * nearest) {
    integer_alpha_ = static_cast<uint32_t>(nearest);
  }
  SetEta();
}

void ZipfianGenerator::SetEta() noexcept {
  // One and two items are answered before the formula, which has no value for them.
  if (first_items_ <= 2 || zeta_items_ <= 2) return;
  eta_ = (1 - std::pow(2.0 / static_cast<double>(first_items_), 1 - theta_)) /
         (1 - two_items_ / zeta_);
}

double ZipfianGenerator::RealPower(double x) const noexcept { return std::pow(x, alpha_); }

void ZipfianGenerator::Grow(uint64_t items) noexcept {
  zeta_ += ZetaBetween(zeta_items_, items, theta_);
  zeta_items_ = items;
  SetEta();
}

}  // namespace lsmlab::workloads
