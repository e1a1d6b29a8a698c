#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/format/batch.h"
#include "engine/parts/partitioner.h"
#include "tests/crash/shards_workload.h"
#include "tests/support/compositions.h"
#include "tests/support/filter_io.h"
#include "tests/support/part_doubles.h"

// That the crash tests over several shards can fail: what makes a batch less than one write,
// planted on purpose, must be found.
namespace lsmlab::test {
namespace {

constexpr uint64_t kShardsMoments = 60;

// Looks for a violation in runs of several seeds; Ok: none was found.
Status FirstViolationOverShards(ShardsRun run) {
  uint64_t points = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    run.seed = seed;
    ShardsWorkload whole(run);
    LSMLAB_TRY(whole.Run(~uint64_t{0}));
    ShardsWorkload workload(run);
    LSMLAB_TRY(workload.Run(std::max<uint64_t>(1, whole.steps() / kShardsMoments)));
    for (const ShardsMoment& moment : workload.moments()) {
      for (int mode = 0; mode < kCrashModes; ++mode) {
        const uint64_t damage = moment.step + static_cast<uint64_t>(mode);
        LSMLAB_TRY(CrashShards(run, workload.history(), moment, static_cast<CrashMode>(mode),
                               damage, 0, &points));
      }
    }
  }
  return Status();
}

ShardsRun ThreeShardsRun() { return {{"three", "", {}, &kThreeShards}, "group"}; }

// Each shard's part of a batch as a batch of its own.
Status WriteByShard(Store& store, const WriteBatch& batch) {
  const std::unique_ptr<Partitioner> partitioner = kThreeShards.make({});
  std::vector<WriteBatch> parts(partitioner->shards());
  OperationReader operations(batch.payload());
  for (Operation one; operations.Next(&one);) {
    WriteBatch& part = parts[partitioner->ShardOf(one.key)];
    if (one.kind == EntryKind::kDelete) {
      part.Delete(one.key);
    } else {
      part.Put(one.key, one.value);
    }
  }
  for (const WriteBatch& part : parts) {
    if (part.count() > 0) LSMLAB_TRY(store.Write(part));
  }
  return operations.status();
}

TEST(PlantedShardsTest, ABatchWrittenShardByShardIsFound) {
  ShardsRun run = ThreeShardsRun();
  run.write = WriteByShard;
  const Status found = FirstViolationOverShards(run);
  EXPECT_FALSE(found.ok()) << "half a batch was not noticed";
  std::printf("%s\n", found.ToString().c_str());
}

// The acknowledgement waits for the log of the first shard alone.
TEST(PlantedShardsTest, AnAcknowledgementAfterOneShardsSyncIsFound) {
  ShardsRun run = ThreeShardsRun();
  uint64_t skipped = 0;
  run.around_io = [&skipped](std::shared_ptr<Io> disk) {
    return std::make_shared<FilterIo>(std::move(disk), [&skipped](IoOp& op) {
      if (op.kind != IoKind::kDataSync || op.site != IoSite::kWal) return false;
      if (op.file->path().find("shard-0000") != std::string::npos) return false;
      ++skipped;
      op.status = Status();
      return true;
    });
  };
  const Status found = FirstViolationOverShards(run);
  EXPECT_GT(skipped, 0u);
  EXPECT_FALSE(found.ok()) << "a missing sync was not noticed";
  std::printf("%s\n", found.ToString().c_str());
}

// And no false alarm by the same search.
TEST(PlantedShardsTest, ShardsAsTheyArePass) {
  const Status found = FirstViolationOverShards(ThreeShardsRun());
  EXPECT_TRUE(found.ok()) << found.ToString();
}

}  // namespace
}  // namespace lsmlab::test
