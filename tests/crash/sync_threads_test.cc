#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/part_doubles.h"
#include "tests/support/test_scale.h"
#include "variants/io/simulated_io.h"

// SyncLog beside threads that write without syncs: what had been acknowledged when it was called
// survives a power loss that follows its return.
namespace lsmlab::test {
namespace {

constexpr int kSyncWriters = 3;
constexpr uint64_t kSyncKeys = 40;  // per writer

std::string SyncKey(int writer, uint64_t key) {
  return "writer" + std::to_string(writer) + "-" + std::to_string(key);
}

class SyncThreadsTest : public testing::TestWithParam<TestComposition> {
 protected:
  using Counts = std::array<uint64_t, kSyncWriters>;

  static StoreOptions OptionsOn(std::shared_ptr<SimDisk> disk) {
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall(
        GetParam(), {{"engine.executor.variant", "threads"}, {"engine.wal.sync", "none"}});
    options.io = MakeSimulatedIo(std::move(disk));
    return options;
  }

  // Puts rising numbers to its keys in turn.
  void Write(Store& store, int writer) {
    for (uint64_t n = 1; !stop_.load(std::memory_order_relaxed); ++n) {
      const std::string key = SyncKey(writer, n % kSyncKeys);
      const Status status = store.Put(key, CheckedValue(key, n, 28 + n % 300));
      if (!status.ok()) ADD_FAILURE() << status.ToString();
      acknowledged_[static_cast<size_t>(writer)].store(n, std::memory_order_release);
    }
  }

  Counts Acknowledged() const {
    Counts counts{};
    for (size_t i = 0; i < counts.size(); ++i) {
      counts[i] = acknowledged_[i].load(std::memory_order_acquire);
    }
    return counts;
  }

  // Each key has at least the last of the writer's first writes to it.
  static void CheckHolds(Store& store, const Counts& least) {
    for (int writer = 0; writer < kSyncWriters; ++writer) {
      const uint64_t writes = least[static_cast<size_t>(writer)];
      for (uint64_t n = writes; n > 0 && n + kSyncKeys > writes; --n) {
        const std::string key = SyncKey(writer, n % kSyncKeys);
        std::string value;
        const Status status = store.Get(key, &value);
        ASSERT_TRUE(status.ok()) << key << ": " << status.ToString();
        ASSERT_GE(OperationOf(key, value).value_or(0), n) << key;
      }
    }
  }

  std::array<std::atomic<uint64_t>, kSyncWriters> acknowledged_{};
  std::atomic<bool> stop_{false};
};

TEST_P(SyncThreadsTest, MakesDurableWhatWasAcknowledged) {
  const std::shared_ptr<SimDisk> disk = SimDisk::Make();
  auto opened = Store::Open(OptionsOn(disk));
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  Store& store = *opened.value();
  std::vector<std::thread> writers;
  for (int i = 0; i < kSyncWriters; ++i) writers.emplace_back([&, i] { Write(store, i); });
  std::vector<std::pair<std::shared_ptr<SimDisk>, Counts>> images;
  for (uint64_t round = 0; round < Scaled(30); ++round) {
    const Counts before = Acknowledged();
    while (Acknowledged()[round % kSyncWriters] < before[round % kSyncWriters] + 20) {
      std::this_thread::yield();
    }
    const Counts known = Acknowledged();
    const Status synced = store.SyncLog();
    EXPECT_TRUE(synced.ok()) << synced.ToString();
    images.emplace_back(disk->Crash(CrashMode::kDurable, round), known);
  }
  stop_ = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(opened.value()->Close().ok());
  for (const auto& [image, known] : images) {
    auto recovered = Store::Open(OptionsOn(image));
    ASSERT_TRUE(recovered.ok()) << recovered.status().ToString();
    ASSERT_NO_FATAL_FAILURE(CheckHolds(*recovered.value(), known));
  }
}

INSTANTIATE_TEST_SUITE_P(All, SyncThreadsTest,
                         testing::Values(TestComposition{"append", "", {}},
                                         RingComposition(/*direct=*/false),
                                         TestComposition{"three_shards", "", {}, &kThreeShards}),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace lsmlab::test
