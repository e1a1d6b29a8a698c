#include "engine/base/checksum.h"
#include "variants/partitioner/partitioners.h"

namespace lsmlab {
namespace {

// Part of the identity of stores: never change it. Not the hash of the filters: keys of a shard
// would all have their shard's part of its range.
constexpr uint64_t kShardSeed = 0x7368617264206f66;

class HashPartitioner final : public Partitioner {
 public:
  explicit HashPartitioner(uint32_t shards) : shards_(shards) {}
  uint32_t shards() const noexcept override { return shards_; }
  uint32_t ShardOf(Slice key) const noexcept override {
    const auto hash = static_cast<unsigned __int128>(Checksum(key, kShardSeed));
    return static_cast<uint32_t>(hash * shards_ >> 64);
  }
  std::string identity() const override { return "hash xxh3 " + std::to_string(shards_); }

 private:
  const uint32_t shards_;
};

constexpr SettingSpec kHashSettings[] = {
    {"shards", SettingType::kInteger, "4", 1, 256, "", "shards; fixed when the store is created"},
};

std::unique_ptr<Partitioner> MakeHash(const SettingBag& settings) {
  return std::make_unique<HashPartitioner>(static_cast<uint32_t>(settings.Integer("shards")));
}

}  // namespace

const PartitionerVariant kHashPartitioner = {
    .name = "hash",
    .summary = "by a hash of the whole key: even shards, a walk goes through all of them",
    .settings = kHashSettings,
    .make = MakeHash,
};

}  // namespace lsmlab
