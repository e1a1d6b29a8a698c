#include <gtest/gtest.h>

#include <filesystem>

#include "engine/async/frame_pool.h"
#include "engine/base/checksum.h"
#include "tests/model/model_runner.h"
#include "tests/support/compositions.h"
#include "tests/support/disk_ios.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_scale.h"
#include "variants/io/ios.h"

// Random operations against a model: every preset, and the default with each part exchanged once,
// on files and on the simulated disk, on both executors.
namespace lsmlab::test {
namespace {

struct ModelCase {
  TestComposition composition;
  std::string io;
  std::string executor;
  uint64_t operations;
  bool defer = false;   // in every store: I/O completes later
  bool seeded = false;  // in every store: the order is drawn; else in every other one
};

// A sync of a real disk takes milliseconds, so most of the operations run on the simulated one.
constexpr uint64_t kPosixOperations = 6'000;
constexpr uint64_t kPresetOperations = 42'000;
constexpr uint64_t kOtherPresetOperations = 12'000;
constexpr uint64_t kVariationOperations = 8'000;
// Each call and each step back wakes two threads.
constexpr uint64_t kPoolOperations = 3'000;

// Every run opens a fresh store this often: short histories reach the rare states of a young tree.
constexpr uint64_t kOperationsPerStore = 6'000;
static_assert(kPosixOperations <= kOperationsPerStore);

// With real loops, and with loops in the one thread.
void AddOnLoops(std::vector<ModelCase>& cases, const TestComposition& composition,
                uint64_t operations) {
  cases.push_back({composition, "uring", "reactor", operations});
  cases.push_back({composition, "uring", "reactor", operations, false, /*seeded=*/true});
}

// With ShardedCompositions: each shipped partitioner with 1, 2 and 7 shards.
std::vector<TestComposition> OtherSharded() {
  const auto with = [](std::string name, const char* partitioner, const char* shards) {
    return TestComposition{
        std::move(name),
        "",
        {{"engine.partitioner.variant", partitioner}, {"engine.partitioner.shards", shards}}};
  };
  TestComposition by_last_digit = with("first_byte_2", "first-byte", "2");
  by_last_digit.changes.emplace_back("engine.partitioner.skip_bytes", kLastDigit);
  return {with("hash_1", "hash", "1"), with("hash_7", "hash", "7"),
          with("first_byte_1", "first-byte", "1"), by_last_digit};
}

// A preset for event loops on io_uring; the settings below leave it both.
bool IsForLoops(const TestComposition& preset) {
  const Composition composition = ComposeSmall(preset);
  return composition.executor.variant->has_loops && composition.io.variant == &kUringIo;
}

std::vector<ModelCase> AllCases() {
  std::vector<ModelCase> cases;
  for (const TestComposition& composition : MainPresets()) {
    cases.push_back({composition, "posix", "threads", kPosixOperations});
    if (Works(kUringIo)) {
      cases.push_back({composition, "uring", "threads", kPosixOperations / 3});
      cases.push_back({composition, "uring", "inline", kPosixOperations / 3});
      cases.push_back({composition, "uring", "reactor", kPosixOperations / 3});
    }
    cases.push_back({composition, "simulated", "inline", kPresetOperations});
    cases.push_back({composition, "simulated", "threads", kPresetOperations});
    cases.push_back({composition, "simulated", "reactor", kVariationOperations, true});
  }
  for (const TestComposition& composition : OtherPresets()) {
    cases.push_back({composition, "simulated", "inline", kOtherPresetOperations});
    if (Works(kUringIo) && IsForLoops(composition)) {
      AddOnLoops(cases, composition, kPosixOperations / 3);
    }
  }
  for (const TestComposition& composition : ShardedCompositions()) {
    if (Works(kUringIo)) AddOnLoops(cases, composition, kPosixOperations / 3);
    cases.push_back({composition, "simulated", "reactor", kVariationOperations, true});
  }
  for (const TestComposition& composition : OtherSharded()) {
    if (Works(kUringIo)) cases.push_back({composition, "uring", "reactor", kPosixOperations / 6});
  }
  cases.push_back({PooledComposition(), "simulated", "threads", kPoolOperations, true});
  for (const TestComposition& composition : OnePartVariations()) {
    cases.push_back({composition, "posix", "inline", kPosixOperations / 6});
    cases.push_back({composition, "simulated", "inline", kVariationOperations});
  }
  return cases;
}

// What also varies from store to store of one case: the order of background work, whether I/O
// completes later, which files bypass the page cache.
Settings SettingsOf(const ModelCase& c, uint64_t nth, uint64_t seed) {
  Settings settings = {{"engine.io.variant", c.io}, {"engine.executor.variant", c.executor}};
  if (c.seeded || (c.executor != "threads" && nth % 2 == 1)) {
    settings.emplace_back("engine.executor.seed", std::to_string(seed % 1'000'000 + 1));
  }
  if (c.io == "simulated" && (c.defer || nth % 3 == 1)) {
    settings.emplace_back("engine.io.defer", "true");
    settings.emplace_back("engine.io.seed", std::to_string(seed % 1'000'000 + 1));
  }
  if ((c.io == "simulated" && nth % 3 == 2) || c.io == "uring")
    settings.emplace_back("engine.io.direct", "all");
  return settings;
}

class ModelTest : public testing::TestWithParam<ModelCase> {};

TEST_P(ModelTest, AnswersAsTheModel) {
  const ModelCase& c = GetParam();
  const long frames = LiveFrames();
  const uint64_t total = Scaled(c.operations);
  size_t deepest = 0;
  uint64_t value_gc_bytes = 0;
  for (uint64_t done = 0; done < total; done += kOperationsPerStore) {
    TempDirectory directory;
    ModelRun run;
    run.name = testing::UnitTest::GetInstance()->current_test_info()->name();
    run.seed = TestSeed(Checksum(run.name, done) >> 1);
    const uint64_t nth = done / kOperationsPerStore;
    run.options.composition = ComposeSmall(c.composition, SettingsOf(c, nth, run.seed));
    auto io = run.options.composition.io.variant->make(run.options.composition.io.settings);
    ASSERT_TRUE(io.ok());
    run.options.io = std::move(io).value();
    ASSERT_EQ(run.options.io->backend(), c.io) << "presets may fall back to another";
    run.options.path = c.io == "simulated" ? "/store" : directory.path() + "/store";
    run.options.seed = run.seed | 1;
    run.operations = std::min(kOperationsPerStore, total - done);
    run.keys = nth % 2 == 0 ? 300 : 2000;
    ModelRunner runner(run);
    const Status status = runner.Run();
    ASSERT_TRUE(status.ok()) << status.ToString();
    if (TestScale() >= 1) {
      EXPECT_GT(runner.flushes(), 0u) << "no flush took part";
      EXPECT_GT(runner.compactions(), 0u) << "no compaction took part";
    }
    deepest = std::max(deepest, runner.deepest_level());
    value_gc_bytes += runner.value_gc_bytes();
  }
  if (total >= kOperationsPerStore) {
    // Without compaction only the runs that CompactRange makes leave level 0.
    EXPECT_GE(deepest, c.composition.name == "compaction_none" ? 1u : 2u)
        << "compaction reached no level below the first";
    const bool separated = ComposeSmall(c.composition).values.variant->name == "separated";
    EXPECT_EQ(value_gc_bytes > 0, separated) << "values were not moved, or without need";
  }
  EXPECT_EQ(LiveFrames(), frames);
}

INSTANTIATE_TEST_SUITE_P(All, ModelTest, testing::ValuesIn(AllCases()), [](const auto& c) {
  return c.param.composition.name + "_" + c.param.io + "_" + c.param.executor +
         (c.param.seeded ? "_seeded" : "");
});

// The promise of `make test`, whatever parts come and go.
TEST(ModelTestSize, IsAtLeastHalfAMillionOperations) {
  uint64_t operations = 0;
  for (const ModelCase& c : AllCases()) operations += c.operations;
  EXPECT_GE(operations, 500'000u);
}

}  // namespace
}  // namespace lsmlab::test
