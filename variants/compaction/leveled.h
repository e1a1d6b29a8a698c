#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/parts/compaction_policy.h"
#include "variants/compaction/overlap.h"
#include "variants/compaction/policy_settings.h"

namespace lsmlab::compaction_internal {

// Leveled compaction, after O'Neil et al., "The Log-Structured Merge-Tree", 1996, in the form
// LevelDB gave it: level 0 collects flushed runs, each deeper level is one run of files and
// `size_ratio` times as large as the one above. A full level gives up one file at a time, which one
// is the `pick`, or with granularity `level` all of them, as in the original.
//
// With dynamic levels the sizes are counted from the deepest level upwards, so that all others
// together hold at most one of size_ratio - 1 bytes of it; level 0 goes straight to the first level
// that is meant to hold data (RocksDB's level_compaction_dynamic_level_bytes).
class LeveledCompaction final : public CompactionPolicy {
 public:
  explicit LeveledCompaction(const SettingBag& bag);

  std::optional<CompactionPlan> Pick(const TreeShape& shape, std::string_view state,
                                     int64_t now_ns) const override;
  void SetTargets(TreeShape& shape) const override;
  double Pressure(const TreeShape& shape) const override;
  std::optional<CompactionPlan> PickRange(const TreeShape& shape, std::string_view begin,
                                          std::string_view end) const override;
  uint32_t levels() const noexcept override { return levels_; }
  int64_t check_interval_ns() const noexcept override;

 private:
  static constexpr size_t kMostLevels = 16;
  enum class FilePick : uint8_t { kMinOverlap, kRoundRobin, kOldest, kMostTombstones };
  // What the shape says about the levels' sizes.
  struct Sizes {
    std::array<double, kMostLevels> target{};
    uint32_t base = 1;  // where level 0 goes
  };
  struct Candidate {
    uint32_t level;
    double score;  // 1: full
  };
  // How willingly a file is given up, the least first: its rank, and among equals what it costs.
  using FileRank = std::pair<double, double>;
  // As this policy keeps a level.
  static bool IsLeveled(const TreeShape& shape, uint32_t level) {
    return level == 0 || LevelAt(shape, level).runs.size() < 2;
  }
  // The bottom: nothing goes down from here.
  uint32_t LastLevel(const TreeShape& shape) const;
  Sizes SizesOf(const TreeShape& shape) const;
  Sizes DynamicSizes(const TreeShape& shape) const;
  std::vector<Candidate> FullLevels(const TreeShape& shape, const Sizes& sizes) const;
  std::optional<CompactionPlan> PickLevel0(const TreeShape& shape, const Sizes& sizes) const;
  std::optional<CompactionPlan> PickLevel(const TreeShape& shape, uint32_t level) const;
  // leveled_pick.cc
  std::optional<CompactionPlan> PickFile(const TreeShape& shape, uint32_t level,
                                         std::string_view state) const;
  std::optional<CompactionPlan> PickNext(const TreeShape& shape, const RunShape& run,
                                         std::string_view state) const;
  std::optional<CompactionPlan> PickBest(const TreeShape& shape, const RunShape& run) const;
  FileRank RankOf(const TableShape& table) const;
  // The table one level down, with what must go with it.
  std::optional<CompactionPlan> FileDown(const TreeShape& shape, const TableShape& table,
                                         std::string_view cause) const;
  // leveled_deletes.cc
  std::optional<CompactionPlan> PickExpired(const TreeShape& shape, const Sizes& sizes,
                                            int64_t now_ns) const;
  std::optional<CompactionPlan> TakeDown(const TreeShape& shape, const Sizes& sizes,
                                         const TableShape& table) const;
  std::optional<CompactionPlan> Rewrite(const TreeShape& shape, const TableShape& table) const;
  bool IsInVain(const TreeShape& shape, const TableShape& table, int64_t limit_ns,
                int64_t now_ns) const;
  std::optional<CompactionPlan> MergeRuns(const TreeShape& shape, uint32_t level,
                                          std::string_view cause) const;
  // A plan that takes `upper` down to `to` with all it overlaps there; nothing when some of that is
  // being compacted. REQUIRES: the levels between are empty.
  std::optional<CompactionPlan> Down(const TreeShape& shape, const TableList& upper, uint32_t to,
                                     std::string_view cause) const;
  double DebtBytes(const TreeShape& shape) const;

  double size_ratio_;
  uint64_t l0_trigger_;
  double l0_slowdown_, l0_stop_;
  double level1_size_;
  FileSizes file_sizes_;
  uint32_t levels_;
  double debt_slowdown_, debt_stop_;
  FilePick pick_ = FilePick::kMinOverlap;
  bool whole_levels_ = false, dynamic_ = false;
  int64_t delete_ttl_ns_ = 0;  // 0: none
};

// Where round-robin stands in each level: the largest key that went down last. Kept as the policy's
// state with the tree.
//
//   state  := "rr1", cursor*
//   cursor := level u8, length varint, key byte{length}
//
// All keys together have the room of a state, in equal shares, and longer ones are cut. A cut key
// is a smaller one: where all keys of a level begin with the same bytes, more than such a share,
// the level's first table is the next again and again.
class RoundRobinCursors {
 public:
  // Any bytes: what is no such state is the start.
  explicit RoundRobinCursors(std::string_view state);
  // Empty: at the level's first key.
  std::string_view At(uint32_t level) const { return cursors_[level]; }
  void Set(uint32_t level, std::string_view key) { cursors_[level] = key; }
  // At most as long as a state may be.
  std::string Encode() const;

 private:
  std::array<std::string, 16> cursors_;
};

}  // namespace lsmlab::compaction_internal
