#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/crash/kill_batches.h"
#include "tests/crash/kill_oracle.h"
#include "tests/support/disk_ios.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_scale.h"
#include "tests/support/whole_walk.h"
#include "variants/io/ios.h"

// kill -9 of event loops on io_uring, again and again on one store, while callers on the loops and
// a thread write batches over shards: of each caller a prefix of its batches is there, with all
// that were acknowledged, and no batch in part.
namespace lsmlab::test {
namespace {

class LoopsKillTest : public testing::TestWithParam<TestComposition> {
 protected:
  // A child that is killed after a pause, counted from its first write or, when `early`, from its
  // start; what it noted.
  void Kill(bool early, useconds_t pause_us, std::vector<KillOracle>* oracle) {
    const std::string notes = directory_.path() + "/oracle";
    std::vector<std::string> texts = {LSMLAB_LOOPS_KILL_CHILD, store_path(), notes,
                                      GetParam().name};
    for (const uint64_t survived : survived_) texts.push_back(std::to_string(survived + 1));
    std::vector<char*> arguments;
    for (std::string& text : texts) arguments.push_back(text.data());
    arguments.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      execv(arguments[0], arguments.data());
      _exit(127);
    }
    for (int waited_ms = 0; !early && waited_ms < 10'000; ++waited_ms) {
      if (access(notes.c_str(), F_OK) == 0) break;
      usleep(1000);
    }
    usleep(pause_us);
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
    *oracle = ReadOracle(notes, kKillCallers);
    unlink(notes.c_str());
  }

  // The store holds the caller's batches up to the last that it had begun, or all but that one.
  Status CheckCaller(Store& store, uint8_t caller, const KillOracle& oracle) {
    const uint64_t least = std::max(oracle.acknowledged, survived_[caller]);
    const uint64_t most = std::max(oracle.begun, survived_[caller]);
    const StoreModel model = KillModel(caller, most);
    survived_[caller] = most;
    Status right = CheckAll(store, model, most);
    if (!right.ok() && least < most) {
      right = CheckAll(store, model, least);
      survived_[caller] = least;
      ++lost_;
    }
    if (right.ok()) return right;
    return Status(right.code(), std::string(right.message()) + " [caller " +
                                    std::to_string(caller) + ", " + std::to_string(least) + " of " +
                                    std::to_string(most) + " batches acknowledged]");
  }

  static Status CheckAll(Store& store, const StoreModel& model, uint64_t at) {
    for (const auto& [key, versions] : model.map()) {
      std::string value;
      const Status status = store.Get(key, &value);
      LSMLAB_TRY(CheckRead(model, at, key, status, value));
    }
    return Status();
  }

  // Walks show what survived of every caller, and nothing else.
  Status CheckWhole(Store& store) const {
    WholeContent content;
    for (uint8_t caller = 0; caller < kKillCallers; ++caller) {
      AddContent(KillModel(caller, survived_[caller]), survived_[caller], &content);
    }
    return CheckWholeWalks(store, content);
  }

  uint64_t BatchesOverShards() const {
    const auto& part = ComposeSmall(GetParam()).partitioner;
    const std::unique_ptr<Partitioner> partitioner = part.variant->make(part.settings);
    uint64_t over = 0;
    for (uint8_t caller = 0; caller < kKillCallers; ++caller) {
      for (uint64_t number = 1; number <= survived_[caller]; ++number) {
        const std::vector<KillChange> changes = KillBatch(caller, number);
        const uint32_t shard = partitioner->ShardOf(changes.front().key);
        over += std::any_of(changes.begin(), changes.end(), [&](const KillChange& change) {
          return partitioner->ShardOf(change.key) != shard;
        });
      }
    }
    return over;
  }
  std::string store_path() const { return directory_.path() + "/store"; }

  TempDirectory directory_;
  std::array<uint64_t, kKillCallers> survived_{};
  uint64_t lost_ = 0;  // batches that were under way and are not there
};

TEST_P(LoopsKillTest, LeavesWholeBatches) {
  if (!Works(kUringIo)) GTEST_SKIP() << "there is no io_uring here, whose kills these are";
  Random random(TestSeed(static_cast<uint64_t>(getpid())));
  const uint64_t rounds = Scaled(20);
  for (uint64_t round = 0; round < rounds; ++round) {
    std::vector<KillOracle> oracle;
    Kill(/*early=*/round % 4 == 2, static_cast<useconds_t>(5'000 + random.Below(150'000)), &oracle);
    if (HasFatalFailure()) return;
    StoreOptions options;
    options.path = store_path();
    options.composition = ComposeSmall(GetParam());
    // Changing nothing, so that the next child recovers from the kill itself.
    const bool created = survived_ != std::array<uint64_t, kKillCallers>{};
    options.read_only = created && round % 2 == 1;
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString() << ", round " << round;
    for (uint8_t caller = 0; caller < kKillCallers; ++caller) {
      const Status right = CheckCaller(*store.value(), caller, oracle[caller]);
      ASSERT_TRUE(right.ok()) << right.ToString() << ", round " << round;
    }
    const Status whole = CheckWhole(*store.value());
    ASSERT_TRUE(whole.ok()) << whole.ToString() << ", round " << round;
    const Status sound = store.value()->Verify();
    ASSERT_TRUE(sound.ok()) << sound.ToString() << ", round " << round;
    ASSERT_TRUE(store.value()->Close().ok());
  }
  uint64_t batches = 0;
  for (const uint64_t survived : survived_) batches += survived;
  const uint64_t over = BatchesOverShards();
  std::printf("%s: %llu kills, %llu batches, %llu over several shards, %llu lost under way\n",
              GetParam().name.c_str(), static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(batches), static_cast<unsigned long long>(over),
              static_cast<unsigned long long>(lost_));
  EXPECT_GT(batches, rounds);
  EXPECT_EQ(over > 0, GetParam().name != "hash_1");
}

INSTANTIATE_TEST_SUITE_P(Shards, LoopsKillTest, testing::ValuesIn(LoopsKillCompositions()),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace lsmlab::test
