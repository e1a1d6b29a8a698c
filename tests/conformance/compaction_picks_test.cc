// Which tables `leveled` takes, decision by decision, in trees drawn by hand.

#include <gtest/gtest.h>

#include <string>

#include "tests/support/policy_shapes.h"
#include "variants/compaction/leveled.h"

namespace lsmlab::test {
namespace {

class LeveledShapes : public DrawnTree {
 protected:
  void UsePick(const char* pick) { Use(kLeveledCompaction, {{"pick", std::string(pick)}}); }
};

TEST_F(LeveledShapes, TargetsGrowByTheRatio) {
  policy_->SetTargets(shape_);
  EXPECT_EQ(shape_.levels[0].target_bytes, 0u);
  EXPECT_EQ(shape_.levels[1].target_bytes, 1000 * kEntryBytes);
  EXPECT_EQ(shape_.levels[3].target_bytes, 100000 * kEntryBytes);
}

TEST_F(LeveledShapes, Level0TakesAllRunsAndWhatTheirHullOverlaps) {
  Add(0, 1, 1, "a", "c");
  Add(0, 2, 2, "b", "d");
  Add(0, 3, 3, "x", "z");
  EXPECT_FALSE(Pick().has_value());
  Add(0, 4, 4, "b", "d");
  Add(1, 1, 10, "0", "9");
  Add(1, 1, 11, "e", "f");  // between the keys of level 0, inside their hull
  Add(1, 1, 12, "zz", "zzz");
  const std::optional<CompactionPlan> plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->kind, CompactionPlan::Kind::kMerge);
  EXPECT_EQ(Inputs(plan), (Files{1, 2, 3, 4, 11}));
  EXPECT_EQ(plan->output_level, 1u);
  EXPECT_EQ(plan->output_run, 1u);
  EXPECT_EQ(plan->output_file_bytes, 100 * kEntryBytes);
  EXPECT_EQ(plan->cause, "l0 count");
}

TEST_F(LeveledShapes, OutputsGrowWithTheirLevel) {
  for (const CompactionVariant* variant :
       {&kLeveledCompaction, &kTieredCompaction, &kLazyLeveledCompaction, &kNoCompaction}) {
    Use(*variant, {{"file_growth", 2.0}});
    for (uint32_t level = 0; level < 4; ++level) {
      shape_ = TreeShape();
      shape_.levels.resize(6);
      Add(level, 2, 1, "a", "m");
      Add(level, level == 0 ? 1 : 2, 2, level == 0 ? "b" : "n", "z");
      Add(level + 1, 1, 3, "c", "y");
      const std::optional<CompactionPlan> plan = PickRange("", "");
      ASSERT_TRUE(plan.has_value()) << variant->name << " " << level;
      EXPECT_EQ(plan->output_level, level + 1);
      EXPECT_EQ(plan->output_file_bytes, (100u << level) * kEntryBytes) << variant->name;
    }
  }
}

TEST_F(LeveledShapes, OneLevel0JobAtATime) {
  Add(0, 1, 1, "a", "b").being_compacted = true;
  for (uint32_t run = 2; run < 9; ++run) Add(0, run, run, "m", "n");
  EXPECT_FALSE(Pick().has_value());
  EXPECT_FALSE(PickRange("m", "n").has_value());
}

TEST_F(LeveledShapes, WaitsForABusyTableBelow) {
  for (uint32_t run = 1; run < 5; ++run) Add(0, run, run, "m", "n");
  Add(1, 1, 10, "n", "o").being_compacted = true;
  EXPECT_FALSE(Pick().has_value());
}

TEST_F(LeveledShapes, PicksTheFileWithTheLeastOverlapPerByte) {
  Add(1, 1, 1, "a", "b", 400);
  Add(1, 1, 2, "c", "d", 400);
  Add(1, 1, 3, "e", "f", 400);
  Add(2, 1, 11, "a", "b", 400);
  Add(2, 1, 12, "c", "d", 200);
  Add(2, 1, 13, "e", "f", 300);
  const std::optional<CompactionPlan> plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(Inputs(plan), (Files{2, 12}));
  EXPECT_EQ(plan->output_level, 2u);
  EXPECT_EQ(plan->cause, "level 1 size");
  // With that one busy below, the next best, and the last.
  At(2, 1).being_compacted = true;
  EXPECT_EQ(Inputs(Pick()), (Files{3, 13}));
  At(2, 2).being_compacted = true;
  EXPECT_EQ(Inputs(Pick()), (Files{1, 11}));
  At(2, 0).being_compacted = true;
  EXPECT_FALSE(Pick().has_value());
}

TEST_F(LeveledShapes, OtherPicks) {
  const auto files = [&](const char* rule) {
    UsePick(rule);
    return Inputs(Pick());
  };
  Add(1, 1, 1, "a", "b", 400).max_sequence = 30;
  TableShape& second = Add(1, 1, 2, "c", "d", 400);
  second.max_sequence = 10;
  second.entries = 400;
  Add(1, 1, 3, "e", "f", 400).max_sequence = 20;
  Add(2, 1, 11, "a", "b", 400);
  Add(2, 1, 12, "c", "d", 300);
  Add(2, 1, 13, "e", "f", 200);
  EXPECT_EQ(files("min-overlap"), (Files{3, 13}));
  EXPECT_EQ(files("oldest"), (Files{2, 12}));
  EXPECT_EQ(files("most-tombstones"), (Files{3, 13})) << "no deletes: the least overlap";
  At(1, 1).tombstones = 50;
  EXPECT_EQ(files("most-tombstones"), (Files{2, 12}));
  At(1, 1).tombstones = 4;
  EXPECT_EQ(files("most-tombstones"), (Files{2, 12})) << "few deletes are more than none";
}

TEST_F(LeveledShapes, RoundRobinTakesTurns) {
  UsePick("round-robin");
  Add(1, 1, 1, "a", "b", 400);
  Add(1, 1, 2, "c", "d", 400);
  Add(1, 1, 3, "e", "f", 400);
  Add(2, 1, 11, "a", "b", 400);
  Add(2, 1, 12, "c", "d", 300);
  Add(2, 1, 13, "e", "f", 200);
  std::string state;
  for (const Files& expected : {Files{1, 11}, Files{2, 12}, Files{3, 13}, Files{1, 11}}) {
    const std::optional<CompactionPlan> plan = Pick(0, state);
    ASSERT_EQ(Inputs(plan), expected);
    state = plan->next_state;
  }
  // A busy one is passed over. Its bytes do not count, so the level needs more to be full.
  At(1, 1).being_compacted = true;
  Add(1, 1, 4, "g", "h", 600);
  EXPECT_EQ(Inputs(Pick(0, state)), (Files{3, 13}));
  // So is one that meets a busy one below.
  At(2, 2).being_compacted = true;
  EXPECT_EQ(Inputs(Pick(0, state)), (Files{4}));
}

// Of long keys the state has room for more than what they have in common.
TEST_F(LeveledShapes, RoundRobinTakesTurnsAmongKeysThatBeginAlike) {
  UsePick("round-robin");
  std::string state;
  for (uint64_t turn = 0; turn < 6; ++turn) {
    uint64_t entries = 400;
    for (uint32_t level = 1; level <= 3; ++level, entries *= 10) {
      shape_ = TreeShape();
      shape_.levels.resize(7);
      for (uint64_t file = 0; file < 4; ++file) {
        const std::string key = std::string(300, 'x') + std::to_string(file);
        Add(level, 1, 10 * level + file, key + "a", key + "m", entries);
      }
      const std::optional<CompactionPlan> plan = Pick(0, state);
      ASSERT_EQ(Inputs(plan), (Files{10 * level + turn % 4})) << "level " << level;
      state = plan->next_state;
    }
  }
}

TEST(RoundRobin, CursorsComeBackAndAnyBytesAreTakenForNone) {
  using compaction_internal::RoundRobinCursors;
  RoundRobinCursors cursors("");
  EXPECT_EQ(cursors.At(1), "");
  cursors.Set(1, "m");
  cursors.Set(11, std::string(1000, 'x'));
  const RoundRobinCursors again(cursors.Encode());
  EXPECT_EQ(again.At(1), "m");
  EXPECT_EQ(again.At(2), "");
  EXPECT_EQ(again.At(11), std::string(1000, 'x'));
  // More than a state holds is cut, and one cursor never at the cost of another.
  for (uint32_t level = 0; level < 16; ++level) {
    cursors.Set(level, std::string(65'535, static_cast<char>('a' + level)));
    ASSERT_LE(cursors.Encode().size(), 4096u);
  }
  const RoundRobinCursors cut(cursors.Encode());
  for (uint32_t level = 0; level < 16; ++level) {
    EXPECT_EQ(cut.At(level), std::string(cut.At(0).size(), static_cast<char>('a' + level)));
  }
  EXPECT_GT(cut.At(0).size(), 200u);
  EXPECT_EQ(RoundRobinCursors("of another policy").At(1), "");
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = "rr1";
    for (uint64_t n = random.Below(20); n > 0; --n)
      bytes.push_back(static_cast<char>(random.Next()));
    EXPECT_LE(RoundRobinCursors(bytes).Encode().size(), 4096u);
  }
}

// Level 0 cannot go down beside a job below; no other job may start there meanwhile, and another.
TEST_F(LeveledShapes, Level0ComesBeforeOtherJobsOfItsTarget) {
  for (uint32_t run = 1; run <= 12; ++run) Add(0, run, run, "a", "z", 100);
  Add(1, 1, 30, "a", "f", 100).being_compacted = true;
  Add(1, 1, 31, "g", "z", 2500);
  Add(2, 1, 40, "a", "z", 4000);
  EXPECT_FALSE(Pick().has_value());
  At(1, 0).being_compacted = false;
  const std::optional<CompactionPlan> plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->output_level, 1u);
}

TEST_F(LeveledShapes, MovesWhatOverlapsNothing) {
  Add(1, 1, 1, "a", "b", 600);
  Add(1, 1, 2, "c", "d", 600);
  Add(2, 1, 11, "a", "b", 400);
  const std::optional<CompactionPlan> plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->kind, CompactionPlan::Kind::kMove);
  EXPECT_EQ(Inputs(plan), (Files{2}));
}

// They would stay for ever where nothing is written any more.
TEST_F(LeveledShapes, DeletesThatReachTheLastLevelAreMergedAway) {
  Add(1, 1, 1, "a", "b", 600);
  Add(1, 1, 2, "c", "d", 600).tombstones = 1;
  Add(2, 1, 11, "a", "b", 400);
  std::optional<CompactionPlan> plan = Pick();
  EXPECT_EQ(Inputs(plan), (Files{2}));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->kind, CompactionPlan::Kind::kMerge);
  EXPECT_EQ(plan->output_level, 2u);
  // With something below they may be needed there, and will be merged later.
  Add(3, 1, 21, "a", "z");
  plan = Pick();
  EXPECT_EQ(Inputs(plan), (Files{2}));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->kind, CompactionPlan::Kind::kMove);
  // The deepest run of lazy-leveled is merged with what overlaps it only.
  shape_ = TreeShape();
  shape_.levels.resize(7);
  Use(kLazyLeveledCompaction, {{"size_ratio", 2.0}});
  Add(0, 1, 1, "a", "b");
  Add(0, 2, 2, "c", "d").tombstones = 1;
  Add(1, 1, 11, "x", "z", 1);
  plan = Pick();
  EXPECT_EQ(Inputs(plan), (Files{1, 2}));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->kind, CompactionPlan::Kind::kMerge);
}

// Versions of one key on both sides of a cut must not part.
TEST_F(LeveledShapes, NeighboursThatShareAKeyComeAlong) {
  Add(1, 1, 1, "a", "m", 600);
  Add(1, 1, 2, "m", "z", 600);
  Add(2, 1, 11, "a", "f", 100);
  EXPECT_EQ(Inputs(Pick()), (Files{1, 2, 11}));
}

TEST_F(LeveledShapes, TheFullestLevelGoesFirst) {
  for (uint32_t run = 1; run < 5; ++run) Add(0, run, run, "a", "z");
  Add(1, 1, 10, "a", "c", 1900);
  std::optional<CompactionPlan> plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->cause, "level 1 size");
  for (uint32_t run = 5; run < 9; ++run) Add(0, run, run, "a", "z");
  plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->cause, "l0 count");
}

TEST_F(LeveledShapes, TheLastLevelKeepsEverything) {
  Add(6, 1, 1, "a", "b", 1u << 30);
  EXPECT_FALSE(Pick().has_value());
}

TEST_F(LeveledShapes, RunsOfAnotherPolicyBecomeOne) {
  Add(2, 1, 1, "a", "m");
  Add(2, 2, 2, "b", "c");
  const std::optional<CompactionPlan> plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(Inputs(plan), (Files{1, 2}));
  EXPECT_EQ(plan->output_level, 2u);
  EXPECT_EQ(plan->output_run, 2u);
}

// A level that is being made one run may take hours. Writers would wait for all of them if level 0
// had to.
TEST_F(LeveledShapes, RunsOfAnotherPolicyDoNotHoldUpOtherLevels) {
  Add(3, 1, 30, "a", "f").being_compacted = true;
  Add(3, 2, 31, "c", "k").being_compacted = true;
  for (uint32_t run = 1; run < 5; ++run) Add(0, run, run, "a", "z");
  const std::optional<CompactionPlan> plan = Pick();
  EXPECT_EQ(Inputs(plan), (Files{1, 2, 3, 4}));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->output_level, 1u);
  // Nothing is added to it meanwhile, were it in a gap of its tables, and nothing is taken from it.
  shape_.levels[0].runs.clear();
  Add(2, 1, 20, "x", "z", 20'000);
  EXPECT_FALSE(Pick().has_value());
  shape_.levels[2].runs.clear();
  Add(3, 2, 32, "x", "z", 200'000);
  EXPECT_FALSE(Pick().has_value());
}

TEST_F(LeveledShapes, RangeTakesOlderRunsOfTheSameKeys) {
  Add(0, 1, 1, "a", "c");
  Add(0, 2, 2, "b", "p");
  Add(0, 3, 3, "q", "r");
  Add(1, 1, 10, "d", "e");
  const std::optional<CompactionPlan> plan = PickRange("m", "n");
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(Inputs(plan), (Files{1, 2, 10}));
  EXPECT_EQ(plan->cause, "range");
  EXPECT_FALSE(PickRange("s", "t").has_value());
}

TEST_F(LeveledShapes, PressureGrowsWithRunsAndDebt) {
  double before = 0;
  std::vector<double> at;
  for (uint32_t run = 1; run <= 40; ++run) {
    Add(0, run, run, "a", "z");
    const double pressure = Pressure();
    EXPECT_GE(pressure, before);
    before = pressure;
    at.push_back(pressure);
  }
  EXPECT_EQ(at[2], 0);
  EXPECT_LT(at[3], 0.01);
  EXPECT_EQ(at[19], 1);
  EXPECT_NEAR(at[27], 1.5, 0.001);
  EXPECT_EQ(at[35], 2);
  shape_.levels[0].runs.clear();
  EXPECT_EQ(Pressure(), 0);
  // It has to go down through five levels, all smaller than it.
  Add(1, 1, 100, "a", "b", (uint64_t{16} << 30) / kEntryBytes / 5);
  EXPECT_NEAR(Pressure(), 1, 0.1);
  Add(2, 1, 101, "a", "b", (uint64_t{64} << 30) / kEntryBytes);
  EXPECT_EQ(Pressure(), 2);
}

}  // namespace
}  // namespace lsmlab::test
