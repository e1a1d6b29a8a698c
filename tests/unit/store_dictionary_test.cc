#include <gtest/gtest.h>

#include <string>

#include "engine/store.h"
#include "tests/support/compositions.h"
#include "variants/io/simulated_io.h"

// Trained dictionaries in a whole store: through flushes, compactions and other compositions.
namespace lsmlab::test {
namespace {

constexpr int kDictionaryKeys = 1200;

std::string DictionaryRecord(int key, int round) {
  const std::string number = std::to_string(key * 7919 % 100'000);
  return "{\"name\":\"person " + number + "\",\"mail\":\"p" + number +
         "@example.com\",\"city\":\"Krakow\",\"round\":" + std::to_string(round) + "}";
}

class StoreDictionaryTest : public testing::TestWithParam<const char*> {
 protected:
  void Open(const Settings& codec) {
    Settings settings = codec;
    settings.emplace_back("engine.executor.variant", "inline");
    settings.emplace_back("engine.compaction.file_size", "32KiB");
    settings.emplace_back("engine.table.variant", GetParam());
    store_.reset();
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall({"dictionary", "", {}}, settings);
    options.io = MakeSimulatedIo(disk_);
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }
  void Write(int rounds) {
    for (int round = 0; round < rounds; ++round, ++round_) {
      for (int key = 0; key < kDictionaryKeys; ++key) {
        ASSERT_TRUE(store_->Put("user" + std::to_string(key), DictionaryRecord(key, round_)).ok());
      }
    }
    ASSERT_TRUE(store_->Flush().ok());
    ASSERT_TRUE(store_->Drain().ok());
  }
  void ExpectLastRound() {
    std::string value;
    for (int key = 0; key < kDictionaryKeys; ++key) {
      const Status status = store_->Get("user" + std::to_string(key), &value);
      ASSERT_TRUE(status.ok()) << status.ToString();
      ASSERT_EQ(value, DictionaryRecord(key, round_ - 1));
    }
    int count = 0;
    auto iterator = store_->NewIterator();
    ASSERT_TRUE(iterator->SeekToLast().ok());
    for (; iterator->valid(); ++count) ASSERT_TRUE(iterator->Prev().ok());
    EXPECT_EQ(count, kDictionaryKeys);
    EXPECT_TRUE(store_->Verify().ok());
  }

  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  std::unique_ptr<Store> store_;
  int round_ = 0;
};

TEST_P(StoreDictionaryTest, TablesAreSmallerAndAnyCompositionReadsThem) {
  const Settings without = {{"engine.codec.per_level", "none,zstd"}};
  Settings with = without;
  with.emplace_back("engine.codec.dictionary", "1KiB");
  uint64_t bytes[2];
  for (const bool dictionary : {false, true}) {
    disk_ = SimDisk::Make();
    round_ = 0;
    Open(dictionary ? with : without);
    Write(2);
    ASSERT_TRUE(store_->CompactRange(Slice(), Slice()).ok());
    bytes[dictionary] = store_->Stats().table_bytes;
    ExpectLastRound();
  }
  EXPECT_LT(bytes[true], bytes[false] * 9 / 10);
  std::printf(
      "tables of 32 KiB, blocks of 512 bytes: %llu bytes, with dictionaries of 1 KiB %llu\n",
      static_cast<unsigned long long>(bytes[false]), static_cast<unsigned long long>(bytes[true]));
  Open({{"engine.codec.variant", "none"}});  // reads what it would not write
  ExpectLastRound();
  Write(1);
  Open(with);
  ExpectLastRound();
  ASSERT_TRUE(store_->CompactRange(Slice(), Slice()).ok());
  ExpectLastRound();
}

INSTANTIATE_TEST_SUITE_P(Tables, StoreDictionaryTest, testing::Values("flat", "partitioned"),
                         [](const auto& c) { return std::string(c.param); });

}  // namespace
}  // namespace lsmlab::test
