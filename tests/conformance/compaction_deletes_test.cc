// Deletes that must be gone after a time (delete_ttl of `leveled`).

#include <gtest/gtest.h>

#include <string>

#include "tests/support/policy_shapes.h"

namespace lsmlab::test {
namespace {

class AgedDeletes : public DrawnTree {
 protected:
  static constexpr int64_t kBegun = 100'000;

  AgedDeletes() { Use(kLeveledCompaction, {{"delete_ttl", int64_t{8'000}}}); }
  std::optional<CompactionPlan> PickAt(int64_t age_ns) { return Pick(kBegun + age_ns); }
};

// Level by level, and out of the last one.
TEST_F(AgedDeletes, GoDownBeforeTheirTimeIsOver) {
  EXPECT_GT(policy_->check_interval_ns(), 0);
  Add(0, 1, 1, "a", "m").oldest_tombstone_ns = kBegun;
  Add(1, 1, 10, "a", "f").oldest_tombstone_ns = kBegun;
  Add(1, 1, 11, "g", "z");
  Add(2, 1, 20, "a", "z");
  // Of 7000: level 0 has 1/11, level 1 the rest.
  EXPECT_FALSE(PickAt(600).has_value());
  EXPECT_EQ(Inputs(PickAt(650)), (Files{1, 10, 11}));
  shape_.levels[0].runs.clear();
  EXPECT_FALSE(PickAt(6'900).has_value());
  std::optional<CompactionPlan> plan = PickAt(7'000);
  EXPECT_EQ(Inputs(plan), (Files{10, 20}));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->cause, "delete age");
  // In the last level only a table that was not written since.
  shape_.levels[1].runs.clear();
  TableShape& last = At(2, 0);
  last.oldest_tombstone_ns = kBegun;
  last.created_ns = kBegun + 1'000;
  plan = PickAt(7'000);
  EXPECT_EQ(Inputs(plan), (Files{20}));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->output_level, 2u);
  EXPECT_EQ(plan->output_run, 1u);
  last.created_ns = kBegun + 7'000;
  EXPECT_FALSE(PickAt(7'000).has_value());
  // Whatever has kept them then, a snapshot or a move, keeps them no longer.
  EXPECT_TRUE(PickAt(10'000'000).has_value());
}

// Not again and again for those that the snapshot holds which was there when the table was written;
// a later one sees the deletes.
TEST_F(AgedDeletes, ThatASnapshotHoldsWait) {
  TableShape& last = Add(2, 1, 20, "a", "z");
  last.oldest_tombstone_ns = kBegun;
  last.created_ns = kBegun + 7'000;
  shape_.oldest_snapshot_ns = kBegun + 7'000;
  EXPECT_FALSE(PickAt(10'000'000).has_value());
  shape_.oldest_snapshot_ns = kBegun + 7'001;
  EXPECT_TRUE(PickAt(10'000'000).has_value());
}

// A job over a whole level may fill the gaps between its tables: nothing goes down into them
// meanwhile, however old its deletes are.
TEST_F(AgedDeletes, WaitForAJobOverTheirLevel) {
  Use(kLeveledCompaction, {{"delete_ttl", int64_t{8'000}}, {"granularity", std::string("level")}});
  Add(1, 1, 10, "a", "c").being_compacted = true;
  Add(1, 1, 12, "m", "n").oldest_tombstone_ns = kBegun;
  Add(1, 1, 11, "x", "z").being_compacted = true;
  Add(2, 1, 20, "a", "b").being_compacted = true;
  EXPECT_FALSE(PickAt(10'000'000).has_value());
}

// Levels without tables take no share of the time.
TEST_F(AgedDeletes, ShareTheirTimeAmongLevelsInUse) {
  Add(0, 1, 1, "a", "m").oldest_tombstone_ns = kBegun;
  Add(3, 1, 20, "a", "z");
  EXPECT_FALSE(PickAt(6'900).has_value());
  EXPECT_TRUE(PickAt(7'000).has_value());
}

// One that is in another job's way does not keep the others from their time.
TEST_F(AgedDeletes, AreNotHeldUpByOneThatCannotGo) {
  Add(1, 1, 10, "a", "c").oldest_tombstone_ns = kBegun;
  Add(1, 1, 11, "m", "n").oldest_tombstone_ns = kBegun;
  Add(2, 1, 20, "a", "b").being_compacted = true;
  Add(2, 1, 21, "m", "n");
  EXPECT_EQ(Inputs(PickAt(7'000)), (Files{11, 21}));
}

// Nor does a level that is still being made one run let go of its tables.
TEST_F(AgedDeletes, WaitForTheRunsOfAnotherPolicy) {
  Add(1, 1, 10, "a", "c").oldest_tombstone_ns = kBegun;
  Add(2, 1, 20, "d", "e").being_compacted = true;
  Add(2, 2, 21, "m", "n").being_compacted = true;
  EXPECT_FALSE(PickAt(7'000).has_value());
}

// Whatever is picked, how, and how large levels are: in a tree that is written to in all places,
// and where most deletes are soon replaced by a newer version of their key.
TEST(LeveledModel, DeletesAreGoneInTime) {
  constexpr int64_t kTime = 1'000'000'000;
  for (const char* pick : {"min-overlap", "round-robin"}) {
    for (const char* granularity : {"file", "level"}) {
      for (const bool dynamic : {false, true}) {
        SettingBag bag = SmallPolicySettings(kLeveledCompaction);
        bag.Set("pick", std::string(pick));
        bag.Set("granularity", std::string(granularity));
        bag.Set("dynamic_levels", dynamic);
        bag.Set("size_ratio", 4.0);
        bag.Set("delete_ttl", kTime);
        PolicyTree tree(kLeveledCompaction.make(bag), 11, 10);
        Random random(11);
        for (int step = 0; step < 300; ++step) {
          if (step < 200) tree.Flush(RandomKeys(random, 150, 3000), 10);
          // Two jobs beside each other, of which some are still running when the next flush comes.
          while (tree.running() < 2 && tree.StartJob()) continue;
          for (int i = 0; i < 20 && tree.running() > 0; ++i) {
            tree.EndJob();
            while (tree.running() < 2 && tree.StartJob()) continue;
          }
          tree.Advance(kTime / 50);
          ASSERT_LE(tree.OldestDeleteAge(), kTime)
              << pick << " " << granularity << " " << dynamic << " step " << step;
        }
        tree.Drain();
        EXPECT_EQ(tree.OldestDeleteAge(), 0);
        ASSERT_FALSE(::testing::Test::HasFailure());
      }
    }
  }
}

// Rewriting what the time has passed for comes to an end, also where it is very short.
TEST(LeveledModel, AShortTimeForDeletesComesToRest) {
  SettingBag bag = SmallPolicySettings(kLeveledCompaction);
  bag.Set("delete_ttl", int64_t{1});
  PolicyTree tree(kLeveledCompaction.make(bag), 12);
  Random random(12);
  for (int i = 0; i < 20; ++i) {
    tree.Flush(RandomKeys(random, 150, 3000), 3);
    tree.Advance(2'000'000);
    ASSERT_NO_FATAL_FAILURE(tree.Drain());
    EXPECT_EQ(tree.OldestDeleteAge(), 0) << i;
  }
}

}  // namespace
}  // namespace lsmlab::test
