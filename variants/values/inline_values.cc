#include "variants/values/values.h"

namespace lsmlab {
namespace {

// The null variant. In a store that was written with another one, compactions bring back the values
// they meet.
class InlineValues final : public ValueStore {
 public:
  size_t threshold_bytes() const noexcept override { return SIZE_MAX; }
  uint64_t file_bytes() const noexcept override { return 0; }
  std::string_view codec() const noexcept override { return "none"; }
  size_t read_ahead() const noexcept override { return 1; }
  std::vector<uint64_t> Collectable(std::span<const ValueFileShape> files) const override {
    std::vector<uint64_t> all;
    for (const ValueFileShape& file : files) all.push_back(file.file);
    return all;
  }
  std::vector<uint64_t> Overdue(std::span<const ValueFileShape>) const override { return {}; }
  uint64_t DebtBytes(std::span<const ValueFileShape>) const override { return 0; }
};

std::unique_ptr<ValueStore> MakeInlineValues(const SettingBag&) {
  return std::make_unique<InlineValues>();
}

}  // namespace

const ValuesVariant kInlineValues = {
    .name = "inline",
    .summary = "every value stays in its table",
    .settings = {},
    .make = MakeInlineValues,
};

}  // namespace lsmlab
