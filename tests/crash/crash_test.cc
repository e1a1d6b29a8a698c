#include <gtest/gtest.h>

#include "tests/crash/crash_workload.h"
#include "tests/support/test_scale.h"

// Power loss and process death at every operation of small workloads on the simulated disk.
namespace lsmlab::test {
namespace {

struct CrashCase {
  TestComposition composition;
  std::string sync;
  uint32_t writes;
  int moments;  // about so many, spread over the run; 0: every operation
};

uint64_t points_checked = 0;

std::vector<CrashCase> AllCases() {
  std::vector<CrashCase> cases;
  for (const TestComposition& preset : MainPresets()) {
    for (const char* sync : {"none", "interval", "group", "every"}) {
      cases.push_back({preset, sync, 24, 0});
      cases.push_back({preset, sync, 250, 30});
    }
  }
  for (const TestComposition& preset : OtherPresets()) {
    cases.push_back({preset, "group", 120, 20});
  }
  cases.push_back({RingComposition(false), "none", 250, 25});
  cases.push_back({RingComposition(false), "every", 60, 20});
  cases.push_back({RingComposition(true), "group", 24, 25});
  cases.push_back({RingComposition(true), "group", 250, 25});
  for (const TestComposition& variation : OnePartVariations()) {
    if (variation.name.starts_with("sync") || variation.name.starts_with("wal_ring")) continue;
    // The write order is one shard's.
    if (variation.partitioner != nullptr) continue;
    cases.push_back({variation, variation.name == "wal_off" ? "none" : "group", 120, 20});
  }
  return cases;
}

class CrashTest : public testing::TestWithParam<CrashCase> {};

TEST_P(CrashTest, LeavesAPrefixOfTheWrites) {
  const CrashCase& c = GetParam();
  CrashRun run;
  run.composition = c.composition;
  run.sync = c.sync;
  run.seed = TestSeed(c.writes + 1);
  run.writes = c.writes;
  uint64_t steps = 0;
  if (c.moments > 0) {
    CrashWorkload whole(run);
    ASSERT_TRUE(whole.Run().ok());
    steps = whole.disk().steps();
    run.every = std::max<uint64_t>(1, steps / Scaled(c.moments));
  } else {
    run.every = std::max<uint64_t>(1, static_cast<uint64_t>(1 / std::min(1.0, TestScale())));
  }
  CrashWorkload workload(run);
  const Status ran = workload.Run();
  ASSERT_TRUE(ran.ok()) << ran.ToString();
  ASSERT_TRUE(steps == 0 || workload.disk().steps() == steps) << "not the same run again";
  EXPECT_GE(workload.flushes(), 2u);
  EXPECT_GE(workload.compactions(), 1u);
  for (const Moment& moment : workload.moments()) {
    for (int mode = 0; mode < kCrashModes; ++mode) {
      const Status status = CheckCrash(workload, moment, static_cast<CrashMode>(mode),
                                       moment.step * kCrashModes + mode,
                                       (moment.step + mode) % 5 == 0 ? 2 : 0, &points_checked);
      ASSERT_TRUE(status.ok()) << status.ToString();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, CrashTest, testing::ValuesIn(AllCases()), [](const auto& c) {
  return c.param.composition.name + "_" + c.param.sync + "_" + std::to_string(c.param.writes);
});

// Says how many points were checked, and holds the number that make test promises.
class CountPoints : public testing::Environment {
 public:
  void TearDown() override {
    std::printf("crash points checked: %llu\n", static_cast<unsigned long long>(points_checked));
    const bool everything = testing::GTEST_FLAG(filter) == "*" && TestScale() >= 1;
    if (everything) {
      EXPECT_GE(points_checked, 15'000u);
    }
  }
};
const testing::Environment* const kCount = testing::AddGlobalTestEnvironment(new CountPoints);

}  // namespace
}  // namespace lsmlab::test
