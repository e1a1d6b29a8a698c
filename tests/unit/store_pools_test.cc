#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/store.h"
#include "tests/support/compositions.h"
#include "variants/io/simulated_io.h"

// Which calls the executor's worker pools run, and that their answers arrive whole.
namespace lsmlab::test {
namespace {

class StorePoolsTest : public testing::Test {
 protected:
  void Open(const Settings& settings) {
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall({"pools", "", settings});
    options.io = MakeSimulatedIo(SimDisk::Make());
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }
  static std::string KeyAt(int i) { return "key" + std::to_string(1000 + i); }
  void Fill(int keys) {
    for (int i = 0; i < keys; ++i) ASSERT_TRUE(store_->Put(KeyAt(i), std::to_string(i)).ok());
  }
  // Calls handed over by what `act` does.
  template <typename Act>
  uint64_t Handed(Act act) {
    const StoreStats before = store_->Stats();
    act();
    const StoreStats after = store_->Stats();
    return after.read_handovers + after.write_handovers - before.read_handovers -
           before.write_handovers;
  }

  std::unique_ptr<Store> store_;
};

const Settings kBothPools = {{"engine.executor.read_workers", "2"},
                             {"engine.executor.write_workers", "2"}};

TEST_F(StorePoolsTest, PlainCallsAreHandedOverOnce) {
  Open(kBothPools);
  WriteBatch batch;
  batch.Put("b", "2");
  std::string value;
  PinnedValue pinned;
  EXPECT_EQ(Handed([&] { EXPECT_TRUE(store_->Put("a", "1").ok()); }), 1u);
  EXPECT_EQ(Handed([&] { EXPECT_TRUE(store_->Write(batch).ok()); }), 1u);
  EXPECT_EQ(Handed([&] { EXPECT_TRUE(store_->Delete("c").ok()); }), 1u);
  EXPECT_EQ(Handed([&] { EXPECT_TRUE(store_->Get("a", &value).ok()); }), 1u);
  EXPECT_EQ(Handed([&] { EXPECT_TRUE(store_->Get("b", &pinned).ok()); }), 1u);
  EXPECT_EQ(Handed([&] { EXPECT_TRUE(store_->Get("c", &pinned).IsNotFound()); }), 1u);
  EXPECT_EQ(value, "1");
  const std::vector<Slice> keys = {"b", "c", "a"};
  std::vector<std::string> values;
  std::vector<Status> statuses;
  EXPECT_EQ(Handed([&] { statuses = store_->MultiGet(keys, &values); }), 1u);
  ASSERT_EQ(statuses.size(), 3u);
  EXPECT_TRUE(statuses[0].ok() && statuses[1].IsNotFound() && statuses[2].ok());
  EXPECT_EQ(values[0] + values[2], "21");
  const std::string too_long(70'000, 'k');
  EXPECT_EQ(store_->Put(too_long, "x").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Handed([&] {
              EXPECT_TRUE(store_->Flush().ok() && store_->Drain().ok() && store_->Verify().ok());
              store_->NewSnapshot();
              store_->NewIterator();
            }),
            0u);
}

TEST_F(StorePoolsTest, AnIteratorStepsForwardInMemoryByItself) {
  Open(kBothPools);
  Fill(100);
  auto iterator = store_->NewIterator();
  EXPECT_EQ(Handed([&] { EXPECT_TRUE(iterator->Seek(KeyAt(10)).ok()); }), 1u);
  EXPECT_EQ(Handed([&] {
              for (int i = 10; i < 90; ++i) {
                ASSERT_TRUE(iterator->valid());
                ASSERT_EQ(iterator->key(), KeyAt(i));
                ASSERT_EQ(iterator->Value().value(), std::to_string(i));
                ASSERT_TRUE(iterator->Next().ok());
              }
            }),
            0u);
  EXPECT_EQ(Handed([&] { EXPECT_TRUE(iterator->Prev().ok()); }), 1u);
  EXPECT_EQ(iterator->key(), KeyAt(89));
  EXPECT_EQ(Handed([&] { EXPECT_TRUE(iterator->SeekToLast().ok()); }), 1u);
  EXPECT_EQ(iterator->key(), KeyAt(99));
  EXPECT_EQ(Handed([&] { EXPECT_TRUE(iterator->Next().ok()); }), 1u);
  EXPECT_FALSE(iterator->valid());
}

TEST_F(StorePoolsTest, WhatAScanReadsAWorkerReads) {
  Open({{"engine.executor.read_workers", "1"}, {"engine.cache.variant", "none"}});
  Fill(2000);
  ASSERT_TRUE(store_->Drain().ok());
  auto iterator = store_->NewIterator();
  int seen = 0;
  const uint64_t handed = Handed([&] {
    ASSERT_TRUE(iterator->SeekToFirst().ok());
    for (; iterator->valid(); ++seen) ASSERT_TRUE(iterator->Next().ok());
  });
  EXPECT_EQ(seen, 2000);
  const uint64_t blocks = store_->Stats().block_reads;
  EXPECT_GT(blocks, 20u);
  // One per block that was read, but not one per step.
  EXPECT_GE(handed, blocks / 2);
  EXPECT_LT(handed, 1000u);
  EXPECT_EQ(store_->Stats().write_handovers, 0u) << "no pool for writes was asked for";
}

TEST_F(StorePoolsTest, ValuesInFilesAreReadByWorkers) {
  Settings settings = kBothPools;
  settings.emplace_back("engine.values.variant", "separated");
  settings.emplace_back("engine.values.threshold", "100");
  Open(settings);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(store_->Put(KeyAt(i), std::string(300, static_cast<char>('a' + i % 26))).ok());
  }
  ASSERT_TRUE(store_->Flush().ok());
  auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  EXPECT_EQ(Handed([&] { EXPECT_EQ(iterator->Value().value(), std::string(300, 'a')); }), 1u);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(iterator->valid());
    ASSERT_EQ(iterator->Value().value(), std::string(300, static_cast<char>('a' + i % 26)));
    ASSERT_TRUE(iterator->Next().ok());
  }
  EXPECT_FALSE(iterator->valid());
}

TEST_F(StorePoolsTest, WithoutPoolsNothingIsHandedOver) {
  Open({{"engine.executor.queue_depth", "1"}});
  Fill(10);
  std::string value;
  EXPECT_TRUE(store_->Get(KeyAt(3), &value).ok());
  auto iterator = store_->NewIterator();
  EXPECT_TRUE(iterator->SeekToLast().ok());
  EXPECT_EQ(store_->Stats().read_handovers + store_->Stats().write_handovers, 0u);
}

}  // namespace
}  // namespace lsmlab::test
