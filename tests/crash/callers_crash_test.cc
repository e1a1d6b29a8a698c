#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/async/frame_pool.h"
#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/key_space.h"
#include "tests/support/part_doubles.h"
#include "tests/support/store_model.h"
#include "tests/support/test_scale.h"
#include "variants/io/simulated_io.h"

// Power loss while several callers write at once, so that it falls between groups of them. Each
// caller has keys of its own and one write under way at a time. After a crash the store must hold a
// prefix of every caller's writes, all acknowledged ones where that means durable, and of different
// callers no write without those that had been acknowledged before it was called.
namespace lsmlab::test {
namespace {

constexpr int kCrashCallers = 6;
constexpr uint64_t kCallerWrites = 50;
constexpr uint64_t kCallerMoments = 10;

struct CrashWorld {
  Store* store = nullptr;
  uint64_t now = 0;        // orders calls and returns
  uint64_t operation = 0;  // numbers changes
  Status failure;
};

class CrashCaller {
 public:
  CrashCaller(CrashWorld& world, int number, uint64_t seed)
      : world_(world),
        random_(seed),
        keys_(30, false, static_cast<size_t>(number) * 1000),
        marker_("marker of caller " + std::to_string(number)) {}

  Task<void> Run() {
    while (writes_.size() <= kCallerWrites && world_.failure.ok()) {
      Draw();
      const Status status = co_await world_.store->WriteAsync(batch_);
      if (!status.ok()) {
        world_.failure = status;
        co_return;
      }
      writes_.back().returned = ++world_.now;
    }
  }

  // How many writes had been called, and had returned, at a moment.
  size_t Called(uint64_t now) const {
    return Count([now](const Write& write) { return write.called <= now; });
  }
  size_t Returned(uint64_t now) const {
    return Count([now](const Write& write) { return write.returned <= now; });
  }
  uint64_t CallOf(size_t write) const { return writes_[write].called; }

  // Reads which prefix the store holds of the writes; the marker says it, all keys must agree.
  Status Match(Store& store, size_t* prefix) const {
    std::string value;
    Status status = store.Get(marker_, &value);
    *prefix = 0;
    if (status.ok()) {
      const uint64_t operation = OperationOf(marker_, value).value_or(0);
      while (*prefix < writes_.size() && writes_[*prefix].marker != operation) ++*prefix;
      if (operation == 0 || *prefix == writes_.size()) {
        return Status::Corruption(marker_ + " has a value that nobody wrote");
      }
    } else if (!status.IsNotFound()) {
      return status;
    }
    for (const auto& [key, versions] : model_.map()) {
      status = store.Get(key, &value);
      LSMLAB_TRY(CheckRead(model_, writes_[*prefix].marker, key, status, value));
    }
    return Status();
  }

 private:
  struct Write {
    uint64_t called = 0;
    uint64_t returned = 0;
    uint64_t marker = 0;  // the operation of its last change, which is the marker's
  };

  template <typename Holds>
  size_t Count(Holds holds) const {
    return static_cast<size_t>(std::count_if(writes_.begin() + 1, writes_.end(), holds));
  }
  void Draw() {
    batch_.Clear();
    const uint64_t changes = 1 + random_.Below(4);
    for (uint64_t i = 0; i < changes; ++i) {
      const std::string& key = keys_.Draw(random_);
      const uint64_t operation = ++world_.operation;
      if (random_.OneIn(5)) {
        model_.Delete(operation, key);
        batch_.Delete(key);
      } else {
        const size_t length = 28 + random_.Below(random_.OneIn(8) ? 4000 : 400);
        model_.Put(operation, key, length);
        batch_.Put(key, CheckedValue(key, operation, length));
      }
    }
    batch_.Put(marker_, CheckedValue(marker_, ++world_.operation, 28));
    writes_.push_back({++world_.now, ~uint64_t{0}, world_.operation});
  }

  CrashWorld& world_;
  Random random_;
  const KeySpace keys_;
  const std::string marker_;
  StoreModel model_;
  WriteBatch batch_;
  std::vector<Write> writes_{Write{}};  // from 1; before all of them, prefix 0 is empty
};

struct CallersMoment {
  std::shared_ptr<SimDisk> disk;
  uint64_t now = 0;
};

struct CallersRun {
  TestComposition composition;
  std::string sync;
  uint64_t seed = 0;

  StoreOptions Options(const std::shared_ptr<SimDisk>& disk, bool defer) const {
    SimulatedOptions simulated;
    simulated.defer = defer;
    simulated.seed = seed;
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall(composition, {{"engine.executor.variant", "inline"},
                                                     {"engine.partitioner.variant", "single"},
                                                     {"engine.executor.seed", std::to_string(seed)},
                                                     {"engine.wal.sync", sync}});
    options.seed = seed;
    options.io = MakeSimulatedIo(disk, simulated);
    return options;
  }
};

// All callers over one store, with a moment after every so many operations of the disk. Returns how
// many operations there were.
uint64_t RunCrashCallers(const CallersRun& run, uint64_t every,
                         std::vector<std::unique_ptr<CrashCaller>>* callers,
                         std::vector<CallersMoment>* moments) {
  CrashWorld world;
  for (int i = 0; i < kCrashCallers; ++i) {
    callers->push_back(std::make_unique<CrashCaller>(world, i, run.seed * 100 + i));
  }
  const std::shared_ptr<SimDisk> disk = SimDisk::Make();
  disk->SetAfterStep([&](uint64_t step) {
    if (step % every == 0) moments->push_back({disk->Snapshot(), world.now});
  });
  const StoreOptions options = run.Options(disk, /*defer=*/true);
  auto opened = Store::Open(options);
  EXPECT_TRUE(opened.ok()) << opened.status().ToString();
  if (!opened.ok()) return 1;
  world.store = opened.value().get();
  for (auto& caller : *callers) {
    world.store->executor().Spawn(Priority::kForeground, caller->Run(), *options.io);
  }
  world.store->executor().Drain(*options.io);
  EXPECT_TRUE(world.failure.ok()) << world.failure.ToString();
  const StoreStats stats = world.store->Stats();
  EXPECT_GT(stats.flushes, 0u);
  // A batch over several shards counts as a group in each of them.
  const bool one_shard = run.composition.partitioner == nullptr;
  EXPECT_TRUE(!one_shard || run.sync == "every" || stats.groups < stats.batches)
      << "no group of many writers";
  EXPECT_TRUE(opened.value()->Close().ok());
  disk->SetAfterStep(nullptr);
  return disk->steps();
}

// `torn`: counts crashes that kept a write under way of one caller and lost another's.
Status CheckCallersCrash(const CallersRun& run,
                         const std::vector<std::unique_ptr<CrashCaller>>& callers,
                         const CallersMoment& moment, CrashMode mode, uint64_t damage,
                         uint64_t* torn) {
  auto opened = Store::Open(run.Options(moment.disk->Crash(mode, damage), /*defer=*/false));
  if (!opened.ok()) return opened.status();
  Store& store = *opened.value();
  const bool kept = run.sync != "none" || mode == CrashMode::kAll;
  std::vector<size_t> found(callers.size());
  bool lost_one = false, kept_one = false;
  for (size_t i = 0; i < callers.size(); ++i) {
    LSMLAB_TRY(callers[i]->Match(store, &found[i]));
    const size_t least = kept ? callers[i]->Returned(moment.now) : 0;
    if (found[i] < least || found[i] > callers[i]->Called(moment.now)) {
      return Status::Corruption("caller " + std::to_string(i) + " has " + std::to_string(found[i]) +
                                " writes, " + std::to_string(least) + " were durable");
    }
    lost_one |= found[i] < callers[i]->Called(moment.now);
    kept_one |= found[i] > callers[i]->Returned(moment.now);
  }
  *torn += lost_one && kept_one;
  for (size_t i = 0; i < callers.size(); ++i) {
    if (found[i] == 0) continue;
    const uint64_t call = callers[i]->CallOf(found[i]);
    for (size_t j = 0; j < callers.size(); ++j) {
      if (callers[j]->Returned(call) <= found[j]) continue;
      return Status::Corruption("write " + std::to_string(found[i]) + " of caller " +
                                std::to_string(i) + " is there, but not all that caller " +
                                std::to_string(j) + " had acknowledged before it");
    }
  }
  LSMLAB_TRY(store.Verify());
  return store.Close();
}

class CallersCrashTest : public testing::TestWithParam<std::string> {};

TEST_P(CallersCrashTest, LeavesAPrefixOfEveryCallersWrites) {
  const long frames = LiveFrames();
  uint64_t torn = 0;
  std::vector<TestComposition> compositions = MainPresets();
  // Over several shards what was not durable is a prefix in each of them, not in each caller.
  if (GetParam() != "none") compositions.push_back({"three_shards", "", {}, &kThreeShards});
  for (const TestComposition& preset : compositions) {
    for (uint64_t i = 1; i <= 3; ++i) {
      const CallersRun run{preset, GetParam(), TestSeed(i)};
      uint64_t steps;
      {
        std::vector<std::unique_ptr<CrashCaller>> callers;
        std::vector<CallersMoment> none;
        steps = RunCrashCallers(run, ~uint64_t{0}, &callers, &none);
      }
      std::vector<std::unique_ptr<CrashCaller>> callers;
      std::vector<CallersMoment> moments;
      RunCrashCallers(run, std::max<uint64_t>(1, steps / Scaled(kCallerMoments)), &callers,
                      &moments);
      ASSERT_FALSE(moments.empty());
      for (size_t m = 0; m < moments.size(); ++m) {
        for (int mode = 0; mode < kCrashModes; ++mode) {
          const Status status =
              CheckCallersCrash(run, callers, moments[m], static_cast<CrashMode>(mode),
                                m * kCrashModes + static_cast<size_t>(mode), &torn);
          ASSERT_TRUE(status.ok())
              << status.ToString() << ": " << preset.name << ", sync " << run.sync << ", moment "
              << m << ", mode " << mode << ", repeat with LSMLAB_TEST_SEED=" << run.seed;
        }
      }
    }
  }
  EXPECT_EQ(LiveFrames(), frames);
  if (TestScale() >= 1) {
    EXPECT_GT(torn, 0u) << "no crash came between writes that were under way";
  }
}

// All callers until the sync of the directory fails that `fault` means, and the state of the disk
// when everything that was under way then is over.
bool RunUntilNamesAreForgotten(const CallersRun& run, const SimFault& fault,
                               std::vector<std::unique_ptr<CrashCaller>>* callers,
                               CallersMoment* moment) {
  CrashWorld world;
  for (int i = 0; i < kCrashCallers; ++i) {
    callers->push_back(std::make_unique<CrashCaller>(world, i, run.seed * 100 + i));
  }
  const std::shared_ptr<SimDisk> disk = SimDisk::Make();
  const StoreOptions options = run.Options(disk, /*defer=*/true);
  auto opened = Store::Open(options);
  EXPECT_TRUE(opened.ok()) << opened.status().ToString();
  if (!opened.ok()) return false;
  world.store = opened.value().get();
  disk->Arm(fault);
  for (auto& caller : *callers) {
    world.store->executor().Spawn(Priority::kForeground, caller->Run(), *options.io);
  }
  world.store->executor().Drain(*options.io);
  *moment = {disk->Snapshot(), world.now};
  const bool reached = disk->faults().Failed(*fault.kind, *fault.site) > 0;
  Status ignored = opened.value()->Close();
  (void)ignored;
  return reached;
}

// A failed sync of the directory forgets the names of all files made since the last one, also of
// jobs whose own sync then finds nothing to do: none of them may give up what it has replaced.
TEST(ForgottenNamesTest, NoJobGoesOnAfterAFailedSyncOfAnother) {
  uint64_t reached = 0;
  for (const IoSite site : {IoSite::kFlush, IoSite::kCompactionWrite, IoSite::kWal}) {
    for (uint64_t at = 1; at <= 6; ++at) {
      // A flush has to fall between the log's sync and the news of it.
      for (uint64_t seed = 1; seed <= Scaled(site == IoSite::kWal ? 40 : 12); ++seed) {
        const CallersRun run{{"plain", "", {}}, "group", TestSeed(10 * seed + at)};
        SimFault fault;
        fault.kind = IoKind::kSyncDir;
        fault.site = site;
        fault.at = at;
        std::vector<std::unique_ptr<CrashCaller>> callers;
        CallersMoment moment;
        reached += RunUntilNamesAreForgotten(run, fault, &callers, &moment);
        if (testing::Test::HasFailure()) return;
        uint64_t torn = 0;
        const Status status =
            CheckCallersCrash(run, callers, moment, CrashMode::kDurable, at, &torn);
        ASSERT_TRUE(status.ok()) << status.ToString() << ", sync " << at << " failed at site "
                                 << static_cast<int>(site)
                                 << ", repeat with LSMLAB_TEST_SEED=" << run.seed;
      }
    }
  }
  EXPECT_GT(reached, 0u);
}

INSTANTIATE_TEST_SUITE_P(Sync, CallersCrashTest, testing::Values("none", "group", "every"),
                         [](const auto& c) { return c.param; });

}  // namespace
}  // namespace lsmlab::test
