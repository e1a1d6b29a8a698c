// Where compactions cut their outputs: the rule, and what it saves, by a simulation at full size: a
// table is the sorted list of its keys, so that gigabytes are merged in a second.

#include "engine/tree/output_cut.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "tests/support/policy_tree.h"
#include "variants/compaction/policies.h"

namespace lsmlab {
namespace {

using Cut = CompactionPlan::Cut;

// The last key of each output when keys of 4 digits, one by one, take `entry_bytes` each.
std::vector<std::string> LastKeys(OutputCut cut, int keys, uint64_t entry_bytes) {
  std::vector<std::string> last;
  std::string previous;
  uint64_t bytes = 0;
  for (int i = 0; i < keys; ++i) {
    const std::string key = std::to_string(1000 + i);
    if (cut.EndsBefore(key, bytes)) {
      last.push_back(previous);
      bytes = 0;
    }
    bytes += entry_bytes;
    cut.Took(key, bytes);
    previous = key;
  }
  return last;
}

using Keys = std::vector<std::string>;

TEST(OutputCut, BySizeLooksAtTheSizeAlone) {
  EXPECT_EQ(LastKeys(OutputCut(Cut::kBySize, 1000, {"1005"}), 35, 100),
            (Keys{"1009", "1019", "1029"}));
}

TEST(OutputCut, AlignedEndsWhereATableBelowBegins) {
  // 1004 comes too early; 1017 before the target, 1032 after it.
  EXPECT_EQ(LastKeys(OutputCut(Cut::kAligned, 1000, {"1004", "1017", "1032"}), 40, 100),
            (Keys{"1016", "1031"}));
  // Boundaries between two keys and beyond the last count as well.
  EXPECT_EQ(LastKeys(OutputCut(Cut::kAligned, 1000, {"0999", "10065", "3000"}), 10, 100),
            (Keys{"1006"}));
}

TEST(OutputCut, AlignedGrowsToTwiceTheTargetAtMost) {
  EXPECT_EQ(LastKeys(OutputCut(Cut::kAligned, 1000, {"1001"}), 45, 100), (Keys{"1019", "1039"}));
  // The last level has nothing to be aligned with.
  EXPECT_EQ(LastKeys(OutputCut(Cut::kAligned, 1000, {}), 25, 100), (Keys{"1009", "1019"}));
}

TEST(OutputCut, AlignedWaitsForLaterOnesWhereTheyAreMany) {
  Keys many;
  for (int i = 1; i < 40; ++i) many.push_back(std::to_string(1000 + i));
  EXPECT_EQ(LastKeys(OutputCut(Cut::kAligned, 1000, many), 20, 100), (Keys{"1008", "1017"}));
}

TEST(OutputCut, VersionsOfAKeyStayTogether) {
  for (const Cut rule : {Cut::kBySize, Cut::kAligned}) {
    OutputCut cut(rule, 100, {"k"});
    EXPECT_FALSE(cut.EndsBefore("k", 0));
    cut.Took("k", 400);
    EXPECT_FALSE(cut.EndsBefore("k", 400));
    EXPECT_TRUE(cut.EndsBefore("l", 400));
  }
}

constexpr uint64_t kCutEntryBytes = 16384;
constexpr uint64_t kCutFileBytes = 4u << 20;
constexpr uint64_t kCutFileEntries = kCutFileBytes / kCutEntryBytes;

// A leveled tree whose entries are keys without values; the newest version is any.
class CutSimulation {
 public:
  explicit CutSimulation(Cut rule) : rule_(rule), levels_(5), changed_(5, true) {
    SettingBag bag = DefaultSettings(kLeveledCompaction.settings);
    bag.Set("file_size", static_cast<int64_t>(kCutFileBytes));
    bag.Set("level1_size", static_cast<int64_t>(5 * kCutFileBytes));
    bag.Set("size_ratio", 10.0);
    policy_ = kLeveledCompaction.make(bag);
  }
  // A full level of every key from 0 on, in tables of the target's size.
  void FillLevel(size_t level, uint32_t tables) {
    for (uint32_t t = 0; t < tables; ++t) {
      SimTable table{next_file_++, 1, {}};
      for (uint32_t i = 0; i < kCutFileEntries; ++i) {
        table.keys.push_back(t * static_cast<uint32_t>(kCutFileEntries) + i);
      }
      levels_[level].push_back(std::move(table));
    }
    changed_[level] = true;
  }
  // One memtable of 4 MiB, and all compactions that it brings about.
  void Flush(std::vector<uint32_t> keys) {
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    levels_[0].push_back({next_file_++, next_run_++, std::move(keys)});
    changed_[0] = true;
    while (std::optional<CompactionPlan> plan = policy_->Pick(Shape(), "", 0)) Execute(*plan);
  }
  uint64_t written() const { return written_; }
  uint64_t BytesAt(size_t level) const {
    uint64_t entries = 0;
    for (const SimTable& table : levels_[level]) entries += table.keys.size();
    return entries * kCutEntryBytes;
  }
  size_t TablesAt(size_t level) const { return levels_[level].size(); }

 private:
  struct SimTable {
    uint64_t file;
    uint32_t run;
    std::vector<uint32_t> keys;
  };
  static std::string Text(uint32_t key) {
    return {static_cast<char>(key >> 24), static_cast<char>(key >> 16), static_cast<char>(key >> 8),
            static_cast<char>(key)};
  }
  const TreeShape& Shape() {
    shape_.levels.resize(levels_.size());
    bool changed = false;
    for (size_t level = 0; level < levels_.size(); ++level) {
      if (!changed_[level]) continue;
      changed_[level] = false;
      changed = true;
      std::vector<RunShape>& runs = shape_.levels[level].runs;
      runs.clear();
      for (const SimTable& table : levels_[level]) {
        TableShape t;
        t.file = table.file;
        t.level = static_cast<uint32_t>(level);
        t.run = table.run;
        t.entries = table.keys.size();
        t.bytes = t.entries * kCutEntryBytes;
        t.smallest_key = Text(table.keys.front());
        t.largest_key = Text(table.keys.back());
        if (runs.empty() || level == 0) runs.insert(runs.begin(), RunShape{table.run, {}});
        runs.front().tables.push_back(std::move(t));
      }
    }
    if (changed) test::CompleteShape(&shape_);
    return shape_;
  }
  void Execute(const CompactionPlan& plan) {
    std::vector<SimTable> inputs;
    changed_[plan.output_level] = true;
    for (std::vector<SimTable>& level : levels_) {
      const auto rest = std::stable_partition(level.begin(), level.end(), [&](const SimTable& t) {
        return std::find(plan.inputs.begin(), plan.inputs.end(), t.file) == plan.inputs.end();
      });
      std::move(rest, level.end(), std::back_inserter(inputs));
      if (rest != level.end()) changed_[static_cast<size_t>(&level - levels_.data())] = true;
      level.erase(rest, level.end());
    }
    std::vector<SimTable>& output = levels_[plan.output_level];
    if (plan.kind == CompactionPlan::Kind::kMove) {
      std::move(inputs.begin(), inputs.end(), std::back_inserter(output));
    } else {
      std::vector<uint32_t> merged;
      for (const SimTable& table : inputs) {
        merged.insert(merged.end(), table.keys.begin(), table.keys.end());
      }
      std::sort(merged.begin(), merged.end());
      merged.erase(std::unique(merged.begin(), merged.end()), merged.end());
      written_ += merged.size() * kCutEntryBytes;
      Split(plan, merged, output);
    }
    std::sort(output.begin(), output.end(),
              [](const SimTable& a, const SimTable& b) { return a.keys.front() < b.keys.front(); });
  }
  void Split(const CompactionPlan& plan, const std::vector<uint32_t>& merged,
             std::vector<SimTable>& output) {
    std::vector<std::string> boundaries;
    if (plan.output_level + 1 < levels_.size()) {
      for (const SimTable& t : levels_[plan.output_level + 1]) {
        boundaries.push_back(Text(t.keys.front()));
      }
    }
    OutputCut cut(rule_, plan.output_file_bytes, std::move(boundaries));
    std::vector<uint32_t> open;
    for (const uint32_t key : merged) {
      const std::string text = Text(key);
      if (cut.EndsBefore(text, open.size() * kCutEntryBytes)) {
        output.push_back({next_file_++, plan.output_run, std::move(open)});
        open.clear();
      }
      open.push_back(key);
      cut.Took(text, open.size() * kCutEntryBytes);
    }
    output.push_back({next_file_++, plan.output_run, std::move(open)});
  }

  const Cut rule_;
  std::unique_ptr<CompactionPolicy> policy_;
  std::vector<std::vector<SimTable>> levels_;
  std::vector<bool> changed_;  // since the shape was made
  TreeShape shape_;
  uint64_t next_file_ = 1, written_ = 0;
  uint32_t next_run_ = 1;
};

// Bytes that compactions write for every byte of uniform overwrites over three full levels below
// level 0, of 20 MiB, 200 MiB and 2 GiB; memtables and tables of 4 MiB, T = 10.
double CompactionBytesPerByte(Cut rule) {
  CutSimulation tree(rule);
  Random random(1);
  constexpr uint64_t kKeys = 500 * kCutFileEntries;
  const auto flushes = [&](uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      std::vector<uint32_t> keys(kCutFileEntries);
      for (uint32_t& key : keys) key = static_cast<uint32_t>(random.Below(kKeys));
      tree.Flush(std::move(keys));
    }
  };
  tree.FillLevel(3, 500);
  flushes(200);
  EXPECT_GT(tree.BytesAt(1), 3 * kCutFileBytes);
  EXPECT_GT(tree.BytesAt(2), 45 * kCutFileBytes);
  EXPECT_GT(tree.BytesAt(3), 450 * kCutFileBytes);
  const uint64_t before = tree.written();
  constexpr uint64_t kMeasured = 400;
  flushes(kMeasured);
  const double cost =
      static_cast<double>(tree.written() - before) / static_cast<double>(kMeasured * kCutFileBytes);
  std::printf("cut %s: %.3f bytes written per byte, tables %zu %zu %zu\n",
              rule == Cut::kAligned ? "aligned" : "size", cost, tree.TablesAt(1), tree.TablesAt(2),
              tree.TablesAt(3));
  return cost;
}

TEST(OutputCut, AlignedSavesCompactionBytes) {
  const double by_size = CompactionBytesPerByte(Cut::kBySize);
  const double aligned = CompactionBytesPerByte(Cut::kAligned);
  std::printf("aligned writes %.1f %% less\n", 100 * (1 - aligned / by_size));
  EXPECT_LE(aligned, 0.94 * by_size);
}

}  // namespace
}  // namespace lsmlab
