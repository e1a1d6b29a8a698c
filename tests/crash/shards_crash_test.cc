#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/part_doubles.h"
#include "tests/support/store_model.h"
#include "tests/support/test_scale.h"
#include "variants/io/simulated_io.h"

// Power loss over stores of several shards, with batches over some of them. Afterwards each shard
// holds a prefix of the writes that concern it, with all that were durable, and no batch is there
// in one shard and missing in another. Each write puts a marker into every shard it concerns, so
// that what a shard holds names its prefix.
namespace lsmlab::test {
namespace {

struct ShardsRun {
  TestComposition composition;
  std::string sync;
  uint64_t seed = 1;
  uint32_t writes = 60;

  StoreOptions Options(const std::shared_ptr<SimDisk>& disk) const {
    Settings settings = {{"engine.executor.variant", "inline"},
                         {"engine.catalog.edit_log_size", "1KiB"}};
    if (sync != "interval") settings.emplace_back("engine.wal.sync", sync);
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall(composition, settings);
    if (sync == "interval") options.composition.wal.settings.Set("sync", std::string("interval"));
    SimulatedOptions io;
    io.direct = ParseDirect(options.composition.io.settings.Choice("direct"));
    options.io = MakeSimulatedIo(disk, io);
    options.seed = seed;
    return options;
  }
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
  explicit ShardsHistory(const Partitioner& partitioner) : partitioner_(partitioner) {
    for (uint32_t shard = 0; shard < partitioner.shards(); ++shard) {
      std::string marker;
      for (int i = 0; marker.empty() || partitioner.ShardOf(marker) != shard; ++i) {
        marker = std::string(1, static_cast<char>(i * 37)) + "marker" + std::to_string(i);
      }
      markers_.push_back(marker);
    }
    order_.resize(markers_.size());
  }

  uint32_t writes() const noexcept { return static_cast<uint32_t>(writes_.size()); }

  // One more write: changes to up to `changes` keys, and the markers of their shards.
  uint32_t Add(Random& random, WriteBatch* batch) {
    std::vector<bool> concerned(markers_.size());
    const uint64_t changes = random.OneIn(3) ? 2 + random.Below(6) : 1;
    for (uint64_t i = 0; i < changes; ++i) {
      const uint64_t drawn = random.Below(40);
      const std::string key =
          std::string(1, static_cast<char>(drawn * 5)) + "key" + std::to_string(drawn);
      concerned[partitioner_.ShardOf(key)] = true;
      ++operation_;
      if (random.OneIn(5)) {
        model_.Delete(operation_, key);
        batch->Delete(key);
      } else {
        const size_t length = 28 + random.Below(random.OneIn(6) ? 9000 : 600);
        model_.Put(operation_, key, length);
        batch->Put(key, CheckedValue(key, operation_, length));
      }
    }
    Write write;
    for (uint32_t shard = 0; shard < markers_.size(); ++shard) {
      if (!concerned[shard]) continue;
      model_.Put(++operation_, markers_[shard], 28);
      batch->Put(markers_[shard], CheckedValue(markers_[shard], operation_, 28));
      write.shards.push_back(shard);
      write.markers.push_back(operation_);
      order_[shard].push_back(writes());
    }
    across_ += write.shards.size() > 1;
    writes_.push_back(std::move(write));
    return writes();
  }
  uint32_t across() const noexcept { return across_; }

  // What the store holds: all of the writes below `least` (numbered from 1), none above `most`.
  // `kept`: for each write whether it is there.
  Status Match(Store& store, uint32_t least, uint32_t most, std::vector<bool>* kept) const {
    kept->assign(writes_.size(), false);
    std::vector<uint64_t> limits(markers_.size(), 0);
    std::vector<size_t> prefixes(markers_.size(), 0);
    for (uint32_t shard = 0; shard < markers_.size(); ++shard) {
      LSMLAB_TRY(FindPrefix(store, shard, &limits[shard], &prefixes[shard]));
    }
    LSMLAB_TRY(CheckKeys(store, limits));
    LSMLAB_TRY(CheckWalk(store, limits));
    std::vector<std::optional<bool>> seen(writes_.size());
    for (uint32_t shard = 0; shard < markers_.size(); ++shard) {
      for (size_t i = 0; i < order_[shard].size(); ++i) {
        const uint32_t write = order_[shard][i];
        const bool there = i < prefixes[shard];
        if (seen[write].has_value() && *seen[write] != there) {
          return Status::Corruption("write " + std::to_string(write + 1) +
                                    " is in one of its shards and not in shard " +
                                    std::to_string(shard));
        }
        seen[write] = there;
        (*kept)[write] = there;
        if ((!there && write + 1 <= least) || (there && write + 1 > most)) {
          return Status::Corruption("shard " + std::to_string(shard) + " holds the first " +
                                    std::to_string(prefixes[shard]) + " of its writes; write " +
                                    std::to_string(write + 1) + (there ? " is" : " is not") +
                                    " there, allowed are " + std::to_string(least) + " to " +
                                    std::to_string(most));
        }
      }
    }
    return Status();
  }

 private:
  struct Write {
    std::vector<uint32_t> shards;
    std::vector<uint64_t> markers;
  };

  Status FindPrefix(Store& store, uint32_t shard, uint64_t* limit, size_t* prefix) const {
    const std::string& marker = markers_[shard];
    std::string value;
    const Status status = store.Get(marker, &value);
    if (status.IsNotFound()) return Status();
    LSMLAB_TRY(status);
    *limit = OperationOf(marker, value).value_or(0);
    for (size_t i = 0; i < order_[shard].size(); ++i) {
      const Write& write = writes_[order_[shard][i]];
      const size_t at = static_cast<size_t>(
          std::find(write.shards.begin(), write.shards.end(), shard) - write.shards.begin());
      if (write.markers[at] == *limit) *prefix = i + 1;
    }
    if (*prefix == 0) return Status::Corruption("a marker has a value that nobody wrote");
    return Status();
  }
  Status CheckKeys(Store& store, const std::vector<uint64_t>& limits) const {
    std::string value;
    for (const auto& [key, versions] : model_.map()) {
      const Status status = store.Get(key, &value);
      LSMLAB_TRY(CheckRead(model_, limits[partitioner_.ShardOf(key)], key, status, value));
    }
    return Status();
  }
  Status CheckWalk(Store& store, const std::vector<uint64_t>& limits) const {
    auto walk = store.NewIterator();
    LSMLAB_TRY(walk->SeekToFirst());
    for (const auto& [key, versions] : model_.map()) {
      const StoreModel::Version* version = model_.Find(key, limits[partitioner_.ShardOf(key)]);
      if (version == nullptr || version->deleted) continue;
      if (!walk->valid() || walk->key() != key) {
        return Status::Corruption("a walk does not show key " + ShownKey(key));
      }
      LSMLAB_TRY(walk->Next());
    }
    return walk->valid() ? Status::Corruption("a walk shows more than there is") : Status();
  }

  const Partitioner& partitioner_;
  std::vector<std::string> markers_;
  StoreModel model_;
  uint64_t operation_ = 0;
  uint32_t across_ = 0;
  std::vector<Write> writes_;
  std::vector<std::vector<uint32_t>> order_;  // per shard: its writes
};

class ShardsWorkload {
 public:
  explicit ShardsWorkload(const ShardsRun& run) : run_(run), random_(run.seed) {
    const Composition composition = run.Options(disk_).composition;
    partitioner_ = composition.partitioner.variant->make(composition.partitioner.settings);
    history_ = std::make_unique<ShardsHistory>(*partitioner_);
  }

  Status Run(uint64_t every) {
    disk_->SetAfterStep([this, every](uint64_t step) {
      if (step % every == 0) moments_.push_back({step, disk_->Snapshot(), progress_});
    });
    Status status = Open();
    while (status.ok() && progress_.issued < run_.writes) {
      status = random_.OneIn(10) ? Maintain() : Write();
    }
    if (store_ != nullptr) {
      Status closed = store_->Close();
      if (status.ok()) status = std::move(closed);
    }
    store_.reset();
    disk_->SetAfterStep(nullptr);
    return status;
  }
  const ShardsHistory& history() const noexcept { return *history_; }
  const std::vector<ShardsMoment>& moments() const noexcept { return moments_; }
  const ShardsProgress& progress() const noexcept { return progress_; }
  SimDisk& disk() noexcept { return *disk_; }
  uint64_t steps() const noexcept { return disk_->steps(); }

 private:
  Status Open() {
    auto store = Store::Open(run_.Options(disk_));
    if (!store.ok()) return store.status();
    store_ = std::move(store).value();
    return Status();
  }
  Status Write() {
    WriteBatch batch;
    progress_.issued = history_->Add(random_, &batch);
    LSMLAB_TRY(store_->Write(batch));
    progress_.acknowledged = progress_.issued;
    if (run_.sync == "group" || run_.sync == "every") progress_.durable = progress_.issued;
    return Status();
  }
  Status Maintain() {
    const uint64_t kind = random_.Below(8);
    if (kind < 4) {
      LSMLAB_TRY(store_->Flush());
    } else if (kind < 5) {
      LSMLAB_TRY(store_->CompactRange(Slice(), Slice()));
    } else if (kind < 7) {
      LSMLAB_TRY(store_->SyncLog());
    } else {
      LSMLAB_TRY(store_->Close());
      store_.reset();
      LSMLAB_TRY(Open());
    }
    progress_.durable = progress_.acknowledged;
    return Status();
  }

  const ShardsRun run_;
  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  std::unique_ptr<Partitioner> partitioner_;
  std::unique_ptr<ShardsHistory> history_;
  std::unique_ptr<Store> store_;
  Random random_;
  ShardsProgress progress_;
  std::vector<ShardsMoment> moments_;
};

uint64_t shard_points = 0;

// Opens what a crash left, then loses power again, writes, and opens again.
Status CheckShards(const ShardsRun& run, const ShardsHistory& history,
                   const std::shared_ptr<SimDisk>& disk, uint32_t least, uint32_t most) {
  ++shard_points;
  auto opened = Store::Open(run.Options(disk));
  if (!opened.ok()) return opened.status();
  std::vector<bool> kept, same;
  LSMLAB_TRY(history.Match(*opened.value(), least, most, &kept));
  {
    auto again = Store::Open(run.Options(disk->Crash(CrashMode::kDurable, 1)));
    if (!again.ok()) return again.status();
    LSMLAB_TRY(history.Match(*again.value(), least, most, &same));
    if (same != kept) return Status::Corruption("after a power loss it holds other writes");
  }
  // One more batch over all shards, and the store as it is now to the end.
  WriteBatch batch;
  for (int i = 0; i < 64; ++i) batch.Put(std::string(1, static_cast<char>(i * 4)) + "after", "x");
  LSMLAB_TRY(opened.value()->Write(batch));
  LSMLAB_TRY(opened.value()->Flush());
  LSMLAB_TRY(opened.value()->Verify());
  LSMLAB_TRY(opened.value()->Close());
  for (const std::string& path : disk->Files()) {
    if (path.find("RECOVERY") != std::string::npos) return Status::Corruption(path + " is left");
  }
  opened = Store::Open(run.Options(disk));
  if (!opened.ok()) return opened.status();
  std::string value;
  for (int i = 0; i < 64; ++i) {
    LSMLAB_TRY(opened.value()->Get(std::string(1, static_cast<char>(i * 4)) + "after", &value));
  }
  return Status();
}

// Crashes, and crashes again at moments of the recovery.
Status CrashShards(const ShardsRun& run, const ShardsHistory& history, const ShardsMoment& moment,
                   CrashMode mode, uint64_t damage, int again) {
  const uint32_t least =
      mode == CrashMode::kAll ? moment.progress.acknowledged : moment.progress.durable;
  const uint32_t most = moment.progress.issued;
  std::shared_ptr<SimDisk> crashed = moment.disk->Crash(mode, damage);
  LSMLAB_TRY(CheckShards(run, history, crashed->Snapshot(), least, most));
  std::vector<std::shared_ptr<SimDisk>> during;
  if (again > 0) {
    crashed->SetAfterStep([&](uint64_t) { during.push_back(crashed->Snapshot()); });
    auto store = Store::Open(run.Options(crashed));
    crashed->SetAfterStep(nullptr);
    if (!store.ok()) return store.status();
  }
  Random random(damage);
  for (int i = 0; i < again; ++i) {
    const size_t at = random.Below(during.size());
    const auto second = static_cast<CrashMode>(random.Below(kCrashModes));
    Status status = CheckShards(run, history, during[at]->Crash(second, damage + i), least, most);
    if (!status.ok()) {
      return Status(status.code(), std::string(status.message()) + " (in the recovery, operation " +
                                       std::to_string(at + 1) + ")");
    }
  }
  return Status();
}

std::vector<TestComposition> ShardedCompositions() {
  const auto with = [](std::string name, Settings changes, const std::string& shards,
                       const char* partitioner) {
    changes.emplace_back("engine.partitioner.variant", partitioner);
    changes.emplace_back("engine.partitioner.shards", shards);
    return TestComposition{std::move(name), "", std::move(changes)};
  };
  TestComposition separated = SeparatedCompositions().front();
  return {
      {"three", "", {}, &kThreeShards},
      with("hash_2", {}, "2", "hash"),
      with("first_byte_7", {}, "7", "first-byte"),
      with("footers_3", FootersCompositions().front().changes, "3", "hash"),
      with("separated_2", separated.changes, "2", "first-byte"),
      with("ring_3", RingComposition(false).changes, "3", "hash"),
      with("ring_direct_2", RingComposition(true).changes, "2", "hash"),
  };
}

class ShardsCrashTest : public testing::TestWithParam<size_t> {};

TEST_P(ShardsCrashTest, LeavesPrefixesAndWholeBatches) {
  const TestComposition composition = ShardedCompositions()[GetParam()];
  for (const char* sync : {"none", "interval", "group", "every"}) {
    for (uint64_t seed = 1; seed <= Scaled(1); ++seed) {
      const ShardsRun run{composition, sync, TestSeed(seed * 100 + GetParam()), 60};
      uint64_t steps;
      {
        ShardsWorkload whole(run);
        const Status ran = whole.Run(~uint64_t{0});
        ASSERT_TRUE(ran.ok()) << ran.ToString();
        ASSERT_GT(whole.history().across(), 5u);
        steps = whole.steps();
      }
      ShardsWorkload workload(run);
      ASSERT_TRUE(workload.Run(std::max<uint64_t>(1, steps / Scaled(14))).ok());
      for (const ShardsMoment& moment : workload.moments()) {
        for (int mode = 0; mode < kCrashModes; ++mode) {
          const Status status =
              CrashShards(run, workload.history(), moment, static_cast<CrashMode>(mode),
                          moment.step * kCrashModes + static_cast<size_t>(mode), 2);
          ASSERT_TRUE(status.ok())
              << status.ToString() << ": " << composition.name << ", sync " << sync << ", seed "
              << run.seed << ", step " << moment.step << ", mode " << mode;
        }
      }
    }
  }
  std::printf("points over several shards so far: %llu\n",
              static_cast<unsigned long long>(shard_points));
}

// One operation of the disk fails, the store is closed as well as it can be, and power is lost: a
// log that could not be synced must not leave other shards with more than it has.
TEST(ShardsFaultTest, AfterAnErrorAndAPowerLossBatchesAreWhole) {
  for (const size_t number : {size_t{0}, size_t{3}, size_t{6}}) {
    for (const char* sync : {"none", "interval", "group"}) {
      const ShardsRun run{ShardedCompositions()[number], sync, TestSeed(900 + number), 40};
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
        for (const CrashMode mode : {CrashMode::kDurable, CrashMode::kAll}) {
          const Status status =
              CheckShards(run, workload.history(), workload.disk().Crash(mode, at),
                          workload.progress().durable, workload.progress().issued);
          ASSERT_TRUE(status.ok())
              << status.ToString() << ": " << run.composition.name << ", sync " << sync
              << ", operation " << at << " failed, mode " << static_cast<int>(mode);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ShardsCrashTest, testing::Range<size_t>(0, 7),
                         [](const auto& c) { return ShardedCompositions()[c.param].name; });

}  // namespace
}  // namespace lsmlab::test
