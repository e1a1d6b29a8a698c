// What every compaction policy holds to, whatever is written, which jobs run side by side and in
// which order they end.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "tests/support/policy_tree.h"
#include "tests/support/registered.h"
#include "variants/compaction/policies.h"

namespace lsmlab::test {
namespace {

// Random flushes, some with deletes, jobs and ranges, up to four jobs at once.
void RunAtRandom(const CompactionVariant& variant, const SettingBag& bag, uint64_t seed,
                 int steps = 400) {
  Random random(seed);
  PolicyTree tree(variant.make(bag), seed);
  const uint64_t space = 500 + random.Below(20000);
  for (int step = 0; step < steps; ++step) {
    switch (random.Below(4)) {
      case 0:
        tree.Flush(RandomKeys(random, 1 + random.Below(250), space), random.Below(8));
        break;
      case 1:
        if (tree.running() > 0) tree.EndJob();
        break;
      default:
        if (tree.running() < 4) tree.StartJob();
    }
    if (random.OneIn(20) && tree.running() < 4) {
      const uint64_t a = random.Below(space), b = random.Below(space);
      tree.StartRange(PolicyKeyOf(std::min(a, b)),
                      random.OneIn(4) ? "" : PolicyKeyOf(std::max(a, b)));
    }
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed << " step " << step;
  }
  tree.Drain();
  ASSERT_EQ(tree.Pressure(), 0);
  int ranges = 0;
  while (tree.StartRange("", "")) {
    tree.EndJob();
    ASSERT_LT(++ranges, 200);
  }
  EXPECT_LE(tree.Runs(), 1u) << "seed " << seed;
  EXPECT_EQ(tree.Tombstones(), 0u) << "seed " << seed;
  ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
}

class PolicyModel : public ::testing::TestWithParam<const CompactionVariant*> {
 protected:
  static SettingBag Settings() { return SmallPolicySettings(*GetParam()); }
};

TEST_P(PolicyModel, ParallelJobsLoseAndHideNothing) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SettingBag bag = Settings();
    if (bag.Has("size_ratio")) bag.Set("size_ratio", static_cast<double>(2 + seed * 7 % 9));
    ASSERT_NO_FATAL_FAILURE(RunAtRandom(*GetParam(), bag, seed));
  }
}

// The least and the most that the settings allow.
TEST_P(PolicyModel, HoldsAtTheEdgesOfItsSettings) {
  for (const double levels : {2, 3, 12}) {
    for (const double ratio : {2.0, 100.0}) {
      SettingBag bag = Settings();
      for (const SettingSpec& spec : GetParam()->settings) {
        if (spec.name == "size_ratio") bag.Set(spec.name, std::clamp(ratio, spec.min, spec.max));
        if (spec.name == "max_levels") {
          bag.Set(spec.name, static_cast<int64_t>(std::clamp(levels, spec.min, spec.max)));
        }
        if (spec.name == "level1_size") bag.Set(spec.name, static_cast<int64_t>(spec.min));
      }
      ASSERT_NO_FATAL_FAILURE(RunAtRandom(*GetParam(), bag, 31, 150)) << levels << " " << ratio;
    }
  }
}

TEST_P(PolicyModel, AnEmptyTreeOwesNothing) {
  const std::unique_ptr<CompactionPolicy> policy = GetParam()->make(Settings());
  TreeShape shape;
  for (int levels : {0, 7}) {
    shape.levels.resize(static_cast<size_t>(levels));
    EXPECT_FALSE(policy->Pick(shape, "", 0).has_value());
    EXPECT_FALSE(policy->PickRange(shape, "", "").has_value());
    EXPECT_EQ(policy->Pressure(shape), 0);
    policy->SetTargets(shape);
  }
  EXPECT_EQ(policy->levels(), 7u);
}

// Whatever the trees that another policy has left look like, with one job at a time and with more.
TEST_P(PolicyModel, GoesOnWithTheTreeOfAnyOther) {
  for (const CompactionVariant* other : CompactionVariants()) {
    if (other->name == "fifo") continue;
    Random random(3);
    PolicyTree tree(other->make(SmallPolicySettings(*other)), 3);
    for (int i = 0; i < 80; ++i) {
      tree.Flush(RandomKeys(random, 250, 8000), 20);
      if (i % 3 == 0) tree.StartJob();
      if (tree.running() > 0) tree.EndJob();
    }
    while (tree.running() > 0) tree.EndJob();
    tree.ChangePolicy(GetParam()->make(Settings()));
    for (int i = 0; i < 40; ++i) {
      tree.Flush(RandomKeys(random, 250, 8000), 20);
      while (tree.running() < 3 && tree.StartJob()) continue;
      if (tree.running() > 0) tree.EndJob();
    }
    tree.Drain();
    ASSERT_FALSE(::testing::Test::HasFailure()) << "after " << other->name;
    ASSERT_EQ(tree.Pressure(), 0) << "after " << other->name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, PolicyModel, Registered(CompactionVariants(), /*but=*/"fifo"),
                         ByVariant());

TEST(LeveledModel, EveryPickGranularityAndSizing) {
  for (const char* pick : {"min-overlap", "round-robin", "oldest", "most-tombstones"}) {
    for (const char* granularity : {"file", "level"}) {
      for (const bool dynamic : {false, true}) {
        SettingBag bag = SmallPolicySettings(kLeveledCompaction);
        bag.Set("pick", std::string(pick));
        bag.Set("granularity", std::string(granularity));
        bag.Set("dynamic_levels", dynamic);
        bag.Set("size_ratio", 4.0);
        ASSERT_NO_FATAL_FAILURE(RunAtRandom(kLeveledCompaction, bag, 21))
            << pick << " " << granularity << " " << dynamic;
      }
    }
  }
}

}  // namespace
}  // namespace lsmlab::test
