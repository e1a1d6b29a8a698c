#include <algorithm>
#include <cmath>

#include "variants/compaction/overlap.h"
#include "variants/compaction/policies.h"

// Leveled compaction with partial merges, after O'Neil et al., "The Log-Structured Merge-Tree",
// 1996, in the form LevelDB gave it: level 0 collects flushed runs, each deeper level is one run of
// files and `size_ratio` times as large as the one above. A full level gives up one file at a time,
// the one whose merge rewrites the least of the level below per byte moved.
namespace lsmlab {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr double kTiB = 1024 * kGiB;

constexpr SettingSpec kLeveledSettings[] = {
    {"size_ratio",
     SettingType::kReal,
     "10",
     2,
     100,
     {},
     "how much larger each level is than the one above"},
    {"l0_trigger",
     SettingType::kInteger,
     "4",
     1,
     1000,
     {},
     "runs in level 0 that start a merge into level 1"},
    {"l0_slowdown",
     SettingType::kInteger,
     "20",
     1,
     10000,
     {},
     "runs in level 0 at which writers begin to slow down; above l0_trigger"},
    {"l0_stop",
     SettingType::kInteger,
     "36",
     2,
     10000,
     {},
     "runs in level 0 at which writers stop; above l0_slowdown"},
    {"level1_size", SettingType::kBytes, "256MiB", 1024, kTiB, {}, "target size of level 1"},
    {"file_size", SettingType::kBytes, "64MiB", 1024, 16 * kGiB, {}, "target size of one table"},
    {"max_levels", SettingType::kInteger, "7", 2, 12, {}, "levels, level 0 included"},
    {"pick", SettingType::kChoice, "min-overlap", 0, 0, "min-overlap",
     "which file of a full level goes down: the one with the least overlap below per byte"},
    {"debt_slowdown",
     SettingType::kBytes,
     "16GiB",
     1024,
     1024 * kTiB,
     {},
     "bytes of compaction owed at which writers begin to slow down"},
    {"debt_stop",
     SettingType::kBytes,
     "64GiB",
     1024,
     1024 * kTiB,
     {},
     "bytes of compaction owed at which writers stop; above debt_slowdown"},
};

constexpr std::string_view kLevelCauses[] = {"l0 count",     "level 1 size",  "level 2 size",
                                             "level 3 size", "level 4 size",  "level 5 size",
                                             "level 6 size", "level 7 size",  "level 8 size",
                                             "level 9 size", "level 10 size", "level 11 size"};

// 0 at `none`, 1 at `slow`, 2 at `stop`, straight lines between, 2 above.
double Grade(double value, double none, double slow, double stop) {
  if (value <= none) return 0;
  if (value < slow) return (value - none) / (slow - none);
  if (value < stop) return 1 + (value - slow) / (stop - slow);
  return 2;
}

class LeveledCompaction final : public CompactionPolicy {
 public:
  explicit LeveledCompaction(const SettingBag& bag)
      : size_ratio_(bag.Real("size_ratio")),
        l0_trigger_(static_cast<uint64_t>(bag.Integer("l0_trigger"))),
        l0_slowdown_(static_cast<double>(bag.Integer("l0_slowdown"))),
        l0_stop_(static_cast<double>(bag.Integer("l0_stop"))),
        level1_size_(static_cast<double>(bag.Bytes("level1_size"))),
        file_size_(bag.Bytes("file_size")),
        levels_(static_cast<uint32_t>(bag.Integer("max_levels"))),
        debt_slowdown_(static_cast<double>(bag.Bytes("debt_slowdown"))),
        debt_stop_(static_cast<double>(bag.Bytes("debt_stop"))) {}

  std::optional<CompactionPlan> Pick(const TreeShape& shape, std::string_view,
                                     int64_t) const override;
  void SetTargets(TreeShape& shape) const override;
  double Pressure(const TreeShape& shape) const override;
  std::optional<CompactionPlan> PickRange(const TreeShape& shape, std::string_view begin,
                                          std::string_view end) const override;
  uint32_t levels() const noexcept override { return levels_; }

 private:
  struct Candidate {
    uint32_t level;
    double score;  // 1: full
  };
  static const LevelShape& LevelAt(const TreeShape& shape, uint32_t level) {
    static const LevelShape empty;
    return level < shape.levels.size() ? shape.levels[level] : empty;
  }
  static TableList TablesOf(const LevelShape& level);
  // The bottom: nothing goes down from here.
  uint32_t LastLevel(const TreeShape& shape) const {
    return std::max(levels_, static_cast<uint32_t>(shape.levels.size())) - 1;
  }
  double Target(uint32_t level) const {
    return std::min(level1_size_ * std::pow(size_ratio_, level - 1), 0x1p62);
  }
  std::vector<Candidate> FullLevels(const TreeShape& shape) const;
  std::optional<CompactionPlan> PickLevel0(const TreeShape& shape) const;
  std::optional<CompactionPlan> PickFile(const TreeShape& shape, uint32_t level) const;
  std::optional<CompactionPlan> MergeRuns(const TreeShape& shape, uint32_t level,
                                          std::string_view cause) const;
  // A plan that takes `upper` one level down with all it overlaps there; nothing when some of that
  // is being compacted.
  std::optional<CompactionPlan> Down(const TreeShape& shape, uint32_t level, const TableList& upper,
                                     std::string_view cause) const;
  double DebtBytes(const TreeShape& shape) const;

  double size_ratio_;
  uint64_t l0_trigger_;
  double l0_slowdown_, l0_stop_;
  double level1_size_;
  uint64_t file_size_;
  uint32_t levels_;
  double debt_slowdown_, debt_stop_;
};

TableList LeveledCompaction::TablesOf(const LevelShape& level) {
  TableList tables;
  for (const RunShape& run : level.runs) {
    for (const TableShape& table : run.tables) tables.push_back(&table);
  }
  return tables;
}

std::optional<CompactionPlan> LeveledCompaction::Down(const TreeShape& shape, uint32_t level,
                                                      const TableList& upper,
                                                      std::string_view cause) const {
  const LevelShape& below = LevelAt(shape, level + 1);
  const TableList lower = ClosedTables(below, HullOf(upper));
  if (AnyBeingCompacted(upper) || AnyBeingCompacted(lower)) return std::nullopt;
  CompactionPlan plan;
  plan.output_level = level + 1;
  plan.output_run = below.runs.empty() ? 1 : below.runs.front().run;
  plan.output_file_bytes = file_size_;
  plan.cause = cause;
  for (const TableShape* table : upper) plan.inputs.push_back(table->file);
  const bool nothing_below = std::none_of(upper.begin(), upper.end(), [&](const TableShape* t) {
    return !OverlappingTables(below, {t->smallest_key, t->largest_key}).empty();
  });
  if (nothing_below && AreDisjoint(upper)) {
    plan.kind = CompactionPlan::Kind::kMove;
    return plan;
  }
  for (const TableShape* table : lower) plan.inputs.push_back(table->file);
  return plan;
}

// All of level 0, so that no older run stays behind a newer one. One such job at a time: two would
// write the same range of level 1.
std::optional<CompactionPlan> LeveledCompaction::PickLevel0(const TreeShape& shape) const {
  const TableList upper = TablesOf(LevelAt(shape, 0));
  if (upper.empty()) return std::nullopt;
  return Down(shape, 0, upper, kLevelCauses[0]);
}

std::optional<CompactionPlan> LeveledCompaction::PickFile(const TreeShape& shape,
                                                          uint32_t level) const {
  const LevelShape& here = LevelAt(shape, level);
  const LevelShape& below = LevelAt(shape, level + 1);
  TableList best;
  double best_ratio = 0;
  for (const TableShape* table : TablesOf(here)) {
    if (table->being_compacted) continue;
    TableList upper = ClosedTables(here, {table->smallest_key, table->largest_key});
    const TableList lower = ClosedTables(below, HullOf(upper));
    if (AnyBeingCompacted(upper) || AnyBeingCompacted(lower)) continue;
    const double ratio = static_cast<double>(TotalBytes(lower)) /
                         static_cast<double>(std::max<uint64_t>(TotalBytes(upper), 1));
    if (best.empty() || ratio < best_ratio) {
      best = std::move(upper);
      best_ratio = ratio;
    }
  }
  if (best.empty()) return std::nullopt;
  return Down(shape, level, best, kLevelCauses[std::min<size_t>(level, 11)]);
}

// A level below 0 with several runs comes from another policy: it becomes one run first.
std::optional<CompactionPlan> LeveledCompaction::MergeRuns(const TreeShape& shape, uint32_t level,
                                                           std::string_view cause) const {
  const LevelShape& here = LevelAt(shape, level);
  const TableList all = TablesOf(here);
  if (AnyBeingCompacted(all)) return std::nullopt;
  CompactionPlan plan;
  for (const TableShape* table : all) plan.inputs.push_back(table->file);
  plan.output_level = level;
  plan.output_run = here.runs.front().run;
  plan.output_file_bytes = file_size_;
  plan.cause = cause;
  return plan;
}

std::vector<LeveledCompaction::Candidate> LeveledCompaction::FullLevels(
    const TreeShape& shape) const {
  std::vector<Candidate> full;
  const size_t runs = LevelAt(shape, 0).runs.size();
  if (runs >= l0_trigger_) {
    full.push_back({0, static_cast<double>(runs) / static_cast<double>(l0_trigger_)});
  }
  for (uint32_t level = 1; level < LastLevel(shape); ++level) {
    uint64_t bytes = 0;  // what running jobs take away is gone already
    for (const TableShape* table : TablesOf(LevelAt(shape, level))) {
      if (!table->being_compacted) bytes += table->bytes;
    }
    const double score = static_cast<double>(bytes) / Target(level);
    if (score > 1) full.push_back({level, score});
  }
  std::stable_sort(full.begin(), full.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  return full;
}

std::optional<CompactionPlan> LeveledCompaction::Pick(const TreeShape& shape, std::string_view,
                                                      int64_t) const {
  for (uint32_t level = 1; level < shape.levels.size(); ++level) {
    if (shape.levels[level].runs.size() < 2) continue;
    return MergeRuns(shape, level, "runs of a level");
  }
  for (const Candidate& candidate : FullLevels(shape)) {
    std::optional<CompactionPlan> plan =
        candidate.level == 0 ? PickLevel0(shape) : PickFile(shape, candidate.level);
    if (plan) return plan;
  }
  return std::nullopt;
}

void LeveledCompaction::SetTargets(TreeShape& shape) const {
  for (uint32_t level = 0; level < shape.levels.size(); ++level) {
    shape.levels[level].target_bytes = level == 0 ? 0 : static_cast<uint64_t>(Target(level));
  }
}

// What it would cost to bring every level back to its size: each byte above goes down and takes its
// share of the level below with it, and what goes down may be too much there again.
double LeveledCompaction::DebtBytes(const TreeShape& shape) const {
  double debt = 0, arriving = 0;
  if (LevelAt(shape, 0).runs.size() >= l0_trigger_) {
    arriving = static_cast<double>(TotalBytes(TablesOf(LevelAt(shape, 0))));
    debt = arriving + static_cast<double>(TotalBytes(TablesOf(LevelAt(shape, 1))));
  }
  for (uint32_t level = 1; level < LastLevel(shape); ++level) {
    const double bytes =
        arriving + static_cast<double>(TotalBytes(TablesOf(LevelAt(shape, level))));
    const double below = static_cast<double>(TotalBytes(TablesOf(LevelAt(shape, level + 1))));
    arriving = std::max(0.0, bytes - Target(level));
    if (arriving > 0) debt += arriving * (1 + below / bytes);
  }
  return debt;
}

double LeveledCompaction::Pressure(const TreeShape& shape) const {
  const double count = static_cast<double>(LevelAt(shape, 0).runs.size());
  const double by_count = Grade(count, static_cast<double>(l0_trigger_), l0_slowdown_, l0_stop_);
  return std::max(by_count, Grade(DebtBytes(shape), 0, debt_slowdown_, debt_stop_));
}

std::optional<CompactionPlan> LeveledCompaction::PickRange(const TreeShape& shape,
                                                           std::string_view begin,
                                                           std::string_view end) const {
  uint32_t last = 1;  // level 0 alone goes to level 1
  for (uint32_t level = 1; level < shape.levels.size(); ++level) {
    if (!TablesOf(shape.levels[level]).empty()) last = level;
  }
  for (uint32_t level = 0; level <= last; ++level) {
    const LevelShape& here = LevelAt(shape, level);
    TableList all = TablesOf(here);
    if (all.empty()) continue;
    const KeyRange range{begin, end.empty() ? HullOf(all).largest : end};
    const TableList upper = ClosedTables(here, range);
    if (upper.empty()) continue;
    if (level > 0 && here.runs.size() > 1) return MergeRuns(shape, level, "range");
    if (level == last) break;
    if (level == 0 && AnyBeingCompacted(all)) return std::nullopt;
    return Down(shape, level, upper, "range");
  }
  return std::nullopt;
}

std::unique_ptr<CompactionPolicy> MakeLeveled(const SettingBag& bag) {
  return std::make_unique<LeveledCompaction>(bag);
}

}  // namespace

const CompactionVariant kLeveledCompaction = {
    .name = "leveled",
    .summary = "one run per level, merged file by file into the level below",
    .settings = kLeveledSettings,
    .make = MakeLeveled,
};

}  // namespace lsmlab
