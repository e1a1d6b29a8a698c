#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "variants/compaction/policies.h"
#include "variants/compaction/policy_settings.h"

// Tiering: a level collects runs, and when it has as many as the size ratio says they become one
// run of the next level, so that an entry is written once per level (Jagadish et al., "Incremental
// Organization for Data Recording and Warehousing", 1997). Lazy leveling: the same, but the deepest
// level is kept as one run into which the level above is merged, which gives back most of the reads
// and space of leveling (Dayan and Idreos, "Dostoevsky", 2018). It has grown out of its level when
// it is size_ratio times as large as what the level above merges into it. Whole levels are merged.
//
// One job per source level at a time: its output is the newest run of the level below, and a second
// one could end before it.
namespace lsmlab {
namespace {

using namespace compaction_internal;  // NOLINT: the part's own namespace

constexpr SettingSpec kTieredRatio = {
    "size_ratio",
    SettingType::kReal,
    "10",
    2,
    100,
    {},
    "runs that a level collects before they become one run of the next; rounded up"};

constexpr SettingSpec kTieredSettings[] = {
    kTieredRatio,     kLevel0SlowdownSetting, kLevel0StopSetting,
    kFileSizeSetting, kFileGrowthSetting,     kMaxLevelsSetting,
};
class TieredCompaction final : public CompactionPolicy {
 public:
  TieredCompaction(const SettingBag& bag, bool lazy)
      : lazy_(lazy),
        size_ratio_(bag.Real("size_ratio")),
        runs_(static_cast<size_t>(std::ceil(size_ratio_))),
        l0_slowdown_(static_cast<double>(bag.Integer("l0_slowdown"))),
        l0_stop_(static_cast<double>(bag.Integer("l0_stop"))),
        file_sizes_(bag),
        levels_(static_cast<uint32_t>(bag.Integer("max_levels"))) {}

  std::optional<CompactionPlan> Pick(const TreeShape& shape, std::string_view,
                                     int64_t) const override;
  void SetTargets(TreeShape& shape) const override;
  double Pressure(const TreeShape& shape) const override;
  std::optional<CompactionPlan> PickRange(const TreeShape& shape, std::string_view begin,
                                          std::string_view end) const override;
  uint32_t levels() const noexcept override { return levels_; }

 private:
  // The deepest level that holds data; 0 in an empty tree.
  static uint32_t Deepest(const TreeShape& shape) {
    uint32_t deepest = 0;
    for (uint32_t level = 1; level < shape.levels.size(); ++level) {
      if (!shape.levels[level].runs.empty()) deepest = level;
    }
    return deepest;
  }
  uint32_t Bottom(const TreeShape& shape) const {
    return std::max(levels_, static_cast<uint32_t>(shape.levels.size())) - 1;
  }
  // How many runs the level may hold before it must be merged.
  size_t Trigger(const TreeShape& shape, uint32_t level) const {
    const bool one_run = lazy_ && level > 0 && level == Deepest(shape);
    return one_run ? 2 : runs_;
  }
  CompactionPlan PlanOf(const TableList& inputs, uint32_t level, uint32_t run,
                        std::string_view cause) const;
  // The tables `upper` of a level one level down; nothing when a job is in the way.
  std::optional<CompactionPlan> Down(const TreeShape& shape, uint32_t level, const TableList& upper,
                                     std::string_view cause) const;
  std::optional<CompactionPlan> MergeLevel(const TreeShape& shape, uint32_t level) const;
  std::optional<CompactionPlan> GrowLastLevel(const TreeShape& shape) const;

  const bool lazy_;
  const double size_ratio_;
  const size_t runs_;
  const double l0_slowdown_, l0_stop_;
  const FileSizes file_sizes_;
  const uint32_t levels_;
};

CompactionPlan TieredCompaction::PlanOf(const TableList& inputs, uint32_t level, uint32_t run,
                                        std::string_view cause) const {
  CompactionPlan plan;
  for (const TableShape* table : inputs) plan.inputs.push_back(table->file);
  plan.output_level = level;
  plan.output_run = run;
  plan.output_file_bytes = file_sizes_.At(level);
  plan.cause = cause;
  return plan;
}

std::optional<CompactionPlan> TieredCompaction::Down(const TreeShape& shape, uint32_t level,
                                                     const TableList& upper,
                                                     std::string_view cause) const {
  if (IsBusy(LevelAt(shape, level))) return std::nullopt;
  const LevelShape& below = LevelAt(shape, level + 1);
  const bool joins = lazy_ && level + 1 == Deepest(shape);
  TableList inputs = upper;
  uint32_t run = below.runs.empty() ? 1 : below.runs.front().run + 1;
  bool overlaps = false;
  if (joins) {
    // Several runs there come from another policy: all of them join.
    const TableList lower =
        below.runs.size() > 1 ? TablesOf(below) : ClosedTables(below, HullOf(upper));
    if (AnyBeingCompacted(lower)) return std::nullopt;
    inputs.insert(inputs.end(), lower.begin(), lower.end());
    overlaps = !lower.empty();
    run = below.runs.front().run;
  }
  CompactionPlan plan = PlanOf(inputs, level + 1, run, cause);
  // Tiered, every run is merged again in its time, and its deletes with it.
  if (!overlaps && AreDisjoint(upper) && (!lazy_ || MayMoveTo(shape, level + 1, upper))) {
    plan.kind = CompactionPlan::Kind::kMove;
  }
  return plan;
}

std::optional<CompactionPlan> TieredCompaction::MergeLevel(const TreeShape& shape,
                                                           uint32_t level) const {
  const LevelShape& here = LevelAt(shape, level);
  if (IsBusy(here)) return std::nullopt;
  const TableList all = TablesOf(here);
  const std::string_view cause = RunsCause(level);
  const bool stays = level == Bottom(shape) || (lazy_ && level > 0 && level == Deepest(shape));
  if (!stays) return Down(shape, level, all, cause);
  return PlanOf(all, level, here.runs.front().run, cause);
}

// Instead of a merge into a run that has outgrown its level, that run moves down as it is, and its
// level collects runs from now on.
std::optional<CompactionPlan> TieredCompaction::GrowLastLevel(const TreeShape& shape) const {
  const uint32_t level = Deepest(shape);
  if (!lazy_ || level == 0 || level == Bottom(shape)) return std::nullopt;
  const LevelShape& above = LevelAt(shape, level - 1);
  const LevelShape& here = LevelAt(shape, level);
  if (above.runs.size() < runs_ || here.runs.size() > 1 || IsBusy(here)) return std::nullopt;
  const double full = (size_ratio_ - 0.5) * static_cast<double>(above.bytes);  // rounded
  if (static_cast<double>(here.bytes) < full) return std::nullopt;
  CompactionPlan plan = PlanOf(TablesOf(here), level + 1, 1, SizeCause(level));
  plan.kind = CompactionPlan::Kind::kMove;
  return plan;
}

std::optional<CompactionPlan> TieredCompaction::Pick(const TreeShape& shape, std::string_view,
                                                     int64_t) const {
  if (std::optional<CompactionPlan> plan = GrowLastLevel(shape)) return plan;
  // The level that is most beyond its number of runs first, the upper one of two alike: its merge
  // is the smaller.
  std::vector<std::pair<double, uint32_t>> full;
  for (uint32_t level = 0; level < shape.levels.size(); ++level) {
    const size_t runs = shape.levels[level].runs.size();
    const size_t trigger = Trigger(shape, level);
    if (runs < trigger) continue;
    full.emplace_back(static_cast<double>(runs) / static_cast<double>(trigger), level);
  }
  std::stable_sort(full.begin(), full.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [score, level] : full) {
    if (std::optional<CompactionPlan> plan = MergeLevel(shape, level)) return plan;
  }
  return std::nullopt;
}

// Levels are full by their number of runs, not by their size.
void TieredCompaction::SetTargets(TreeShape& shape) const {
  for (LevelShape& level : shape.levels) level.target_bytes = 0;
}

// Runs that wait cost the readers, in whatever level they lie.
double TieredCompaction::Pressure(const TreeShape& shape) const {
  size_t most = 0;
  for (const LevelShape& level : shape.levels) most = std::max(most, level.runs.size());
  const double merged = static_cast<double>(runs_);
  return Grade(static_cast<double>(most), merged, std::max(l0_slowdown_, merged + 1),
               std::max(l0_stop_, merged + 2));
}

std::optional<CompactionPlan> TieredCompaction::PickRange(const TreeShape& shape,
                                                          std::string_view begin,
                                                          std::string_view end) const {
  const uint32_t last = std::max(Deepest(shape), 1u);  // level 0 alone goes to level 1
  for (uint32_t level = 0; level <= last; ++level) {
    const LevelShape& here = LevelAt(shape, level);
    const TableList all = TablesOf(here);
    if (all.empty()) continue;
    const TableList upper =
        ClosedTables(here, KeyRange{begin, end.empty() ? HullOf(all).largest : end});
    if (upper.empty()) continue;
    if (level < last) return Down(shape, level, upper, "range");
    const bool one_run = std::all_of(upper.begin(), upper.end(), [&](const TableShape* table) {
      return table->run == upper[0]->run;
    });
    if (one_run || IsBusy(here)) return std::nullopt;
    // What is merged leaves no other table in its hull, so the oldest run has room for it.
    CompactionPlan plan = PlanOf(upper, level, here.runs.back().run, "range");
    if (AreDisjoint(upper) && MayMoveTo(shape, level, upper)) {
      plan.kind = CompactionPlan::Kind::kMove;
    }
    return plan;
  }
  return std::nullopt;
}

}  // namespace

const CompactionVariant kTieredCompaction = {
    .name = "tiered",
    .summary = "a level collects runs, which become one run of the next level",
    .settings = kTieredSettings,
    .make = [](const SettingBag& bag) -> std::unique_ptr<CompactionPolicy> {
      return std::make_unique<TieredCompaction>(bag, /*lazy=*/false);
    },
};

const CompactionVariant kLazyLeveledCompaction = {
    .name = "lazy-leveled",
    .summary = "as tiered, but the deepest level is one run",
    .settings = kTieredSettings,
    .make = [](const SettingBag& bag) -> std::unique_ptr<CompactionPolicy> {
      return std::make_unique<TieredCompaction>(bag, /*lazy=*/true);
    },
};

}  // namespace lsmlab
