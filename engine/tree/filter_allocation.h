#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/parts/settings.h"

namespace lsmlab {

// What one level holds.
struct LevelFill {
  uint64_t entries = 0;
  uint32_t runs = 0;
};

// How many filter bits a key gets in the tables of each level. Immutable; any thread.
//
// `uniform`: the setting's entry for the level. `monkey`: the setting is the average over the whole
// tree, spent so that a point read of a missing key reads as few tables in vain as it can (Dayan,
// Athanassoulis, Idreos: Monkey, SIGMOD 2017): the false-positive rate of a run is proportional to
// its entries, so a small run, which costs few bits, gets a low rate.
class FilterAllocation {
 public:
  // Bits beyond these change nothing that could be measured.
  static constexpr double kMaxBits = 30;

  // REQUIRES: the settings of the filter part (part_settings::kFilter).
  explicit FilterAllocation(const SettingBag& settings);

  // Bits per distinct key for new tables of `level`. `fill`: the tree as it will be with them,
  // REQUIRES: fill.size() > level. 0: no filter, as below one bit a key it would rule out less than
  // half of the missing keys.
  double BitsPerKey(uint32_t level, std::span<const LevelFill> fill) const;

 private:
  bool monkey_;
  std::vector<double> bits_;  // per level; the last entry repeats
};

}  // namespace lsmlab
