#include "workloads/distributions/zeta.h"

#include <algorithm>
#include <cmath>

namespace lsmlab::workloads {
namespace {

constexpr uint64_t kDirectTerms = 1000;  // Below this the correction terms are not yet negligible.
constexpr uint64_t kShortRange = 8;  // Growth by a few items: the terms cost less and cancel less.

double DirectSum(uint64_t from, uint64_t to, double theta) {
  double sum = 0;
  for (uint64_t i = to; i > from; --i) sum += std::pow(static_cast<double>(i), -theta);
  return sum;
}

// Euler-Maclaurin for f(x) = x^-theta between a and b, without f(a) itself.
double TailSum(double a, double b, double theta) {
  const double fa = std::pow(a, -theta);
  const double fb = std::pow(b, -theta);
  const double integral = (fb * b - fa * a) / (1 - theta);
  const double first = -theta * (fb / b - fa / a);
  const double third = -theta * (theta + 1) * (theta + 2) * (fb / (b * b * b) - fa / (a * a * a));
  return integral + (fb - fa) / 2 + first / 12 - third / 720;
}

}  // namespace

double ZetaBetween(uint64_t from, uint64_t to, double theta) noexcept {
  if (to - from <= kShortRange) return DirectSum(from, to, theta);
  double sum = 0;
  if (from < kDirectTerms) {
    const uint64_t direct_end = std::min(to, kDirectTerms);
    sum = DirectSum(from, direct_end, theta);
    from = direct_end;
  }
  if (from < to) sum += TailSum(static_cast<double>(from), static_cast<double>(to), theta);
  return sum;
}

}  // namespace lsmlab::workloads
