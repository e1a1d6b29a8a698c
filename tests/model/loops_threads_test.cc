#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/disk_ios.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_scale.h"
#include "variants/io/ios.h"
#include "variants/io/simulated_io.h"

// Callers that live on real event loops, over shards that mostly live on other loops: single
// writes, batches over shards, reads of each other's keys, beside a thread that flushes and
// compacts. The disk completes its operations later. For the thread sanitizer above all.
namespace lsmlab::test {
namespace {

constexpr int kLoopWriters = 6;
constexpr uint64_t kLoopKeys = 60;  // per writer
constexpr int kLoopAccounts = 8;
constexpr uint64_t kLoopTotal = 800;

struct LoopsWorld {
  Store* store = nullptr;
  std::latch ended{kLoopWriters};
  std::array<std::array<std::atomic<uint64_t>, kLoopKeys>, kLoopWriters> acknowledged{};
  std::array<std::atomic<bool>, kLoopWriters> has_accounts{};
  std::atomic<bool> failed{false};

  void Check(bool good, const char* what) {
    if (!good && !failed.exchange(true)) ADD_FAILURE() << what;
  }
  void Expect(const Status& status) {
    if (!status.ok()) Check(false, status.ToString().c_str());
  }
};

std::string LoopKey(int writer, uint64_t key) {
  return "w" + std::to_string(writer) + "-" + std::to_string(1000 + key);
}

class LoopWriter {
 public:
  LoopWriter(LoopsWorld& world, int number, uint64_t operations)
      : world_(world),
        random_(TestSeed(static_cast<uint64_t>(number) + 1)),
        number_(number),
        operations_(operations) {
    amounts_.fill(kLoopTotal / kLoopAccounts);
  }

  Task<void> Run() {
    co_await PutAccounts(0, kLoopAccounts);
    world_.has_accounts[number_].store(true, std::memory_order_release);
    for (uint64_t n = 1; n <= operations_ && !world_.failed.load(); ++n) {
      co_await PutOwn(n);
      const uint64_t kind = random_.Below(8);
      if (kind < 3) co_await Transfer();
      if (kind == 3 || kind == 4) co_await ReadAnothers();
      if (kind == 5) co_await Audit();
    }
    world_.ended.count_down();
  }

 private:
  // Rising numbers: a reader that sees number n of a key never sees less of it later, and never
  // less than what was acknowledged before it asked.
  Task<void> PutOwn(uint64_t n) {
    const uint64_t key = n % kLoopKeys;
    key_ = LoopKey(number_, key);
    value_ = CheckedValue(key_, n, 28 + n % 700);
    const Status status = co_await world_.store->PutAsync(key_, value_);
    world_.Expect(status);
    if (status.ok()) world_.acknowledged[number_][key].store(n, std::memory_order_release);
  }

  std::string Account(int writer, uint64_t account) const {
    return "account" + std::to_string(writer) + "-" + std::to_string(account);
  }

  Task<void> PutAccounts(uint64_t first, uint64_t count) {
    batch_.Clear();
    for (uint64_t i = first; i < first + count; ++i) {
      const uint64_t account = i % kLoopAccounts;
      batch_.Put(Account(number_, account), std::to_string(amounts_[account]));
    }
    const Status status = co_await world_.store->WriteAsync(batch_);
    world_.Expect(status);
  }

  // From one account to its neighbour, which mostly lives in another shard: the sum stays.
  Task<void> Transfer() {
    const uint64_t from = random_.Below(kLoopAccounts), to = (from + 1) % kLoopAccounts;
    const uint64_t amount = random_.Below(amounts_[from] + 1);
    amounts_[from] -= amount;
    amounts_[to] += amount;
    co_await PutAccounts(from, 2);
  }

  Task<void> ReadAnothers() {
    const int writer = static_cast<int>(random_.Below(kLoopWriters));
    const uint64_t key = random_.Below(kLoopKeys);
    key_ = LoopKey(writer, key);
    uint64_t& last = seen_[static_cast<size_t>(writer)][key];
    const uint64_t least =
        std::max(last, world_.acknowledged[writer][key].load(std::memory_order_acquire));
    ValueOrTask<Status> get = world_.store->GetAsync(key_, &value_, now_);
    const Status status = co_await get;
    if (status.IsNotFound()) {
      world_.Check(least == 0, "a key that was acknowledged, or seen, is missing");
      co_return;
    }
    world_.Expect(status);
    const auto operation = OperationOf(key_, value_);
    world_.Check(operation.value_or(0) >= least && operation.has_value(),
                 "a damaged value, or an older one than was acknowledged, or seen");
    last = operation.value_or(0);
  }

  // All accounts of some writer at one moment.
  Task<void> Audit() {
    const int writer = static_cast<int>(random_.Below(kLoopWriters));
    if (!world_.has_accounts[writer].load(std::memory_order_acquire)) co_return;
    names_.clear();
    for (int i = 0; i < kLoopAccounts; ++i) names_.push_back(Account(writer, i));
    slices_.assign(names_.begin(), names_.end());
    const std::unique_ptr<Snapshot> snapshot = co_await world_.store->NewSnapshotAsync();
    ReadOptions then;
    if (random_.OneIn(2)) then.snapshot = snapshot.get();
    const Status status = co_await world_.store->MultiGetAsync(slices_, &values_, &statuses_, then);
    world_.Expect(status);
    uint64_t sum = 0;
    for (size_t i = 0; i < names_.size(); ++i) {
      world_.Expect(statuses_[i]);
      if (statuses_[i].ok()) sum += std::stoull(values_[i]);
    }
    world_.Check(sum == kLoopTotal, "a MultiGet saw half of a batch");
  }

  LoopsWorld& world_;
  Random random_;
  const int number_;
  const uint64_t operations_;
  std::array<uint64_t, kLoopAccounts> amounts_;
  std::array<std::array<uint64_t, kLoopKeys>, kLoopWriters> seen_{};  // of each writer's keys
  const ReadOptions now_;
  WriteBatch batch_;
  std::string key_, value_;
  std::vector<std::string> names_, values_;
  std::vector<Slice> slices_;
  std::vector<Status> statuses_;
};

class LoopsThreadsTest : public testing::TestWithParam<const char*> {
 protected:
  Result<std::unique_ptr<Store>> Open() {
    const bool on_disk = GetParam() == std::string("uring");
    TestComposition composition = RingComposition(/*direct=*/on_disk);
    for (const auto& [setting, text] : Settings{{"engine.io.variant", GetParam()},
                                                {"engine.executor.variant", "reactor"},
                                                {"engine.executor.loops", "3"},
                                                {"engine.wal.sync", "group"},
                                                {"engine.partitioner.variant", "hash"},
                                                {"engine.partitioner.shards", "7"}}) {
      composition.changes.emplace_back(setting, text);
    }
    StoreOptions options;
    options.path = on_disk ? directory_.path() + "/store" : "/store";
    options.composition = ComposeSmall(composition);
    SimulatedOptions simulated;
    simulated.defer = true;
    if (!on_disk) options.io = MakeSimulatedIo(SimDisk::Make(), simulated);
    return Store::Open(std::move(options));
  }

  static void Maintain(LoopsWorld& world) {
    while (!world.ended.try_wait()) {
      world.Expect(world.store->Flush());
      world.Expect(world.store->CompactRange("w0", "w1"));
      (void)world.store->Stats();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  static void CheckLast(LoopsWorld& world) {
    for (int writer = 0; writer < kLoopWriters; ++writer) {
      for (uint64_t key = 0; key < kLoopKeys; ++key) {
        const uint64_t last = world.acknowledged[writer][key];
        const std::string name = LoopKey(writer, key);
        std::string value;
        const Status status = world.store->Get(name, &value);
        ASSERT_EQ(status.ok(), last != 0) << name << ": " << status.ToString();
        if (last != 0) {
          ASSERT_EQ(OperationOf(name, value), last) << name;
        }
      }
    }
  }

  TempDirectory directory_;
};

TEST_P(LoopsThreadsTest, CallersOnLoopsSeeWhatWasAcknowledgedAndWholeBatches) {
  const bool on_disk = GetParam() == std::string("uring");
  if (on_disk && !Works(kUringIo)) GTEST_SKIP() << "there is no io_uring here";
  auto opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  Store& store = *opened.value();
  LoopsWorld world;
  world.store = &store;
  std::vector<std::unique_ptr<LoopWriter>> writers;
  for (int i = 0; i < kLoopWriters; ++i) {
    writers.push_back(std::make_unique<LoopWriter>(world, i, Scaled(on_disk ? 600 : 6'000)));
    store.executor().SpawnOn(i, Priority::kForeground, writers.back()->Run(), store.io());
  }
  Maintain(world);
  world.ended.wait();
  const StoreStats stats = store.Stats();
  EXPECT_GT(stats.flushes, 0u);
  EXPECT_TRUE(stats.compactions + stats.trivial_moves > 0 || TestScale() < 1);
  EXPECT_TRUE(store.Drain().ok());
  EXPECT_TRUE(store.Verify().ok());
  CheckLast(world);
  EXPECT_TRUE(store.Close().ok());
}

INSTANTIATE_TEST_SUITE_P(Io, LoopsThreadsTest, testing::Values("simulated", "uring"),
                         [](const auto& c) { return std::string(c.param); });

}  // namespace
}  // namespace lsmlab::test
