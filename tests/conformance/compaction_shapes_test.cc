// What each way to compact promises of the tree and of what it writes, after many flushes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/support/policy_shapes.h"
#include "variants/compaction/policies.h"

namespace lsmlab::test {
namespace {

// After uniform overwrites.
struct Settled {
  double amplification;
  double mean_entries = 0;            // of all levels, over the second half of the time
  std::vector<size_t> runs, entries;  // of each level, in the end
};
Settled Settle(const CompactionVariant& variant, const SettingBag& bag, int flushes = 300) {
  PolicyTree tree(variant.make(bag), 5, 50);
  Random random(5);
  double sum = 0;
  for (int i = 0; i < flushes; ++i) {
    tree.Flush(RandomKeys(random, 250, 30000));
    tree.Drain();
    for (uint32_t level = 0; level < 7 && 2 * i >= flushes; ++level) {
      sum += static_cast<double>(tree.EntriesAt(level));
    }
  }
  Settled settled{tree.WriteAmplification(), 2 * sum / flushes, {}, {}};
  for (uint32_t level = 0; level < 7; ++level) {
    settled.runs.push_back(tree.RunsAt(level));
    settled.entries.push_back(tree.EntriesAt(level));
  }
  std::printf("%s: write amplification %.2f, %.0f entries, runs", std::string(variant.name).c_str(),
              settled.amplification, settled.mean_entries);
  for (const size_t runs : settled.runs) std::printf(" %zu", runs);
  std::printf("\n");
  return settled;
}

TEST(PolicyShapes, TieredWritesAnEntryOncePerLevel) {
  SettingBag bag = SmallPolicySettings(kTieredCompaction);
  bag.Set("size_ratio", 4.0);
  const Settled tiered = Settle(kTieredCompaction, bag);
  bag = SmallPolicySettings(kLeveledCompaction);
  bag.Set("size_ratio", 4.0);
  const Settled leveled = Settle(kLeveledCompaction, bag);
  // 300 flushes are four levels of runs: 1, 4, 16 and 64 flushes each.
  EXPECT_LE(tiered.amplification, 5);
  EXPECT_GT(leveled.amplification, 1.5 * tiered.amplification);
  size_t most = 0, total = 0;
  for (const size_t runs : tiered.runs) {
    EXPECT_LT(runs, 4u);
    most = std::max(most, runs);
    total += runs;
  }
  EXPECT_GT(most, 1u);
  EXPECT_GT(total, 3u);
}

TEST(PolicyShapes, LazyLevelingKeepsTheDeepestLevelOneRun) {
  SettingBag bag = SmallPolicySettings(kLazyLeveledCompaction);
  bag.Set("size_ratio", 4.0);
  const Settled lazy = Settle(kLazyLeveledCompaction, bag, 999);
  bag = SmallPolicySettings(kTieredCompaction);
  bag.Set("size_ratio", 4.0);
  const Settled tiered = Settle(kTieredCompaction, bag, 999);
  size_t deepest = 6;
  while (lazy.runs[deepest] == 0) --deepest;
  EXPECT_EQ(lazy.runs[deepest], 1u);
  EXPECT_GE(deepest, 2u);
  EXPECT_LT(lazy.mean_entries, 0.9 * tiered.mean_entries) << "fewer old versions stay";
  EXPECT_GT(lazy.amplification, tiered.amplification);
  EXPECT_GT(lazy.runs[0], 1u) << "the levels above collect runs";
}

// A level holds what size_ratio merges of the level above bring, as in the paper: not less, or
// every merge would leave the deepest run one level lower, and the tree would be tiered.
TEST(PolicyShapes, LazyLevelingMergesIntoTheDeepestLevelAsOftenAsTheRatio) {
  SettingBag bag = SmallPolicySettings(kLazyLeveledCompaction);
  bag.Set("size_ratio", 4.0);
  PolicyTree tree(kLazyLeveledCompaction.make(bag), 5, 50);
  Random random(5);
  size_t last_deepest = 1;
  std::vector<int> grown;  // flushes after which the tree had one level more
  for (int flush = 1; flush <= 400; ++flush) {
    tree.Flush(RandomKeys(random, 50, 99'999'999));  // hardly one twice
    tree.Drain();
    size_t deepest = 6;
    while (deepest > 1 && tree.RunsAt(static_cast<uint32_t>(deepest)) == 0) --deepest;
    ASSERT_LE(tree.RunsAt(static_cast<uint32_t>(deepest)), 1u);
    if (deepest > last_deepest) grown.push_back(flush);
    last_deepest = deepest;
  }
  // Level 1 takes 4 merges of 4 flushes and grows at the fifth; level 2 holds 4 * 16 more.
  EXPECT_EQ(grown, (std::vector<int>{20, 80, 320}));
}

TEST(PolicyShapes, OneLevelingCollectsAsManyRunsAsTheRatio) {
  PolicyTree tree(kOneLevelingCompaction.make(SmallPolicySettings(kOneLevelingCompaction)), 5);
  Random random(5);
  for (int i = 0; i < 9; ++i) {
    tree.Flush(RandomKeys(random, 250, 30000));
    EXPECT_FALSE(tree.StartJob()) << i;
  }
  tree.Flush(RandomKeys(random, 250, 30000));
  EXPECT_TRUE(tree.StartJob());
}

TEST(PolicyShapes, DynamicLevelsBoundWhatLiesAboveTheLast) {
  SettingBag bag = SmallPolicySettings(kLeveledCompaction);
  bag.Set("size_ratio", 4.0);
  bag.Set("level1_size", int64_t{2000 * kEntryBytes});
  bag.Set("dynamic_levels", true);
  const Settled settled = Settle(kLeveledCompaction, bag);
  EXPECT_EQ(settled.entries[1] + settled.entries[2], 0u) << "level 0 goes straight to level 4";
  size_t above = 0;
  for (size_t level = 1; level < 6; ++level) above += settled.entries[level];
  // 1/4 + 1/16 + ..., and one table over.
  EXPECT_LE(above, settled.entries[6] / 3 + 200);
  EXPECT_GT(above, 0u);
}

TEST(PolicyShapes, WholeLevelsMoveMoreAtATime) {
  SettingBag bag = SmallPolicySettings(kLeveledCompaction);
  PolicyTree by_file(kLeveledCompaction.make(bag), 5, 50);
  bag.Set("granularity", std::string("level"));
  PolicyTree by_level(kLeveledCompaction.make(bag), 5, 50);
  for (PolicyTree* tree : {&by_file, &by_level}) {
    Random random(5);
    for (int i = 0; i < 200; ++i) {
      tree->Flush(RandomKeys(random, 250, 30000));
      tree->Drain();
    }
  }
  EXPECT_GT(by_file.jobs(), 2 * by_level.jobs());
}

class FifoShapes : public DrawnTree {};

TEST_F(FifoShapes, DropsTheOldestAndNothingElse) {
  Use(kFifoCompaction, {{"max_size", int64_t{1000 * kEntryBytes}}, {"max_age", int64_t{50}}});
  const auto add = [this](uint32_t level, uint32_t run, uint64_t file, int64_t created_ns) {
    Add(level, run, file, "a", "z", 300).created_ns = created_ns;
  };
  for (uint32_t run = 1; run <= 3; ++run) add(0, run, run, 100);
  EXPECT_FALSE(Pick(120).has_value());
  add(0, 4, 4, 100);
  std::optional<CompactionPlan> plan = Pick(120);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->kind, CompactionPlan::Kind::kDrop);
  EXPECT_EQ(plan->inputs, (Files{1}));
  EXPECT_EQ(plan->cause, "size");
  // While that runs, nothing more is asked for, also when more is due: what is newer would be gone
  // first.
  shape_.levels[0].runs.back().tables[0].being_compacted = true;
  add(0, 5, 5, 100);
  EXPECT_FALSE(Pick(120).has_value());
  shape_.levels[0].runs.erase(shape_.levels[0].runs.begin());
  EXPECT_FALSE(Pick(120).has_value());
  // Data of another policy in a deeper level is older.
  add(2, 1, 9, 100);
  plan = Pick(120);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs, (Files{9}));
  // By age all but the newest go, even below the size.
  shape_.levels[2].runs.clear();
  shape_.levels[0].runs.back().tables[0].being_compacted = false;
  shape_.levels[0].runs.front().tables[0].created_ns = 130;
  plan = Pick(151);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs, (Files{1, 2, 3}));
  EXPECT_EQ(plan->cause, "age");
}

TEST(LeveledModel, WriteAmplificationOfUniformOverwritesIsInBand) {
  PolicyTree tree(kLeveledCompaction.make(SmallPolicySettings(kLeveledCompaction)), 5, 50);
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    tree.Flush(RandomKeys(random, 250, 30000));
    tree.Drain();
  }
  std::printf("write amplification %.2f, %llu jobs\n", tree.WriteAmplification(),
              static_cast<unsigned long long>(tree.jobs()));
  EXPECT_GT(tree.WriteAmplification(), 5);
  EXPECT_LT(tree.WriteAmplification(), 16);
  EXPECT_LE(tree.EntriesAt(1), 1000u);
  EXPECT_LE(tree.EntriesAt(2), 10000u);
}

// Keys in order: nothing overlaps, so nothing is rewritten.
TEST(LeveledModel, SequentialLoadOnlyMoves) {
  PolicyTree tree(kLeveledCompaction.make(SmallPolicySettings(kLeveledCompaction)), 5);
  uint64_t next = 0;
  for (int i = 0; i < 100; ++i) {
    std::vector<uint64_t> keys(250);
    for (uint64_t& key : keys) key = next++;
    tree.Flush(keys);
    tree.Drain();
  }
  EXPECT_EQ(tree.WriteAmplification(), 1.0);
  EXPECT_EQ(tree.moves(), tree.jobs());
}

TEST(LeveledModel, RangeOfEverythingEndsInOneLevel) {
  PolicyTree tree(kLeveledCompaction.make(SmallPolicySettings(kLeveledCompaction)), 9);
  Random random(9);
  for (int i = 0; i < 60; ++i) {
    tree.Flush(RandomKeys(random, 250, 5000));
    if (i < 57) tree.Drain();
  }
  ASSERT_GT(tree.TablesAt(0), 0u);
  ASSERT_GT(tree.TablesAt(1), 0u);
  int steps = 0;
  while (tree.StartRange("", "")) {
    tree.EndJob();
    ASSERT_LT(++steps, 20);
  }
  EXPECT_EQ(tree.TablesAt(0), 0u);
  EXPECT_EQ(tree.TablesAt(1), 0u);
  EXPECT_GT(tree.TablesAt(2), 0u);
}

TEST(LeveledModel, RangeOfLevel0AloneGoesToLevel1) {
  PolicyTree tree(kLeveledCompaction.make(SmallPolicySettings(kLeveledCompaction)), 9);
  tree.Flush({1, 5, 9});
  tree.Flush({2, 5});
  ASSERT_TRUE(tree.StartRange("", ""));
  tree.EndJob();
  EXPECT_FALSE(tree.StartRange("", ""));
  EXPECT_EQ(tree.TablesAt(0), 0u);
  EXPECT_EQ(tree.EntriesAt(1), 4u);
}

}  // namespace
}  // namespace lsmlab::test
