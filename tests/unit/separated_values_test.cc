#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/filter_io.h"
#include "tests/support/part_doubles.h"
#include "variants/io/simulated_io.h"
#include "variants/values/values.h"

// Separated values in a store: where they go, how they are read, and that their garbage goes.
// Random operations on such compositions are in the model test, crashes in the crash test.
namespace lsmlab::test {
namespace {

constexpr size_t kThreshold = 200;
constexpr double kBound = 1.5;
constexpr size_t kRecordHead = 20;

const Settings kSeparatedSettings = {
    {"engine.values.variant", "separated"},
    {"engine.values.threshold", std::to_string(kThreshold)},
    {"engine.values.file_size", "16KiB"},
    {"engine.executor.variant", "inline"},
};

std::string NumberedKey(int i) { return "key" + std::to_string(1000 + i); }

class SeparatedTest : public testing::Test {
 protected:
  void Open(const Settings& more = {}, const PartitionerVariant* partitioner = nullptr) {
    TestComposition composition{"separated", "", kSeparatedSettings, partitioner};
    OpenComposition(composition, more);
  }
  void OpenComposition(const TestComposition& composition, const Settings& more) {
    store_.reset();
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall(composition, more);
    SimulatedOptions simulated;
    simulated.defer = defer_;
    io_ = MakeSimulatedIo(disk_, simulated);
    options.io = io_;
    if (watch_) options.io = std::make_shared<FilterIo>(io_, watch_);
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }
  void Put(int i, uint64_t operation, size_t length) {
    const std::string key = NumberedKey(i);
    ASSERT_TRUE(store_->Put(key, CheckedValue(key, operation, length)).ok());
    newest_[i] = operation;
  }
  void Fill(int keys, size_t length) {
    for (int i = 0; i < keys; ++i) Put(i, ++operation_, length);
  }
  void Overwrite(int keys, int times, size_t length) {
    Random random(times);
    for (int i = 0; i < keys * times; ++i) {
      Put(static_cast<int>(random.Below(static_cast<uint64_t>(keys))), ++operation_, length);
    }
  }
  // Every key has its newest value, by Get, MultiGet, and scans both ways.
  void CheckAll() {
    std::vector<std::string> names, values;
    for (const auto& [i, operation] : newest_) {
      names.push_back(NumberedKey(i));
      std::string value;
      ASSERT_TRUE(store_->Get(names.back(), &value).ok());
      ASSERT_EQ(OperationOf(names.back(), value), operation);
    }
    const std::vector<Slice> keys(names.begin(), names.end());
    for (const Status& status : store_->MultiGet(keys, &values)) ASSERT_TRUE(status.ok());
    auto iterator = store_->NewIterator();
    ASSERT_TRUE(iterator->SeekToFirst().ok());
    size_t n = 0;
    for (const auto& [i, operation] : newest_) {
      ASSERT_EQ(OperationOf(names[n], values[n]), operation);
      ASSERT_TRUE(iterator->valid());
      ASSERT_EQ(iterator->key(), names[n++]);
      ASSERT_EQ(OperationOf(iterator->key(), iterator->Value().value()), operation);
      ASSERT_TRUE(iterator->Next().ok());
    }
    ASSERT_FALSE(iterator->valid());
    ASSERT_TRUE(iterator->SeekToLast().ok());
    for (auto at = newest_.rbegin(); at != newest_.rend(); ++at) {
      ASSERT_TRUE(iterator->valid());
      ASSERT_EQ(OperationOf(NumberedKey(at->first), iterator->Value().value()), at->second);
      ASSERT_TRUE(iterator->Prev().ok());
    }
    ASSERT_FALSE(iterator->valid());
  }
  uint64_t FilesOnDisk() const {
    uint64_t files = 0;
    for (const std::string& path : disk_->Files()) files += path.ends_with(".val") ? 1 : 0;
    return files;
  }

  bool defer_ = false;
  FilterIo::Answer watch_;
  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  std::shared_ptr<Io> io_;
  std::unique_ptr<Store> store_;
  std::map<int, uint64_t> newest_;
  uint64_t operation_ = 0;
};

TEST_F(SeparatedTest, ValuesFromTheThresholdOnGoOut) {
  Open();
  for (int i = 0; i < 40; ++i) Put(i, ++operation_, i % 2 == 0 ? kThreshold : kThreshold - 1);
  EXPECT_EQ(FilesOnDisk(), 0u);
  ASSERT_TRUE(store_->Flush().ok());
  const StoreStats stats = store_->Stats();
  EXPECT_EQ(stats.value_files, 1u);
  EXPECT_EQ(FilesOnDisk(), 1u);
  EXPECT_EQ(stats.value_live_bytes, 20 * (kRecordHead + NumberedKey(0).size() + kThreshold));
  EXPECT_EQ(stats.value_record_bytes, stats.value_live_bytes);
  CheckAll();
  Open();
  CheckAll();
  ASSERT_TRUE(store_->Verify().ok());
}

TEST_F(SeparatedTest, GarbageIsKnownExactlyAndCollected) {
  Open();
  Fill(300, 400);
  Overwrite(300, 6, 400);
  ASSERT_TRUE(store_->Drain().ok());
  StoreStats stats = store_->Stats();
  EXPECT_GT(stats.value_gc_bytes, 0u);
  EXPECT_GT(stats.value_gc_bytes_read, 0u);
  EXPECT_LE(static_cast<double>(stats.value_record_bytes),
            kBound * static_cast<double>(stats.value_live_bytes));
  EXPECT_EQ(FilesOnDisk(), stats.value_files);
  CheckAll();
  // With nothing overwritten left in the tables, live is what the keys have.
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  stats = store_->Stats();
  EXPECT_EQ(stats.value_live_bytes, 300 * (kRecordHead + NumberedKey(0).size() + 400));
  uint64_t garbage = 0, shared = 0;
  const TreeShape shape = store_->Shapes()[0];
  for (const ValueFileShape& file : shape.value_files) garbage += file.garbage_bytes();
  for (const LevelShape& level : shape.levels) {
    for (const RunShape& run : level.runs) {
      for (const TableShape& table : run.tables) shared += table.value_garbage_bytes;
    }
  }
  EXPECT_EQ(garbage, stats.value_record_bytes - stats.value_live_bytes);
  EXPECT_NEAR(static_cast<double>(shared), static_cast<double>(garbage), 200);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(store_->Delete(NumberedKey(i)).ok());
  newest_.clear();
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  EXPECT_EQ(store_->Stats().value_files, 0u);
  EXPECT_EQ(FilesOnDisk(), 0u);
  CheckAll();
}

// What passes never collects here: only compactions of its own keep the bound.
TEST_F(SeparatedTest, TheBoundOnSpaceIsKeptWithoutPassingCompactions) {
  Open({{"engine.values.gc_ratio", "1"}, {"engine.values.max_space_amplification", "1.2"}});
  Fill(300, 400);
  Overwrite(300, 4, 400);
  ASSERT_TRUE(store_->Drain().ok());
  const StoreStats stats = store_->Stats();
  EXPECT_LE(static_cast<double>(stats.value_record_bytes),
            1.2 * static_cast<double>(stats.value_live_bytes));
  const std::vector<StoreEvent> events = store_->TakeEvents();
  EXPECT_TRUE(std::any_of(events.begin(), events.end(),
                          [](const StoreEvent& event) { return event.cause == "value garbage"; }));
  CheckAll();
  ASSERT_TRUE(store_->Verify().ok());
}

TEST_F(SeparatedTest, WhatASnapshotOrIteratorSeesStays) {
  Open();
  Fill(200, 400);
  ASSERT_TRUE(store_->Flush().ok());
  auto snapshot = store_->NewSnapshot();
  auto iterator = store_->NewIterator();
  const std::map<int, uint64_t> then = newest_;
  Overwrite(200, 5, 400);
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  ReadOptions options;
  options.snapshot = snapshot.get();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  for (const auto& [i, operation] : then) {
    std::string value;
    ASSERT_TRUE(store_->Get(NumberedKey(i), &value, options).ok());
    ASSERT_EQ(OperationOf(NumberedKey(i), value), operation);
    ASSERT_EQ(OperationOf(iterator->key(), iterator->Value().value()), operation);
    ASSERT_TRUE(iterator->Next().ok());
  }
  // The snapshot keeps entries and with them values.
  EXPECT_GE(store_->Stats().value_live_bytes, 2 * 200 * 400u);
  snapshot.reset();
  Fill(200, 400);
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  // The iterator keeps the files of its time.
  EXPECT_GT(FilesOnDisk(), store_->Stats().value_files);
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  EXPECT_EQ(OperationOf(NumberedKey(0), iterator->Value().value()), then.at(0));
  iterator.reset();
  Fill(200, 400);
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  ASSERT_TRUE(store_->Drain().ok());
  EXPECT_EQ(FilesOnDisk(), store_->Stats().value_files);
  EXPECT_LT(store_->Stats().value_record_bytes, 200 * 430 * kBound);
  CheckAll();
}

TEST_F(SeparatedTest, AnotherVariantReadsTheFilesAndMovesTheValues) {
  Open();
  Fill(100, 400);
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_GT(store_->Stats().value_files, 0u);
  const TestComposition inside{"inline", "", {{"engine.executor.variant", "inline"}}};
  OpenComposition(inside, {});
  CheckAll();
  EXPECT_GT(store_->Stats().value_files, 0u) << "opening alone moves nothing";
  const auto rewrite = [this] {
    Put(0, ++operation_, 400);
    Put(99, ++operation_, 400);
    ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  };
  rewrite();
  EXPECT_EQ(store_->Stats().value_files, 0u);
  EXPECT_EQ(FilesOnDisk(), 0u);
  CheckAll();
  Open({{"engine.values.codec", "zstd"}});
  rewrite();
  EXPECT_EQ(store_->Stats().value_live_bytes, store_->Stats().value_record_bytes);
  EXPECT_GT(store_->Stats().value_live_bytes, 100 * 100u);
  EXPECT_LT(store_->Stats().value_live_bytes, 100 * 400u) << "compressed";
  EXPECT_LT(store_->Stats().table_bytes, 100 * 100u);
  CheckAll();
}

TEST_F(SeparatedTest, AWalkOverKeysReadsNoValue) {
  Open();
  Fill(100, 400);
  ASSERT_TRUE(store_->Flush().ok());
  auto iterator = store_->NewIterator();
  int seen = 0;
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  for (; iterator->valid(); ++seen) {
    ASSERT_TRUE(iterator->Next().ok());
  }
  EXPECT_EQ(seen, 100);
  EXPECT_EQ(store_->Stats().value_reads, 0u);
  std::string value;
  ASSERT_TRUE(store_->Get(NumberedKey(5), &value).ok());
  EXPECT_EQ(store_->Stats().value_reads, 1u);
  EXPECT_EQ(store_->Stats().value_read_bytes, kRecordHead + NumberedKey(5).size() + 400);
}

// On an I/O part that completes later: reads of values that are under way at the same time.
class DeferredTest : public SeparatedTest {
 protected:
  void OpenDeferred(const PartitionerVariant* partitioner = nullptr) {
    defer_ = true;
    watch_ = [this](IoOp& op) {
      if (op.kind == IoKind::kRead && op.site == IoSite::kValueFile) {
        ++started_;
        most_together_ = std::max(most_together_, started_ - Completed());
      }
      return false;
    };
    Open({{"engine.values.read_ahead", "8"}}, partitioner);
    Fill(100, 400);
    ASSERT_TRUE(store_->Flush().ok());
  }
  uint64_t Completed() const { return io_->Counters(IoSite::kValueFile).reads - before_; }
  void StartCounting() {
    before_ = io_->Counters(IoSite::kValueFile).reads;
    started_ = most_together_ = 0;
  }
  uint64_t before_ = 0, started_ = 0, most_together_ = 0;
};

TEST_F(DeferredTest, AScanReadsAheadInBothDirections) {
  OpenDeferred();
  auto iterator = store_->NewIterator();
  const auto expect = [&](int i) {
    ASSERT_TRUE(iterator->valid());
    ASSERT_EQ(iterator->key(), NumberedKey(i));
    ASSERT_EQ(OperationOf(iterator->key(), iterator->Value().value()), newest_[i]);
  };
  StartCounting();
  ASSERT_TRUE(iterator->Seek(NumberedKey(10)).ok());
  expect(10);
  EXPECT_EQ(started_, 1u) << "one value asked for";
  ASSERT_TRUE(iterator->Next().ok());
  expect(11);
  EXPECT_EQ(started_, 5u);
  for (int i = 12; i < 40; ++i) {
    ASSERT_TRUE(iterator->Next().ok());
    expect(i);
  }
  EXPECT_LE(started_, 30 + 8u);
  EXPECT_EQ(most_together_, 8u);
  for (int i = 38; i >= 20; --i) {
    ASSERT_TRUE(iterator->Prev().ok());
    expect(i);
  }
  for (int i = 21; i < 100; ++i) {
    ASSERT_TRUE(iterator->Next().ok());
    if (i % 3 == 0) expect(i);
  }
  ASSERT_TRUE(iterator->Next().ok());
  EXPECT_FALSE(iterator->valid());
  CheckAll();
}

// Entries whose values nobody asks for cost no read.
TEST_F(DeferredTest, AWalkThatAsksNowAndThenReadsNothingElse) {
  OpenDeferred();
  for (const int step : {1, -1}) {
    auto iterator = store_->NewIterator();
    ASSERT_TRUE((step > 0 ? iterator->SeekToFirst() : iterator->SeekToLast()).ok());
    StartCounting();
    uint64_t asked = 0;
    for (int n = 0; iterator->valid(); ++n) {
      if (n % 5 == 0) {
        ++asked;
        ASSERT_TRUE(iterator->Value().ok());
      }
      ASSERT_TRUE((step > 0 ? iterator->Next() : iterator->Prev()).ok());
    }
    EXPECT_EQ(asked, 20u);
    EXPECT_EQ(started_, asked);
  }
}

// Nor does a window of them: it stays short while most of it is passed over.
TEST_F(DeferredTest, WindowsGrowWhereMostValuesAreAskedFor) {
  OpenDeferred();
  auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  StartCounting();
  for (int n = 0; iterator->valid(); ++n) {
    if (n % 3 != 2) {
      ASSERT_TRUE(iterator->Value().ok());
    }
    ASSERT_TRUE(iterator->Next().ok());
  }
  EXPECT_EQ(most_together_, 8u);
  iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  StartCounting();
  for (int n = 0; iterator->valid(); ++n) {
    if (n % 3 == 0) {
      ASSERT_TRUE(iterator->Value().ok());
    }
    ASSERT_TRUE(iterator->Next().ok());
  }
  EXPECT_LE(most_together_, 4u);
}

// A fault of the moment in which a value was read ahead is not the scan's.
TEST_F(DeferredTest, AFailedReadAheadIsReadAgain) {
  OpenDeferred();
  uint64_t to_fail = 4;  // the third of the first window
  watch_ = [&](IoOp& op) {
    if (op.kind != IoKind::kRead || op.site != IoSite::kValueFile || --to_fail != 0) return false;
    op.status = Status::IoError("read: injected");
    return true;
  };
  Open({{"engine.values.read_ahead", "8"}});
  auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  for (const auto& [i, operation] : newest_) {
    const Result<Slice> value = iterator->Value();
    ASSERT_TRUE(value.ok()) << i << ": " << value.status().ToString();
    ASSERT_EQ(OperationOf(NumberedKey(i), value.value()), operation);
    ASSERT_TRUE(iterator->Next().ok());
  }
  EXPECT_GT(to_fail, uint64_t{1} << 60) << "nothing has failed";
  iterator.reset();
  store_.reset();
}

// A window is bounded by the memory that its values take, not by what they take on disk.
TEST_F(DeferredTest, CompressedValuesAreBoundedByWhatTheyHold) {
  defer_ = true;
  Open({{"engine.values.read_ahead", "64"},
        {"engine.values.codec", "zstd"},
        {"engine.memtable.size", "64MiB"}});
  constexpr size_t kLength = 1 << 20;
  const std::string value(kLength, 'v');
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(store_->Put(NumberedKey(i), value).ok());
  ASSERT_TRUE(store_->Flush().ok());
  ASSERT_LT(store_->Stats().value_bytes, kLength);
  const uint64_t before = BlockFrameBytes();
  auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  uint64_t most = 0;
  for (; iterator->valid(); iterator->Next().ok()) {
    ASSERT_TRUE(iterator->Value().ok());
    most = std::max(most, BlockFrameBytes() - before);
  }
  EXPECT_GT(most, 3 * kLength) << "nothing was read ahead";
  EXPECT_LT(most, 6 * kLength);
}

// What was said of a key stays true until the next positioning, also where values are read ahead.
TEST_F(DeferredTest, AKeyIsShownAcrossItsValue) {
  OpenDeferred();
  for (const int step : {1, -1}) {
    auto iterator = store_->NewIterator();
    ASSERT_TRUE((step > 0 ? iterator->SeekToFirst() : iterator->SeekToLast()).ok());
    for (int i = step > 0 ? 0 : 99; iterator->valid(); i += step) {
      const Slice key = iterator->key();
      const std::string first(iterator->Value().value());
      ASSERT_EQ(OperationOf(key, first), newest_[i]);
      ASSERT_EQ(iterator->Value().value(), first) << "asked for twice";
      ASSERT_EQ(key, NumberedKey(i));
      ASSERT_TRUE((step > 0 ? iterator->Next() : iterator->Prev()).ok());
    }
  }
}

TEST_F(DeferredTest, AMultiGetReadsSideBySide) {
  OpenDeferred();
  std::vector<std::string> names, values;
  for (int i = 0; i < 20; ++i) names.push_back(NumberedKey(i * 3));
  const std::vector<Slice> keys(names.begin(), names.end());
  (void)store_->MultiGet(keys, &values);  // from here on only values are not in memory
  StartCounting();
  const std::vector<Status> statuses = store_->MultiGet(keys, &values);
  for (size_t i = 0; i < keys.size(); ++i) {
    ASSERT_TRUE(statuses[i].ok());
    EXPECT_EQ(OperationOf(keys[i], values[i]), newest_[static_cast<int>(i) * 3]);
  }
  EXPECT_EQ(most_together_, 20u);
}

TEST_F(DeferredTest, ShardsMergeWithReadAhead) {
  OpenDeferred(&kThreeShards);
  CheckAll();
}

TEST_F(SeparatedTest, StatisticsEqualWhatTheDiskCounted) {
  Open();
  Fill(200, 300);
  Overwrite(200, 4, 300);
  ASSERT_TRUE(store_->Drain().ok());
  CheckAll();
  const StoreStats stats = store_->Stats();
  const IoCounters values = io_->Counters(IoSite::kValueFile);
  EXPECT_GT(stats.value_gc_bytes, 0u);
  EXPECT_EQ(stats.value_flush_bytes + stats.value_gc_bytes, values.write_bytes);
  EXPECT_EQ(stats.value_read_bytes + stats.value_gc_bytes_read, values.read_bytes);
  EXPECT_EQ(stats.flush_bytes, io_->Counters(IoSite::kFlush).write_bytes + stats.value_flush_bytes);
  EXPECT_EQ(stats.compaction_bytes_written, io_->Counters(IoSite::kCompactionWrite).write_bytes);
  uint64_t on_disk = 0;
  for (const std::string& path : disk_->Files()) {
    if (path.ends_with(".val")) on_disk += disk_->Contents(path).value().size();
  }
  EXPECT_EQ(stats.value_bytes, on_disk);
}

std::unique_ptr<ValueStore> MakeSeparated(double ratio, double age, double bound) {
  SettingBag bag = DefaultSettings(kSeparatedValues.settings);
  bag.Set("gc_ratio", ratio);
  bag.Set("gc_age", age);
  bag.Set("max_space_amplification", bound);
  return kSeparatedValues.make(bag);
}

TEST(SeparatedPolicy, CollectsByRatioAgeAndBound) {
  using Files = std::vector<uint64_t>;
  const std::vector<ValueFileShape> files = {
      {1, 100, 60}, {2, 100, 50}, {5, 100, 100}, {7, 100, 10}, {9, 100, 49}};
  EXPECT_EQ(MakeSeparated(0.5, 1, 100)->Collectable(files), (Files{2, 7, 9}));
  EXPECT_EQ(MakeSeparated(0.4, 0.4, 100)->Collectable(files), (Files{1, 2}));
  EXPECT_EQ(MakeSeparated(0.5, 0, 100)->Collectable(files), Files{});
  EXPECT_EQ(MakeSeparated(0.5, 1, 100)->Overdue(files), Files{});
  // 500 bytes, 269 of them live: 1.86.
  EXPECT_EQ(MakeSeparated(1, 1, 1.9)->Overdue(files), Files{});
  EXPECT_EQ(MakeSeparated(1, 1, 1.9)->DebtBytes(files), 0u);
  EXPECT_EQ(MakeSeparated(1, 1, 1.5)->DebtBytes(files), 97u);
  EXPECT_EQ(MakeSeparated(1, 1, 1.8)->Overdue(files), Files{7});
  EXPECT_EQ(MakeSeparated(1, 1, 1.5)->Overdue(files), (Files{7, 9}));
  EXPECT_EQ(MakeSeparated(1, 1, 1.05)->Overdue(files), (Files{1, 2, 7, 9}));
  EXPECT_EQ(MakeSeparated(1, 1, 1.05)->Collectable(files), (Files{1, 2, 7, 9}));
  EXPECT_EQ(MakeSeparated(0.01, 1, 1.05)->Collectable({}), Files{});
}

}  // namespace
}  // namespace lsmlab::test
