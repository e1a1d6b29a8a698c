#include "variants/compaction/leveled.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "variants/compaction/policies.h"
#include "variants/compaction/policy_settings.h"

namespace lsmlab {
namespace compaction_internal {
namespace {

constexpr SettingSpec kPickSetting = {
    "pick",
    SettingType::kChoice,
    "min-overlap",
    0,
    0,
    "min-overlap|round-robin|oldest|most-tombstones",
    "which file of a full level goes down: least overlap below per byte; the next in key order; "
    "the one whose newest entry is the oldest; the one with most deletes among its entries"};
constexpr SettingSpec kGranularitySetting = {
    "granularity",
    SettingType::kChoice,
    "file",
    0,
    0,
    "file|level",
    "what a full level gives up at a time: one file, or all"};
constexpr SettingSpec kDynamicSetting = {
    "dynamic_levels",
    SettingType::kBool,
    "false",
    0,
    0,
    {},
    "sizes counted from the deepest level upwards, instead of from level1_size downwards"};
constexpr SettingSpec kDeleteTtlSetting = {
    "delete_ttl",
    SettingType::kDuration,
    "0ms",
    0,
    1e18,
    {},
    "time after which a delete and what it deletes are gone from the tables, snapshots aside; "
    "memtable.max_age bounds how long one waits in a memtable before; nothing bounds by time how "
    "long separated values stay in their files after it; 0: none"};
constexpr SettingSpec kLevel0TriggerSetting = {"l0_trigger",
                                               SettingType::kInteger,
                                               "4",
                                               1,
                                               1000,
                                               {},
                                               "runs in level 0 that start a merge into level 1"};

constexpr SettingSpec kLeveledSettings[] = {
    kSizeRatioSetting,    kLevel0TriggerSetting, kLevel0SlowdownSetting, kLevel0StopSetting,
    kLevel1SizeSetting,   kFileSizeSetting,      kFileGrowthSetting,     kMaxLevelsSetting,
    kPickSetting,         kGranularitySetting,   kDynamicSetting,        kDeleteTtlSetting,
    kDebtSlowdownSetting, kDebtStopSetting,
};
constexpr SettingSpec kOneLevelingSettings[] = {
    kSizeRatioSetting,   kLevel0SlowdownSetting, kLevel0StopSetting, kLevel1SizeSetting,
    kFileSizeSetting,    kFileGrowthSetting,     kMaxLevelsSetting,  kPickSetting,
    kGranularitySetting, kDynamicSetting,        kDeleteTtlSetting,  kDebtSlowdownSetting,
    kDebtStopSetting,
};

}  // namespace

LeveledCompaction::LeveledCompaction(const SettingBag& bag)
    : size_ratio_(bag.Real("size_ratio")),
      l0_trigger_(bag.Has("l0_trigger") ? static_cast<uint64_t>(bag.Integer("l0_trigger"))
                                        : static_cast<uint64_t>(std::ceil(size_ratio_))),
      l0_slowdown_(static_cast<double>(bag.Integer("l0_slowdown"))),
      l0_stop_(static_cast<double>(bag.Integer("l0_stop"))),
      level1_size_(static_cast<double>(bag.Bytes("level1_size"))),
      file_sizes_(bag),
      levels_(static_cast<uint32_t>(bag.Integer("max_levels"))),
      debt_slowdown_(static_cast<double>(bag.Bytes("debt_slowdown"))),
      debt_stop_(static_cast<double>(bag.Bytes("debt_stop"))),
      whole_levels_(bag.Choice("granularity") == "level"),
      dynamic_(bag.Bool("dynamic_levels")),
      delete_ttl_ns_(bag.Nanos("delete_ttl")) {
  const std::string& pick = bag.Choice("pick");
  if (pick == "round-robin") pick_ = FilePick::kRoundRobin;
  if (pick == "oldest") pick_ = FilePick::kOldest;
  if (pick == "most-tombstones") pick_ = FilePick::kMostTombstones;
}

uint32_t LeveledCompaction::LastLevel(const TreeShape& shape) const {
  return std::max(levels_, static_cast<uint32_t>(shape.levels.size())) - 1;
}

LeveledCompaction::Sizes LeveledCompaction::SizesOf(const TreeShape& shape) const {
  if (dynamic_) return DynamicSizes(shape);
  Sizes sizes;
  for (uint32_t level = 1; level < kMostLevels; ++level) {
    sizes.target[level] = std::min(level1_size_ * std::pow(size_ratio_, level - 1.0), 0x1p62);
  }
  return sizes;
}

// From the deepest level upwards until a level is no larger than level1_size. What lies above that
// level (from the time when the tree was smaller there, or from another policy) goes down.
LeveledCompaction::Sizes LeveledCompaction::DynamicSizes(const TreeShape& shape) const {
  Sizes sizes;
  const uint32_t last = LastLevel(shape);
  double size = static_cast<double>(LevelAt(shape, last).bytes);
  sizes.target[last] = std::max(size, level1_size_);
  uint32_t base = last;
  while (base > 1 && size > level1_size_) {
    size /= size_ratio_;
    sizes.target[--base] = size;
  }
  for (uint32_t level = 1; level < base; ++level) {
    if (!LevelAt(shape, level).runs.empty()) base = level;
  }
  sizes.base = base;
  return sizes;
}

std::optional<CompactionPlan> LeveledCompaction::Down(const TreeShape& shape,
                                                      const TableList& upper, uint32_t to,
                                                      std::string_view cause) const {
  if (AnyBeingCompacted(upper)) return std::nullopt;
  const LevelShape& below = LevelAt(shape, to);
  const TableList lower = ClosedTables(below, HullOf(upper));
  if (AnyBeingCompacted(lower)) return std::nullopt;
  CompactionPlan plan;
  plan.output_level = to;
  plan.output_run = below.runs.empty() ? 1 : below.runs.front().run;
  plan.output_file_bytes = file_sizes_.At(to);
  plan.cause = cause;
  for (const TableShape* table : upper) plan.inputs.push_back(table->file);
  const bool nothing_below = std::none_of(upper.begin(), upper.end(), [&](const TableShape* t) {
    return !OverlappingTables(below, {t->smallest_key, t->largest_key}).empty();
  });
  if (nothing_below && AreDisjoint(upper) && MayMoveTo(shape, to, upper)) {
    plan.kind = CompactionPlan::Kind::kMove;
    return plan;
  }
  for (const TableShape* table : lower) plan.inputs.push_back(table->file);
  return plan;
}

// All of level 0, so that no older run stays behind a newer one. One such job at a time: two would
// write the same range of the level below.
std::optional<CompactionPlan> LeveledCompaction::PickLevel0(const TreeShape& shape,
                                                            const Sizes& sizes) const {
  const LevelShape& here = LevelAt(shape, 0);
  if (here.runs.empty() || IsBusy(here)) return std::nullopt;
  return Down(shape, TablesOf(here), sizes.base, RunsCause(0));
}

std::optional<CompactionPlan> LeveledCompaction::PickLevel(const TreeShape& shape,
                                                           uint32_t level) const {
  const LevelShape& here = LevelAt(shape, level);
  if (here.runs.empty() || IsBusy(here)) return std::nullopt;
  return Down(shape, TablesOf(here), level + 1, SizeCause(level));
}

// A level below 0 with several runs comes from another policy: it becomes one run first, and until
// then no other job takes anything from it or adds to it.
std::optional<CompactionPlan> LeveledCompaction::MergeRuns(const TreeShape& shape, uint32_t level,
                                                           std::string_view cause) const {
  const LevelShape& here = LevelAt(shape, level);
  if (IsBusy(here)) return std::nullopt;
  CompactionPlan plan;
  for (const TableShape* table : TablesOf(here)) plan.inputs.push_back(table->file);
  plan.output_level = level;
  plan.output_run = here.runs.front().run;
  plan.output_file_bytes = file_sizes_.At(level);
  plan.cause = cause;
  return plan;
}

std::vector<LeveledCompaction::Candidate> LeveledCompaction::FullLevels(const TreeShape& shape,
                                                                        const Sizes& sizes) const {
  std::vector<Candidate> full;
  const size_t runs = LevelAt(shape, 0).runs.size();
  if (runs >= l0_trigger_) {
    full.push_back({0, static_cast<double>(runs) / static_cast<double>(l0_trigger_)});
  }
  for (uint32_t level = 1; level < LastLevel(shape); ++level) {
    const LevelShape& here = LevelAt(shape, level);
    // What running jobs take away is gone already.
    const auto bytes = static_cast<double>(here.bytes - here.bytes_being_compacted);
    const double score = bytes / std::max(sizes.target[level], 1.0);
    if (score > 1) full.push_back({level, score});
  }
  std::stable_sort(full.begin(), full.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  return full;
}

std::optional<CompactionPlan> LeveledCompaction::Pick(const TreeShape& shape,
                                                      std::string_view state,
                                                      int64_t now_ns) const {
  for (uint32_t level = 1; level < shape.levels.size(); ++level) {
    if (IsLeveled(shape, level)) continue;
    if (std::optional<CompactionPlan> plan = MergeRuns(shape, level, "runs of a level")) {
      return plan;
    }
  }
  const Sizes sizes = SizesOf(shape);
  if (std::optional<CompactionPlan> plan = PickExpired(shape, sizes, now_ns)) return plan;
  bool level0_waits = false;
  for (const Candidate& candidate : FullLevels(shape, sizes)) {
    // Job after job out of the level that it goes to would keep level 0 waiting.
    if (level0_waits && candidate.level == sizes.base) continue;
    const uint32_t to = candidate.level == 0 ? sizes.base : candidate.level + 1;
    if (!IsLeveled(shape, candidate.level) || !IsLeveled(shape, to)) continue;
    std::optional<CompactionPlan> plan;
    if (candidate.level == 0) {
      plan = PickLevel0(shape, sizes);
      level0_waits = !plan;
    } else if (whole_levels_) {
      plan = PickLevel(shape, candidate.level);
    } else {
      plan = PickFile(shape, candidate.level, state);
    }
    if (plan) return plan;
  }
  return std::nullopt;
}

void LeveledCompaction::SetTargets(TreeShape& shape) const {
  const Sizes sizes = SizesOf(shape);
  for (uint32_t level = 0; level < shape.levels.size(); ++level) {
    shape.levels[level].target_bytes = static_cast<uint64_t>(sizes.target[level]);
  }
}

// What it would cost to bring every level back to its size: each byte above goes down and takes its
// share of the level below with it, and what goes down may be too much there again.
double LeveledCompaction::DebtBytes(const TreeShape& shape) const {
  const Sizes sizes = SizesOf(shape);
  double debt = 0, arriving = 0;
  if (LevelAt(shape, 0).runs.size() >= l0_trigger_) {
    arriving = static_cast<double>(LevelAt(shape, 0).bytes);
    debt = arriving + static_cast<double>(LevelAt(shape, sizes.base).bytes);
  }
  // What lies above the base belongs to no level's size.
  for (uint32_t level = sizes.base; level < LastLevel(shape); ++level) {
    const double bytes = arriving + static_cast<double>(LevelAt(shape, level).bytes);
    const double below = static_cast<double>(LevelAt(shape, level + 1).bytes);
    arriving = std::max(0.0, bytes - sizes.target[level]);
    if (arriving > 0) debt += arriving * (1 + below / bytes);
  }
  return debt;
}

double LeveledCompaction::Pressure(const TreeShape& shape) const {
  const double count = static_cast<double>(LevelAt(shape, 0).runs.size());
  const double merged = static_cast<double>(l0_trigger_);
  const double by_count =
      Grade(count, merged, std::max(l0_slowdown_, merged + 1), std::max(l0_stop_, merged + 2));
  return std::max(by_count, Grade(DebtBytes(shape), 0, debt_slowdown_, debt_stop_));
}

std::optional<CompactionPlan> LeveledCompaction::PickRange(const TreeShape& shape,
                                                           std::string_view begin,
                                                           std::string_view end) const {
  const Sizes sizes = SizesOf(shape);
  uint32_t last = sizes.base;  // level 0 alone goes there
  for (uint32_t level = 1; level < shape.levels.size(); ++level) {
    if (!shape.levels[level].runs.empty()) last = level;
  }
  for (uint32_t level = 0; level <= last; ++level) {
    const LevelShape& here = LevelAt(shape, level);
    if (here.runs.empty()) continue;
    const KeyRange range{begin, end.empty() ? HullOf(TablesOf(here)).largest : end};
    const TableList upper = ClosedTables(here, range);
    if (upper.empty()) continue;
    if (level > 0 && here.runs.size() > 1) return MergeRuns(shape, level, "range");
    if (level == last) break;
    if (level == 0 && IsBusy(here)) return std::nullopt;
    return Down(shape, upper, level == 0 ? sizes.base : level + 1, "range");
  }
  return std::nullopt;
}

}  // namespace compaction_internal

namespace {

std::unique_ptr<CompactionPolicy> MakeLeveled(const SettingBag& bag) {
  return std::make_unique<compaction_internal::LeveledCompaction>(bag);
}

}  // namespace

const CompactionVariant kLeveledCompaction = {
    .name = "leveled",
    .summary = "one run per level, merged file by file into the level below",
    .settings = compaction_internal::kLeveledSettings,
    .make = MakeLeveled,
};

const CompactionVariant kOneLevelingCompaction = {
    .name = "one-leveling",
    .summary = "level 0 collects as many runs as the size ratio says, the levels below are leveled",
    .settings = compaction_internal::kOneLevelingSettings,
    .make = MakeLeveled,
};

}  // namespace lsmlab
