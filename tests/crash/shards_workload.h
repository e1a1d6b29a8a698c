#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/async/task.h"
#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/support/compositions.h"
#include "tests/support/store_model.h"
#include "variants/io/simulated_io.h"

// Power loss over stores of several shards, with batches over some of them. Afterwards each shard
// holds a prefix of the writes that concern it, with all that were durable, and no batch is there
// in one shard and missing in another. Each write puts a marker into every shard it concerns, so
// that what a shard holds names its prefix.
namespace lsmlab::test {

struct ShardsRun {
  TestComposition composition;
  std::string sync;
  uint64_t seed = 1;
  uint32_t writes = 60;
  // Event loops in one thread, and operations of the disk that complete later, all in an order
  // drawn from the seed; about half of the writes begin on a loop. Else the caller does one thing
  // after the other.
  bool on_loops = false;
  // Of the workload only, not of the recoveries: how a batch is written, what stands between the
  // store and the disk. Empty: as one, nothing.
  std::function<Status(Store& store, const WriteBatch& batch)> write = {};
  std::function<std::shared_ptr<Io>(std::shared_ptr<Io> disk)> around_io = {};

  StoreOptions Options(const std::shared_ptr<SimDisk>& disk) const;
};

struct ShardsProgress {
  uint32_t issued = 0, acknowledged = 0, durable = 0;
};

struct ShardsMoment {
  uint64_t step = 0;
  std::shared_ptr<SimDisk> disk;
  ShardsProgress progress;
};

// The writes of one caller, and which of them a store holds.
class ShardsHistory {
 public:
  explicit ShardsHistory(const Partitioner& partitioner);

  uint32_t writes() const noexcept { return static_cast<uint32_t>(writes_.size()); }
  // One more write: changes to up to six keys, and the markers of their shards.
  uint32_t Add(Random& random, WriteBatch* batch);
  // Writes that concern several shards.
  uint32_t across() const noexcept { return across_; }

  // What the store holds: all of the writes below `least` (numbered from 1), none above `most`.
  // `kept`: for each write whether it is there.
  Status Match(Store& store, uint32_t least, uint32_t most, std::vector<bool>* kept) const;

 private:
  struct Write {
    std::vector<uint32_t> shards;
    std::vector<uint64_t> markers;
  };

  Status FindPrefix(Store& store, uint32_t shard, uint64_t* limit, size_t* prefix) const;
  Status CheckKeys(Store& store, const std::vector<uint64_t>& limits) const;
  Status CheckWalk(Store& store, const std::vector<uint64_t>& limits) const;

  const Partitioner& partitioner_;
  std::vector<std::string> markers_;
  StoreModel model_;
  uint64_t operation_ = 0;
  uint32_t across_ = 0;
  std::vector<Write> writes_;
  std::vector<std::vector<uint32_t>> order_;  // per shard: its writes
};

// A small store of several shards on a simulated disk, driven by one caller: writes, flushes,
// compactions, syncs, a clean close and a reopen in between; two flushes and a merge at least.
class ShardsWorkload {
 public:
  explicit ShardsWorkload(const ShardsRun& run);

  // A moment after every so many operations of the disk, and one after the last close. Ends early,
  // and returns why, at the first error of the store.
  Status Run(uint64_t every);
  const ShardsHistory& history() const noexcept { return *history_; }
  const std::vector<ShardsMoment>& moments() const noexcept { return moments_; }
  const ShardsProgress& progress() const noexcept { return progress_; }
  SimDisk& disk() noexcept { return *disk_; }
  uint64_t steps() const noexcept { return disk_->steps(); }
  uint64_t flushes() const noexcept { return flushes_; }
  uint64_t compactions() const noexcept { return compactions_; }  // and moves

 private:
  Status Open();
  Status Close();
  Status Settle();
  Status Write();
  Status WriteOnALoop(const WriteBatch& batch);
  Status Maintain();

  const ShardsRun run_;
  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  std::unique_ptr<Partitioner> partitioner_;
  std::unique_ptr<ShardsHistory> history_;
  std::unique_ptr<Store> store_;
  Random random_;
  ShardsProgress progress_;
  std::vector<ShardsMoment> moments_;
  uint64_t flushes_ = 0, compactions_ = 0;
};

// Opens what a crash left, then loses power again, writes, and opens again.
Status CheckShards(const ShardsRun& run, const ShardsHistory& history,
                   const std::shared_ptr<SimDisk>& disk, uint32_t least, uint32_t most);

// Crashes at a moment, and crashes again at up to `again` moments of the recovery. Counts the
// points in *points. The message names run, step, mode and damage seed.
Status CrashShards(const ShardsRun& run, const ShardsHistory& history, const ShardsMoment& moment,
                   CrashMode mode, uint64_t damage, int again, uint64_t* points);

}  // namespace lsmlab::test
