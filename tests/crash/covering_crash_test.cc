#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "tests/crash/crash_workload.h"
#include "tests/crash/shards_workload.h"
#include "tests/support/composition_space.h"
#include "tests/support/test_scale.h"

// Power loss and process death in one history on every row of the pairwise covering array.
namespace lsmlab::test {
namespace {

// A round is another history on all rows, with so many moments in each.
constexpr uint64_t kMomentsPerRound = 2;

// The row as the crash workload can run it: one shard on the simulated disk, by one caller, and
// nothing that depends on the time of day, so that a run can be repeated.
CrashRun CrashRunOf(TestComposition row) {
  CrashRun run;
  Settings kept;
  for (auto& [name, text] : row.changes) {
    if (name == "engine.wal.sync") {
      run.sync = text;
    } else if (!name.starts_with("engine.executor.") && !name.starts_with("engine.partitioner.") &&
               name != "engine.memtable.max_age" && name != "engine.compaction.delete_ttl") {
      kept.emplace_back(std::move(name), std::move(text));
    }
  }
  row.changes = std::move(kept);
  run.composition = std::move(row);
  return run;
}

// The policy that merges nothing, and has nothing to drop here.
bool KeepsEveryTable(const TestComposition& row) {
  return std::find(row.changes.begin(), row.changes.end(),
                   std::pair<std::string, std::string>("engine.compaction.variant", "fifo")) !=
         row.changes.end();
}

TEST(CoveringCrash, EveryRowLeavesAPrefixOfTheWrites) {
  const auto& [space, array] = CoveringCompositions();
  uint64_t points = 0;
  const auto rounds = std::max<uint64_t>(1, static_cast<uint64_t>(TestScale() / 2));
  const uint64_t moments = Scaled(kMomentsPerRound) / rounds;
  // Under a sanitizer every eighth row.
  const size_t step = TestScale() < 1 ? 8 : 1;
  for (uint64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < array.rows.size(); i += step) {
      CrashRun run =
          CrashRunOf(space.CompositionOf(array.rows[i], "covering row " + std::to_string(i)));
      run.seed = TestSeed(round + 1);
      run.writes = round % 2 == 0 ? 100 : 250;
      CrashWorkload whole(run);
      Status status = whole.Run();
      ASSERT_TRUE(status.ok()) << run.composition.name << ": " << status.ToString();
      EXPECT_GE(whole.flushes(), 2u) << run.composition.name;
      EXPECT_EQ(whole.compactions() > 0, !KeepsEveryTable(run.composition)) << run.composition.name;
      run.every = std::max<uint64_t>(1, whole.disk().steps() / std::max<uint64_t>(1, moments));
      CrashWorkload workload(run);
      status = workload.Run();
      ASSERT_TRUE(status.ok()) << run.composition.name << ": " << status.ToString();
      for (const Moment& moment : workload.moments()) {
        for (int mode = 0; mode < kCrashModes; ++mode) {
          const uint64_t damage =
              (round * array.rows.size() + i) * kCrashModes + moment.step + mode;
          status = CheckCrash(workload, moment, static_cast<CrashMode>(mode), damage,
                              damage % 8 == 0 ? 1 : 0, &points);
          EXPECT_TRUE(status.ok()) << status.ToString();
        }
      }
    }
  }
  std::printf("crash points checked on %zu rows: %llu\n", (array.rows.size() + step - 1) / step,
              static_cast<unsigned long long>(points));
  if (TestScale() >= 30) {
    EXPECT_GE(points, 20'000u);
  }
}

// The row as ShardsWorkload can run it; nothing where it has one shard, or no log, without which
// there are no batches over several.
std::optional<ShardsRun> ShardsRunOf(TestComposition row) {
  ShardsRun run;
  run.sync = "none";
  Settings kept;
  bool has_shards = false, has_log = true;
  for (auto& [name, text] : row.changes) {
    if (name == "engine.wal.sync") {
      run.sync = text;
      continue;
    }
    if (name == "engine.partitioner.variant") has_shards = text != "single";
    if (name == "engine.wal.variant") has_log = text != "off";
    if (name == "engine.executor.variant") run.on_loops = text == "reactor";
    if (!name.starts_with("engine.executor.") && name != "engine.memtable.max_age" &&
        name != "engine.compaction.delete_ttl") {
      kept.emplace_back(std::move(name), std::move(text));
    }
  }
  if (!has_shards || !has_log) return std::nullopt;
  row.changes = std::move(kept);
  run.composition = std::move(row);
  return run;
}

TEST(CoveringCrash, EveryRowOverShardsLeavesPrefixesAndWholeBatches) {
  const auto& [space, array] = CoveringCompositions();
  uint64_t points = 0, rows = 0, across = 0;
  const size_t step = TestScale() < 1 ? 8 : 1;
  for (size_t i = 0; i < array.rows.size(); i += step) {
    std::optional<ShardsRun> run =
        ShardsRunOf(space.CompositionOf(array.rows[i], "covering row " + std::to_string(i)));
    if (!run.has_value()) continue;
    ++rows;
    run->seed = TestSeed(i + 1);
    ShardsWorkload whole(*run);
    Status status = whole.Run(~uint64_t{0});
    ASSERT_TRUE(status.ok()) << run->composition.name << ": " << status.ToString();
    across += whole.history().across();
    EXPECT_GE(whole.flushes(), 2u) << run->composition.name;
    EXPECT_EQ(whole.compactions() > 0, !KeepsEveryTable(run->composition)) << run->composition.name;
    ShardsWorkload workload(*run);
    const uint64_t every = whole.steps() / Scaled(kMomentsPerRound);
    ASSERT_TRUE(workload.Run(std::max<uint64_t>(1, every)).ok());
    for (const ShardsMoment& moment : workload.moments()) {
      for (int mode = 0; mode < kCrashModes; ++mode) {
        const uint64_t damage = i * kCrashModes + moment.step + static_cast<uint64_t>(mode);
        status = CrashShards(*run, workload.history(), moment, static_cast<CrashMode>(mode), damage,
                             damage % 4 == 0 ? 1 : 0, &points);
        EXPECT_TRUE(status.ok()) << status.ToString();
      }
    }
  }
  EXPECT_GT(rows, 0u);
  EXPECT_GT(across, 5 * rows);
  std::printf("crash points over several shards on %llu rows: %llu\n",
              static_cast<unsigned long long>(rows), static_cast<unsigned long long>(points));
}

}  // namespace
}  // namespace lsmlab::test
