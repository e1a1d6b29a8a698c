#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "engine/async/frame_pool.h"
#include "engine/base/checksum.h"
#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/draw_changes.h"
#include "tests/support/key_space.h"
#include "tests/support/part_doubles.h"
#include "tests/support/store_model.h"
#include "tests/support/test_scale.h"
#include "variants/io/simulated_io.h"

// Eight callers interleaved on one thread, in an order drawn from a seed, over a disk that
// completes its operations in an order drawn from a seed: the same seed gives the same run. Each
// caller has keys of its own, checked exactly; all share some keys, whose reads must be
// linearizable.
namespace lsmlab::test {
namespace {

constexpr int kCallers = 8;
constexpr int kSharedKeys = 4;

// What the callers share. One thread, so no locks.
struct World {
  Store* store = nullptr;
  uint64_t moment = 0;     // orders calls and returns
  uint64_t operation = 0;  // numbers writes
  std::string failure;     // the first one

  struct SharedWrite {
    uint64_t operation;
    uint64_t called;
    uint64_t returned;  // 0: not yet
  };
  // Per shared key, in order of the call. Operation 0 (no such key) was there before all.
  std::map<std::string, std::vector<SharedWrite>> shared;

  void Fail(std::string what) {
    if (failure.empty()) failure = std::move(what);
  }
};

// A read of `operation` called at `called` and returned now is legal when that write had been
// called, and no other write lies wholly between its return and the read's call.
bool IsLegalRead(const std::vector<World::SharedWrite>& writes, uint64_t operation,
                 uint64_t called) {
  uint64_t returned = 0;
  bool known = operation == 0;
  for (const World::SharedWrite& write : writes) {
    if (write.operation != operation) continue;
    known = true;
    returned = write.returned == 0 ? ~uint64_t{0} : write.returned;
  }
  if (!known) return false;
  return std::none_of(writes.begin(), writes.end(), [&](const World::SharedWrite& other) {
    return other.operation != operation && other.returned != 0 && other.called > returned &&
           other.returned < called;
  });
}

// One of the callers. The frame holds no buffers; everything lives here.
class Caller {
 public:
  Caller(World& world, int number, uint64_t seed, uint64_t steps)
      : world_(world),
        random_(seed),
        keys_(60, false, static_cast<size_t>(number) * 1000),
        steps_(steps) {}

  Task<void> Run() {
    for (uint64_t step = 0; step < steps_ && world_.failure.empty(); ++step) {
      const uint64_t kind = random_.Below(8);
      if (kind < 3) {
        co_await WriteOwn();
      } else if (kind < 6) {
        co_await ReadOwn();
      } else if (kind < 7) {
        co_await WriteShared();
      } else {
        co_await ReadShared();
      }
    }
    ended_ = true;
  }
  bool ended() const noexcept { return ended_; }

 private:
  Task<void> WriteOwn() {
    batch_.Clear();
    DrawChanges(keys_, random_, world_.operation, model_, batch_,
                [this] { return DrawValueLength(random_) % 5000; });
    const Status status = co_await world_.store->WriteAsync(batch_);
    if (!status.ok()) world_.Fail(status.ToString());
  }

  Task<void> ReadOwn() {
    key_ = keys_.DrawNear(random_);
    ValueOrTask<Status> get = world_.store->GetAsync(key_, &value_, options_);
    const Status status = co_await get;
    const Status right = CheckRead(model_, ~uint64_t{0}, key_, status, value_);
    if (!right.ok()) world_.Fail(right.ToString());
  }

  Task<void> WriteShared() {
    // All shared keys in one batch now and then; each is checked by itself.
    batch_.Clear();
    written_.clear();
    const uint64_t called = ++world_.moment;
    const uint64_t first = random_.Below(kSharedKeys);
    const uint64_t count = random_.OneIn(4) ? kSharedKeys : 1;
    for (uint64_t i = 0; i < count; ++i) {
      const std::string key = "shared" + std::to_string((first + i) % kSharedKeys);
      const uint64_t operation = ++world_.operation;
      batch_.Put(key, CheckedValue(key, operation, 100));
      std::vector<World::SharedWrite>& writes = world_.shared[key];
      written_.emplace_back(key, writes.size());
      writes.push_back({operation, called, 0});
    }
    const Status status = co_await world_.store->WriteAsync(batch_);
    if (!status.ok()) world_.Fail(status.ToString());
    const uint64_t returned = ++world_.moment;
    for (const auto& [key, index] : written_) world_.shared[key][index].returned = returned;
  }

  Task<void> ReadShared() {
    key_ = "shared" + std::to_string(random_.Below(kSharedKeys));
    const uint64_t called = ++world_.moment;
    ValueOrTask<Status> get = world_.store->GetAsync(key_, &value_, options_);
    const Status status = co_await get;
    ++world_.moment;
    uint64_t operation = 0;
    if (status.ok()) {
      operation = OperationOf(key_, value_).value_or(~uint64_t{0});
    } else if (!status.IsNotFound()) {
      world_.Fail(status.ToString());
    }
    if (!IsLegalRead(world_.shared[key_], operation, called)) {
      world_.Fail("read of " + key_ + " saw operation " + std::to_string(operation) +
                  ", which is not linearizable");
    }
  }

  World& world_;
  Random random_;
  const KeySpace keys_;
  const uint64_t steps_;
  StoreModel model_;
  WriteBatch batch_;
  std::vector<std::pair<std::string, size_t>> written_;
  std::string key_, value_;
  const ReadOptions options_;
  bool ended_ = false;
};

constexpr uint64_t kSteps = 250;
constexpr uint64_t kSeedsOfOthers = 2;  // of presets that are made of parts tested elsewhere

// Runs all callers over one store for some phases with a close and reopen in between; a line that
// says what went wrong, or nothing. `trace`: how many operations the disk did, and how calls and
// returns lay between each other; not the bytes, which hold times.
std::string RunCallers(const TestComposition& composition, const std::string& executor,
                       const std::string& sync, uint64_t seed, uint64_t* trace) {
  SimulatedOptions simulated;
  simulated.defer = true;
  simulated.seed = seed;
  StoreOptions options;
  options.path = "/store";
  options.composition = ComposeSmall(composition, {{"engine.executor.variant", executor},
                                                   {"engine.executor.seed", std::to_string(seed)},
                                                   {"engine.wal.sync", sync}});
  options.seed = seed;
  const std::shared_ptr<SimDisk> disk = SimDisk::Make();
  World world;
  uint64_t trace_of_callers = 0;
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.push_back(std::make_unique<Caller>(world, i, seed * 100 + i, Scaled(kSteps)));
  }
  // On event loops each caller lives on one, and the loops on the one thread.
  const auto start = [&](int number, Task<void> task) {
    Executor& runs = world.store->executor();
    if (runs.loops() == 0) {
      runs.Spawn(Priority::kForeground, std::move(task), *options.io);
    } else {
      runs.SpawnOn(number, Priority::kForeground, std::move(task), *options.io);
    }
  };
  for (int phase = 0; phase < 3 && world.failure.empty(); ++phase) {
    options.io = MakeSimulatedIo(disk, simulated);
    auto opened = Store::Open(options);
    if (!opened.ok()) return opened.status().ToString();
    world.store = opened.value().get();
    for (int i = 0; i < kCallers; ++i) start(i, callers[i]->Run());
    world.store->executor().Drain(*options.io);
    const bool all_ended = std::all_of(callers.begin(), callers.end(),
                                       [](const auto& caller) { return caller->ended(); });
    if (!all_ended) world.Fail("a caller did not come to its end");
    const StoreStats stats = world.store->Stats();
    trace_of_callers = MixSeed(MixSeed(trace_of_callers, world.moment), stats.groups);
    if (TestScale() >= 1 &&
        (stats.flushes < 2 || (sync != "every" && stats.groups == stats.batches))) {
      world.Fail("no flush, or no group of several writers: the test shows little");
    }
    const Status closed = world.store->Close();
    if (!closed.ok()) world.Fail(closed.ToString());
  }
  *trace = MixSeed(disk->steps(), trace_of_callers);
  return world.failure;
}

struct CallersCase {
  const char* executor;
  const char* sync;
};

class CallersTest : public testing::TestWithParam<CallersCase> {};

TEST_P(CallersTest, SeeWhatTheyWroteAndALinearOrder) {
  const auto& [executor, sync] = GetParam();
  const long frames = LiveFrames();
  const bool on_loops = executor == std::string("reactor");
  std::vector<TestComposition> compositions = MainPresets();
  compositions.push_back({"three_shards", "", {}, &kThreeShards});
  if (on_loops) {
    for (const TestComposition& sharded : ShardedCompositions()) compositions.push_back(sharded);
  }
  const size_t thorough = compositions.size();
  for (const TestComposition& other : OtherPresets()) compositions.push_back(other);
  for (size_t c = 0; c < compositions.size(); ++c) {
    const TestComposition& preset = compositions[c];
    const uint64_t seeds = c >= thorough ? kSeedsOfOthers : on_loops ? 10 : 20;
    for (uint64_t i = 1; i <= seeds; ++i) {
      const uint64_t seed = TestSeed(c >= thorough ? 100 * c + i : i);
      uint64_t trace = 0;
      const std::string failure = RunCallers(preset, executor, sync, seed, &trace);
      ASSERT_EQ(failure, "") << preset.name << ", sync " << sync
                             << ", repeat with LSMLAB_TEST_SEED=" << seed;
    }
  }
  EXPECT_EQ(LiveFrames(), frames);
}

INSTANTIATE_TEST_SUITE_P(
    Sync, CallersTest,
    testing::Values(CallersCase{"inline", "none"}, CallersCase{"inline", "group"},
                    CallersCase{"inline", "every"}, CallersCase{"reactor", "none"},
                    CallersCase{"reactor", "group"}, CallersCase{"reactor", "every"}),
    [](const auto& c) { return std::string(c.param.executor) + "_" + c.param.sync; });

TEST(CallersRunTest, TheSameSeedGivesTheSameRun) {
  const TestComposition composition{"default", "", {}};
  for (const char* executor : {"inline", "reactor"}) {
    uint64_t first = 0, second = 0, other = 0;
    EXPECT_EQ(RunCallers(composition, executor, "group", 5, &first), "");
    EXPECT_EQ(RunCallers(composition, executor, "group", 5, &second), "");
    EXPECT_EQ(RunCallers(composition, executor, "group", 6, &other), "");
    EXPECT_EQ(first, second) << executor;
    EXPECT_NE(first, other) << executor;
  }
}

TEST(CallersRunTest, TheCheckOfSharedReadsKnowsGoodFromBad) {
  // Write 1 in [1, 2], write 2 in [3, 4], write 3 from 5 on.
  const std::vector<World::SharedWrite> writes = {{1, 1, 2}, {2, 3, 4}, {3, 5, 0}};
  EXPECT_TRUE(IsLegalRead(writes, 2, 6));
  EXPECT_TRUE(IsLegalRead(writes, 3, 6));
  EXPECT_FALSE(IsLegalRead(writes, 1, 6)) << "write 2 was complete before the read began";
  EXPECT_FALSE(IsLegalRead(writes, 0, 6));
  EXPECT_FALSE(IsLegalRead(writes, 9, 6)) << "nobody wrote it";
}

}  // namespace
}  // namespace lsmlab::test
