#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/policy_tree.h"
#include "variants/compaction/policies.h"

namespace lsmlab::test {

// Trees drawn by hand, for one decision of a policy, which is `leveled` at first.
class DrawnTree : public ::testing::Test {
 protected:
  using Files = std::vector<uint64_t>;

  DrawnTree() { shape_.levels.resize(7); }
  // The reference is good until the next table comes.
  TableShape& Add(uint32_t level, uint32_t run, uint64_t file, const std::string& smallest,
                  const std::string& largest, uint64_t entries = 100) {
    auto& runs = shape_.levels[level].runs;
    auto at =
        std::find_if(runs.begin(), runs.end(), [&](const RunShape& r) { return r.run == run; });
    if (at == runs.end()) at = runs.insert(runs.begin(), RunShape{run, {}});
    TableShape table;
    table.file = file;
    table.level = level;
    table.run = run;
    table.bytes = entries * kEntryBytes;
    table.smallest_key = smallest;
    table.largest_key = largest;
    at->tables.push_back(table);
    return at->tables.back();
  }
  // The n-th table of the level's newest run.
  TableShape& At(uint32_t level, size_t n) { return shape_.levels[level].runs[0].tables[n]; }

  using Values = std::vector<std::pair<const char*, SettingValue>>;
  void Use(const CompactionVariant& variant, const Values& values = {}) {
    SettingBag bag = SmallPolicySettings(variant);
    for (const auto& [name, value] : values) bag.Set(name, value);
    policy_ = variant.make(bag);
  }
  std::optional<CompactionPlan> Pick(int64_t now_ns = 0, std::string_view state = {}) {
    CompleteShape(&shape_);
    return policy_->Pick(shape_, state, now_ns);
  }
  std::optional<CompactionPlan> PickRange(std::string_view begin, std::string_view end) {
    CompleteShape(&shape_);
    return policy_->PickRange(shape_, begin, end);
  }
  double Pressure() {
    CompleteShape(&shape_);
    return policy_->Pressure(shape_);
  }
  // Nothing where there is no plan, so that a missing one fails instead of being looked into.
  static Files Inputs(const std::optional<CompactionPlan>& plan) {
    Files inputs = plan.has_value() ? plan->inputs : Files{};
    std::sort(inputs.begin(), inputs.end());
    return inputs;
  }

  TreeShape shape_;
  std::unique_ptr<CompactionPolicy> policy_ =
      kLeveledCompaction.make(SmallPolicySettings(kLeveledCompaction));
};

}  // namespace lsmlab::test
