#include "variants/values/values.h"

namespace lsmlab {
namespace {

// The null variant: separates nothing, so it is never asked to write or read.
class InlineValues final : public ValueStore {
 public:
  bool Separates(size_t) const noexcept override { return false; }
  Task<Result<std::unique_ptr<Writer>>> NewWriter(uint64_t) override {
    co_return Status::NotSupported("values inline: writes no value files");
  }
  Task<Result<BlockRef>> Read(Slice) override {
    co_return Status::NotSupported(
        "values inline: the entry refers to a value file; open the store with the values variant "
        "it was written with");
  }
  bool OwnsFile(std::string_view) const override { return false; }
};

std::unique_ptr<ValueStore> MakeInlineValues(const SettingBag&, const ValueStoreEnvironment&) {
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
