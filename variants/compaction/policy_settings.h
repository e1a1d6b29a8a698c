#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "engine/parts/settings.h"
#include "engine/parts/tree_shape.h"
#include "variants/compaction/overlap.h"

// What policies share: settings that mean the same everywhere, names of causes, grades of pressure.
namespace lsmlab::compaction_internal {

inline constexpr double kGiB = 1024.0 * 1024 * 1024;
inline constexpr double kTiB = 1024 * kGiB;

inline constexpr SettingSpec kSizeRatioSetting = {
    "size_ratio",
    SettingType::kReal,
    "10",
    2,
    100,
    {},
    "how much larger each level is than the one above"};
inline constexpr SettingSpec kLevel0SlowdownSetting = {
    "l0_slowdown",
    SettingType::kInteger,
    "20",
    1,
    10000,
    {},
    "runs in level 0 at which writers begin to slow down; above what starts a merge"};
inline constexpr SettingSpec kLevel0StopSetting = {
    "l0_stop",
    SettingType::kInteger,
    "36",
    2,
    10000,
    {},
    "runs in level 0 at which writers stop; above l0_slowdown"};
inline constexpr SettingSpec kLevel1SizeSetting = {
    "level1_size", SettingType::kBytes, "256MiB", 1024, kTiB, {}, "target size of level 1"};
inline constexpr SettingSpec kFileSizeSetting = {
    "file_size", SettingType::kBytes, "64MiB", 1024, 16 * kGiB, {}, "target size of one table"};
inline constexpr SettingSpec kFileGrowthSetting = {
    "file_growth",
    SettingType::kReal,
    "1",
    1,
    10,
    {},
    "how many times as large as in the level above tables are made, below level 1"};
inline constexpr SettingSpec kMaxLevelsSetting = {
    "max_levels", SettingType::kInteger, "7", 2, 12, {}, "levels, level 0 included"};
inline constexpr SettingSpec kDebtSlowdownSetting = {
    "debt_slowdown",
    SettingType::kBytes,
    "16GiB",
    1024,
    1024 * kTiB,
    {},
    "bytes of compaction owed at which writers begin to slow down"};
inline constexpr SettingSpec kDebtStopSetting = {
    "debt_stop",
    SettingType::kBytes,
    "64GiB",
    1024,
    1024 * kTiB,
    {},
    "bytes of compaction owed at which writers stop; above debt_slowdown"};

// Causes for the event log: "level 3 size", "level 3 runs".
inline constexpr std::array<std::string_view, 12> kSizeCauses = {
    "level 0 size", "level 1 size", "level 2 size",  "level 3 size",
    "level 4 size", "level 5 size", "level 6 size",  "level 7 size",
    "level 8 size", "level 9 size", "level 10 size", "level 11 size"};
inline constexpr std::array<std::string_view, 12> kRunsCauses = {
    "l0 count",     "level 1 runs", "level 2 runs",  "level 3 runs",
    "level 4 runs", "level 5 runs", "level 6 runs",  "level 7 runs",
    "level 8 runs", "level 9 runs", "level 10 runs", "level 11 runs"};
inline std::string_view SizeCause(uint32_t level) {
  return kSizeCauses[std::min<size_t>(level, kSizeCauses.size() - 1)];
}
inline std::string_view RunsCause(uint32_t level) {
  return kRunsCauses[std::min<size_t>(level, kRunsCauses.size() - 1)];
}

// 0 at `none`, 1 at `slow`, 2 at `stop`, straight lines between, 2 above.
inline double Grade(double value, double none, double slow, double stop) noexcept {
  if (value <= none) return 0;
  if (value < slow) return (value - none) / (slow - none);
  if (value < stop) return 1 + (value - slow) / (stop - slow);
  return 2;
}

// How large a policy wants the tables that it has written to each level: the file_size of level 1,
// times file_growth per level below. Larger ones where the data lie keep their number small,
// smaller ones above keep a job there small.
class FileSizes {
 public:
  explicit FileSizes(const SettingBag& bag)
      : level1_(static_cast<double>(bag.Bytes("file_size"))), growth_(bag.Real("file_growth")) {}
  uint64_t At(uint32_t level) const {
    const double below = level > 1 ? level - 1.0 : 0;
    return static_cast<uint64_t>(std::min(level1_ * std::pow(growth_, below), 0x1p62));
  }

 private:
  double level1_, growth_;
};

// How often to look whether something has reached an age; 0: never.
inline int64_t CheckIntervalOf(int64_t age_ns) noexcept {
  return age_ns == 0 ? 0 : std::clamp<int64_t>(age_ns / 64, 1'000'000, 60'000'000'000);
}

// Empty where the shape ends before.
inline const LevelShape& LevelAt(const TreeShape& shape, uint32_t level) {
  static const LevelShape empty;
  return level < shape.levels.size() ? shape.levels[level] : empty;
}

inline TableList TablesOf(const LevelShape& level) {
  TableList tables;
  for (const RunShape& run : level.runs) {
    for (const TableShape& table : run.tables) tables.push_back(&table);
  }
  return tables;
}

}  // namespace lsmlab::compaction_internal
