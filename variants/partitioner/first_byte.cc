#include "variants/partitioner/partitioners.h"

namespace lsmlab {
namespace {

// 256 ways, by one byte of the key, dealt out to the shards in turn: with keys whose byte takes few
// neighbouring values (digits, letters) each shard still gets its part of them.
class FirstBytePartitioner final : public Partitioner {
 public:
  FirstBytePartitioner(uint32_t shards, size_t skip_bytes)
      : shards_(shards), skip_bytes_(skip_bytes) {}
  uint32_t shards() const noexcept override { return shards_; }
  uint32_t ShardOf(Slice key) const noexcept override {
    // A key that ends before counts as if a zero byte came next.
    if (key.size() <= skip_bytes_) return 0;
    return static_cast<unsigned char>(key[skip_bytes_]) % shards_;
  }
  std::string identity() const override {
    return "first-byte " + std::to_string(skip_bytes_) + " " + std::to_string(shards_);
  }

 private:
  const uint32_t shards_;
  const size_t skip_bytes_;
};

constexpr SettingSpec kFirstByteSettings[] = {
    {"shards", SettingType::kInteger, "4", 1, 256, "", "shards; fixed when the store is created"},
    {"skip_bytes", SettingType::kInteger, "0", 0, 65535, "",
     "bytes at the start of keys that say nothing, because all keys begin alike; fixed as well"},
};

std::unique_ptr<Partitioner> MakeFirstByte(const SettingBag& settings) {
  return std::make_unique<FirstBytePartitioner>(
      static_cast<uint32_t>(settings.Integer("shards")),
      static_cast<size_t>(settings.Integer("skip_bytes")));
}

}  // namespace

const PartitionerVariant kFirstBytePartitioner = {
    .name = "first-byte",
    .summary = "by one byte of the key, dealt out to the shards in turn",
    .settings = kFirstByteSettings,
    .make = MakeFirstByte,
};

}  // namespace lsmlab
