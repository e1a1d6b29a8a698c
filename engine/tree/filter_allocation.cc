#include "engine/tree/filter_allocation.h"

#include <algorithm>
#include <cmath>

#include "engine/base/assert.h"

namespace lsmlab {
namespace {

constexpr double kLnSquared2 = 0.480453013918201;  // (ln 2)^2: bits b give the rate e^(-b (ln 2)^2)

double RunEntries(const LevelFill& level) {
  return static_cast<double>(level.entries) / std::max<uint32_t>(level.runs, 1);
}

// Minimises the sum of the rates p of all runs, where sum n ln(1/p) = average (ln 2)^2 sum n and
// p <= 1: p = c n for the runs below 1. Returns ln c. Runs that would get a rate above 1 get no
// filter, the largest first, and the others share the budget.
double LogOfShare(double average, std::span<const LevelFill> fill) {
  double budget = 0, entries = 0, weighted_logs = 0;
  std::vector<LevelFill> levels;
  for (const LevelFill& level : fill) {
    if (level.entries == 0) continue;
    levels.push_back(level);
    const auto n = static_cast<double>(level.entries);
    budget += average * kLnSquared2 * n;
    entries += n;
    weighted_logs += n * std::log(RunEntries(level));
  }
  std::sort(levels.begin(), levels.end(),
            [](const LevelFill& a, const LevelFill& b) { return RunEntries(a) < RunEntries(b); });
  double log_c = 0;
  while (!levels.empty()) {
    log_c = -(budget + weighted_logs) / entries;
    const double largest = std::log(RunEntries(levels.back()));
    if (log_c + largest < 0) break;
    const auto n = static_cast<double>(levels.back().entries);
    entries -= n;
    weighted_logs -= n * largest;
    levels.pop_back();
  }
  return log_c;
}

}  // namespace

FilterAllocation::FilterAllocation(const SettingBag& settings)
    : monkey_(settings.Choice("allocation") == "monkey"), bits_(settings.RealList("bits_per_key")) {
  LSMLAB_ASSERT(!bits_.empty());
}

double FilterAllocation::BitsPerKey(uint32_t level, std::span<const LevelFill> fill) const {
  if (!monkey_) return bits_[std::min<size_t>(level, bits_.size() - 1)];
  LSMLAB_ASSERT(level < fill.size());
  if (fill[level].entries == 0) return bits_.front();
  const double log_rate = LogOfShare(bits_.front(), fill) + std::log(RunEntries(fill[level]));
  const double bits = -log_rate / kLnSquared2;
  return bits < 1 ? 0 : std::min(bits, kMaxBits);
}

}  // namespace lsmlab
