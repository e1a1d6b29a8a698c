// A memtable is sealed by its age, too, where the settings say so.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "engine/parts/tree_shape.h"
#include "engine/store.h"
#include "tests/support/compositions.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_scale.h"

namespace lsmlab::test {
namespace {

class StoreRotationTest : public testing::Test {
 protected:
  void Open(const Settings& settings) {
    StoreOptions options;
    options.path = directory_.path() + "/store";
    options.composition = ComposeSmall({"aged", "", {}}, settings);
    auto opened = Store::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    store_ = std::move(opened).value();
  }
  // Waits as long as it takes; the test's own limit ends it.
  void WaitForFlushes(uint64_t flushes) {
    while (store_->Stats().flushes < flushes) Pause();
  }
  static void Pause() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

  TempDirectory directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreRotationTest, AnAgedMemtableIsFlushedHoweverLittleItHolds) {
  Open({{"engine.memtable.max_age", "5ms"}});
  for (uint64_t round = 1; round <= 3; ++round) {
    ASSERT_TRUE(store_->Put("key", std::to_string(round)).ok());
    WaitForFlushes(round);
    std::string value;
    ASSERT_TRUE(store_->Get("key", &value).ok());
    EXPECT_EQ(value, std::to_string(round));
  }
}

TEST_F(StoreRotationTest, NotBelowTheSmallestSize) {
  Open({{"engine.memtable.max_age", "1ms"}, {"engine.memtable.smallest", "32KiB"}});
  ASSERT_TRUE(store_->Put("key", "small").ok());
  for (int i = 0; i < 20; ++i) Pause();
  EXPECT_EQ(store_->Stats().flushes, 0u);
  ASSERT_TRUE(store_->Put("large", std::string(40'000, 'x')).ok());
  WaitForFlushes(1);
}

TEST_F(StoreRotationTest, ClosingDoesNotWaitForTheAge) {
  Open({{"engine.memtable.max_age", "1000s"}});
  ASSERT_TRUE(store_->Put("key", "value").ok());
  ASSERT_TRUE(store_->Close().ok());
  store_.reset();
  Open({{"engine.memtable.max_age", "1000s"}});
  std::string value;
  EXPECT_TRUE(store_->Get("key", &value).ok());
}

// Nothing but time goes on after the deletes: they and what they deleted are gone in the end.
TEST_F(StoreRotationTest, DeletesAreGoneAfterTheirTime) {
  Open({{"engine.memtable.max_age", "5ms"}, {"engine.compaction.delete_ttl", "40ms"}});
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(store_->Put("key" + std::to_string(i), std::string(300, 'x')).ok());
  }
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  const auto tombstones_or_entries = [this](bool tombstones) {
    uint64_t n = 0;
    for (const TreeShape& shape : store_->Shapes()) {
      for (const LevelShape& level : shape.levels) {
        for (const RunShape& run : level.runs) {
          for (const TableShape& table : run.tables) {
            n += tombstones ? table.tombstones : table.entries;
          }
        }
      }
    }
    return n;
  };
  ASSERT_EQ(tombstones_or_entries(false), 300u);
  const uint64_t flushes = store_->Stats().flushes;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(store_->Delete("key" + std::to_string(i)).ok());
  WaitForFlushes(flushes + 1);
  while (tombstones_or_entries(true) > 0 || tombstones_or_entries(false) != 200) Pause();
  std::string value;
  EXPECT_TRUE(store_->Get("key99", &value).IsNotFound());
  EXPECT_TRUE(store_->Get("key100", &value).ok());
}

TEST_F(StoreRotationTest, FifoDropsByAgeWithoutAnyWrite) {
  Open({{"engine.memtable.max_age", "5ms"},
        {"engine.compaction.variant", "fifo"},
        {"engine.compaction.max_age", "30ms"}});
  ASSERT_TRUE(store_->Put("key", "value").ok());
  std::string value;
  while (!store_->Get("key", &value).IsNotFound()) Pause();
  EXPECT_EQ(store_->Stats().tables, 0u);
}

// A timer must not wait in the queue of writers: on the only background thread it would hold up the
// compaction that the writer in front of it waits for.
TEST_F(StoreRotationTest, AnAgedMemtableHoldsNoBackgroundThread) {
  Open({{"engine.memtable.max_age", "1ms"},
        {"engine.executor.background", "1"},
        {"engine.partitioner.variant", "hash"},
        {"engine.partitioner.shards", "2"},
        {"engine.compaction.l0_trigger", "2"},
        {"engine.compaction.l0_slowdown", "2"},
        {"engine.compaction.l0_stop", "3"}});
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 2; ++writer) {
    writers.emplace_back([this, writer] {
      for (uint64_t i = 0; i < Scaled(30'000); ++i) {
        const std::string key = std::to_string(i * 7919 % 5000) + "w" + std::to_string(writer);
        if (!store_->Put(key, std::string(100, 'x')).ok()) return;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_GT(store_->Stats().flushes, 0u);
  EXPECT_TRUE(store_->Close().ok());
}

// What is flushed after it has begun is not CompactRange's: beside a writer it comes to an end.
TEST_F(StoreRotationTest, CompactRangeEndsBesideAWriter) {
  Open({});
  std::atomic<bool> stop{false};
  std::thread writer([this, &stop] {
    for (uint64_t i = 0; !stop; ++i) {
      if (!store_->Put(std::to_string(i * 7919 % 20'000), std::string(300, 'x')).ok()) return;
    }
  });
  for (int round = 0; round < 3; ++round) {
    WaitForFlushes(store_->Stats().flushes + 2);
    EXPECT_TRUE(store_->CompactRange({}, {}).ok());
  }
  stop = true;
  writer.join();
}

// Timers that fire at any moment, between any two steps.
TEST_F(StoreRotationTest, AnyMomentWillDo) {
  for (uint64_t seed = 1; seed <= std::max<uint64_t>(3, Scaled(8)); ++seed) {
    Open({{"engine.memtable.max_age", "1s"},
          {"engine.executor.variant", "inline"},
          {"engine.executor.seed", std::to_string(seed)}});
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(store_->Put("key" + std::to_string(i % 50), std::to_string(i)).ok());
    }
    EXPECT_GT(store_->Stats().flushes, 0u) << seed;
    for (int i = 150; i < 200; ++i) {
      std::string value;
      ASSERT_TRUE(store_->Get("key" + std::to_string(i % 50), &value).ok());
      ASSERT_EQ(value, std::to_string(i));
    }
    store_.reset();
  }
}

}  // namespace
}  // namespace lsmlab::test
