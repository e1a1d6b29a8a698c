#include <memory>

#include "variants/compaction/leveled.h"
#include "variants/compaction/policies.h"
#include "variants/compaction/policy_settings.h"

// No compaction but the one that is asked for: runs pile up in level 0, writers never wait. For
// loading, for measuring what compaction costs and gives, and for those who compact by
// Store::CompactRange, which does what it does with `leveled`.
namespace lsmlab {
namespace {

using namespace compaction_internal;  // NOLINT: the part's own namespace

constexpr SettingSpec kNoSettings[] = {kFileSizeSetting, kFileGrowthSetting, kMaxLevelsSetting};

SettingBag LeveledSettings(const SettingBag& bag) {
  SettingBag leveled = DefaultSettings(kLeveledCompaction.settings);
  for (const char* name : {"file_size", "max_levels"}) leveled.Set(name, bag.Integer(name));
  leveled.Set("file_growth", bag.Real("file_growth"));
  return leveled;
}

class NoCompaction final : public CompactionPolicy {
 public:
  explicit NoCompaction(const SettingBag& bag) : leveled_(LeveledSettings(bag)) {}
  std::optional<CompactionPlan> Pick(const TreeShape&, std::string_view, int64_t) const override {
    return std::nullopt;
  }
  void SetTargets(TreeShape& shape) const override {
    for (LevelShape& level : shape.levels) level.target_bytes = 0;
  }
  double Pressure(const TreeShape&) const override { return 0; }
  std::optional<CompactionPlan> PickRange(const TreeShape& shape, std::string_view begin,
                                          std::string_view end) const override {
    return leveled_.PickRange(shape, begin, end);
  }
  uint32_t levels() const noexcept override { return leveled_.levels(); }

 private:
  const LeveledCompaction leveled_;
};

}  // namespace

const CompactionVariant kNoCompaction = {
    .name = "none",
    .summary = "nothing is merged unless CompactRange asks for it",
    .settings = kNoSettings,
    .make = [](const SettingBag& bag) -> std::unique_ptr<CompactionPolicy> {
      return std::make_unique<NoCompaction>(bag);
    },
};

}  // namespace lsmlab
