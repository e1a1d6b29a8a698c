// The background jobs of a store that has one thread for all of them: who goes first, and who has
// to wait for whom. A flush is held in its first operation while others queue up; what the Io sees
// then tells the order.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "tests/support/compositions.h"
#include "tests/support/filter_io.h"
#include "variants/io/simulated_io.h"

namespace lsmlab::test {
namespace {

// The first byte of a key says to which of two shards it belongs.
constexpr char kLeft = 'b';
constexpr char kRight = 'a';

constexpr int kBatch = 2000;  // entries, which fill a memtable and take a flush many steps

class StoreTurnsTest : public testing::Test {
 protected:
  ~StoreTurnsTest() override {
    HoldAt("");
    store_.reset();
  }

  void Open(Settings settings) {
    settings.emplace_back("engine.executor.background", "1");
    settings.emplace_back("engine.memtable.max_waiting", "8");
    settings.emplace_back("engine.partitioner.variant", "first-byte");
    settings.emplace_back("engine.partitioner.shards", "2");
    settings.emplace_back("engine.compaction.l0_trigger", "100");
    settings.emplace_back("engine.compaction.l0_slowdown", "200");
    settings.emplace_back("engine.compaction.l0_stop", "300");
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall({"turns", "", {}}, settings);
    options.io = std::make_shared<FilterIo>(MakeSimulatedIo(disk_), [this](const IoOp& op) {
      Note(op);
      return false;
    });
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
    Forget();
  }
  void Put(char shard) { ASSERT_TRUE(store_->Put(shard + std::string("one"), "x").ok()); }
  // So many memtables, the last of which the next write seals.
  void Fill(char shard, int memtables) {
    for (int m = 0; m < memtables; ++m) {
      WriteBatch batch;
      for (int i = 0; i < kBatch; ++i) batch.Put(KeyOf(shard, m, i), std::string(300, 'x'));
      ASSERT_TRUE(store_->Write(batch).ok());
    }
  }
  static std::string KeyOf(char shard, int memtable, int i) {
    return shard + std::to_string(memtable * kBatch + i);
  }

  // The thread of the step stays in it until it is to be held at another one.
  void HoldAt(const std::string& step) {
    std::lock_guard guard(mutex_);
    held_at_ = step;
    changed_.notify_all();
  }
  // What the Io saw, in order: see Note.
  std::vector<std::string> Steps() {
    std::lock_guard guard(mutex_);
    return steps_;
  }
  void Forget() {
    std::lock_guard guard(mutex_);
    steps_.clear();
  }
  // Waits as long as it takes, as the next does; the test's own limit ends it.
  void WaitFor(const std::string& step) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock,
                  [&] { return std::find(steps_.begin(), steps_.end(), step) != steps_.end(); });
  }
  void WaitForFlushes(uint64_t flushes) {
    while (store_->Stats().flushes < flushes) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  // Three memtables of the left shard wait, then one of the right, and the first flush is held.
  void HoldTheFirstOfFourFlushes() {
    Open({});
    Fill(kLeft, 3);
    Put(kLeft);
    Fill(kRight, 1);
    Put(kRight);
    WaitFor("flush left");
  }
  // Those of a millisecond that were set before have come due then.
  static void LetTimersRunOut() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  std::unique_ptr<Store> store_;

 private:
  void Note(const IoOp& op) {
    const std::string& path = op.file != nullptr ? op.file->path() : op.path;
    const bool left = path.find("shard-0000") != std::string::npos;
    const bool creates = op.kind == IoKind::kOpen && op.mode == OpenMode::kCreate;
    const bool syncs = op.kind == IoKind::kDataSync;
    std::string step;
    if (op.site == IoSite::kWal && creates) step = "segment";
    if (op.site == IoSite::kWal && syncs) step = "log synced";
    if (op.site == IoSite::kFlush && creates) step = "flush";
    if (op.site == IoSite::kFlush && syncs) step = "flush synced";
    if (step.empty()) return;
    step += left ? " left" : " right";
    std::unique_lock lock(mutex_);
    steps_.push_back(step);
    changed_.notify_all();
    changed_.wait(lock, [&] { return held_at_ != step; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> steps_;
  std::string held_at_ = "flush left";
};

TEST_F(StoreTurnsTest, AShardFlushesOneMemtableThenAnotherHasItsTurn) {
  HoldTheFirstOfFourFlushes();
  HoldAt("");
  WaitForFlushes(4);
  std::vector<std::string> steps = Steps();
  std::erase_if(steps,
                [](const std::string& s) { return s != "flush left" && s != "flush right"; });
  const std::vector<std::string> in_turn = {"flush left", "flush right", "flush left",
                                            "flush left"};
  EXPECT_EQ(steps, in_turn);
}

TEST_F(StoreTurnsTest, ASyncOfTheLogDoesNotWaitForTheEndOfAFlush) {
  Open({{"engine.wal.sync", "interval"}, {"engine.wal.interval", "1ms"}});
  Fill(kLeft, 1);
  Put(kLeft);
  WaitFor("flush left");
  Put(kLeft);
  LetTimersRunOut();
  Forget();
  HoldAt("");
  WaitFor("flush synced left");
  EXPECT_EQ(Steps().front(), "log synced left");
}

TEST_F(StoreTurnsTest, NorDoesAnAgedMemtable) {
  Open({{"engine.memtable.max_age", "1ms"}});
  Fill(kLeft, 1);
  Put(kLeft);
  WaitFor("flush left");
  Put(kRight);
  LetTimersRunOut();
  Forget();
  HoldAt("");
  WaitFor("flush synced left");
  const std::vector<std::string> steps = Steps();
  const auto flushed = std::find(steps.begin(), steps.end(), "flush synced left");
  EXPECT_NE(std::find(steps.begin(), flushed, "segment right"), flushed);
}

// Between two flushes of a shard, when the second one has not begun.
TEST_F(StoreTurnsTest, ClosingBetweenTwoFlushesEndsAndLosesNothing) {
  HoldTheFirstOfFourFlushes();
  HoldAt("flush right");
  WaitFor("flush right");
  std::thread closer([this] { EXPECT_TRUE(store_->Close().ok()); });
  LetTimersRunOut();  // so that it has begun, as a rule
  HoldAt("");
  closer.join();
  Open({});
  for (int m = 0; m < 3; ++m) {
    std::string value;
    EXPECT_TRUE(store_->Get(KeyOf(kLeft, m, kBatch - 1), &value).ok());
  }
}

}  // namespace
}  // namespace lsmlab::test
