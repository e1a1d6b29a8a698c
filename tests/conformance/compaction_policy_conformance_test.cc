#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "tests/support/registered.h"
#include "variants/compaction/leveled.h"
#include "variants/compaction/policies.h"

namespace lsmlab {
namespace {

constexpr uint64_t kEntryBytes = 100;

SettingBag SmallSettings(const CompactionVariant& variant = kLeveledCompaction) {
  SettingBag bag = DefaultSettings(variant.settings);
  if (bag.Has("level1_size")) bag.Set("level1_size", int64_t{1000 * kEntryBytes});
  if (bag.Has("file_size")) bag.Set("file_size", int64_t{100 * kEntryBytes});
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
  // REQUIRES: no job is running.
  void ChangePolicy(std::unique_ptr<CompactionPolicy> policy) { policy_ = std::move(policy); }
  size_t running() const { return running_.size(); }
  uint64_t jobs() const { return jobs_; }
  uint64_t moves() const { return moves_; }
  double Pressure() const { return policy_->Pressure(Shape()); }
  double WriteAmplification() const {
    return static_cast<double>(written_ + flushed_) / static_cast<double>(flushed_);
  }
  size_t TablesAt(uint32_t level) const { return levels_[level].size(); }
  size_t RunsAt(uint32_t level) const { return RunsOf(levels_[level]).size(); }
  size_t Runs() const {
    size_t n = 0;
    for (uint32_t level = 0; level < levels_.size(); ++level) n += RunsAt(level);
    return n;
  }
  uint32_t Deepest() const {
    uint32_t level = static_cast<uint32_t>(levels_.size()) - 1;
    while (level > 0 && levels_[level].empty()) --level;
    return level;
  }
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
        t.entries = table.entries.size();
        for (const auto& [key, version] : table.entries) {
          t.max_sequence = std::max<Sequence>(t.max_sequence, version);
        }
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
    if (!plan.next_state.empty()) state_ = plan.next_state;
    EXPECT_LE(plan.next_state.size(), 4096u);
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
  // By run, the newest first, each in key order.
  static std::map<uint32_t, std::vector<const Table*>, std::greater<>> RunsOf(
      const std::vector<Table>& level) {
    std::map<uint32_t, std::vector<const Table*>, std::greater<>> runs;
    for (const Table& table : level) runs[table.run].push_back(&table);
    for (auto& [number, tables] : runs) {
      std::sort(tables.begin(), tables.end(), [](const Table* a, const Table* b) {
        return a->entries.begin()->first < b->entries.begin()->first;
      });
    }
    return runs;
  }
  void Check() const {
    std::map<uint64_t, uint64_t> seen;  // key -> version of the run above
    for (const std::vector<Table>& level : levels_) {
      for (const auto& [number, tables] : RunsOf(level)) {
        for (size_t i = 0; i < tables.size(); ++i) {
          if (i > 0) {
            ASSERT_LT(tables[i - 1]->entries.rbegin()->first, tables[i]->entries.begin()->first);
          }
          for (const auto& [key, version] : tables[i]->entries) {
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

// Random flushes, jobs and ranges, up to four jobs at once.
void RunAtRandom(const CompactionVariant& variant, SettingBag bag, uint64_t seed) {
  Random random(seed);
  if (bag.Has("size_ratio")) bag.Set("size_ratio", static_cast<double>(2 + random.Below(9)));
  ModelTree tree(variant.make(bag), seed);
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
  int steps = 0;
  while (tree.StartRange("", "")) {
    tree.EndJob();
    ASSERT_LT(++steps, 200);
  }
  EXPECT_EQ(tree.Runs(), 1u) << "seed " << seed;
  ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
}

class PolicyModel : public ::testing::TestWithParam<const CompactionVariant*> {};

TEST_P(PolicyModel, ParallelJobsLoseAndHideNothing) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    ASSERT_NO_FATAL_FAILURE(RunAtRandom(*GetParam(), SmallSettings(*GetParam()), seed));
  }
}

TEST_P(PolicyModel, AnEmptyTreeOwesNothing) {
  const std::unique_ptr<CompactionPolicy> policy = GetParam()->make(SmallSettings(*GetParam()));
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

// Whatever the trees that another policy has left look like.
TEST_P(PolicyModel, GoesOnWithTheTreeOfAnyOther) {
  for (const CompactionVariant* other : CompactionVariants()) {
    if (other->name == "fifo") continue;
    Random random(3);
    ModelTree tree(other->make(SmallSettings(*other)), 3);
    for (int i = 0; i < 80; ++i) {
      tree.Flush(RandomKeys(random, 250, 8000));
      if (i % 3 == 0) tree.StartJob();
      if (tree.running() > 0) tree.EndJob();
    }
    while (tree.running() > 0) tree.EndJob();
    tree.ChangePolicy(GetParam()->make(SmallSettings(*GetParam())));
    Drain(tree);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "after " << other->name;
    tree.Flush(RandomKeys(random, 250, 8000));
    Drain(tree);
    ASSERT_EQ(tree.Pressure(), 0) << "after " << other->name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, PolicyModel, test::Registered(CompactionVariants(), /*but=*/"fifo"),
                         test::ByVariant());

TEST(LeveledModel, EveryPickGranularityAndSizing) {
  for (const char* pick : {"min-overlap", "round-robin", "oldest", "most-tombstones"}) {
    for (const char* granularity : {"file", "level"}) {
      for (const bool dynamic : {false, true}) {
        SettingBag bag = SmallSettings();
        bag.Set("pick", std::string(pick));
        bag.Set("granularity", std::string(granularity));
        bag.Set("dynamic_levels", dynamic);
        ASSERT_NO_FATAL_FAILURE(RunAtRandom(kLeveledCompaction, bag, 21))
            << pick << " " << granularity << " " << dynamic;
      }
    }
  }
}

// What each shape promises, after uniform overwrites.
struct Settled {
  double amplification;
  double mean_entries = 0;            // of all levels, over the second half of the time
  std::vector<size_t> runs, entries;  // of each level, in the end
};
Settled Settle(const CompactionVariant& variant, const SettingBag& bag, int flushes = 300) {
  ModelTree tree(variant.make(bag), 5, 50);
  Random random(5);
  double sum = 0;
  for (int i = 0; i < flushes; ++i) {
    tree.Flush(RandomKeys(random, 250, 30000));
    Drain(tree);
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
  SettingBag bag = SmallSettings(kTieredCompaction);
  bag.Set("size_ratio", 4.0);
  const Settled tiered = Settle(kTieredCompaction, bag);
  bag = SmallSettings(kLeveledCompaction);
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
  SettingBag bag = SmallSettings(kLazyLeveledCompaction);
  bag.Set("size_ratio", 4.0);
  const Settled lazy = Settle(kLazyLeveledCompaction, bag, 999);
  bag = SmallSettings(kTieredCompaction);
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
  SettingBag bag = SmallSettings(kLazyLeveledCompaction);
  bag.Set("size_ratio", 4.0);
  ModelTree tree(kLazyLeveledCompaction.make(bag), 5, 50);
  Random random(5);
  size_t last_deepest = 1;
  std::vector<int> grown;  // flushes after which the tree had one level more
  for (int flush = 1; flush <= 400; ++flush) {
    tree.Flush(RandomKeys(random, 50, 99'999'999));  // hardly one twice
    Drain(tree);
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
  ModelTree tree(kOneLevelingCompaction.make(SmallSettings(kOneLevelingCompaction)), 5);
  Random random(5);
  for (int i = 0; i < 9; ++i) {
    tree.Flush(RandomKeys(random, 250, 30000));
    EXPECT_FALSE(tree.StartJob()) << i;
  }
  tree.Flush(RandomKeys(random, 250, 30000));
  EXPECT_TRUE(tree.StartJob());
}

TEST(PolicyShapes, DynamicLevelsBoundWhatLiesAboveTheLast) {
  SettingBag bag = SmallSettings();
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
  SettingBag bag = SmallSettings();
  ModelTree by_file(kLeveledCompaction.make(bag), 5, 50);
  bag.Set("granularity", std::string("level"));
  ModelTree by_level(kLeveledCompaction.make(bag), 5, 50);
  for (ModelTree* tree : {&by_file, &by_level}) {
    Random random(5);
    for (int i = 0; i < 200; ++i) {
      tree->Flush(RandomKeys(random, 250, 30000));
      Drain(*tree);
    }
  }
  EXPECT_GT(by_file.jobs(), 2 * by_level.jobs());
}

TEST(PolicyShapes, FifoDropsTheOldestAndNothingElse) {
  SettingBag bag = SmallSettings(kFifoCompaction);
  bag.Set("max_size", int64_t{1000 * kEntryBytes});
  bag.Set("max_age", int64_t{50});
  const std::unique_ptr<CompactionPolicy> policy = kFifoCompaction.make(bag);
  TreeShape shape;
  shape.levels.resize(7);
  const auto add = [&shape](uint32_t level, uint32_t run, uint64_t file, int64_t created_ns) {
    TableShape table;
    table.file = file;
    table.level = level;
    table.run = run;
    table.bytes = 300 * kEntryBytes;
    table.created_ns = created_ns;
    shape.levels[level].runs.insert(shape.levels[level].runs.begin(), RunShape{run, {table}});
  };
  for (uint32_t run = 1; run <= 3; ++run) add(0, run, run, 100);
  EXPECT_FALSE(policy->Pick(shape, "", 120).has_value());
  add(0, 4, 4, 100);
  std::optional<CompactionPlan> plan = policy->Pick(shape, "", 120);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->kind, CompactionPlan::Kind::kDrop);
  EXPECT_EQ(plan->inputs, (std::vector<uint64_t>{1}));
  EXPECT_EQ(plan->cause, "size");
  // While that runs, nothing more is asked for, also when more is due: what is newer would be gone
  // first.
  shape.levels[0].runs.back().tables[0].being_compacted = true;
  add(0, 5, 5, 100);
  EXPECT_FALSE(policy->Pick(shape, "", 120).has_value());
  shape.levels[0].runs.erase(shape.levels[0].runs.begin());
  EXPECT_FALSE(policy->Pick(shape, "", 120).has_value());
  // Data of another policy in a deeper level is older.
  add(2, 1, 9, 100);
  plan = policy->Pick(shape, "", 120);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs, (std::vector<uint64_t>{9}));
  // By age all but the newest go, even below the size.
  shape.levels[2].runs.clear();
  shape.levels[0].runs.back().tables[0].being_compacted = false;
  shape.levels[0].runs.front().tables[0].created_ns = 130;
  plan = policy->Pick(shape, "", 151);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->inputs, (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(plan->cause, "age");
}

TEST(RoundRobin, CursorsComeBackAndAnyBytesAreTakenForNone) {
  using compaction_internal::RoundRobinCursors;
  RoundRobinCursors cursors("");
  EXPECT_EQ(cursors.At(1), "");
  cursors.Set(1, "m");
  cursors.Set(11, std::string(1000, 'x'));
  const std::string state = cursors.Encode();
  EXPECT_LT(state.size(), 200u);
  const RoundRobinCursors again(state);
  EXPECT_EQ(again.At(1), "m");
  EXPECT_EQ(again.At(2), "");
  EXPECT_EQ(again.At(11), std::string(128, 'x'));
  EXPECT_EQ(RoundRobinCursors("of another policy").At(1), "");
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = "rr1";
    for (uint64_t n = random.Below(20); n > 0; --n)
      bytes.push_back(static_cast<char>(random.Next()));
    EXPECT_LE(RoundRobinCursors(bytes).Encode().size(), 4096u);
  }
}

TEST(LeveledModel, WriteAmplificationOfUniformOverwritesIsInBand) {
  ModelTree tree(kLeveledCompaction.make(SmallSettings()), 5, 50);
  Random random(5);
  for (int i = 0; i < 300; ++i) {
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

TEST_F(LeveledShapes, OutputsGrowWithTheirLevel) {
  for (const CompactionVariant* variant :
       {&kLeveledCompaction, &kTieredCompaction, &kLazyLeveledCompaction, &kNoCompaction}) {
    SettingBag bag = SmallSettings(*variant);
    bag.Set("file_growth", 2.0);
    policy_ = variant->make(bag);
    for (uint32_t level = 0; level < 4; ++level) {
      shape_ = TreeShape();
      shape_.levels.resize(6);
      Add(level, 2, 1, "a", "m");
      Add(level, level == 0 ? 1 : 2, 2, level == 0 ? "b" : "n", "z");
      Add(level + 1, 1, 3, "c", "y");
      const std::optional<CompactionPlan> plan = policy_->PickRange(shape_, "", "");
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

TEST_F(LeveledShapes, OtherPicks) {
  const auto pick = [this](const char* rule, std::string_view state = {}) {
    SettingBag bag = SmallSettings();
    bag.Set("pick", std::string(rule));
    return kLeveledCompaction.make(bag)->Pick(shape_, state, 0);
  };
  // Nothing where there is no plan, so that a missing one fails instead of being looked into.
  const auto files = [&](const char* rule) {
    const std::optional<CompactionPlan> plan = pick(rule);
    return plan.has_value() ? Inputs(*plan) : Files{};
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
  shape_.levels[1].runs[0].tables[1].tombstones = 50;
  EXPECT_EQ(files("most-tombstones"), (Files{2, 12}));
  // In turn, and from the start again.
  std::string state;
  for (const Files& expected : {Files{1, 11}, Files{2, 12}, Files{3, 13}, Files{1, 11}}) {
    const std::optional<CompactionPlan> plan = pick("round-robin", state);
    ASSERT_TRUE(plan.has_value());
    EXPECT_EQ(Inputs(*plan), expected);
    state = plan->next_state;
  }
  // A busy one is passed over. Its bytes do not count, so the level needs more to be full.
  shape_.levels[1].runs[0].tables[1].being_compacted = true;
  Add(1, 1, 4, "g", "h", 600);
  const std::optional<CompactionPlan> plan = pick("round-robin", state);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(Inputs(*plan), (Files{3, 13}));
}

// Deletes go down before their time is over, level by level, and out of the last one.
TEST_F(LeveledShapes, AgedDeletesGoDown) {
  SettingBag bag = SmallSettings();
  bag.Set("delete_ttl", int64_t{8'000});
  policy_ = kLeveledCompaction.make(bag);
  EXPECT_GT(policy_->check_interval_ns(), 0);
  Add(0, 1, 1, "a", "m").oldest_tombstone_ns = 100'000;
  Add(1, 1, 10, "a", "f").oldest_tombstone_ns = 100'000;
  Add(1, 1, 11, "g", "z");
  Add(2, 1, 20, "a", "z");
  const auto at = [this](int64_t age) { return policy_->Pick(shape_, "", 100'000 + age); };
  // Of 7000: level 0 has 1/11, level 1 the rest.
  EXPECT_FALSE(at(600).has_value());
  std::optional<CompactionPlan> plan = at(650);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(Inputs(*plan), (Files{1, 10, 11}));
  shape_.levels[0].runs.clear();
  EXPECT_FALSE(at(6'900).has_value());
  plan = at(7'000);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(Inputs(*plan), (Files{10, 20}));
  EXPECT_EQ(plan->cause, "delete age");
  // In the last level only a table that was not written since.
  shape_.levels[1].runs.clear();
  TableShape& last = shape_.levels[2].runs[0].tables[0];
  last.oldest_tombstone_ns = 100'000;
  last.created_ns = 101'000;
  plan = at(7'000);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(Inputs(*plan), (Files{20}));
  EXPECT_EQ(plan->output_level, 2u);
  EXPECT_EQ(plan->output_run, 1u);
  last.created_ns = 107'000;
  EXPECT_FALSE(at(7'000).has_value());
  // Whatever has kept them then, a snapshot or a move, keeps them no longer.
  EXPECT_TRUE(at(10'000'000).has_value());
  // But not while the snapshot lives that was there when it was written; a later one sees the
  // deletes.
  shape_.oldest_snapshot_ns = 107'000;
  EXPECT_FALSE(at(10'000'000).has_value());
  shape_.oldest_snapshot_ns = 107'001;
  EXPECT_TRUE(at(10'000'000).has_value());
}

// A job over a whole level may fill the gaps between its tables: nothing goes down into them
// meanwhile, however old its deletes are.
TEST_F(LeveledShapes, AgedDeletesWaitForAJobOverTheirLevel) {
  SettingBag bag = SmallSettings();
  bag.Set("delete_ttl", int64_t{8'000});
  bag.Set("granularity", std::string("level"));
  policy_ = kLeveledCompaction.make(bag);
  Add(1, 1, 10, "a", "c").being_compacted = true;
  Add(1, 1, 11, "x", "z").being_compacted = true;
  Add(1, 1, 12, "m", "n").oldest_tombstone_ns = 100'000;
  Add(2, 1, 20, "a", "b").being_compacted = true;
  EXPECT_FALSE(policy_->Pick(shape_, "", 10'000'000).has_value());
}

// Levels without tables take no share of the time.
TEST_F(LeveledShapes, AgedDeletesShareTheirTimeAmongLevelsInUse) {
  SettingBag bag = SmallSettings();
  bag.Set("delete_ttl", int64_t{8'000});
  policy_ = kLeveledCompaction.make(bag);
  Add(0, 1, 1, "a", "m").oldest_tombstone_ns = 100'000;
  Add(3, 1, 20, "a", "z");
  EXPECT_FALSE(policy_->Pick(shape_, "", 106'900).has_value());
  EXPECT_TRUE(policy_->Pick(shape_, "", 107'000).has_value());
}

// Level 0 cannot go down beside a job below; no other job may start there meanwhile, and another.
TEST_F(LeveledShapes, Level0ComesBeforeOtherJobsOfItsTarget) {
  for (uint32_t run = 1; run <= 12; ++run) Add(0, run, run, "a", "z", 100);
  Add(1, 1, 30, "a", "f", 100).being_compacted = true;
  Add(1, 1, 31, "g", "z", 2500);
  Add(2, 1, 40, "a", "z", 4000);
  EXPECT_FALSE(Pick().has_value());
  shape_.levels[1].runs[0].tables[0].being_compacted = false;
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
