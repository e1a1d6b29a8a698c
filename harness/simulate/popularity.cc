#include "harness/simulate/popularity.h"

#include <algorithm>
#include <cmath>

#include "engine/base/assert.h"

namespace lsmlab::harness {
namespace {

// exp(-45) of the keys are left: less than one of 10^19.
constexpr double kAllOfThem = 45;
// Ranks up to this one are classes of their own; beyond, a class ends at 1.03 times its begin.
constexpr double kSingleRanks = 1000;
constexpr double kRankClassGrowth = 1.03;
constexpr size_t kTableEntries = 4096;
constexpr double kFewestDraws = 1e-6;

// The sum of r^-theta over ranks in (from, to], as an integral between half ranks.
double PowerSum(double from, double to, double theta) {
  const double a = from + 0.5, b = to + 0.5;
  if (std::abs(theta - 1) < 1e-9) return std::log(b / a);
  return (std::pow(b, 1 - theta) - std::pow(a, 1 - theta)) / (1 - theta);
}

}  // namespace

KeyPopularity KeyPopularity::Uniform(double keys) {
  LSMLAB_ASSERT(keys >= 1);
  KeyPopularity popularity(keys);
  popularity.draws_of_all_ = kAllOfThem * keys;
  return popularity;
}

KeyPopularity KeyPopularity::Scrambled(double keys, double theta, double items) {
  LSMLAB_ASSERT(keys >= 1 && items >= keys && theta > 0 && theta <= 3);
  KeyPopularity popularity(keys);
  std::vector<RankClass> classes;
  double total = 0;
  for (double rank = 0; rank < items;) {
    double end = rank < kSingleRanks ? rank + 1 : std::floor(rank * kRankClassGrowth);
    end = std::min(end, items);
    const double sum = end - rank <= 1 ? std::pow(rank + 1, -theta) : PowerSum(rank, end, theta);
    classes.push_back({end - rank, sum / (end - rank)});
    total += sum;
    rank = end;
  }
  for (RankClass& c : classes) c.probability /= total;
  popularity.Tabulate(classes, items > keys);
  return popularity;
}

void KeyPopularity::Tabulate(const std::vector<RankClass>& classes, bool hashed) {
  draws_of_all_ = kAllOfThem / classes.back().probability;
  log_first_ = std::log(kFewestDraws);
  log_step_ = (std::log(draws_of_all_) - log_first_) / (kTableEntries - 1);
  for (size_t i = 0; i < kTableEntries; ++i) {
    const double draws = std::exp(log_first_ + log_step_ * static_cast<double>(i));
    double distinct = 0;
    for (const RankClass& c : classes) distinct -= c.keys * std::expm1(-c.probability * draws);
    // A key is drawn when one of the ranks that were hashed onto it is; how many of the drawn ones
    // were is Poisson distributed.
    if (hashed) distinct = -keys_ * std::expm1(-distinct / keys_);
    log_distinct_.push_back(std::log(distinct));
  }
}

double KeyPopularity::Distinct(double draws) const {
  if (draws <= 0) return 0;
  if (log_distinct_.empty()) return -keys_ * std::expm1(-draws / keys_);
  const double at = (std::log(draws) - log_first_) / log_step_;
  if (at <= 0) return draws;
  const auto low = static_cast<size_t>(at);
  if (low + 1 >= kTableEntries) return keys_;
  const double share = at - static_cast<double>(low);
  return std::exp(log_distinct_[low] + share * (log_distinct_[low + 1] - log_distinct_[low]));
}

double KeyPopularity::DrawsFor(double distinct) const {
  if (distinct <= 0) return 0;
  if (distinct >= keys_) return draws_of_all_;
  if (log_distinct_.empty()) {
    return std::min(-keys_ * std::log1p(-distinct / keys_), draws_of_all_);
  }
  const double wanted = std::log(distinct);
  const auto above = std::upper_bound(log_distinct_.begin(), log_distinct_.end(), wanted);
  if (above == log_distinct_.begin()) return distinct;
  if (above == log_distinct_.end()) return draws_of_all_;
  const double low = *(above - 1);
  const double share = (wanted - low) / (*above - low);
  const double at = static_cast<double>(above - 1 - log_distinct_.begin()) + share;
  return std::exp(log_first_ + log_step_ * at);
}

}  // namespace lsmlab::harness
