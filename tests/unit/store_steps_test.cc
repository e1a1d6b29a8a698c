// Background jobs on an event loop do their work in steps, between which the foreground has its
// turn. A task of the foreground counts its turns; what the Io sees carries the count.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/format/file_writer.h"
#include "engine/store.h"
#include "tests/support/compositions.h"
#include "tests/support/filter_io.h"
#include "variants/io/simulated_io.h"

namespace lsmlab::test {
namespace {

constexpr int kMergedTables = 6;
constexpr int kKeysInTable = 2000;
constexpr size_t kBytesOfValue = 300;  // one entry in a block of 512 bytes

class StoreStepsTest : public testing::Test {
 protected:
  struct Seen {
    IoKind kind;
    IoSite site;
    size_t length;
    uint64_t turns;  // that the foreground had had by then
  };

  ~StoreStepsTest() override { Close(); }
  void Close() {
    stop_ = true;
    store_.reset();
  }
  void Open(const Settings& more, const SimulatedOptions& simulated = SimulatedOptions()) {
    Settings settings = {
        {"engine.executor.variant", "reactor"},   {"engine.executor.loops", "1"},
        {"engine.memtable.size", "4MiB"},         {"engine.cache.variant", "swizzled"},
        {"engine.cache.bytes", "64MiB"},          {"engine.compaction.l0_trigger", "100"},
        {"engine.compaction.l0_slowdown", "200"}, {"engine.compaction.l0_stop", "300"}};
    settings.insert(settings.end(), more.begin(), more.end());
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall({"steps", "", settings});
    auto disk = MakeSimulatedIo(SimDisk::Make(), simulated);
    options.io = std::make_shared<FilterIo>(std::move(disk), [this](const IoOp& op) {
      std::lock_guard guard(mutex_);
      seen_.push_back({op.kind, op.site, op.length, turns_});
      return false;
    });
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }
  void CountTurns() {
    store_->executor().SpawnOn(0, Priority::kForeground,
                               TakeTurns(store_->executor(), stop_, turns_), store_->io());
  }
  static Task<void> TakeTurns(Executor& executor, const std::atomic<bool>& stop,
                              std::atomic<uint64_t>& turns) {
    while (!stop) {
      ++turns;
      co_await Yield(executor, Priority::kForeground);
    }
  }
  static std::string KeyOf(int table, int i) {
    return "key" + std::to_string(100'000 + i * kMergedTables + table);
  }
  // Into the memtable.
  void Fill(int table) {
    WriteBatch batch;
    for (int i = 0; i < kKeysInTable; ++i) {
      batch.Put(KeyOf(table, i), std::string(kBytesOfValue, 'x'));
    }
    ASSERT_TRUE(store_->Write(batch).ok());
  }
  void FillTables() {
    for (int table = 0; table < kMergedTables; ++table) {
      Fill(table);
      ASSERT_TRUE(store_->Flush().ok());
    }
  }
  void ReadTable(int table) {
    std::string value;
    for (int i = 0; i < kKeysInTable; ++i) ASSERT_TRUE(store_->Get(KeyOf(table, i), &value).ok());
  }
  std::vector<Seen> TakeSeen() {
    std::lock_guard guard(mutex_);
    return std::exchange(seen_, {});
  }
  // The largest write of a flush.
  size_t LargestWrite() {
    size_t largest = 0;
    for (const Seen& op : TakeSeen()) {
      if (op.kind == IoKind::kWrite && op.site == IoSite::kFlush) {
        largest = std::max(largest, op.length);
      }
    }
    return largest;
  }

  std::unique_ptr<Store> store_;

 private:
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> turns_{0};
  std::mutex mutex_;
  std::vector<Seen> seen_;
};

TEST_F(StoreStepsTest, ReplacedTablesGoOneByOne) {
  Open({});
  FillTables();
  CountTurns();
  (void)TakeSeen();
  ASSERT_TRUE(store_->CompactRange("", "").ok());
  Close();  // so that the job is at its end
  std::vector<uint64_t> unlinks;
  for (const Seen& op : TakeSeen()) {
    if (op.kind == IoKind::kUnlink && op.site == IoSite::kSweep) unlinks.push_back(op.turns);
  }
  ASSERT_GE(unlinks.size(), size_t{kMergedTables});
  for (int i = 1; i < kMergedTables; ++i) EXPECT_GT(unlinks[i], unlinks[i - 1]) << i;
}

// With its tables' places in the cache, which are many; a reader does not do it on his way out.
TEST_F(StoreStepsTest, WhoLooksLastAtReplacedTablesLeavesThemToABackgroundJob) {
  Open({});
  FillTables();
  for (int table = 0; table < kMergedTables; ++table) ReadTable(table);
  auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  ASSERT_TRUE(store_->CompactRange("", "").ok());
  const uint64_t cached = store_->Stats().cache_bytes;
  iterator.reset();
  EXPECT_EQ(store_->Stats().cache_bytes, cached);
  ASSERT_TRUE(store_->Drain().ok());
  EXPECT_LT(store_->Stats().cache_bytes, cached / 2);
}

TEST_F(StoreStepsTest, ATableFillsTheCacheInSteps) {
  Open({{"engine.cache.fill_by", "writes"}});
  Fill(0);
  ReadTable(0);  // so that filling the cache is worth it
  CountTurns();
  (void)TakeSeen();
  ASSERT_TRUE(store_->Flush().ok());
  const std::vector<Seen> seen = TakeSeen();
  // Nothing but filling the cache comes between the last look at the new table's file and the sync
  // of its name.
  const auto opened = std::find_if(seen.rbegin(), seen.rend(),
                                   [](const Seen& s) { return s.site == IoSite::kTableOpen; });
  ASSERT_NE(opened, seen.rend());
  const auto named = opened.base();
  ASSERT_NE(named, seen.end());
  EXPECT_EQ(named->kind, IoKind::kSyncDir);
  constexpr uint64_t kSteps = kKeysInTable / 128;
  EXPECT_GE(named->turns, opened->turns + kSteps);
  EXPECT_GE(store_->Stats().cache_inserts, uint64_t{kKeysInTable});
}

// A write through the page cache is done by the thread that calls, so it must be short; a direct
// one is not.
TEST_F(StoreStepsTest, AWriteThatHoldsTheLoopIsShort) {
  SimulatedOptions simulated;
  simulated.defer = true;
  for (const Direct direct : {Direct::kNone, Direct::kWrites}) {
    simulated.direct = direct;
    Open({}, simulated);
    Fill(0);
    (void)TakeSeen();
    ASSERT_TRUE(store_->Flush().ok());
    const WritePace pace = direct == Direct::kNone ? WritePace::kBesideSyncs : WritePace::kFast;
    EXPECT_EQ(LargestWrite(), FileWriter::PieceBytes(pace));
    store_.reset();
  }
}

}  // namespace
}  // namespace lsmlab::test
