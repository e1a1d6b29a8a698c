#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/async/frame_pool.h"
#include "engine/base/checksum.h"
#include "engine/store.h"
#include "tests/model/register_history.h"
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
// linearizable, and a group of keys that are only written together, which snapshots and walks must
// see so.
namespace lsmlab::test {
namespace {

constexpr int kCallers = 8;
constexpr int kSharedKeys = 4;
// What the keys of the group begin with, and what comes behind them all.
const std::string kGroup = "together_", kGroupEnd = "together~";

// What the callers share. One thread, so no locks.
struct World {
  Store* store = nullptr;
  uint64_t moment = 0;                            // orders calls and returns
  uint64_t operation = 0;                         // numbers writes
  std::string failure;                            // the first one
  std::map<std::string, RegisterHistory> shared;  // per key; the keys of a group as one

  void Fail(std::string what) {
    if (failure.empty()) failure = std::move(what);
  }
};

// One of the callers. The frame holds no buffers; everything lives here.
class Caller {
 public:
  Caller(World& world, int number, uint64_t seed, uint64_t steps)
      : world_(world),
        random_(seed),
        keys_(60, false, static_cast<size_t>(number) * 1000),
        steps_(steps) {
    for (int i = 0; i < kSharedKeys; ++i) group_.push_back(kGroup + std::to_string(i));
    group_slices_.assign(group_.begin(), group_.end());
    group_bounds_.lower_bound = kGroup;
    group_bounds_.upper_bound = kGroupEnd;
  }

  Task<void> Run() {
    for (uint64_t step = 0; step < steps_ && world_.failure.empty(); ++step) {
      const uint64_t kind = random_.Below(10);
      if (kind < 3) {
        co_await WriteOwn();
      } else if (kind < 6) {
        co_await ReadOwn();
      } else if (kind < 7) {
        co_await WriteShared();
      } else if (kind < 8) {
        co_await ReadShared();
      } else if (kind < 9) {
        co_await WriteGroup();
      } else {
        co_await ReadGroup();
      }
    }
    ++runs_ended_;
  }
  int runs_ended() const noexcept { return runs_ended_; }

 private:
  Task<void> WriteOwn() {
    batch_.Clear();
    DrawChanges(keys_, random_, world_.operation, model_, batch_,
                [this] { return DrawValueLength(random_) % 5000 + (random_.OneIn(2) ? 200 : 0); });
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
      const std::string key = "sharedkey" + std::to_string((first + i) % kSharedKeys);
      const uint64_t operation = ++world_.operation;
      batch_.Put(key, CheckedValue(key, operation, 100));
      written_.emplace_back(key, operation);
    }
    const Status status = co_await world_.store->WriteAsync(batch_);
    if (!status.ok()) world_.Fail(status.ToString());
    const uint64_t returned = ++world_.moment;
    for (const auto& [key, operation] : written_) {
      world_.shared[key].Wrote(operation, called, returned);
    }
  }

  Task<void> ReadShared() {
    key_ = "sharedkey" + std::to_string(random_.Below(kSharedKeys));
    const uint64_t called = ++world_.moment;
    ValueOrTask<Status> get = world_.store->GetAsync(key_, &value_, options_);
    const Status status = co_await get;
    const uint64_t operation = OperationShown(key_, status, value_);
    world_.shared[key_].Saw(operation, called, ++world_.moment);
  }

  // The keys of the group are only written together, with one number: whoever reads them at one
  // moment, in whatever shards they are, sees one number.
  Task<void> WriteGroup() {
    batch_.Clear();
    const uint64_t operation = ++world_.operation;
    for (const std::string& key : group_) batch_.Put(key, CheckedValue(key, operation, 100));
    const uint64_t called = ++world_.moment;
    const Status status = co_await world_.store->WriteAsync(batch_);
    if (!status.ok()) world_.Fail(status.ToString());
    world_.shared[kGroup].Wrote(operation, called, ++world_.moment);
  }

  Task<void> ReadGroup() {
    shown_.clear();
    const uint64_t way = random_.Below(3);
    const uint64_t called = ++world_.moment;
    uint64_t returned = 0;  // of the call that has fixed the moment
    if (way == 0) {
      co_await MultiGetGroup(options_);
      returned = ++world_.moment;
    } else if (way == 1) {
      const std::unique_ptr<Snapshot> snapshot = co_await world_.store->NewSnapshotAsync();
      returned = ++world_.moment;
      ReadOptions then;
      then.snapshot = snapshot.get();
      co_await MultiGetGroup(then);
    } else {
      const std::unique_ptr<AsyncIterator> walk =
          co_await world_.store->NewIteratorAsync(group_bounds_);
      returned = ++world_.moment;
      co_await WalkOverGroup(*walk);
    }
    if (shown_.empty()) shown_.assign(group_.size(), 0);
    if (shown_ != std::vector<uint64_t>(group_.size(), shown_.front())) {
      world_.Fail("half of a batch was seen, by way " + std::to_string(way));
    }
    world_.shared[kGroup].Saw(shown_.front(), called, returned);
  }

  Task<void> MultiGetGroup(const ReadOptions& options) {
    const Status status =
        co_await world_.store->MultiGetAsync(group_slices_, &values_, &statuses_, options);
    if (!status.ok()) world_.Fail(status.ToString());
    for (size_t i = 0; i < group_.size() && status.ok(); ++i) {
      shown_.push_back(OperationShown(group_[i], statuses_[i], values_[i]));
    }
  }

  Task<void> WalkOverGroup(AsyncIterator& walk) {
    ValueOrTask<Status> first = walk.SeekToFirst();
    Status status = co_await first;
    while (status.ok() && walk.valid()) {
      key_ = walk.key();
      ValueOrTask<Result<Slice>> value = walk.Value();
      const Result<Slice> shown = co_await value;
      const Slice bytes = shown.ok() ? shown.value() : Slice();
      shown_.push_back(OperationShown(key_, shown.status(), bytes));
      ValueOrTask<Status> next = walk.Next();
      Status moved = co_await next;
      status = std::move(moved);
    }
    if (!status.ok()) world_.Fail(status.ToString());
  }

  // What a read of a key has seen; 0: there was nothing.
  uint64_t OperationShown(const std::string& key, const Status& status, Slice value) {
    if (status.IsNotFound()) return 0;
    if (!status.ok()) world_.Fail(status.ToString());
    return OperationOf(key, value).value_or(~uint64_t{0});
  }

  World& world_;
  Random random_;
  const KeySpace keys_;
  const uint64_t steps_;
  StoreModel model_;
  WriteBatch batch_;
  std::vector<std::pair<std::string, uint64_t>> written_;
  std::string key_, value_;
  const ReadOptions options_;
  ReadOptions group_bounds_;
  std::vector<std::string> group_, values_;
  std::vector<Slice> group_slices_;
  std::vector<Status> statuses_;
  std::vector<uint64_t> shown_;
  int runs_ended_ = 0;
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
    const bool all_ended = std::all_of(callers.begin(), callers.end(), [phase](const auto& caller) {
      return caller->runs_ended() == phase + 1;
    });
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
  for (const auto& [name, calls] : world.shared) {
    const std::string contradiction = calls.Contradiction();
    if (!contradiction.empty()) world.Fail(name + " is not linearizable: " + contradiction);
  }
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

// Write 1 in [1, 2], write 2 in [3, 4], write 3 in [5, 20], and what reads see beside them.
RegisterHistory ThreeWrites() {
  RegisterHistory history;
  history.Wrote(1, 1, 2);
  history.Wrote(2, 3, 4);
  history.Wrote(3, 5, 20);
  return history;
}

TEST(RegisterHistoryTest, KnowsGoodFromBad) {
  const auto sees = [](uint64_t operation, uint64_t called, uint64_t returned) {
    RegisterHistory history = ThreeWrites();
    history.Saw(operation, called, returned);
    return history.Contradiction().empty();
  };
  EXPECT_TRUE(sees(0, 0, 2));
  EXPECT_TRUE(sees(2, 6, 7));
  EXPECT_TRUE(sees(3, 6, 7));
  EXPECT_TRUE(sees(3, 21, 22));
  EXPECT_FALSE(sees(1, 6, 7)) << "write 2 was complete before the read began";
  EXPECT_FALSE(sees(2, 21, 22)) << "as was write 3";
  EXPECT_FALSE(sees(0, 6, 7));
  EXPECT_FALSE(sees(3, 1, 2)) << "it comes later";
  EXPECT_FALSE(sees(9, 6, 7)) << "nobody wrote it";
}

TEST(RegisterHistoryTest, OneReadersNewsIsNotUndoneByAnother) {
  RegisterHistory news = ThreeWrites();
  news.Saw(2, 6, 7);
  news.Saw(3, 8, 9);
  EXPECT_EQ(news.Contradiction(), "");
  news.Saw(2, 10, 11);
  EXPECT_NE(news.Contradiction(), "") << "write 3, still under way, had been seen";
}

}  // namespace
}  // namespace lsmlab::test
