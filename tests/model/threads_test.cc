#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <string_view>
#include <thread>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/disk_ios.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_scale.h"
#include "variants/io/ios.h"
#include "variants/io/simulated_io.h"

// Real threads on one store while flushes and compactions go on: writers, readers, iterators,
// snapshots. Run under the thread sanitizer too.
namespace lsmlab::test {
namespace {

constexpr int kWriters = 2;
constexpr int kKeysPerWriter = 300;
constexpr int kAccounts = 16;
constexpr uint64_t kTotal = 1600;

std::string KeyOf(int writer, uint64_t key) {
  return "w" + std::to_string(writer) + "-" + std::to_string(1000 + key);
}

class ThreadsTest : public testing::TestWithParam<TestComposition> {
 protected:
  // On threads and the simulated disk, where the composition names no others.
  void SetUp() override {
    const auto names = [](std::string_view setting) {
      const Settings& changes = GetParam().changes;
      return std::any_of(changes.begin(), changes.end(),
                         [setting](const auto& change) { return change.first == setting; });
    };
    Settings more;
    if (!names("engine.executor.variant")) more.emplace_back("engine.executor.variant", "threads");
    const bool in_memory = !names("engine.io.variant");
    if (in_memory) more.emplace_back("engine.io.variant", "simulated");
    StoreOptions options;
    options.path = in_memory ? "/store" : directory_.path() + "/store";
    options.composition = ComposeSmall(GetParam(), more);
    if (in_memory) options.io = MakeSimulatedIo(SimDisk::Make());
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }

  // Writer w puts rising operation numbers to its keys in turn. Readers that see number n of a key
  // never see less of it later, and never less than what was acknowledged before they asked.
  void Write(int writer, uint64_t operations) {
    for (uint64_t n = 1; n <= operations; ++n) {
      const uint64_t key = n % kKeysPerWriter;
      const std::string name = KeyOf(writer, key);
      Expect(store_->Put(name, CheckedValue(name, n, 28 + n % 700)));
      acknowledged_[writer][key].store(n, std::memory_order_release);
    }
  }

  void Read(uint64_t seed) {
    Random random(seed);
    PinnedValue pinned;
    std::array<std::array<uint64_t, kKeysPerWriter>, kWriters> seen = {};
    while (!stop_.load(std::memory_order_relaxed)) {
      const int writer = static_cast<int>(random.Below(kWriters));
      const uint64_t key = random.Below(kKeysPerWriter);
      const std::string name = KeyOf(writer, key);
      uint64_t& last = seen[static_cast<size_t>(writer)][key];
      const uint64_t least =
          std::max(last, acknowledged_[writer][key].load(std::memory_order_acquire));
      const Status status = store_->Get(name, &pinned);
      if (status.IsNotFound()) {
        Check(least == 0, "a key that was acknowledged, or seen, is missing");
        continue;
      }
      Expect(status);
      const auto operation = OperationOf(name, pinned.value());
      Check(operation.has_value(), "a damaged value");
      Check(operation.value_or(0) >= least, "an older value than was acknowledged, or seen");
      last = operation.value_or(0);
    }
  }

  // Moves amounts between accounts in batches: the sum stays.
  void Transfer(uint64_t seed, uint64_t transfers) {
    Random random(seed);
    std::array<uint64_t, kAccounts> amounts;
    amounts.fill(kTotal / kAccounts);
    for (uint64_t i = 0; i < transfers; ++i) {
      const uint64_t from = random.Below(kAccounts), to = random.Below(kAccounts);
      const uint64_t amount = random.Below(amounts[from] + 1);
      amounts[from] -= amount;
      amounts[to] += amount;
      PutAccounts(amounts, from, to);
    }
  }
  void PutAccounts(const std::array<uint64_t, kAccounts>& amounts, uint64_t from, uint64_t to) {
    WriteBatch batch;
    for (const uint64_t account : {from, to}) {
      batch.Put("account" + std::to_string(100 + account), std::to_string(amounts[account]));
    }
    Expect(store_->Write(batch));
  }

  // Whole walks, forward and back, and point reads, each of one moment.
  void Audit(uint64_t seed) {
    Random random(seed);
    while (!stop_.load(std::memory_order_relaxed)) {
      auto snapshot = store_->NewSnapshot();
      ReadOptions options;
      if (random.OneIn(2)) options.snapshot = snapshot.get();
      options.lower_bound = "account";
      options.upper_bound = "account~";
      auto iterator = store_->NewIterator(options);
      uint64_t forward = 0, backward = 0, pointwise = 0;
      int keys = 0;
      for (Expect(iterator->SeekToFirst()); iterator->valid(); Expect(iterator->Next()), ++keys) {
        forward += std::stoull(std::string(iterator->Value().value()));
      }
      for (Expect(iterator->SeekToLast()); iterator->valid(); Expect(iterator->Prev())) {
        backward += std::stoull(std::string(iterator->Value().value()));
      }
      Check(keys == kAccounts && forward == kTotal, "a walk saw half of a batch");
      Check(backward == kTotal, "a walk back saw half of a batch");
      std::vector<std::string> names;
      for (int i = 0; i < kAccounts; ++i) names.push_back("account" + std::to_string(100 + i));
      const std::vector<Slice> slices(names.begin(), names.end());
      std::vector<std::string> values;
      for (const Status& status : store_->MultiGet(slices, &values, options)) Expect(status);
      for (const std::string& value : values) pointwise += std::stoull(value);
      Check(pointwise == kTotal, "a MultiGet saw half of a batch");
    }
  }

  // At least once, also when this thread gets its first turn after the writers' last.
  void Maintain() {
    do {
      Expect(store_->Flush());
      Expect(store_->CompactRange("w0", "w1"));
      (void)store_->Stats();
      (void)store_->Shapes();
      (void)store_->TakeEvents();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    } while (!stop_.load(std::memory_order_relaxed));
  }

  void Expect(const Status& status) {
    if (!status.ok()) Check(false, status.ToString().c_str());
  }
  void Check(bool good, const char* what) {
    if (!good && !failed_.exchange(true)) ADD_FAILURE() << what;
  }

  TempDirectory directory_;
  std::unique_ptr<Store> store_;
  std::array<std::array<std::atomic<uint64_t>, kKeysPerWriter>, kWriters> acknowledged_ = {};
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
};

TEST_P(ThreadsTest, ReadersSeeWhatWasAcknowledgedAndWholeBatches) {
  std::array<uint64_t, kAccounts> amounts;
  amounts.fill(kTotal / kAccounts);
  for (uint64_t i = 0; i < kAccounts; ++i) PutAccounts(amounts, i, i);
  // A real disk syncs slowly.
  const uint64_t operations = Scaled(store_->io().backend() == "simulated" ? 20'000 : 4'000);
  std::vector<std::thread> writers, others;
  for (int i = 0; i < kWriters; ++i) writers.emplace_back([=, this] { Write(i, operations); });
  writers.emplace_back([=, this] { Transfer(5, operations / 2); });
  others.emplace_back([this] { Read(1); });
  others.emplace_back([this] { Audit(2); });
  others.emplace_back([this] { Maintain(); });
  for (std::thread& thread : writers) thread.join();
  stop_ = true;
  for (std::thread& thread : others) thread.join();
  const StoreStats stats = store_->Stats();
  EXPECT_GT(stats.flushes, 0u);
  EXPECT_TRUE(stats.compactions + stats.trivial_moves > 0 || TestScale() < 1);
  EXPECT_EQ(stats.batches, operations * kWriters + operations / 2 + kAccounts);
  EXPECT_TRUE(store_->Drain().ok());
  EXPECT_TRUE(store_->Verify().ok());
  for (int writer = 0; writer < kWriters; ++writer) {
    for (uint64_t key = 0; key < kKeysPerWriter; ++key) {
      const uint64_t last = acknowledged_[writer][key];
      std::string value;
      const Status status = store_->Get(KeyOf(writer, key), &value);
      ASSERT_EQ(status.ok(), last != 0);
      if (last != 0) {
        ASSERT_EQ(OperationOf(KeyOf(writer, key), value), last);
      }
    }
  }
  EXPECT_TRUE(store_->Close().ok());
}

std::vector<TestComposition> Compositions() {
  std::vector<TestComposition> all = MainPresets();
  all.push_back({"skiplist_group",
                 "",
                 {{"engine.memtable.variant", "skiplist"}, {"engine.wal.sync", "group"}}});
  all.push_back(
      {"every_no_cache", "", {{"engine.cache.variant", "none"}, {"engine.wal.sync", "every"}}});
  all.push_back(PooledComposition());
  all.push_back({"reactor", "fast", {{"engine.executor.variant", "reactor"}}});
  all.push_back(
      {"hash_3", "", {{"engine.partitioner.variant", "hash"}, {"engine.partitioner.shards", "3"}}});
  all.push_back({"reactor_hash_7_group",
                 "",
                 {{"engine.executor.variant", "reactor"},
                  {"engine.wal.sync", "group"},
                  {"engine.partitioner.variant", "hash"},
                  {"engine.partitioner.shards", "7"}}});
  if (Works(kUringIo)) {
    all.push_back(
        {"threads_uring", "", {{"engine.io.variant", "uring"}, {"engine.io.direct", "all"}}});
    all.push_back({"reactor_uring_group",
                   "fast",
                   {{"engine.executor.variant", "reactor"},
                    {"engine.io.variant", "uring"},
                    {"engine.io.direct", "all"},
                    {"engine.wal.sync", "group"}}});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, ThreadsTest, testing::ValuesIn(Compositions()),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace lsmlab::test
