#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/random.h"
#include "engine/parts/compaction_policy.h"
#include "variants/compaction/overlap.h"

// A tree for tests of compaction policies, without files.
namespace lsmlab::test {

inline constexpr uint64_t kEntryBytes = 100;

// Levels that a few hundred entries fill.
inline SettingBag SmallPolicySettings(const CompactionVariant& variant) {
  SettingBag bag = DefaultSettings(variant.settings);
  if (bag.Has("level1_size")) bag.Set("level1_size", int64_t{1000 * kEntryBytes});
  if (bag.Has("file_size")) bag.Set("file_size", int64_t{100 * kEntryBytes});
  return bag;
}

inline std::string PolicyKeyOf(uint64_t key) {
  char text[16];
  std::snprintf(text, sizeof text, "%08llu", static_cast<unsigned long long>(key));
  return text;
}

// What the engine fills in beside the tables themselves.
inline void CompleteShape(TreeShape* shape) {
  for (size_t level = 0; level < shape->levels.size(); ++level) {
    LevelShape& here = shape->levels[level];
    here.bytes = here.bytes_being_compacted = 0;
    for (RunShape& run : here.runs) {
      for (TableShape& table : run.tables) {
        here.bytes += table.bytes;
        if (table.being_compacted) here.bytes_being_compacted += table.bytes;
        table.next_level_overlap_bytes = 0;
        if (level + 1 == shape->levels.size()) continue;
        for (const TableShape* below :
             OverlappingTables(shape->levels[level + 1], {table.smallest_key, table.largest_key})) {
          table.next_level_overlap_bytes += below->bytes;
        }
      }
    }
  }
}

// A tree of integer keys whose values are version numbers. Carries plans out as the engine would
// and checks after each that no version is lost, hidden by an older one, or back after its delete.
class PolicyTree {
 public:
  // `check_every`: jobs between two checks; a check reads the whole tree.
  PolicyTree(std::unique_ptr<CompactionPolicy> policy, uint64_t seed, uint64_t check_every = 1)
      : policy_(std::move(policy)),
        random_(seed),
        levels_(policy_->levels()),
        check_every_(check_every) {}

  // Every `delete_every`th key is deleted; 0: none.
  void Flush(const std::vector<uint64_t>& keys, size_t delete_every = 0) {
    Table table{next_file_++, next_run_++, now_ns_, 0, {}, false};
    const bool nothing_below = Runs() == 0;
    for (size_t i = 0; i < keys.size(); ++i) {
      const bool deletes = delete_every > 0 && i % delete_every == 0;
      Entry& entry = table.entries[keys[i]];
      const bool lost = !deletes && !nothing_below && (entry.deletes || entry.lost_delete);
      entry = latest_[keys[i]] = {++version_, deletes, lost};
    }
    if (nothing_below) std::erase_if(table.entries, [](const auto& e) { return e.second.deletes; });
    if (table.entries.empty()) return;
    table.SetAge(now_ns_);
    flushed_ += table.entries.size();
    levels_[0].push_back(std::move(table));
  }
  void Advance(int64_t ns) { now_ns_ += ns; }
  // Starts the job the policy wants, if any.
  bool StartJob() { return Start(policy_->Pick(Shape(), state_, now_ns_)); }
  bool StartRange(const std::string& begin, const std::string& end) {
    return Start(policy_->PickRange(Shape(), begin, end));
  }
  // Ends a random running job.
  void EndJob() {
    const size_t i = random_.Below(running_.size());
    Job job = std::move(running_[i]);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    Execute(job);
    if (++ended_ % check_every_ == 0) Check();
  }
  // All that is owed, one job after the other.
  void Drain() {
    uint64_t steps = 0;
    while (StartJob() || running() > 0) {
      if (running() > 0) EndJob();
      ASSERT_LT(++steps, 100000u) << "does not come to rest";
    }
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
  size_t EntriesAt(uint32_t level) const {
    size_t n = 0;
    for (const Table& table : levels_[level]) n += table.entries.size();
    return n;
  }
  size_t Tombstones() const {
    size_t n = 0;
    for (const std::vector<Table>& level : levels_) {
      for (const Table& table : level) n += ShapeOf(table, 0).tombstones;
    }
    return n;
  }
  // Of all deletes that are in the tables or count there; 0: there is none.
  int64_t OldestDeleteAge() const {
    int64_t age = 0;
    for (const std::vector<Table>& level : levels_) {
      for (const Table& table : level) {
        if (table.oldest_delete_ns != 0) age = std::max(age, now_ns_ - table.oldest_delete_ns);
      }
    }
    return age;
  }

  TreeShape Shape() const {
    TreeShape shape;
    shape.levels.resize(levels_.size());
    for (uint32_t level = 0; level < levels_.size(); ++level) {
      for (const auto& [number, tables] : RunsOf(levels_[level])) {
        RunShape& run = shape.levels[level].runs.emplace_back();
        run.run = number;
        for (const Table* table : tables) run.tables.push_back(ShapeOf(*table, level));
      }
    }
    CompleteShape(&shape);
    policy_->SetTargets(shape);
    return shape;
  }

 private:
  struct Entry {
    uint64_t version = 0;
    bool deletes = false;
    bool lost_delete = false;  // it has taken the place of a delete whose older data may be left
  };
  struct Table {
    uint64_t file;
    uint32_t run;
    int64_t created_ns, oldest_delete_ns;
    std::map<uint64_t, Entry> entries;
    bool busy;

    uint64_t smallest() const { return entries.begin()->first; }
    uint64_t largest() const { return entries.rbegin()->first; }
    // `oldest_ns`: of the deletes that its entries came with.
    void SetAge(int64_t oldest_ns) {
      const bool any = std::any_of(entries.begin(), entries.end(), [](const auto& e) {
        return e.second.deletes || e.second.lost_delete;
      });
      oldest_delete_ns = any ? oldest_ns : 0;
    }
  };
  struct Job {
    CompactionPlan plan;
    int64_t begun_ns;
    std::vector<std::pair<uint64_t, uint64_t>> older;  // first and last keys of what it lies above
  };

  static TableShape ShapeOf(const Table& table, uint32_t level) {
    TableShape shape;
    shape.file = table.file;
    shape.level = level;
    shape.run = table.run;
    shape.bytes = table.entries.size() * kEntryBytes;
    shape.entries = table.entries.size();
    for (const auto& [key, entry] : table.entries) {
      shape.max_sequence = std::max<Sequence>(shape.max_sequence, entry.version);
      shape.tombstones += entry.deletes ? 1 : 0;
    }
    shape.created_ns = table.created_ns;
    shape.oldest_tombstone_ns = table.oldest_delete_ns;
    shape.smallest_key = PolicyKeyOf(table.smallest());
    shape.largest_key = PolicyKeyOf(table.largest());
    shape.being_compacted = table.busy;
    return shape;
  }
  bool Start(const std::optional<CompactionPlan>& plan) {
    if (!plan) return false;
    EXPECT_FALSE(plan->inputs.empty());
    EXPECT_LT(plan->output_level, levels_.size());
    EXPECT_FALSE(plan->cause.empty());
    EXPECT_LE(plan->next_state.size(), 4096u);
    for (uint64_t file : plan->inputs) {
      Table* table = Find(file);
      EXPECT_NE(table, nullptr);
      if (table == nullptr) return false;
      EXPECT_FALSE(table->busy);
      table->busy = true;
    }
    if (!plan->next_state.empty()) state_ = plan->next_state;
    Job job{*plan, now_ns_, {}};
    for (size_t level = plan->output_level; level < levels_.size(); ++level) {
      for (const Table& table : levels_[level]) {
        if (!IsInput(*plan, table)) job.older.emplace_back(table.smallest(), table.largest());
      }
    }
    running_.push_back(std::move(job));
    ++jobs_;
    return true;
  }
  static bool IsInput(const CompactionPlan& plan, const Table& table) {
    return std::find(plan.inputs.begin(), plan.inputs.end(), table.file) != plan.inputs.end();
  }
  Table* Find(uint64_t file) {
    for (auto& level : levels_) {
      for (Table& table : level) {
        if (table.file == file) return &table;
      }
    }
    return nullptr;
  }
  std::vector<Table> TakeInputs(const CompactionPlan& plan) {
    std::vector<Table> inputs;
    for (auto& level : levels_) {
      for (size_t i = level.size(); i-- > 0;) {
        if (!IsInput(plan, level[i])) continue;
        inputs.push_back(std::move(level[i]));
        level.erase(level.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    return inputs;
  }
  void Execute(const Job& job) {
    std::vector<Table> inputs = TakeInputs(job.plan);
    std::vector<Table>& into = levels_[job.plan.output_level];
    if (job.plan.kind == CompactionPlan::Kind::kMove) {
      ++moves_;
      for (Table& table : inputs) {
        table.run = job.plan.output_run;
        table.busy = false;
        into.push_back(std::move(table));
      }
      return;
    }
    int64_t oldest_ns = 0;
    for (const Table& table : inputs) {
      if (table.oldest_delete_ns == 0) continue;
      oldest_ns =
          oldest_ns == 0 ? table.oldest_delete_ns : std::min(oldest_ns, table.oldest_delete_ns);
    }
    const std::map<uint64_t, Entry> merged = MergedOf(job, inputs);
    written_ += merged.size();
    Table output{0, job.plan.output_run, job.begun_ns, 0, {}, false};
    for (const auto& entry : merged) {
      output.entries.insert(entry);
      const bool last = entry.first == merged.rbegin()->first;
      if (!last && output.entries.size() * kEntryBytes < job.plan.output_file_bytes) continue;
      output.file = next_file_++;
      output.SetAge(oldest_ns);
      into.push_back(output);
      output.entries.clear();
    }
  }
  // The newest versions; deletes that lie above nothing are gone.
  static std::map<uint64_t, Entry> MergedOf(const Job& job, const std::vector<Table>& inputs) {
    std::map<uint64_t, Entry> merged;
    std::set<uint64_t> deleted;  // keys with a delete among their versions, lost or not
    for (const Table& table : inputs) {
      for (const auto& [key, entry] : table.entries) {
        if (entry.deletes || entry.lost_delete) deleted.insert(key);
        Entry& newest = merged[key];
        if (entry.version > newest.version) newest = entry;
      }
    }
    for (const uint64_t key : deleted) {
      const bool above = std::any_of(job.older.begin(), job.older.end(), [key](const auto& range) {
        return range.first <= key && key <= range.second;
      });
      Entry& entry = merged[key];
      entry.lost_delete = above && !entry.deletes;
      if (!above && entry.deletes) merged.erase(key);
    }
    return merged;
  }
  // By run, the newest first, each in key order.
  static std::map<uint32_t, std::vector<const Table*>, std::greater<>> RunsOf(
      const std::vector<Table>& level) {
    std::map<uint32_t, std::vector<const Table*>, std::greater<>> runs;
    for (const Table& table : level) runs[table.run].push_back(&table);
    for (auto& [number, tables] : runs) {
      std::sort(tables.begin(), tables.end(),
                [](const Table* a, const Table* b) { return a->smallest() < b->smallest(); });
    }
    return runs;
  }
  void Check() const {
    std::map<uint64_t, uint64_t> seen;  // key -> version of the run above
    for (const std::vector<Table>& level : levels_) {
      for (const auto& [number, tables] : RunsOf(level)) {
        for (size_t i = 0; i < tables.size(); ++i) {
          if (i > 0) {
            ASSERT_LT(tables[i - 1]->largest(), tables[i]->smallest());
          }
          for (const auto& [key, entry] : tables[i]->entries) {
            const auto [found, first] = seen.emplace(key, entry.version);
            if (first) {
              ASSERT_EQ(entry.version, latest_.at(key).version)
                  << "newest version of " << key << " is hidden, or its delete is gone";
            } else {
              ASSERT_LT(entry.version, found->second) << "older above newer of " << key;
              found->second = entry.version;
            }
          }
        }
      }
    }
    for (const auto& [key, entry] : latest_) {
      ASSERT_TRUE(entry.deletes || seen.count(key) > 0) << key << " is lost";
    }
  }

  std::unique_ptr<CompactionPolicy> policy_;
  Random random_;
  std::vector<std::vector<Table>> levels_;
  uint64_t check_every_, ended_ = 0;
  std::vector<Job> running_;
  std::map<uint64_t, Entry> latest_;
  std::string state_;
  int64_t now_ns_ = 1'000'000'000;
  uint64_t next_file_ = 1, version_ = 0, flushed_ = 0, written_ = 0, jobs_ = 0, moves_ = 0;
  uint32_t next_run_ = 1;
};

inline std::vector<uint64_t> RandomKeys(Random& random, size_t count, uint64_t space) {
  std::vector<uint64_t> keys(count);
  for (uint64_t& key : keys) key = random.Below(space);
  return keys;
}

}  // namespace lsmlab::test
