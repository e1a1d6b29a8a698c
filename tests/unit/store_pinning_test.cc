// What cache.pin promises: blocks that are read from the device once, however small the cache.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/registered.h"
#include "variants/io/simulated_io.h"

namespace lsmlab::test {
namespace {

class StorePinning : public testing::TestWithParam<const CacheVariant*> {
 protected:
  void Open(const std::string& pin, Settings more) {
    StoreOptions options;
    options.path = "/store";
    more.emplace_back("engine.executor.variant", "inline");
    more.emplace_back("engine.cache.variant", std::string(GetParam()->name));
    more.emplace_back("engine.cache.bytes", "256KiB");
    more.emplace_back("engine.cache.pin", pin);
    options.composition = ComposeSmall({}, more);
    options.io = MakeSimulatedIo(SimDisk::Make());
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }
  static std::string Key(int i) { return "key" + std::to_string(100'000 + i); }
  void Put(int i, size_t length) {
    ASSERT_TRUE(store_->Put(Key(i), CheckedValue(Key(i), i, length)).ok());
  }
  // Device reads for one Get of each of the keys.
  uint64_t ReadsOf(int begin, int end) {
    const uint64_t before = store_->Stats().block_reads;
    std::string value;
    for (int i = begin; i < end; ++i) EXPECT_TRUE(store_->Get(Key(i), &value).ok()) << i;
    return store_->Stats().block_reads - before;
  }
  // Blocks of level 1, more than the cache holds, and each of them often enough for every policy.
  void ReadOthers() {
    Random random(1);
    for (int i = 0; i < 1'000; ++i) {
      const int at = 1'000 + static_cast<int>(random.Below(3'000));
      for (int use = 0; use < 4; ++use) (void)ReadsOf(at, at + 1);
    }
  }

  std::unique_ptr<Store> store_;
};

TEST_P(StorePinning, BlocksOfLevel0AreReadOnce) {
  for (const std::string table : {"flat", "partitioned"}) {
    for (const std::string pin : {"none", "level0"}) {
      Open(pin, {{"engine.compaction.variant", "none"}, {"engine.table.variant", table}});
      for (int i = 1'000; i < 4'000; ++i) Put(i, 220);
      ASSERT_TRUE(store_->CompactRange({}, {}).ok());
      // Among keys that are not new, so that a read of another one may come by here.
      for (int i = 0; i < 4'000; i += 10) Put(i, 100);
      ASSERT_TRUE(store_->Flush().ok());
      const uint64_t first = ReadsOf(0, 1);
      EXPECT_GE(first, 1u);
      for (int i = 0; i < 4'000; i += 10) (void)ReadsOf(i, i + 1);
      EXPECT_EQ(store_->Stats().cache_pinned_bytes > 0, pin == "level0");
      ReadOthers();
      uint64_t again = 0;
      for (int i = 0; i < 4'000; i += 10) again += ReadsOf(i, i + 1);
      const StoreStats stats = store_->Stats();
      if (pin == "level0") {
        EXPECT_EQ(again, 0u) << table;
        EXPECT_GT(stats.cache_pinned_bytes, 20u << 10);
        EXPECT_LE(stats.cache_pinned_bytes, stats.cache_capacity_bytes / 2);
        EXPECT_LT(stats.cache_pinned_bytes, stats.cache_bytes);
      } else {
        EXPECT_GT(again, 20u) << "the cache is too large for this test";
      }
      EXPECT_EQ(stats.cache_pins_refused, 0u);
      EXPECT_GT(stats.cache_evictions, 300u);
      ASSERT_TRUE(store_->CompactRange({}, {}).ok());
      EXPECT_EQ(store_->Stats().cache_pinned_bytes, 0u) << "level 0 is empty";
    }
  }
}

TEST_P(StorePinning, PartitionsAreReadOnce) {
  for (const std::string pin : {"none", "metadata"}) {
    Open(pin, {{"engine.table.variant", "partitioned"}});
    for (int i = 0; i < 10'000; ++i) Put(i, 100);
    ASSERT_TRUE(store_->CompactRange({}, {}).ok());
    (void)ReadsOf(0, 10'000);
    Random random(1);
    uint64_t most = 0;
    for (int i = 0; i < 1'000; ++i) {
      const int at = static_cast<int>(random.Below(10'000));
      most = std::max(most, ReadsOf(at, at + 1));
    }
    // One for the data block.
    EXPECT_EQ(most, pin == "none" ? 2u : 1u);
    EXPECT_EQ(store_->Stats().cache_pinned_bytes > 0, pin == "metadata");
    EXPECT_EQ(store_->Stats().cache_pins_refused, 0u);
  }
}

TEST_P(StorePinning, ATableThatMovesOutOfLevel0LetsGo) {
  Open("level0", {});
  // In key order, so that tables move without being rewritten; read while they are in level 0.
  for (int i = 0; i < 3'000; ++i) {
    Put(i, 220);
    if (i % 100 == 99) {
      ASSERT_TRUE(store_->Flush().ok());
      (void)ReadsOf(i - 99, i + 1);
    }
  }
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  EXPECT_GT(store_->Stats().trivial_moves, 3u);
  EXPECT_EQ(store_->Stats().cache_pinned_bytes, 0u);
}

TEST_P(StorePinning, WhatDoesNotFitIsCounted) {
  Open("level0", {{"engine.compaction.variant", "none"}});
  for (int i = 0; i < 2'000; ++i) Put(i, 220);
  ASSERT_TRUE(store_->Flush().ok());
  (void)ReadsOf(0, 2'000);
  const StoreStats stats = store_->Stats();
  EXPECT_GT(stats.cache_pins_refused, 100u);
  EXPECT_LE(stats.cache_pinned_bytes, stats.cache_capacity_bytes / 2);
  EXPECT_GT(stats.cache_pinned_bytes, stats.cache_capacity_bytes * 4 / 10);
}

INSTANTIATE_TEST_SUITE_P(Caches, StorePinning, Registered(CacheVariants(), "none"), ByVariant());

}  // namespace
}  // namespace lsmlab::test
