#include <cmath>

#include "variants/compaction/leveled.h"
#include "variants/compaction/policy_settings.h"

// Deletes that must be gone after a time: FADE, of Sarkar et al., "Lethe: A Tunable Delete-Aware
// LSM Engine", 2020. The time is shared out among the levels above the deepest one that hold
// tables, each `size_ratio` times as much as the one above; a table whose oldest delete has used up
// the shares down to its level goes down, whatever the sizes are. A delete counts on in the table
// whose entries have taken its place while what it deletes may be left
// (TableProperties::lost_deletes). A table of the deepest level that still has any, because it was
// moved there or a snapshot held them, is written anew.
//
// The tables alone are meant. A separated value's bytes stay in its value file when no table refers
// to them any more, until the values part collects the file for its garbage.
namespace lsmlab::compaction_internal {
namespace {

// A job takes time itself, so tables leave somewhat before.
constexpr double kInTime = 7.0 / 8;

}  // namespace

int64_t LeveledCompaction::check_interval_ns() const noexcept {
  return CheckIntervalOf(delete_ttl_ns_);
}

std::optional<CompactionPlan> LeveledCompaction::TakeDown(const TreeShape& shape,
                                                          const Sizes& sizes,
                                                          const TableShape& table) const {
  if (!IsLeveled(shape, table.level == 0 ? sizes.base : table.level + 1)) return std::nullopt;
  if (table.level == 0) return PickLevel0(shape, sizes);
  // What a whole level becomes may lie across the gaps between its tables.
  if (whole_levels_ && IsBusy(LevelAt(shape, table.level))) return std::nullopt;
  return FileDown(shape, table, "delete age");
}

std::optional<CompactionPlan> LeveledCompaction::Rewrite(const TreeShape& shape,
                                                         const TableShape& table) const {
  const TableList tables =
      ClosedTables(LevelAt(shape, table.level), {table.smallest_key, table.largest_key});
  if (AnyBeingCompacted(tables)) return std::nullopt;
  CompactionPlan plan;
  for (const TableShape* input : tables) plan.inputs.push_back(input->file);
  plan.output_level = table.level;
  plan.output_run = table.run;
  plan.output_file_bytes = file_sizes_.At(table.level);
  plan.cause = "delete age";
  return plan;
}

// Whether another job for the deletes of a table of the deepest level, whose time is over, would
// change nothing. It was written since: a snapshot held them, or it was moved here. While that one
// lives, once more would not change that; and what only just came of a job is not for the next.
bool LeveledCompaction::IsInVain(const TreeShape& shape, const TableShape& table, int64_t limit_ns,
                                 int64_t now_ns) const {
  if (table.created_ns - table.oldest_tombstone_ns < limit_ns) return false;
  const bool held = shape.oldest_snapshot_ns != 0 && shape.oldest_snapshot_ns <= table.created_ns;
  return held || now_ns - table.created_ns < CheckIntervalOf(delete_ttl_ns_);
}

std::optional<CompactionPlan> LeveledCompaction::PickExpired(const TreeShape& shape,
                                                             const Sizes& sizes,
                                                             int64_t now_ns) const {
  if (delete_ttl_ns_ == 0) return std::nullopt;
  uint32_t deepest = 0;
  for (uint32_t level = 1; level < shape.levels.size(); ++level) {
    if (!shape.levels[level].runs.empty()) deepest = level;
  }
  double all = 0, passed = 0, weight = 1;
  for (uint32_t level = 0; level < deepest; ++level) {
    if (level > 0 && shape.levels[level].runs.empty()) continue;
    all += weight;
    weight *= size_ratio_;
  }
  weight = 1;
  for (uint32_t level = 0; level <= deepest && level < shape.levels.size(); ++level) {
    if (level > 0 && shape.levels[level].runs.empty()) continue;
    passed += weight;
    weight *= size_ratio_;
    const double share = level < deepest ? passed / all : 1;
    const auto limit = static_cast<int64_t>(kInTime * share * static_cast<double>(delete_ttl_ns_));
    const bool bottom = level > 0 && level == deepest;
    const auto is_due = [&](const TableShape& table) {
      const int64_t oldest = table.oldest_tombstone_ns;
      return oldest != 0 && !table.being_compacted && now_ns - oldest >= limit &&
             !(bottom && IsInVain(shape, table, limit, now_ns));
    };
    if (!IsLeveled(shape, level)) continue;
    for (const RunShape& run : shape.levels[level].runs) {
      for (const TableShape& table : run.tables) {
        if (!is_due(table)) continue;
        std::optional<CompactionPlan> plan =
            bottom ? Rewrite(shape, table) : TakeDown(shape, sizes, table);
        if (plan) return plan;
      }
    }
  }
  return std::nullopt;
}

}  // namespace lsmlab::compaction_internal
