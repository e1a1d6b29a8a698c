#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/base/random.h"
#include "variants/partitioner/partitioners.h"
#include "variants/registry.h"

// What every partitioner of the registry must do, at 1, 2 and 7 shards where it has the choice.
namespace lsmlab::test {
namespace {

struct PartitionerCase {
  const PartitionerVariant* variant;
  int64_t shards;
};

std::vector<PartitionerCase> PartitionerCases() {
  std::vector<PartitionerCase> cases;
  for (const PartitionerVariant* variant : PartitionerVariants()) {
    const bool one = !DefaultSettings(variant->settings).Has("shards");
    for (const int64_t shards : {1, 2, 7}) {
      if (!one || shards == 1) cases.push_back({variant, shards});
    }
  }
  return cases;
}

class PartitionerConformance : public testing::TestWithParam<PartitionerCase> {
 protected:
  static std::unique_ptr<Partitioner> Make() {
    SettingBag bag = DefaultSettings(GetParam().variant->settings);
    if (bag.Has("shards")) bag.Set("shards", GetParam().shards);
    return GetParam().variant->make(bag);
  }
  static std::vector<std::string> Keys() {
    std::vector<std::string> keys = {"", std::string(1, '\0'), std::string(65535, 'k')};
    Random random(5);
    for (int i = 0; i < 7000; ++i) {
      std::string key(1 + random.Below(20), ' ');
      for (char& c : key) c = static_cast<char>(random.Below(256));
      keys.push_back(std::move(key));
    }
    return keys;
  }
};

TEST_P(PartitionerConformance, EveryKeyHasOneShardWhoeverAsks) {
  const auto partitioner = Make(), again = Make();
  EXPECT_EQ(partitioner->shards(), static_cast<uint32_t>(GetParam().shards));
  EXPECT_EQ(partitioner->identity(), again->identity());
  EXPECT_EQ(partitioner->identity().find('\n'), std::string::npos);
  std::vector<size_t> counts(partitioner->shards());
  for (const std::string& key : Keys()) {
    const uint32_t shard = partitioner->ShardOf(key);
    ASSERT_LT(shard, partitioner->shards());
    EXPECT_EQ(again->ShardOf(std::string(key)), shard);
    ++counts[shard];
  }
  // Keys of random bytes are spread evenly, to four standard deviations of 1000.
  const double mean = 7000.0 / static_cast<double>(counts.size());
  for (const size_t count : counts) EXPECT_NEAR(static_cast<double>(count), mean, 130 + 3);
}

TEST_P(PartitionerConformance, OtherShardsAreAnotherIdentity) {
  const auto partitioner = Make();
  for (const PartitionerVariant* variant : PartitionerVariants()) {
    SettingBag bag = DefaultSettings(variant->settings);
    for (const int64_t shards : {1, 2, 7, 9}) {
      if (variant == GetParam().variant && shards == GetParam().shards) continue;
      if (!bag.Has("shards") && (variant == GetParam().variant || shards != 1)) continue;
      if (bag.Has("shards")) bag.Set("shards", shards);
      EXPECT_NE(variant->make(bag)->identity(), partitioner->identity()) << variant->name;
    }
  }
}

// Stores on disk depend on these: a change is a change of the format.
TEST(Partitioners, PlaceKeysWhereTheyAlwaysDid) {
  SettingBag hash = DefaultSettings(kHashPartitioner.settings);
  hash.Set("shards", int64_t{7});
  const auto by_hash = kHashPartitioner.make(hash);
  std::string shards;
  for (const char* key : {"", "a", "user1000", "user1001", "zzzz"}) {
    shards += std::to_string(by_hash->ShardOf(key));
  }
  EXPECT_EQ(shards, "34540");
  EXPECT_EQ(by_hash->identity(), "hash xxh3 7");
  SettingBag byte = DefaultSettings(kFirstBytePartitioner.settings);
  byte.Set("shards", int64_t{4});
  byte.Set("skip_bytes", int64_t{4});
  const auto by_byte = kFirstBytePartitioner.make(byte);
  EXPECT_EQ(by_byte->ShardOf("user"), 0u);
  EXPECT_EQ(by_byte->ShardOf("user1"), '1' % 4u);
  EXPECT_EQ(by_byte->ShardOf("user\xff"), 0xffu % 4);
  EXPECT_EQ(by_byte->identity(), "first-byte 4 4");
}

INSTANTIATE_TEST_SUITE_P(All, PartitionerConformance, testing::ValuesIn(PartitionerCases()),
                         [](const auto& c) {
                           std::string name(c.param.variant->name);
                           for (char& ch : name) ch = ch == '-' ? '_' : ch;
                           return name + "_" + std::to_string(c.param.shards);
                         });

}  // namespace
}  // namespace lsmlab::test
