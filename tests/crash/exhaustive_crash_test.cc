#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/crash/crash_workload.h"
#include "tests/support/compositions.h"
#include "tests/support/test_scale.h"

// Every short script of steps, with a crash after every operation of the disk: most bugs of crash
// recovery need no more than two or three steps, but these in one order (Mohan et al.: Finding
// Crash-Consistency Bugs with Bounded Black-Box Crash Testing, OSDI 2018).
namespace lsmlab::test {
namespace {

constexpr std::array<std::pair<CrashStep, std::string_view>, 7> kScriptSteps = {{
    {CrashStep::kPut, "put"},
    {CrashStep::kDelete, "delete"},
    {CrashStep::kBatch, "batch"},
    {CrashStep::kSync, "sync"},
    {CrashStep::kFlush, "flush"},
    {CrashStep::kMerge, "merge"},
    {CrashStep::kReopen, "reopen"},
}};

struct ScriptsCase {
  TestComposition composition;
  const char* sync;
  size_t length;
  int modes;  // of crashes, of each moment; in turn
};

class ExhaustiveCrashTest : public testing::TestWithParam<ScriptsCase> {
 protected:
  // The script with this number; its steps are added to the name.
  static CrashRun RunOf(const ScriptsCase& c, uint64_t number) {
    CrashRun run;
    run.composition = c.composition;
    run.sync = c.sync;
    for (size_t i = 0; i < c.length; ++i, number /= kScriptSteps.size()) {
      const auto& [step, name] = kScriptSteps[number % kScriptSteps.size()];
      run.script.push_back(step);
      run.composition.name += " " + std::string(name);
    }
    return run;
  }
};

TEST_P(ExhaustiveCrashTest, EveryScriptLeavesAPrefixOfItsWrites) {
  const ScriptsCase& c = GetParam();
  uint64_t scripts = 1, points = 0;
  for (size_t i = 0; i < c.length; ++i) scripts *= kScriptSteps.size();
  const uint64_t stride = static_cast<uint64_t>(1 / std::min(1.0, TestScale()));
  for (uint64_t number = 0; number < scripts; number += stride) {
    CrashWorkload workload(RunOf(c, number));
    const Status ran = workload.Run();
    ASSERT_TRUE(ran.ok()) << ran.ToString() << ": " << workload.run().composition.name;
    for (const Moment& moment : workload.moments()) {
      for (int i = 0; i < c.modes; ++i) {
        const uint64_t turn =
            moment.step + number + static_cast<uint64_t>(i * kCrashModes / c.modes);
        const Status status = CheckCrash(
            workload, moment, static_cast<CrashMode>(turn % kCrashModes), turn, 0, &points);
        ASSERT_TRUE(status.ok()) << status.ToString();
      }
    }
  }
  std::printf("crash points of %llu scripts: %llu\n", static_cast<unsigned long long>(scripts),
              static_cast<unsigned long long>(points));
  EXPECT_GE(points, scripts / stride * static_cast<uint64_t>(c.modes));
}

INSTANTIATE_TEST_SUITE_P(All, ExhaustiveCrashTest,
                         testing::Values(ScriptsCase{{"plain", "", {}}, "none", 3, 1},
                                         ScriptsCase{{"plain", "", {}}, "group", 2, kCrashModes},
                                         ScriptsCase{RingComposition(true), "group", 2, 2},
                                         ScriptsCase{FootersCompositions().front(), "none", 2, 2},
                                         ScriptsCase{SeparatedCompositions().front(), "none", 2,
                                                     2}),
                         [](const auto& c) {
                           return c.param.composition.name + "_" + c.param.sync + "_" +
                                  std::to_string(c.param.length);
                         });

}  // namespace
}  // namespace lsmlab::test
