#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "tests/support/idle_policy.h"
#include "tests/support/separated_fixture.h"
#include "variants/values/values.h"

// Separated values in a store: where they go, how they are read, and that their garbage goes.
// Random operations on such compositions are in the model test, crashes in the crash test.
namespace lsmlab::test {
namespace {

constexpr double kBound = 1.5;

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

// The bytes shown stay where they are until the next positioning, and are read once.
TEST_F(SeparatedTest, AValueAskedForTwiceIsReadOnce) {
  Open();
  Fill(100, 400);
  ASSERT_TRUE(store_->Flush().ok());
  auto iterator = store_->NewIterator();
  uint64_t reads = 0;
  const auto expect = [&](int i) {
    ASSERT_TRUE(iterator->valid());
    const Slice shown = iterator->Value().value();
    EXPECT_EQ(iterator->Value().value().data(), shown.data());
    EXPECT_EQ(OperationOf(NumberedKey(i), shown), newest_[i]);
    EXPECT_EQ(store_->Stats().value_reads, ++reads);
  };
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  expect(0);
  ASSERT_TRUE(iterator->Next().ok());
  expect(1);
  ASSERT_TRUE(iterator->Seek(NumberedKey(7)).ok());
  expect(7);
  ASSERT_TRUE(iterator->Prev().ok());
  expect(6);
  ASSERT_TRUE(iterator->SeekToLast().ok());
  expect(99);
  ASSERT_TRUE(iterator->Seek(NumberedKey(6)).ok());
  expect(6);
}

Task<Status> AskTwice(Store& store, bool* same) {
  const ReadOptions now;
  std::unique_ptr<AsyncIterator> walk = co_await store.NewIteratorAsync(now);
  LSMLAB_CO_TRY(co_await walk->SeekToFirst());
  const Result<Slice> first = co_await walk->Value();
  LSMLAB_CO_TRY(first.status());
  const Result<Slice> again = co_await walk->Value();
  LSMLAB_CO_TRY(again.status());
  *same = first.value().data() == again.value().data();
  LSMLAB_CO_TRY(co_await walk->Next());
  const Result<Slice> next = co_await walk->Value();
  LSMLAB_CO_TRY(next.status());
  *same = *same && OperationOf(walk->key(), next.value()).has_value();
  co_return Status();
}

TEST_F(SeparatedTest, AnAwaitedValueIsReadOnce) {
  Open();
  Fill(100, 400);
  ASSERT_TRUE(store_->Flush().ok());
  bool same = false;
  ASSERT_TRUE(RunSync(store_->executor(), store_->io(), AskTwice(*store_, &same)).ok());
  EXPECT_TRUE(same);
  EXPECT_EQ(store_->Stats().value_reads, 2u);
}

// With io.direct value files are written and read past the page cache, whole pages at a time, and
// any store reads what another one has written.
TEST_F(SeparatedTest, ValueFilesMayBeDirect) {
  for (const Direct direct : {Direct::kWrites, Direct::kAll, Direct::kNone, Direct::kAll}) {
    direct_ = direct;
    uint64_t pages = 0, others = 0;
    watch_ = [&](IoOp& op) {
      if (op.kind != IoKind::kRead && op.kind != IoKind::kWrite) return false;
      if (op.site == IoSite::kValueFile || op.site == IoSite::kValueRead ||
          op.site == IoSite::kValueCollect) {
        ++(op.file->alignment() == 4096 ? pages : others);
      }
      return false;
    };
    Open({{"engine.values.codec", direct == Direct::kAll ? "lz4" : "none"}});
    Fill(200, 300);
    Overwrite(200, 4, 300);
    ASSERT_TRUE(store_->Drain().ok());
    const StoreStats stats = store_->Stats();
    EXPECT_GT(stats.value_gc_bytes_read, 0u);
    EXPECT_EQ(stats.value_flush_bytes + stats.value_gc_bytes,
              io_->Counters(IoSite::kValueFile).write_bytes);
    CheckAll();
    ASSERT_TRUE(store_->Verify().ok());
    EXPECT_EQ(pages > 0, direct != Direct::kNone);
    EXPECT_EQ(others > 0, direct != Direct::kAll);
    store_.reset();
  }
}

// Collecting reads many values at once where they lie close together, and not what lies far apart.
// Of several lengths, so that what is read ends within a value.
TEST_F(SeparatedTest, CollectingReadsManyValuesAtOnce) {
  uint64_t reads = 0;
  watch_ = [&](IoOp& op) {
    reads += op.kind == IoKind::kRead && op.site == IoSite::kValueCollect;
    return false;
  };
  Open({{"engine.values.file_size", "1MiB"},
        {"engine.memtable.size", "1MiB"},
        {"engine.values.gc_ratio", "0.3"}});
  for (int i = 0; i < 1000; ++i) Put(i, ++operation_, 350 + i * 37 % 101);
  ASSERT_TRUE(store_->Flush().ok());
  const uint64_t record = kRecordHead + NumberedKey(0).size() + 400;
  for (int i = 0; i < 1000; i += 2) Put(i, ++operation_, 350 + i * 37 % 101);
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());  // half of the first file is garbage now
  for (int i = 0; i < 1000; i += 2) Put(i, ++operation_, 400);
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  const StoreStats stats = store_->Stats();
  const uint64_t moved = stats.value_gc_bytes / record;
  EXPECT_GE(moved, 490u);
  EXPECT_LT(reads * 30, moved);
  EXPECT_LT(stats.value_gc_bytes_read, 3 * moved * record);
  CheckAll();
}

// A damaged value is never copied, and its file stays; all others can be read, also after it.
TEST_F(SeparatedTest, CollectingReportsADamagedValue) {
  Open({{"engine.values.file_size", "1MiB"}, {"engine.memtable.size", "1MiB"}});
  Fill(100, 400);
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  ASSERT_NO_FATAL_FAILURE(Damage(51, 400));
  for (int i = 0; i < 100; i += 2) Put(i, ++operation_, 400);
  ASSERT_TRUE(store_->CompactRange({}, {}).ok()) << "half of the file is garbage only now";
  for (int i = 0; i < 100; i += 2) Put(i, ++operation_, 400);
  const Status collected = store_->CompactRange({}, {});
  EXPECT_TRUE(NamesPlace(collected)) << collected.ToString();
  Open({{"engine.values.file_size", "1MiB"}, {"engine.memtable.size", "1MiB"}});
  std::string value;
  const Status damaged = store_->Get(NumberedKey(51), &value);
  EXPECT_TRUE(NamesPlace(damaged)) << damaged.ToString();
  EXPECT_TRUE(NamesPlace(store_->Verify()));
  newest_.erase(51);
  for (const auto& [i, operation] : newest_) {
    ASSERT_TRUE(store_->Get(NumberedKey(i), &value).ok());
    ASSERT_EQ(OperationOf(NumberedKey(i), value), operation);
  }
  // Deleted, it is in nobody's way.
  ASSERT_TRUE(store_->Delete(NumberedKey(51)).ok());
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  ASSERT_TRUE(store_->Drain().ok());
  CheckAll();
}

// Always has something to do once there is garbage, as where levels are above their sizes for a
// long time, but nothing that holds writers back.
class BusyPolicy final : public IdlePolicy {
 public:
  static constexpr std::string_view kCause = "busy";
  static int jobs_left;

  using IdlePolicy::IdlePolicy;
  std::optional<CompactionPlan> Pick(const TreeShape& shape, std::string_view,
                                     int64_t) const override {
    const auto has_garbage = [](const ValueFileShape& file) { return file.garbage_bytes() > 0; };
    if (std::none_of(shape.value_files.begin(), shape.value_files.end(), has_garbage)) {
      return std::nullopt;
    }
    for (size_t level = 1; jobs_left > 0 && level < shape.levels.size(); ++level) {
      for (const RunShape& run : shape.levels[level].runs) {
        CompactionPlan plan;
        plan.inputs.push_back(run.tables.front().file);
        plan.output_level = static_cast<uint32_t>(level);
        plan.output_run = run.run;
        plan.output_file_bytes = UINT64_MAX;
        plan.cause = kCause;
        if (run.tables.front().being_compacted) continue;
        --jobs_left;
        return plan;
      }
    }
    return std::nullopt;
  }
};
int BusyPolicy::jobs_left = 0;

const CompactionVariant kBusy = VariantOf<BusyPolicy>("busy");

// So much that it slows the writers: what the policy finds to do does not keep it from being
// collected.
TEST_F(SeparatedTest, GarbageThatHoldsWritersBackIsCollectedFirst) {
  policy_ = &kBusy;
  BusyPolicy::jobs_left = 20;
  Open({{"engine.values.gc_ratio", "1"}, {"engine.values.max_space_amplification", "1.05"}});
  constexpr int kKeys = 4000;
  Fill(kKeys, 400);
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  (void)store_->TakeEvents();
  for (int i = 0; i < kKeys; i += 2) Put(i, ++operation_, 400);
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  ASSERT_TRUE(store_->Drain().ok());
  EXPECT_EQ(BusyPolicy::jobs_left, 0);
  std::vector<std::string> causes;
  for (const StoreEvent& event : store_->TakeEvents()) {
    if (event.cause == BusyPolicy::kCause || event.cause == "value garbage") {
      causes.push_back(event.cause);
    }
  }
  ASSERT_FALSE(causes.empty());
  EXPECT_EQ(causes.front(), "value garbage");
  CheckAll();
}

TEST_F(SeparatedTest, StatisticsEqualWhatTheDiskCounted) {
  Open();
  Fill(200, 300);
  Overwrite(200, 4, 300);
  ASSERT_TRUE(store_->Drain().ok());
  CheckAll();
  const StoreStats stats = store_->Stats();
  EXPECT_GT(stats.value_gc_bytes, 0u);
  EXPECT_EQ(stats.value_flush_bytes + stats.value_gc_bytes,
            io_->Counters(IoSite::kValueFile).write_bytes);
  EXPECT_EQ(stats.value_read_bytes + stats.value_gc_bytes_read,
            io_->Counters(IoSite::kValueRead).read_bytes +
                io_->Counters(IoSite::kValueCollect).read_bytes);
  EXPECT_EQ(stats.flush_bytes, io_->Counters(IoSite::kFlush).write_bytes + stats.value_flush_bytes);
  EXPECT_EQ(stats.compaction_bytes_written, io_->Counters(IoSite::kCompactionWrite).write_bytes);
  uint64_t on_disk = 0;
  for (const std::string& path : disk_->Files()) {
    if (path.ends_with(".val")) on_disk += disk_->Contents(path).value().size();
  }
  EXPECT_EQ(stats.value_bytes, on_disk);
  // What moved values is in the events of the jobs that moved them.
  uint64_t in = 0, out = 0;
  for (const StoreEvent& event : store_->TakeEvents()) {
    if (event.kind != StoreEvent::Kind::kCompaction) continue;
    in += event.bytes_in;
    out += event.bytes_out;
  }
  EXPECT_EQ(in, stats.compaction_bytes_read + stats.value_gc_bytes_read);
  EXPECT_EQ(out, stats.compaction_bytes_written + stats.value_gc_bytes);
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
