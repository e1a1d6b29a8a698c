// Writers are slowed down before they are stopped, both are counted and reported, and nothing is
// lost by either.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/filter_io.h"
#include "tests/support/temp_directory.h"
#include "variants/io/simulated_io.h"

namespace lsmlab::test {
namespace {

constexpr int kPacedKeys = 3'000;

class StorePacingTest : public testing::Test {
 protected:
  // Opens a store that may owe so much, whatever the number of runs in level 0, on an executor
  // whose pauses take no time, and overwrites.
  void Overwrite(const std::string& debt_slowdown, const std::string& debt_stop, int batch_keys,
                 int batches) {
    StoreOptions options;
    options.path = directory_.path() + "/store";
    options.composition =
        ComposeSmall({"paced", "", {}}, {{"engine.executor.variant", "inline"},
                                         {"engine.executor.seed", "7"},
                                         {"engine.compaction.l0_slowdown", "9999"},
                                         {"engine.compaction.l0_stop", "10000"},
                                         {"engine.compaction.debt_slowdown", debt_slowdown},
                                         {"engine.compaction.debt_stop", debt_stop}});
    auto opened = Store::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    store_ = std::move(opened).value();
    WriteBatch batch;
    writes_ = batch_keys * batches;
    for (int i = 0; i < writes_; ++i) {
      const std::string key = "key" + std::to_string(i % kPacedKeys);
      batch.Put(key, CheckedValue(key, static_cast<uint64_t>(i), 300));
      if ((i + 1) % batch_keys != 0) continue;
      const Status status = store_->Write(batch);
      ASSERT_TRUE(status.ok()) << status.ToString();
      batch.Clear();
    }
    events_ = store_->TakeEvents();
    stats_ = store_->Stats();
  }
  void CheckAllRead() {
    for (int i = std::max(0, writes_ - kPacedKeys); i < writes_; ++i) {
      const std::string key = "key" + std::to_string(i % kPacedKeys);
      std::string value;
      ASSERT_TRUE(store_->Get(key, &value).ok());
      ASSERT_EQ(OperationOf(key, value), static_cast<uint64_t>(i));
    }
  }
  size_t FirstOf(StoreEvent::Kind kind) const {
    const auto at = std::find_if(events_.begin(), events_.end(),
                                 [kind](const StoreEvent& event) { return event.kind == kind; });
    return static_cast<size_t>(at - events_.begin());
  }

  int writes_ = 0;
  TempDirectory directory_;
  std::unique_ptr<Store> store_;
  std::vector<StoreEvent> events_;
  StoreStats stats_;
};

TEST_F(StorePacingTest, WithinItsMeansNobodyWaitsForCompactions) {
  Overwrite("16GiB", "64GiB", 20, 300);
  EXPECT_EQ(stats_.slowdowns, 0u);
  EXPECT_EQ(FirstOf(StoreEvent::Kind::kSlowdown), events_.size());
  CheckAllRead();
}

// The debt stays below the stop: what slows writers here is the grade between the two limits.
TEST_F(StorePacingTest, DebtSlowsWritersBeforeItStopsThem) {
  Overwrite("1KiB", "256MiB", 1200, 30);
  EXPECT_GT(stats_.slowdowns, 0u);
  const size_t slowdown = FirstOf(StoreEvent::Kind::kSlowdown);
  ASSERT_LT(slowdown, events_.size());
  EXPECT_EQ(events_[slowdown].cause, "compaction owed");
  for (const StoreEvent& event : events_) {
    EXPECT_FALSE(event.kind == StoreEvent::Kind::kStall && event.cause == "compaction owed");
  }
  EXPECT_EQ(stats_.stall_l0_ns, 0u);
  CheckAllRead();
}

// Each batch fills a memtable, so that no pause comes between a flush that adds to the debt and the
// next rotation.
TEST_F(StorePacingTest, AtTheStopWritersWaitAndThenGoOn) {
  Overwrite("1KiB", "2KiB", 300, 40);
  EXPECT_GT(stats_.stalls, 0u);
  EXPECT_GT(stats_.stall_l0_ns, 0u);
  EXPECT_LE(stats_.stall_l0_ns, stats_.stall_ns);
  EXPECT_TRUE(std::any_of(events_.begin(), events_.end(), [](const StoreEvent& event) {
    return event.kind == StoreEvent::Kind::kStall && event.cause == "compaction owed";
  }));
  CheckAllRead();
}

// A snapshot over several shards waits for the groups under way, not for writers who wait for room.
TEST(StallTest, ReadersOfShardsDoNotWaitForStalledWriters) {
  std::atomic<bool> held{true};
  StoreOptions options;
  options.path = "/store";
  options.composition = ComposeSmall({"stalled", "", {}}, {{"engine.partitioner.variant", "hash"},
                                                           {"engine.partitioner.shards", "2"}});
  options.io =
      std::make_shared<FilterIo>(MakeSimulatedIo(SimDisk::Make()), [&held](const IoOp& op) {
        if (op.site == IoSite::kFlush && op.kind == IoKind::kWrite) held.wait(true);
        return false;
      });
  auto opened = Store::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  Store& store = *opened.value();
  std::atomic<uint64_t> written{0};
  std::thread writer([&store, &written] {
    for (uint64_t i = 0; i < 3000; ++i) {
      if (!store.Put("key" + std::to_string(i), std::string(300, 'x')).ok()) return;
      written = i + 1;
    }
  });
  // Until it makes no progress: with all memtables full it waits for a flush, and those are held.
  for (uint64_t before = ~uint64_t{0}; before != written;) {
    before = written;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ASSERT_LT(written, 3000u);
  const std::unique_ptr<Snapshot> snapshot = store.NewSnapshot();
  const std::unique_ptr<Iterator> iterator = store.NewIterator();
  uint64_t seen = 0;
  for (Status s = iterator->SeekToFirst(); s.ok() && iterator->valid(); s = iterator->Next()) {
    ++seen;
  }
  EXPECT_EQ(seen, written);
  held = false;
  held.notify_all();
  writer.join();
  EXPECT_EQ(written, 3000u);
}

}  // namespace
}  // namespace lsmlab::test
