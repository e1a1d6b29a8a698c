#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/crash/shards_workload.h"
#include "tests/support/compositions.h"
#include "tests/support/part_doubles.h"
#include "tests/support/test_scale.h"

// Power loss over several shards: see shards_workload.h for what must hold.
namespace lsmlab::test {
namespace {

uint64_t shard_points = 0;

std::vector<TestComposition> CrashCompositions() {
  const auto with = [](std::string name, Settings changes, const std::string& shards,
                       const char* partitioner) {
    changes.emplace_back("engine.partitioner.variant", partitioner);
    changes.emplace_back("engine.partitioner.shards", shards);
    return TestComposition{std::move(name), "", std::move(changes)};
  };
  const std::vector<TestComposition> plain = ShardedCompositions();
  TestComposition separated = SeparatedCompositions().front();
  return {
      {"three", "", {}, &kThreeShards},
      plain[0],
      plain[1],
      with("footers_3", FootersCompositions().front().changes, "3", "hash"),
      with("separated_2", separated.changes, "2", "first-byte"),
      with("ring_3", RingComposition(false).changes, "3", "hash"),
      with("ring_direct_2", RingComposition(true).changes, "2", "hash"),
  };
}

struct ShardsCase {
  size_t composition;
  bool on_loops;
};

class ShardsCrashTest : public testing::TestWithParam<ShardsCase> {};

TEST_P(ShardsCrashTest, LeavesPrefixesAndWholeBatches) {
  const auto& [number, on_loops] = GetParam();
  const TestComposition composition = CrashCompositions()[number];
  for (const char* sync : {"none", "interval", "group", "every"}) {
    for (uint64_t seed = 1; seed <= Scaled(1); ++seed) {
      const ShardsRun run{composition, sync, TestSeed(seed * 100 + number), 60, on_loops};
      uint64_t steps;
      {
        ShardsWorkload whole(run);
        const Status ran = whole.Run(~uint64_t{0});
        ASSERT_TRUE(ran.ok()) << ran.ToString();
        ASSERT_GT(whole.history().across(), 5u);
        EXPECT_GE(whole.flushes(), 2u);
        EXPECT_GE(whole.compactions(), 1u);
        steps = whole.steps();
      }
      ShardsWorkload workload(run);
      ASSERT_TRUE(workload.Run(std::max<uint64_t>(1, steps / Scaled(14))).ok());
      ASSERT_EQ(workload.steps(), steps) << "not the same run again";
      for (const ShardsMoment& moment : workload.moments()) {
        for (int mode = 0; mode < kCrashModes; ++mode) {
          const Status status =
              CrashShards(run, workload.history(), moment, static_cast<CrashMode>(mode),
                          moment.step * kCrashModes + static_cast<size_t>(mode), 2, &shard_points);
          ASSERT_TRUE(status.ok()) << status.ToString();
        }
      }
    }
  }
  std::printf("points over several shards so far: %llu\n",
              static_cast<unsigned long long>(shard_points));
}

// With errors of the disk, by the parameter on event loops: under groups whose operations complete
// later, under visitors of another loop, and under one part of a batch over shards.
class ShardsFaultTest : public testing::TestWithParam<bool> {
 protected:
  static ShardsRun RunOf(size_t number, const char* sync, uint64_t seed) {
    return {CrashCompositions()[number], sync, TestSeed(seed + number), 40, on_loops()};
  }
  static std::string Named(const ShardsRun& run) {
    return ": " + run.composition.name + ", sync " + run.sync + (on_loops() ? ", on loops" : "");
  }
  static bool on_loops() { return GetParam(); }
};

// One operation of the disk fails, the store is closed as well as it can be, and power is lost: a
// log that could not be synced must not leave other shards with more than it has.
TEST_P(ShardsFaultTest, AfterAnErrorAndAPowerLossBatchesAreWhole) {
  for (const size_t number : {size_t{0}, size_t{3}, size_t{6}}) {
    for (const char* sync : {"none", "interval", "group"}) {
      const ShardsRun run = RunOf(number, sync, 900);
      ShardsWorkload whole(run);
      ASSERT_TRUE(whole.Run(~uint64_t{0}).ok());
      const auto scale = static_cast<uint64_t>(1 / std::min(1.0, TestScale()));
      for (uint64_t at = 1; at <= whole.steps(); at += 7 * scale) {
        ShardsWorkload workload(run);
        SimFault fault;
        fault.at = at;
        workload.disk().Arm(fault);
        Status ignored = workload.Run(~uint64_t{0});
        (void)ignored;
        // See FaultScript::Recover.
        if (workload.disk().faults().Failed(IoKind::kSyncDir, IoSite::kIdentity) > 0) continue;
        const ShardsProgress& progress = workload.progress();
        const auto other = static_cast<CrashMode>(1 + at / 7 % (kCrashModes - 1));
        for (const CrashMode mode : {CrashMode::kDurable, other}) {
          const bool killed = mode == CrashMode::kAll;
          const Status status =
              CheckShards(run, workload.history(), workload.disk().Crash(mode, at),
                          killed ? progress.acknowledged : progress.durable, progress.issued);
          ASSERT_TRUE(status.ok()) << status.ToString() << Named(run) << ", operation " << at
                                   << " failed, mode " << static_cast<int>(mode);
        }
      }
    }
  }
}

// Opens the store again on the same kernel, and loses power after each operation of that; on loops
// after every seventh, as a recovery is the work of one thread there, too.
Status CheckReopenAfter(const ShardsRun& run, ShardsWorkload& workload, uint64_t damage) {
  std::vector<std::shared_ptr<SimDisk>> during;
  auto disk = workload.disk().Snapshot();
  disk->SetAfterStep([&](uint64_t) { during.push_back(disk->Snapshot()); });
  auto reopened = Store::Open(run.Options(disk));
  disk->SetAfterStep(nullptr);
  if (!reopened.ok()) return reopened.status();
  const auto stride = static_cast<size_t>((run.on_loops ? 7 : 1) / std::min(1.0, TestScale()));
  for (size_t step = damage % stride; step < during.size(); step += stride) {
    const auto mode = static_cast<CrashMode>(step % 2 == 0 ? 0 : step / 2 % kCrashModes);
    const Status status =
        CheckShards(run, workload.history(), during[step]->Crash(mode, damage + step),
                    workload.progress().durable, workload.progress().issued);
    if (status.ok()) continue;
    return Status(status.code(), std::string(status.message()) + " [operation " +
                                     std::to_string(step + 1) + " of the reopen, mode " +
                                     std::to_string(static_cast<int>(mode)) + "]");
  }
  return Status();
}

// Bytes or names of a log cannot be made durable, and the page cache shows them all the same.
TEST_P(ShardsFaultTest, AfterAFailedSyncAPowerLossInTheReopenLeavesWholeBatches) {
  constexpr std::pair<IoKind, IoSite> kFaults[] = {{IoKind::kDataSync, IoSite::kWal},
                                                   {IoKind::kWrite, IoSite::kDurableWal},
                                                   {IoKind::kSyncDir, IoSite::kWal},
                                                   {IoKind::kSyncDir, IoSite::kFlush},
                                                   {IoKind::kSyncDir, IoSite::kCompactionWrite},
                                                   {IoKind::kSyncDir, IoSite::kRecovery}};
  uint64_t reached[std::size(kFaults)] = {};
  for (const size_t number : {size_t{0}, size_t{2}, size_t{3}, size_t{6}}) {
    for (const char* sync : {"none", "interval", "group"}) {
      const ShardsRun run = RunOf(number, sync, 700);
      for (size_t f = 0; f < std::size(kFaults); ++f) {
        SimFault fault;
        std::tie(fault.kind, fault.site) = kFaults[f];
        for (uint64_t at = 1; at <= Scaled(2); ++at) {
          ShardsWorkload workload(run);
          fault.at = 4 * at - 2;
          workload.disk().Arm(fault);
          Status ignored = workload.Run(~uint64_t{0});
          (void)ignored;
          if (workload.disk().faults().Failed(*fault.kind, *fault.site) == 0) break;
          ++reached[f];
          workload.disk().DisarmFaults();
          const Status status = CheckReopenAfter(run, workload, at);
          ASSERT_TRUE(status.ok())
              << status.ToString() << Named(run) << ", fault " << f << " at " << fault.at;
        }
      }
    }
  }
  for (size_t f = 0; f < std::size(kFaults); ++f) EXPECT_GT(reached[f], 0u) << "fault " << f;
}

// As above, power lost at once: other shards may rely on a log only while its shard is sound.
TEST_P(ShardsFaultTest, AfterAFailedSyncOfADirectoryAPowerLossLeavesWholeBatches) {
  uint64_t reached = 0;
  for (const size_t number : {size_t{0}, size_t{2}, size_t{3}}) {
    for (const char* sync : {"none", "interval"}) {
      const ShardsRun run = RunOf(number, sync, 800);
      for (const IoSite site : {IoSite::kFlush, IoSite::kCompactionWrite, IoSite::kWal}) {
        for (uint64_t at = 1; at <= Scaled(16); ++at) {
          ShardsWorkload workload(run);
          SimFault fault;
          fault.kind = IoKind::kSyncDir;
          fault.site = site;
          fault.at = at;
          workload.disk().Arm(fault);
          Status ignored = workload.Run(~uint64_t{0});
          (void)ignored;
          if (workload.disk().faults().Failed(IoKind::kSyncDir, site) == 0) break;
          ++reached;
          const Status status =
              CheckShards(run, workload.history(), workload.disk().Crash(CrashMode::kDurable, at),
                          workload.progress().durable, workload.progress().issued);
          ASSERT_TRUE(status.ok()) << status.ToString() << Named(run) << ", site "
                                   << static_cast<int>(site) << " at " << at;
        }
      }
    }
  }
  EXPECT_GT(reached, 0u);
}

INSTANTIATE_TEST_SUITE_P(Executors, ShardsFaultTest, testing::Bool(), [](const auto& c) {
  return std::string(c.param ? "on_loops" : "inline");
});

std::vector<ShardsCase> AllShardsCases() {
  std::vector<ShardsCase> cases;
  for (size_t i = 0; i < CrashCompositions().size(); ++i) {
    cases.push_back({i, false});
    cases.push_back({i, true});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, ShardsCrashTest, testing::ValuesIn(AllShardsCases()),
                         [](const auto& c) {
                           return CrashCompositions()[c.param.composition].name +
                                  (c.param.on_loops ? "_on_loops" : "");
                         });

}  // namespace
}  // namespace lsmlab::test
