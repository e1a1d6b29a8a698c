#include <algorithm>
#include <memory>

#include "variants/compaction/policies.h"
#include "variants/compaction/policy_settings.h"

// First in, first out: nothing is ever merged, and the oldest tables are dropped when all together
// are larger than a limit or older than an age. For data of which only the newest bytes count, such
// as logs and caches: WHAT WAS ACKNOWLEDGED IS LOST on purpose, that is what the policy is for.
// Every flush stays a run of its own, so reads cost more with every one; not for large limits.
namespace lsmlab {
namespace {

using namespace compaction_internal;  // NOLINT: the part's own namespace

constexpr SettingSpec kFifoSettings[] = {
    {"max_size",
     SettingType::kBytes,
     "1GiB",
     1024,
     1024 * kTiB,
     {},
     "bytes of tables beyond which the oldest are dropped, data and all"},
    {"max_age",
     SettingType::kDuration,
     "0ms",
     0,
     1e18,
     {},
     "age of a table at which it is dropped; 0: none"},
    kMaxLevelsSetting,
};

class FifoCompaction final : public CompactionPolicy {
 public:
  explicit FifoCompaction(const SettingBag& bag)
      : max_size_(bag.Bytes("max_size")),
        max_age_ns_(bag.Nanos("max_age")),
        levels_(static_cast<uint32_t>(bag.Integer("max_levels"))) {}

  std::optional<CompactionPlan> Pick(const TreeShape& shape, std::string_view,
                                     int64_t now_ns) const override {
    uint64_t total = 0;
    for (const LevelShape& level : shape.levels) total += level.bytes;
    CompactionPlan plan;
    plan.kind = CompactionPlan::Kind::kDrop;
    // From the deepest level's last run on: what lies there is older than all that stays.
    for (size_t level = shape.levels.size(); level-- > 0;) {
      const std::vector<RunShape>& runs = shape.levels[level].runs;
      for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
        for (const TableShape& table : run->tables) {
          const bool old = max_age_ns_ > 0 && table.created_ns < now_ns - max_age_ns_;
          if (total <= max_size_ && !old) return Finish(std::move(plan));
          // On its way; what is newer must not be gone before it.
          if (table.being_compacted) return Finish(std::move(plan));
          total -= table.bytes;
          plan.inputs.push_back(table.file);
          plan.output_level = static_cast<uint32_t>(level);
          plan.cause = old ? "age" : "size";
        }
      }
    }
    return Finish(std::move(plan));
  }
  void SetTargets(TreeShape& shape) const override {
    for (LevelShape& level : shape.levels) level.target_bytes = 0;
  }
  double Pressure(const TreeShape&) const override { return 0; }  // dropping is always quick
  std::optional<CompactionPlan> PickRange(const TreeShape&, std::string_view,
                                          std::string_view) const override {
    return std::nullopt;
  }
  uint32_t levels() const noexcept override { return levels_; }
  int64_t check_interval_ns() const noexcept override { return CheckIntervalOf(max_age_ns_); }

 private:
  static std::optional<CompactionPlan> Finish(CompactionPlan plan) {
    if (plan.inputs.empty()) return std::nullopt;
    return plan;
  }
  const uint64_t max_size_;
  const int64_t max_age_ns_;
  const uint32_t levels_;
};

}  // namespace

const CompactionVariant kFifoCompaction = {
    .name = "fifo",
    .summary = "merges nothing and drops the oldest tables beyond a size or age: data is lost",
    .settings = kFifoSettings,
    .make = [](const SettingBag& bag) -> std::unique_ptr<CompactionPolicy> {
      return std::make_unique<FifoCompaction>(bag);
    },
};

}  // namespace lsmlab
