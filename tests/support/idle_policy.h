#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "engine/parts/compaction_policy.h"
#include "variants/compaction/policies.h"

namespace lsmlab::test {

// `leveled`, but for the jobs, which a test chooses: it owes nothing and slows nobody. What a
// caller asks to be compacted goes down as with `leveled`.
class IdlePolicy : public CompactionPolicy {
 public:
  explicit IdlePolicy(const SettingBag& bag) : leveled_(kLeveledCompaction.make(bag)) {}

  void SetTargets(TreeShape& shape) const override { leveled_->SetTargets(shape); }
  double Pressure(const TreeShape&) const override { return 0; }
  std::optional<CompactionPlan> PickRange(const TreeShape& shape, std::string_view begin,
                                          std::string_view end) const override {
    return leveled_->PickRange(shape, begin, end);
  }
  uint32_t levels() const noexcept override { return leveled_->levels(); }

 private:
  const std::unique_ptr<CompactionPolicy> leveled_;
};

// To be set as a composition's policy; only the maker is asked.
template <typename Policy>
CompactionVariant VariantOf(std::string_view name) {
  return {.name = name,
          .summary = "",
          .settings = {},
          .make = [](const SettingBag& bag) -> std::unique_ptr<CompactionPolicy> {
            return std::make_unique<Policy>(bag);
          }};
}

}  // namespace lsmlab::test
