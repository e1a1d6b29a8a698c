#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/async/frame_pool.h"
#include "tests/crash/callers_workload.h"
#include "tests/support/compositions.h"
#include "tests/support/part_doubles.h"
#include "tests/support/test_scale.h"

// Power loss while several callers write at once: see callers_workload.h for what must hold.
namespace lsmlab::test {
namespace {

constexpr uint64_t kCallerMoments = 10;

TestComposition HashedOver(const char* shards, TestComposition composition = {"plain", "", {}}) {
  composition.name += std::string("_hash_") + shards;
  composition.changes.emplace_back("engine.partitioner.variant", "hash");
  composition.changes.emplace_back("engine.partitioner.shards", shards);
  return composition;
}

struct CallersCrashCase {
  const char* sync;
  bool on_loops;
};

class CallersCrashTest : public testing::TestWithParam<CallersCrashCase> {
 protected:
  static std::vector<TestComposition> Compositions() {
    const auto& [sync, on_loops] = GetParam();
    std::vector<TestComposition> all = MainPresets();
    // Over several shards what was not durable is a prefix in each of them, not in each caller.
    if (sync == std::string("none")) return all;
    all.push_back({"three_shards", "", {}, &kThreeShards});
    if (!on_loops) return all;
    all.push_back(HashedOver("2"));
    all.push_back(HashedOver("7"));
    all.push_back(HashedOver("2", RingComposition(true)));
    return all;
  }
};

TEST_P(CallersCrashTest, LeavesAPrefixOfEveryCallersWrites) {
  const long frames = LiveFrames();
  uint64_t torn = 0;
  for (const TestComposition& preset : Compositions()) {
    for (uint64_t i = 1; i <= 3; ++i) {
      const CallersRun run{preset, GetParam().sync, TestSeed(i), GetParam().on_loops};
      CallersWorkload whole(run);
      const Status ran = whole.Run(~uint64_t{0});
      ASSERT_TRUE(ran.ok()) << ran.ToString() << ": " << preset.name;
      EXPECT_TRUE(!run.one_shard() || whole.stats().flushes > 0u);
      // A batch over several shards counts as a group in each of them.
      EXPECT_TRUE(!run.one_shard() || run.sync == "every" ||
                  whole.stats().groups < whole.stats().batches)
          << "no group of many writers";
      CallersWorkload workload(run);
      const uint64_t steps = whole.disk().steps();
      ASSERT_TRUE(workload.Run(std::max<uint64_t>(1, steps / Scaled(kCallerMoments))).ok());
      ASSERT_EQ(workload.disk().steps(), steps) << "not the same run again";
      ASSERT_FALSE(workload.moments().empty());
      for (size_t m = 0; m < workload.moments().size(); ++m) {
        for (int mode = 0; mode < kCrashModes; ++mode) {
          const Status status =
              workload.CheckCrash(workload.moments()[m], static_cast<CrashMode>(mode),
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

// A failed sync of the directory forgets the names of all files made since the last one, also of
// jobs whose own sync then finds nothing to do: none of them may give up what it has replaced.
TEST(ForgottenNamesTest, NoJobGoesOnAfterAFailedSyncOfAnother) {
  uint64_t reached = 0;
  // Catalogs that soon begin a new manifest, whose name may be among the forgotten ones.
  const TestComposition composition{"plain", "", {{"engine.catalog.edit_log_size", "1KiB"}}};
  for (const IoSite site :
       {IoSite::kFlush, IoSite::kCompactionWrite, IoSite::kWal, IoSite::kCatalog}) {
    for (uint64_t at = 1; at <= 6; ++at) {
      // A flush has to fall between the log's sync and the news of it.
      for (uint64_t seed = 1; seed <= Scaled(site == IoSite::kWal ? 40 : 12); ++seed) {
        const CallersRun run{composition, "group", TestSeed(10 * seed + at),
                             /*on_loops=*/seed % 2 == 0};
        SimFault fault;
        fault.kind = IoKind::kSyncDir;
        fault.site = site;
        fault.at = at;
        CallersWorkload workload(run);
        Status status = workload.RunBeside(fault);
        reached += workload.disk().faults().Failed(IoKind::kSyncDir, site) > 0;
        ASSERT_EQ(workload.moments().size(), 1u);
        uint64_t torn = 0;
        if (status.ok()) {
          status = workload.CheckCrash(workload.moments()[0], CrashMode::kDurable, at, &torn);
        }
        ASSERT_TRUE(status.ok()) << status.ToString() << ", sync " << at << " failed at site "
                                 << static_cast<int>(site)
                                 << ", repeat with LSMLAB_TEST_SEED=" << run.seed;
      }
    }
  }
  EXPECT_GT(reached, 0u);
}

// An operation of the disk fails, once or from then on, under a group that waits for it, a visitor
// of another loop, or one part of a batch over shards. What was acknowledged, also by shards that
// go on after it, is durable, and no batch is there in part.
TEST(CallersFaultTest, OnLoopsAnErrorLosesNothingAcknowledged) {
  const long frames = LiveFrames();
  uint64_t torn = 0, failed = 0;
  for (const TestComposition& composition :
       {TestComposition{"plain", "", {}}, HashedOver("7"), HashedOver("2", RingComposition(true)),
        HashedOver("2", FootersCompositions().front())}) {
    for (const char* sync : {"group", "every"}) {
      const CallersRun run{composition, sync, TestSeed(3), /*on_loops=*/true};
      CallersWorkload whole(run);
      ASSERT_TRUE(whole.Run(~uint64_t{0}).ok());
      const uint64_t steps = whole.disk().steps() - whole.opened_steps();
      const uint64_t stride = std::max<uint64_t>(1, steps / Scaled(60));
      for (uint64_t at = 1; at <= steps; at += stride) {
        CallersWorkload workload(run);
        SimFault fault;
        fault.at = at;
        fault.persistent = at / stride % 2 == 1;
        fault.no_space = at / stride % 3 == 2;
        Status status = workload.RunBeside(fault);
        failed += workload.write_failed();
        const auto other = static_cast<CrashMode>(1 + at / stride % (kCrashModes - 1));
        for (const CrashMode mode : {CrashMode::kDurable, other}) {
          if (!status.ok()) break;
          status = workload.CheckCrash(workload.moments().at(0), mode, at, &torn);
        }
        ASSERT_TRUE(status.ok()) << status.ToString() << ": " << composition.name << ", sync "
                                 << sync << ", operation " << at << " failed"
                                 << ", repeat with LSMLAB_TEST_SEED=" << run.seed;
      }
    }
  }
  EXPECT_EQ(LiveFrames(), frames);
  EXPECT_GT(failed, 0u) << "no write met an error";
}

INSTANTIATE_TEST_SUITE_P(
    Sync, CallersCrashTest,
    testing::Values(CallersCrashCase{"none", false}, CallersCrashCase{"group", false},
                    CallersCrashCase{"every", false}, CallersCrashCase{"none", true},
                    CallersCrashCase{"group", true}, CallersCrashCase{"every", true}),
    [](const auto& c) {
      return std::string(c.param.sync) + (c.param.on_loops ? "_on_loops" : "");
    });

}  // namespace
}  // namespace lsmlab::test
