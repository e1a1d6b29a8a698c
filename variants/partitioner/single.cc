#include "variants/partitioner/partitioners.h"

namespace lsmlab {
namespace {

class SinglePartitioner final : public Partitioner {
 public:
  uint32_t shards() const noexcept override { return 1; }
  uint32_t ShardOf(Slice) const noexcept override { return 0; }
  std::string identity() const override { return "single"; }
};

std::unique_ptr<Partitioner> MakeSingle(const SettingBag&) {
  return std::make_unique<SinglePartitioner>();
}

}  // namespace

const PartitionerVariant kSinglePartitioner = {
    .name = "single",
    .summary = "one shard holds everything",
    .settings = {},
    .make = MakeSingle,
};

}  // namespace lsmlab
