#include <algorithm>
#include <utility>

#include "engine/base/coding.h"
#include "variants/compaction/leveled.h"
#include "variants/compaction/policy_settings.h"

// Which file of a full level goes down. The rules and their trade-offs: Sarkar et al.,
// "Constructing and Analyzing the LSM Compaction Design Space", 2021.
namespace lsmlab::compaction_internal {
namespace {

constexpr std::string_view kMagic = "rr1";

}  // namespace

RoundRobinCursors::RoundRobinCursors(std::string_view state) {
  if (!state.starts_with(kMagic)) return;
  Decoder in(state.substr(kMagic.size()));
  uint8_t level;
  Slice key;
  while (in.GetFixed(&level) && in.GetLengthPrefixed(&key)) {
    if (level < cursors_.size()) Set(level, key);
  }
}

std::string RoundRobinCursors::Encode() const {
  std::string state(kMagic);
  for (size_t level = 0; level < cursors_.size(); ++level) {
    if (cursors_[level].empty()) continue;
    state.push_back(static_cast<char>(level));
    PutLengthPrefixed(state, cursors_[level]);
  }
  return state;
}

double LeveledCompaction::Rank(const TableShape& table, const TableList& lower) const {
  const double bytes = static_cast<double>(std::max<uint64_t>(table.bytes, 1));
  const double overlap = static_cast<double>(TotalBytes(lower)) / bytes;
  switch (pick_) {
    case FilePick::kOldest:
      return static_cast<double>(table.max_sequence);
    case FilePick::kMostTombstones: {
      const double entries = static_cast<double>(std::max<uint64_t>(table.entries, 1));
      const double deletes = static_cast<double>(table.tombstones) / entries;
      // Without any delete to tell them apart: the least overlap.
      return overlap / (1 + overlap) - 2 * deletes;
    }
    default:
      return overlap;
  }
}

std::optional<CompactionPlan> LeveledCompaction::PickFile(const TreeShape& shape, uint32_t level,
                                                          std::string_view state) const {
  const LevelShape& here = LevelAt(shape, level);
  const LevelShape& below = LevelAt(shape, level + 1);
  const bool in_turn = pick_ == FilePick::kRoundRobin;
  RoundRobinCursors cursors(in_turn ? state : std::string_view());
  TableList tables = TablesOf(here);
  if (in_turn) {
    const auto next = std::find_if(tables.begin(), tables.end(), [&](const TableShape* table) {
      return std::string_view(table->smallest_key) > cursors.At(level);
    });
    std::rotate(tables.begin(), next, tables.end());
  }
  TableList best;
  double best_rank = 0;
  for (const TableShape* table : tables) {
    if (table->being_compacted) continue;
    TableList upper = ClosedTables(here, {table->smallest_key, table->largest_key});
    const TableList lower = ClosedTables(below, HullOf(upper));
    if (AnyBeingCompacted(upper) || AnyBeingCompacted(lower)) continue;
    const double rank = Rank(*table, lower);
    if (best.empty() || rank < best_rank) {
      best = std::move(upper);
      best_rank = rank;
    }
    if (in_turn) break;
  }
  if (best.empty()) return std::nullopt;
  std::optional<CompactionPlan> plan =
      Down(shape, best, level + 1, kSizeCauses[std::min<size_t>(level, 11)]);
  if (plan && in_turn) {
    cursors.Set(level, HullOf(best).largest);
    plan->next_state = cursors.Encode();
  }
  return plan;
}

}  // namespace lsmlab::compaction_internal
