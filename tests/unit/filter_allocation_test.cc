#include "engine/tree/filter_allocation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "engine/composition.h"

namespace lsmlab {
namespace {

FilterAllocation Allocation(const char* kind, std::vector<double> bits) {
  SettingBag bag = DefaultSettings(part_settings::kFilter);
  bag.Set("allocation", std::string(kind));
  bag.Set("bits_per_key", std::move(bits));
  return FilterAllocation(bag);
}

double Rate(double bits) { return std::exp(-bits * std::log(2.0) * std::log(2.0)); }

struct Spent {
  double bits_per_key = 0, rates = 0;
};
Spent Spend(const FilterAllocation& allocation, const std::vector<LevelFill>& fill) {
  Spent spent;
  double entries = 0;
  for (uint32_t level = 0; level < fill.size(); ++level) {
    const double bits = allocation.BitsPerKey(level, fill);
    spent.bits_per_key += bits * static_cast<double>(fill[level].entries);
    spent.rates += fill[level].runs * (bits == 0 ? 1 : Rate(bits));
    entries += static_cast<double>(fill[level].entries);
  }
  spent.bits_per_key /= entries;
  return spent;
}

TEST(FilterAllocation, UniformIsWhatTheListSays) {
  const FilterAllocation uniform = Allocation("uniform", {12, 8, 4});
  const std::vector<LevelFill> fill(5, LevelFill{10, 1});
  EXPECT_EQ(uniform.BitsPerKey(0, fill), 12);
  EXPECT_EQ(uniform.BitsPerKey(2, fill), 4);
  EXPECT_EQ(uniform.BitsPerKey(4, fill), 4);
}

TEST(FilterAllocation, MonkeySpendsTheSameBitsForFewerReads) {
  const FilterAllocation monkey = Allocation("monkey", {5});
  // Three full levels of a size ratio of ten, and two runs in level 0.
  const std::vector<LevelFill> leveled = {
      {2'000, 2}, {10'000, 1}, {100'000, 1}, {1'000'000, 1}, {0, 0}};
  const Spent spent = Spend(monkey, leveled);
  EXPECT_NEAR(spent.bits_per_key, 5, 1e-9);
  EXPECT_GT(5 * Rate(5) / spent.rates, 3);
  // The rate is proportional to the run.
  EXPECT_NEAR(Rate(monkey.BitsPerKey(3, leveled)) / Rate(monkey.BitsPerKey(1, leveled)), 100, 1e-6);
  EXPECT_NEAR(Rate(monkey.BitsPerKey(1, leveled)) / Rate(monkey.BitsPerKey(0, leveled)), 10, 1e-6);
  // Any shift of bits between two levels costs reads.
  for (const double shift : {-0.5, 0.5}) {
    const double rate2 = Rate(monkey.BitsPerKey(2, leveled) - 10 * shift);
    const double rate3 = Rate(monkey.BitsPerKey(3, leveled) + shift);
    const double rest =
        spent.rates - Rate(monkey.BitsPerKey(2, leveled)) - Rate(monkey.BitsPerKey(3, leveled));
    EXPECT_GT(rest + rate2 + rate3, spent.rates);
  }
}

TEST(FilterAllocation, MonkeyLeavesOutTheLargestRunsOfATightBudget) {
  const FilterAllocation monkey = Allocation("monkey", {1});
  const std::vector<LevelFill> fill = {{1'000, 1}, {100'000, 1}, {10'000'000, 1}};
  EXPECT_EQ(monkey.BitsPerKey(2, fill), 0);
  EXPECT_GT(monkey.BitsPerKey(1, fill), 10);
  EXPECT_LE(monkey.BitsPerKey(0, fill), FilterAllocation::kMaxBits);
  EXPECT_LE(Spend(monkey, fill).bits_per_key, 1);
}

TEST(FilterAllocation, OneRunAloneGetsTheAverage) {
  const FilterAllocation monkey = Allocation("monkey", {10});
  EXPECT_NEAR(monkey.BitsPerKey(0, std::vector<LevelFill>{{500, 1}, {0, 0}}), 10, 1e-9);
}

}  // namespace
}  // namespace lsmlab
