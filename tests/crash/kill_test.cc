#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/crash/kill_oracle.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/store_model.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_scale.h"
#include "tests/support/whole_walk.h"

// kill -9 on a real disk, again and again on one store: no acknowledged write is lost, with any
// setting of wal.sync, and what was under way is there whole or not at all.
namespace lsmlab::test {
namespace {

StoreModel ModelOf(uint64_t operations) {
  StoreModel model;
  for (uint64_t number = 1; number <= operations; ++number) {
    const std::string key = "key" + std::to_string(number % 500);
    number % 7 == 0 ? model.Delete(number, key) : model.Put(number, key, 28 + number % 900);
  }
  return model;
}

Status CheckAll(Store& store, const StoreModel& model, uint64_t at) {
  for (int i = 0; i < 500; ++i) {
    const std::string key = "key" + std::to_string(i);
    std::string value;
    const Status status = store.Get(key, &value);
    LSMLAB_TRY(CheckRead(model, at, key, status, value));
  }
  WholeContent content;
  AddContent(model, at, &content);
  return CheckWholeWalks(store, content);
}

class KillTest : public testing::TestWithParam<const char*> {};

TEST_P(KillTest, LosesNothingAcknowledged) {
  const char* sync = GetParam();
  TempDirectory directory;
  const std::string path = directory.path() + "/store";
  const std::string oracle_path = directory.path() + "/oracle";
  Random random(TestSeed(static_cast<uint64_t>(getpid())));
  uint64_t next = 1, tables = 0;
  const int rounds = static_cast<int>(Scaled(12));
  for (int round = 0; round < rounds; ++round) {
    const std::string first = std::to_string(next);
    const pid_t child = fork();
    if (child == 0) {
      execl(LSMLAB_KILL_CHILD, "kill_child", path.c_str(), oracle_path.c_str(), sync, first.c_str(),
            nullptr);
      _exit(127);
    }
    usleep(static_cast<useconds_t>(50'000 + random.Below(350'000)));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);

    KillOracle oracle = ReadOracle(oracle_path, 1).front();
    unlink(oracle_path.c_str());
    // At least what the child found, which may have been killed before its first note.
    oracle.begun = std::max(oracle.begun, next - 1);
    oracle.acknowledged = std::max(oracle.acknowledged, next - 1);
    StoreOptions options;
    options.path = path;
    options.composition = ComposeSmall({"default", "", {}}, {{"engine.wal.sync", sync}});
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString() << ", round " << round;
    const StoreModel model = ModelOf(oracle.begun);
    Status right = CheckAll(*store.value(), model, oracle.begun);
    uint64_t survived = oracle.begun;
    if (!right.ok() && oracle.acknowledged < oracle.begun) {
      right = CheckAll(*store.value(), model, oracle.acknowledged);
      survived = oracle.acknowledged;
    }
    ASSERT_TRUE(right.ok()) << right.ToString() << ", round " << round << ", acknowledged "
                            << oracle.acknowledged << ", begun " << oracle.begun;
    const Status sound = store.value()->Verify();
    ASSERT_TRUE(sound.ok()) << sound.ToString() << ", round " << round;
    tables = std::max(tables, store.value()->Stats().tables);
    // The next child goes on behind what survived; a number that did not is used again.
    next = survived + 1;
    ASSERT_TRUE(store.value()->Close().ok());
  }
  std::printf("sync %s: %d kills, %llu writes\n", sync, rounds,
              static_cast<unsigned long long>(next - 1));
  EXPECT_GT(next, static_cast<uint64_t>(rounds));
  EXPECT_GT(tables, 1u) << "no kill of a store with tables";
}

INSTANTIATE_TEST_SUITE_P(Sync, KillTest, testing::Values("none", "interval", "group", "every"),
                         [](const auto& c) { return std::string(c.param); });

}  // namespace
}  // namespace lsmlab::test
