#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "variants/compaction/policies.h"

namespace lsmlab {
namespace {

constexpr uint64_t kEntryBytes = 100;

SettingBag SmallSettings() {
  SettingBag bag = DefaultSettings(kLeveledCompaction.settings);
  bag.Set("level1_size", int64_t{1000 * kEntryBytes});
  bag.Set("file_size", int64_t{100 * kEntryBytes});
  return bag;
}

std::string KeyOf(uint64_t key) {
  char text[16];
  std::snprintf(text, sizeof text, "%08llu", static_cast<unsigned long long>(key));
  return text;
}

// A tree of integer keys whose values are version numbers. Carries plans out as the engine would
// and checks after each that no version is lost or hidden by an older one.
class ModelTree {
 public:
  // `check_every`: jobs between two checks; a check reads the whole tree.
  ModelTree(std::unique_ptr<CompactionPolicy> policy, uint64_t seed, uint64_t check_every = 1)
      : policy_(std::move(policy)),
        random_(seed),
        levels_(policy_->levels()),
        check_every_(check_every) {}

  void Flush(const std::vector<uint64_t>& keys) {
    Table table{next_file_++, next_run_++, {}, false};
    for (uint64_t key : keys) table.entries[key] = latest_[key] = ++version_;
    flushed_ += table.entries.size();
    levels_[0].push_back(std::move(table));
  }
  // Starts the job the policy wants, if any.
  bool StartJob() { return Start(policy_->Pick(Shape(), state_, 0)); }
  bool StartRange(const std::string& begin, const std::string& end) {
    return Start(policy_->PickRange(Shape(), begin, end));
  }
  // Ends a random running job.
  void EndJob() {
    const size_t i = random_.Below(running_.size());
    const CompactionPlan plan = running_[i];
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    Execute(plan);
    if (++ended_ % check_every_ == 0) Check();
  }
  size_t running() const { return running_.size(); }
  uint64_t jobs() const { return jobs_; }
  uint64_t moves() const { return moves_; }
  double Pressure() const { return policy_->Pressure(Shape()); }
  double WriteAmplification() const {
    return static_cast<double>(written_ + flushed_) / static_cast<double>(flushed_);
  }
  size_t TablesAt(uint32_t level) const { return levels_[level].size(); }
  size_t EntriesAt(uint32_t level) const {
    size_t n = 0;
    for (const Table& table : levels_[level]) n += table.entries.size();
    return n;
  }

  TreeShape Shape() const {
    TreeShape shape;
    shape.levels.resize(levels_.size());
    for (uint32_t level = 0; level < levels_.size(); ++level) {
      std::map<uint32_t, RunShape, std::greater<>> runs;
      for (const Table& table : levels_[level]) {
        TableShape t;
        t.file = table.file;
        t.level = level;
        t.run = table.run;
        t.bytes = table.entries.size() * kEntryBytes;
        t.smallest_key = KeyOf(table.entries.begin()->first);
        t.largest_key = KeyOf(table.entries.rbegin()->first);
        t.being_compacted = table.busy;
        runs[t.run].run = t.run;
        runs[t.run].tables.push_back(t);
      }
      for (auto& [number, run] : runs) {
        std::sort(run.tables.begin(), run.tables.end(),
                  [](const TableShape& a, const TableShape& b) {
                    return a.smallest_key < b.smallest_key;
                  });
        shape.levels[level].runs.push_back(run);
      }
    }
    policy_->SetTargets(shape);
    return shape;
  }

 private:
  struct Table {
    uint64_t file;
    uint32_t run;
    std::map<uint64_t, uint64_t> entries;  // key -> version
    bool busy;
  };

  bool Start(const std::optional<CompactionPlan>& plan) {
    if (!plan) return false;
    EXPECT_FALSE(plan->inputs.empty());
    EXPECT_LT(plan->output_level, levels_.size());
    EXPECT_FALSE(plan->cause.empty());
    for (uint64_t file : plan->inputs) {
      Table* table = Find(file);
      EXPECT_NE(table, nullptr);
      if (table == nullptr) return false;
      EXPECT_FALSE(table->busy);
      table->busy = true;
    }
    running_.push_back(*plan);
    ++jobs_;
    return true;
  }
  Table* Find(uint64_t file) {
    for (auto& level : levels_) {
      for (Table& table : level) {
        if (table.file == file) return &table;
      }
    }
    return nullptr;
  }
  void Execute(const CompactionPlan& plan) {
    std::vector<Table> inputs;
    for (auto& level : levels_) {
      for (size_t i = level.size(); i-- > 0;) {
        if (std::find(plan.inputs.begin(), plan.inputs.end(), level[i].file) == plan.inputs.end()) {
          continue;
        }
        inputs.push_back(std::move(level[i]));
        level.erase(level.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    if (plan.kind == CompactionPlan::Kind::kMove) {
      ++moves_;
      for (Table& table : inputs) Add(plan, table.file, std::move(table.entries));
      return;
    }
    std::map<uint64_t, uint64_t> merged;
    for (const Table& table : inputs) {
      for (const auto& [key, version] : table.entries) {
        merged[key] = std::max(merged[key], version);
      }
    }
    written_ += merged.size();
    std::map<uint64_t, uint64_t> piece;
    for (const auto& entry : merged) {
      piece.insert(entry);
      if (piece.size() * kEntryBytes < plan.output_file_bytes) continue;
      Add(plan, next_file_++, std::move(piece));
      piece.clear();
    }
    if (!piece.empty()) Add(plan, next_file_++, std::move(piece));
  }
  void Add(const CompactionPlan& plan, uint64_t file, std::map<uint64_t, uint64_t> entries) {
    levels_[plan.output_level].push_back({file, plan.output_run, std::move(entries), false});
  }
  void Check() const {
    std::map<uint64_t, uint64_t> seen;  // key -> version of the level above
    for (uint32_t level = 0; level < levels_.size(); ++level) {
      std::vector<const Table*> order;
      for (const Table& table : levels_[level]) order.push_back(&table);
      std::sort(order.begin(), order.end(), [level](const Table* a, const Table* b) {
        return level == 0 ? a->run > b->run : a->entries.begin()->first < b->entries.begin()->first;
      });
      for (size_t i = 0; i < order.size(); ++i) {
        if (level > 0 && i > 0) {
          ASSERT_LT(order[i - 1]->entries.rbegin()->first, order[i]->entries.begin()->first);
          ASSERT_EQ(order[i]->run, order[0]->run);
        }
        for (const auto& [key, version] : order[i]->entries) {
          const auto [found, first] = seen.emplace(key, version);
          if (first) {
            ASSERT_EQ(version, latest_.at(key)) << "newest version of " << key << " is hidden";
          } else {
            ASSERT_LT(version, found->second) << "older above newer of " << key;
            found->second = version;
          }
        }
      }
    }
    ASSERT_EQ(seen.size(), latest_.size());
  }

  std::unique_ptr<CompactionPolicy> policy_;
  Random random_;
  std::vector<std::vector<Table>> levels_;
  uint64_t check_every_, ended_ = 0;
  std::vector<CompactionPlan> running_;
  std::map<uint64_t, uint64_t> latest_;
  std::string state_;
  uint64_t next_file_ = 1, version_ = 0, flushed_ = 0, written_ = 0, jobs_ = 0, moves_ = 0;
  uint32_t next_run_ = 1;
};

std::vector<uint64_t> RandomKeys(Random& random, size_t count, uint64_t space) {
  std::vector<uint64_t> keys(count);
  for (uint64_t& key : keys) key = random.Below(space);
  return keys;
}

void Drain(ModelTree& tree) {
  uint64_t steps = 0;
  while (tree.StartJob() || tree.running() > 0) {
    if (tree.running() > 0) tree.EndJob();
    ASSERT_LT(++steps, 100000u) << "does not come to rest";
  }
}

TEST(LeveledModel, ParallelJobsLoseAndHideNothing) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Random random(seed);
    ModelTree tree(kLeveledCompaction.make(SmallSettings()), seed);
    const uint64_t space = 500 + random.Below(20000);
    for (int step = 0; step < 400; ++step) {
      switch (random.Below(4)) {
        case 0:
          tree.Flush(RandomKeys(random, 1 + random.Below(250), space));
          break;
        case 1:
          if (tree.running() > 0) tree.EndJob();
          break;
        default:
          if (tree.running() < 4) tree.StartJob();
      }
      if (random.OneIn(20) && tree.running() < 4) {
        const uint64_t a = random.Below(space), b = random.Below(space);
        tree.StartRange(KeyOf(std::min(a, b)), random.OneIn(4) ? "" : KeyOf(std::max(a, b)));
      }
      ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed << " step " << step;
    }
    Drain(tree);
    ASSERT_EQ(tree.Pressure(), 0);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
  }
}

TEST(LeveledModel, WriteAmplificationOfUniformOverwritesIsInBand) {
  ModelTree tree(kLeveledCompaction.make(SmallSettings()), 5, 50);
  Random random(5);
  for (int i = 0; i < 500; ++i) {
    tree.Flush(RandomKeys(random, 250, 30000));
    Drain(tree);
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
  ModelTree tree(kLeveledCompaction.make(SmallSettings()), 5);
  uint64_t next = 0;
  for (int i = 0; i < 100; ++i) {
    std::vector<uint64_t> keys(250);
    for (uint64_t& key : keys) key = next++;
    tree.Flush(keys);
    Drain(tree);
  }
  EXPECT_EQ(tree.WriteAmplification(), 1.0);
  EXPECT_EQ(tree.moves(), tree.jobs());
}

TEST(LeveledModel, RangeOfEverythingEndsInOneLevel) {
  ModelTree tree(kLeveledCompaction.make(SmallSettings()), 9);
  Random random(9);
  for (int i = 0; i < 60; ++i) {
    tree.Flush(RandomKeys(random, 250, 5000));
    if (i < 57) Drain(tree);
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
  ModelTree tree(kLeveledCompaction.make(SmallSettings()), 9);
  tree.Flush({1, 5, 9});
  tree.Flush({2, 5});
  ASSERT_TRUE(tree.StartRange("", ""));
  tree.EndJob();
  EXPECT_FALSE(tree.StartRange("", ""));
  EXPECT_EQ(tree.TablesAt(0), 0u);
  EXPECT_EQ(tree.EntriesAt(1), 4u);
}

// Shapes by hand.
class LeveledShapes : public ::testing::Test {
 protected:
  LeveledShapes() { shape_.levels.resize(7); }
  TableShape& Add(uint32_t level, uint32_t run, uint64_t file, const char* smallest,
                  const char* largest, uint64_t entries = 100) {
    auto& runs = shape_.levels[level].runs;
    auto at =
        std::find_if(runs.begin(), runs.end(), [&](const RunShape& r) { return r.run == run; });
    if (at == runs.end()) at = runs.insert(runs.begin(), RunShape{run, {}});
    TableShape table;
    table.file = file;
    table.level = level;
    table.run = run;
    table.bytes = entries * kEntryBytes;
    table.smallest_key = smallest;
    table.largest_key = largest;
    at->tables.push_back(table);
    return at->tables.back();
  }
  std::optional<CompactionPlan> Pick() { return policy_->Pick(shape_, "", 0); }
  std::vector<uint64_t> Inputs(const CompactionPlan& plan) {
    std::vector<uint64_t> inputs = plan.inputs;
    std::sort(inputs.begin(), inputs.end());
    return inputs;
  }
  using Files = std::vector<uint64_t>;

  TreeShape shape_;
  std::unique_ptr<CompactionPolicy> policy_ = kLeveledCompaction.make(SmallSettings());
};

TEST_F(LeveledShapes, EmptyTreeOwesNothing) {
  EXPECT_FALSE(Pick().has_value());
  EXPECT_FALSE(policy_->PickRange(shape_, "", "").has_value());
  EXPECT_FALSE(policy_->Pick(TreeShape(), "", 0).has_value());
  EXPECT_EQ(policy_->Pressure(shape_), 0);
  EXPECT_EQ(policy_->levels(), 7u);
}

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
  EXPECT_EQ(Inputs(*plan), (Files{1, 2, 3, 4, 11}));
  EXPECT_EQ(plan->output_level, 1u);
  EXPECT_EQ(plan->output_run, 1u);
  EXPECT_EQ(plan->output_file_bytes, 100 * kEntryBytes);
  EXPECT_EQ(plan->cause, "l0 count");
}

TEST_F(LeveledShapes, OneLevel0JobAtATime) {
  Add(0, 1, 1, "a", "b").being_compacted = true;
  for (uint32_t run = 2; run < 9; ++run) Add(0, run, run, "m", "n");
  EXPECT_FALSE(Pick().has_value());
  EXPECT_FALSE(policy_->PickRange(shape_, "m", "n").has_value());
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
  std::optional<CompactionPlan> plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(Inputs(*plan), (Files{2, 12}));
  EXPECT_EQ(plan->output_level, 2u);
  EXPECT_EQ(plan->cause, "level 1 size");
  // With that one busy below, the next best.
  shape_.levels[2].runs[0].tables[1].being_compacted = true;
  plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(Inputs(*plan), (Files{3, 13}));
}

TEST_F(LeveledShapes, MovesWhatOverlapsNothing) {
  Add(1, 1, 1, "a", "b", 600);
  Add(1, 1, 2, "c", "d", 600);
  Add(2, 1, 11, "a", "b", 400);
  const std::optional<CompactionPlan> plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->kind, CompactionPlan::Kind::kMove);
  EXPECT_EQ(Inputs(*plan), (Files{2}));
}

// Versions of one key on both sides of a cut must not part.
TEST_F(LeveledShapes, NeighboursThatShareAKeyComeAlong) {
  Add(1, 1, 1, "a", "m", 600);
  Add(1, 1, 2, "m", "z", 600);
  Add(2, 1, 11, "a", "f", 100);
  const std::optional<CompactionPlan> plan = Pick();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(Inputs(*plan), (Files{1, 2, 11}));
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
  EXPECT_EQ(Inputs(*plan), (Files{1, 2}));
  EXPECT_EQ(plan->output_level, 2u);
  EXPECT_EQ(plan->output_run, 2u);
}

TEST_F(LeveledShapes, RangeTakesOlderRunsOfTheSameKeys) {
  Add(0, 1, 1, "a", "c");
  Add(0, 2, 2, "b", "p");
  Add(0, 3, 3, "q", "r");
  Add(1, 1, 10, "d", "e");
  const std::optional<CompactionPlan> plan = policy_->PickRange(shape_, "m", "n");
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(Inputs(*plan), (Files{1, 2, 10}));
  EXPECT_EQ(plan->cause, "range");
  EXPECT_FALSE(policy_->PickRange(shape_, "s", "t").has_value());
}

TEST_F(LeveledShapes, PressureGrowsWithRunsAndDebt) {
  double before = 0;
  std::vector<double> at;
  for (uint32_t run = 1; run <= 40; ++run) {
    Add(0, run, run, "a", "z");
    const double pressure = policy_->Pressure(shape_);
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
  EXPECT_EQ(policy_->Pressure(shape_), 0);
  // It has to go down through five levels, all smaller than it.
  Add(1, 1, 100, "a", "b", (uint64_t{16} << 30) / kEntryBytes / 5);
  EXPECT_NEAR(policy_->Pressure(shape_), 1, 0.1);
  Add(2, 1, 101, "a", "b", (uint64_t{64} << 30) / kEntryBytes);
  EXPECT_EQ(policy_->Pressure(shape_), 2);
}

}  // namespace
}  // namespace lsmlab
