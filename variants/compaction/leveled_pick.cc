#include <algorithm>
#include <functional>
#include <utility>

#include "engine/base/coding.h"
#include "variants/compaction/leveled.h"
#include "variants/compaction/policy_settings.h"

// Which file of a full level goes down. The rules and their trade-offs: Sarkar et al.,
// "Constructing and Analyzing the LSM Compaction Design Space", 2021.
//
// A level may have very many files, and a simulation asks very often. So ranks are made of what the
// shape says of each file, and only for those that come first what they overlap is looked up.
namespace lsmlab::compaction_internal {
namespace {

constexpr std::string_view kMagic = "rr1";
constexpr size_t kStateBytes = 4096;    // see CompactionPlan::next_state
constexpr size_t kCursorHeadBytes = 3;  // level, and the length of a key that fits

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
  const auto unused = static_cast<size_t>(std::count(cursors_.begin(), cursors_.end(), ""));
  const size_t used = std::max<size_t>(1, cursors_.size() - unused);
  const size_t most = (kStateBytes - kMagic.size()) / used - kCursorHeadBytes;
  std::string state(kMagic);
  for (size_t level = 0; level < cursors_.size(); ++level) {
    if (cursors_[level].empty()) continue;
    state.push_back(static_cast<char>(level));
    PutLengthPrefixed(state, std::string_view(cursors_[level]).substr(0, most));
  }
  return state;
}

LeveledCompaction::FileRank LeveledCompaction::RankOf(const TableShape& table) const {
  const auto bytes = static_cast<double>(std::max<uint64_t>(table.bytes, 1));
  const double overlap = static_cast<double>(table.next_level_overlap_bytes) / bytes;
  switch (pick_) {
    case FilePick::kOldest:
      return {static_cast<double>(table.max_sequence), overlap};
    case FilePick::kMostTombstones: {
      const auto entries = static_cast<double>(std::max<uint64_t>(table.entries, 1));
      return {-static_cast<double>(table.tombstones) / entries, overlap};
    }
    default:
      return {overlap, 0};
  }
}

std::optional<CompactionPlan> LeveledCompaction::FileDown(const TreeShape& shape,
                                                          const TableShape& table,
                                                          std::string_view cause) const {
  const TableList upper =
      ClosedTables(LevelAt(shape, table.level), {table.smallest_key, table.largest_key});
  return Down(shape, upper, table.level + 1, cause);
}

// The first one behind the cursor that no running job is in the way of.
std::optional<CompactionPlan> LeveledCompaction::PickNext(const TreeShape& shape,
                                                          const RunShape& run,
                                                          std::string_view state) const {
  const std::vector<TableShape>& tables = run.tables;
  const uint32_t level = tables.front().level;
  RoundRobinCursors cursors(state);
  const auto next = std::upper_bound(
      tables.begin(), tables.end(), cursors.At(level),
      [](std::string_view cursor, const TableShape& table) { return cursor < table.smallest_key; });
  for (size_t i = 0; i < tables.size(); ++i) {
    const size_t at = (static_cast<size_t>(next - tables.begin()) + i) % tables.size();
    const TableShape& table = tables[at];
    if (table.being_compacted) continue;
    std::optional<CompactionPlan> plan = FileDown(shape, table, SizeCause(level));
    if (!plan) continue;
    cursors.Set(level, table.largest_key);
    plan->next_state = cursors.Encode();
    return plan;
  }
  return std::nullopt;
}

// The one of the least rank that no running job is in the way of.
std::optional<CompactionPlan> LeveledCompaction::PickBest(const TreeShape& shape,
                                                          const RunShape& run) const {
  using Ranked = std::pair<FileRank, const TableShape*>;  // among equals in key order
  std::vector<Ranked> ranked;
  ranked.reserve(run.tables.size());
  for (const TableShape& table : run.tables) {
    if (!table.being_compacted) ranked.emplace_back(RankOf(table), &table);
  }
  std::make_heap(ranked.begin(), ranked.end(), std::greater<>());
  while (!ranked.empty()) {
    std::pop_heap(ranked.begin(), ranked.end(), std::greater<>());
    const TableShape& table = *ranked.back().second;
    ranked.pop_back();
    std::optional<CompactionPlan> plan = FileDown(shape, table, SizeCause(table.level));
    if (plan) return plan;
  }
  return std::nullopt;
}

std::optional<CompactionPlan> LeveledCompaction::PickFile(const TreeShape& shape, uint32_t level,
                                                          std::string_view state) const {
  const LevelShape& here = LevelAt(shape, level);
  if (here.runs.empty()) return std::nullopt;
  if (pick_ == FilePick::kRoundRobin) return PickNext(shape, here.runs.front(), state);
  return PickBest(shape, here.runs.front());
}

}  // namespace lsmlab::compaction_internal
