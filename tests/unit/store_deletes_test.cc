// A delete that a newer version of its key has replaced in a table counts on, by its time, while
// what it deletes may be left: else that would outlive compaction.delete_ttl.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "engine/parts/tree_shape.h"
#include "engine/store.h"
#include "tests/support/compositions.h"
#include "tests/support/temp_directory.h"

namespace lsmlab::test {
namespace {

class StoreDeletesTest : public testing::Test {
 protected:
  static constexpr uint64_t kKeys = 100;

  void Open(const Settings& settings) {
    store_.reset();
    StoreOptions options;
    options.path = directory_.path() + "/store";
    options.composition = ComposeSmall({"deletes", "", {}}, settings);
    auto opened = Store::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    store_ = std::move(opened).value();
  }
  // All keys in the deepest level; then opened with levels between that one and level 0.
  void OpenFilled(const Settings& settings) {
    Open({{"engine.compaction.dynamic_levels", "true"}});
    for (uint64_t i = 0; i < kKeys; ++i) Put(std::to_string(100 + i));
    ASSERT_TRUE(store_->CompactRange({}, {}).ok());
    ASSERT_EQ(Sum().tables, 1u);
    ASSERT_GT(Sum().deepest, 2u);
    Open(settings);
  }
  void Put(const std::string& key) { ASSERT_TRUE(store_->Put(key, std::string(50, 'v')).ok()); }
  void DeleteAndPut(const std::string& key) {
    ASSERT_TRUE(store_->Delete(key).ok());
    Put(key);
  }

  struct Tables {
    uint64_t tables = 0, entries = 0, tombstones = 0;
    uint64_t aged = 0;  // tables with an oldest delete
    uint32_t deepest = 0;
  };
  Tables Sum() const {
    Tables sum;
    for (const TreeShape& shape : store_->Shapes()) {
      for (uint32_t level = 0; level < shape.levels.size(); ++level) {
        for (const RunShape& run : shape.levels[level].runs) {
          for (const TableShape& table : run.tables) {
            ++sum.tables;
            sum.entries += table.entries;
            sum.tombstones += table.tombstones;
            sum.aged += table.oldest_tombstone_ns != 0 ? 1 : 0;
            sum.deepest = level;
          }
        }
      }
    }
    return sum;
  }
  // Waits as long as it takes; the test's own limit ends it.
  void WaitUntilOnlyTheNewestAreLeft() {
    while (Sum().entries != kKeys || Sum().aged > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  TempDirectory directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreDeletesTest, WhatWasDeletedBeforeAPutIsGoneAfterTheTime) {
  OpenFilled({});
  DeleteAndPut("150");
  ASSERT_TRUE(store_->Flush().ok());
  ASSERT_EQ(Sum().entries, kKeys + 1);
  ASSERT_EQ(Sum().tombstones, 0u);
  ASSERT_EQ(Sum().aged, 1u);
  // Nothing but the time is a reason for a compaction.
  Open({{"engine.compaction.delete_ttl", "1ms"}});
  WaitUntilOnlyTheNewestAreLeft();
  std::string value;
  EXPECT_TRUE(store_->Get("150", &value).ok());
}

TEST_F(StoreDeletesTest, AMergeCountsThemToo) {
  OpenFilled({{"engine.compaction.l0_trigger", "1"}});
  ASSERT_TRUE(store_->Delete("150").ok());
  ASSERT_TRUE(store_->Drain().ok());
  ASSERT_EQ(Sum().tombstones, 1u);
  ASSERT_EQ(Sum().aged, 1u);
  // The put and the delete meet in level 1. After that, only the put is there to tell.
  for (int round = 0; round < 3; ++round) {
    Put("150");
    ASSERT_TRUE(store_->Drain().ok());
    ASSERT_EQ(Sum().tables, 2u);
    ASSERT_EQ(Sum().entries, kKeys + 1);
    ASSERT_EQ(Sum().tombstones, 0u);
    ASSERT_EQ(Sum().aged, 1u) << round;
  }
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  EXPECT_EQ(Sum().entries, kKeys);
  EXPECT_EQ(Sum().aged, 0u);
}

// Of the tables that a merge writes only the one counts that has the key.
TEST_F(StoreDeletesTest, OneKeyIsOneTables) {
  OpenFilled({{"engine.compaction.l0_trigger", "1"},
              {"engine.compaction.level1_size", "16MiB"},
              {"engine.compaction.file_size", "4KiB"},
              {"engine.memtable.size", "1MiB"}});
  for (int round = 0; round < 3; ++round) {
    for (uint64_t i = 0; i < kKeys; ++i) {
      ASSERT_TRUE(store_->Put(std::to_string(100 + i), std::string(400, 'v')).ok());
    }
    DeleteAndPut("150");
    ASSERT_TRUE(store_->Drain().ok());
    ASSERT_GT(Sum().tables, round == 0 ? 1u : 5u);  // the first is moved
    ASSERT_EQ(Sum().aged, 1u) << round;
  }
}

// Neither a table with no such key nor one with nothing below has a time.
TEST_F(StoreDeletesTest, OnlyWhereSomethingMayBeLeft) {
  Open({});
  Put("150");
  DeleteAndPut("150");
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(Sum().entries, 1u);
  EXPECT_EQ(Sum().aged, 0u);
  Put("150");
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(Sum().aged, 0u);
}

// What a snapshot keeps from being dropped is dropped when it has gone.
TEST_F(StoreDeletesTest, ASnapshotOnlyPutsItOff) {
  OpenFilled({{"engine.compaction.delete_ttl", "1ms"}});
  std::unique_ptr<Snapshot> snapshot = store_->NewSnapshot();
  DeleteAndPut("150");
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  ASSERT_EQ(Sum().entries, kKeys + 1);
  ASSERT_EQ(Sum().tombstones, 0u);
  ASSERT_EQ(Sum().aged, 1u);
  snapshot.reset();
  WaitUntilOnlyTheNewestAreLeft();
}

TEST_F(StoreDeletesTest, ALaterSnapshotHoldsNothingBack) {
  OpenFilled({{"engine.compaction.delete_ttl", "1ms"}});
  std::unique_ptr<Snapshot> first = store_->NewSnapshot();
  DeleteAndPut("150");
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  ASSERT_EQ(Sum().aged, 1u);
  const std::unique_ptr<Snapshot> later = store_->NewSnapshot();
  first.reset();
  WaitUntilOnlyTheNewestAreLeft();
}

}  // namespace
}  // namespace lsmlab::test
