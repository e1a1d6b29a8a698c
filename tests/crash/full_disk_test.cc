// A full disk, met by a chosen operation: who is refused, who is told, and what goes on.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "engine/store.h"
#include "tests/support/compositions.h"
#include "tests/support/filter_io.h"
#include "variants/io/simulated_io.h"

namespace lsmlab::test {
namespace {

StoreOptions SmallOn(std::shared_ptr<SimDisk> disk) {
  StoreOptions options;
  options.path = "/store";
  options.composition =
      ComposeSmall({"baseline", "baseline", {}},
                   {{"engine.executor.variant", "inline"}, {"engine.wal.sync", "none"}});
  options.io = MakeSimulatedIo(std::move(disk));
  return options;
}

// No space left means that room is all it takes; a log that met it needs a reopen, and says so.
TEST(FullDiskTest, ALogThatHadNoRoomAsksForAReopen) {
  const auto disk = SimDisk::Make();
  auto store = Store::Open(SmallOn(disk));
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  ASSERT_TRUE(store.value()->Put("a", "1").ok());
  disk->Arm({.kind = IoKind::kWrite, .site = IoSite::kWal, .no_space = true});
  EXPECT_EQ(store.value()->Put("b", "2").code(), StatusCode::kNoSpace);
  const Status after = store.value()->Put("c", "3");
  EXPECT_EQ(after.code(), StatusCode::kIoError);
  EXPECT_NE(after.message().find("until the store is opened again"), std::string_view::npos)
      << after.ToString();
  store.value().reset();
  store = Store::Open(SmallOn(disk));
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  std::string value;
  EXPECT_TRUE(store.value()->Get("a", &value).ok());
  EXPECT_TRUE(store.value()->Put("c", "3").ok());
}

// Where another file met it, the log is sound, and closing makes it durable.
TEST(FullDiskTest, ClosingSyncsALogThatIsSound) {
  const auto disk = SimDisk::Make();
  auto store = Store::Open(SmallOn(disk));
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  ASSERT_TRUE(store.value()->Put("a", "1").ok());
  disk->Arm({.kind = IoKind::kOpen, .site = IoSite::kWal, .no_space = true});
  EXPECT_FALSE(store.value()->Flush().ok());
  Status closed = store.value()->Close();
  EXPECT_TRUE(closed.ok()) << closed.ToString();
  store = Store::Open(SmallOn(disk->Crash(CrashMode::kDurable, 1)));
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  std::string value;
  EXPECT_TRUE(store.value()->Get("a", &value).ok());
}

// A sync needs no room: it is done while writes are refused.
TEST(FullDiskTest, TheLogCanStillBeSynced) {
  const auto disk = SimDisk::Make();
  auto store = Store::Open(SmallOn(disk));
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  ASSERT_TRUE(store.value()->Put("a", "1").ok());
  disk->Arm({.kind = IoKind::kOpen, .site = IoSite::kFlush, .persistent = true, .no_space = true});
  EXPECT_EQ(store.value()->Flush().code(), StatusCode::kNoSpace);
  const Status synced = store.value()->SyncLog();
  EXPECT_TRUE(synced.ok()) << synced.ToString();
  EXPECT_EQ(store.value()->Put("b", "2").code(), StatusCode::kNoSpace);
  auto recovered = Store::Open(SmallOn(disk->Crash(CrashMode::kDurable, 1)));
  ASSERT_TRUE(recovered.ok()) << recovered.status().ToString();
  std::string value;
  EXPECT_TRUE(recovered.value()->Get("a", &value).ok());
}

// A flush fails, another caller lets it be tried again, and only then looks whoever waited for it.
class FullDiskWaitTest : public testing::TestWithParam<const char*> {
 protected:
  ~FullDiskWaitTest() override {
    for (std::atomic<bool>* held : {&first_flush_held_, &next_flush_held_, &segment_held_}) {
      Release(*held);
    }
    store_.reset();
  }
  void Open() {
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall({"waits", "", {}});
    options.io = std::make_shared<FilterIo>(MakeSimulatedIo(SimDisk::Make()),
                                            [this](IoOp& op) { return Answer(op); });
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }
  Status Wait() {
    const std::string what = GetParam();
    if (what == "flush") return store_->Flush();
    return what == "drain" ? store_->Drain() : store_->CompactRange(Slice(), Slice());
  }
  // These wait as long as it takes; the test's own limit ends them.
  void WaitForError() {
    for (;;) {
      for (const StoreEvent& event : store_->TakeEvents()) {
        if (event.kind == StoreEvent::Kind::kError) return;
      }
      std::this_thread::yield();
    }
  }
  static void WaitFor(const std::atomic<int>& count, int least) {
    while (count < least) std::this_thread::yield();
  }
  static void Release(std::atomic<bool>& held) {
    held = false;
    held.notify_all();
  }

  std::atomic<bool> first_flush_held_{true}, next_flush_held_{true}, segment_held_{false};
  std::atomic<int> flushes_begun_{0}, segments_held_{0};
  std::unique_ptr<Store> store_;

 private:
  // The first flush finds no room.
  bool Answer(IoOp& op) {
    if (op.kind != IoKind::kOpen || op.mode != OpenMode::kCreate) return false;
    if (op.site == IoSite::kWal && segment_held_) {
      ++segments_held_;
      segment_held_.wait(true);
    }
    if (op.site != IoSite::kFlush) return false;
    const bool first = ++flushes_begun_ == 1;
    (first ? first_flush_held_ : next_flush_held_).wait(true);
    if (first) op.status = Status::NoSpace(op.path + ": no room");
    return first;
  }
};

TEST_P(FullDiskWaitTest, WhoWaitsIsToldAllTheSame) {
  Open();
  WriteBatch batch;
  for (int i = 0; i < 1000; ++i) batch.Put("key" + std::to_string(i), std::string(100, 'x'));
  ASSERT_TRUE(store_->Write(batch).ok());
  ASSERT_TRUE(store_->Put("after", "x").ok());  // seals the memtable, which is full
  WaitFor(flushes_begun_, 1);
  segment_held_ = true;
  Status told;
  std::thread waiter([this, &told] { told = Wait(); });
  WaitFor(segments_held_, 1);
  Release(first_flush_held_);
  WaitForError();
  Status retried;
  std::thread other([this, &retried] { retried = store_->Drain(); });
  WaitFor(flushes_begun_, 2);
  Release(segment_held_);
  waiter.join();  // while the flush that was begun anew is held
  EXPECT_EQ(told.code(), StatusCode::kNoSpace) << told.ToString();
  Release(next_flush_held_);
  other.join();
  EXPECT_TRUE(retried.ok()) << retried.ToString();
  std::string value;
  EXPECT_TRUE(store_->Get("after", &value).ok());
}

INSTANTIATE_TEST_SUITE_P(All, FullDiskWaitTest, testing::Values("flush", "drain", "range"),
                         [](const auto& c) { return std::string(c.param); });

}  // namespace
}  // namespace lsmlab::test
