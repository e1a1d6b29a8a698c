#include "variants/filter/filters.h"

namespace lsmlab {
namespace {

std::unique_ptr<FilterBuilder> MakeNone(const SettingBag&, double, uint64_t) { return nullptr; }

Result<FilterProbe> OpenNone(Slice encoded) {
  if (!encoded.empty()) {
    return Status::Corruption("no filter bytes, found " + std::to_string(encoded.size()));
  }
  return FilterProbe{};
}

}  // namespace

const FilterVariant kNoFilter = {"none", "every key may be in every table", {}, MakeNone, OpenNone};

}  // namespace lsmlab
