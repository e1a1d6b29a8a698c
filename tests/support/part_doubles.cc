#include "tests/support/part_doubles.h"

#include <memory>

namespace lsmlab::test {
namespace {

class ThreeShards final : public Partitioner {
 public:
  uint32_t shards() const noexcept override { return 3; }
  uint32_t ShardOf(Slice key) const noexcept override {
    return key.empty() ? 0 : static_cast<unsigned char>(key.back()) % 3;
  }
  std::string identity() const override { return "three by last byte"; }
};

}  // namespace

const PartitionerVariant kThreeShards = {
    "three", "three shards by the last byte", {}, [](const SettingBag&) {
      return std::unique_ptr<Partitioner>(std::make_unique<ThreeShards>());
    }};

}  // namespace lsmlab::test
