#include "tests/crash/shards_workload.h"

#include <algorithm>

#include "tests/support/checked_value.h"
#include "tests/support/whole_walk.h"

namespace lsmlab::test {
namespace {

// Differs from others in its first and tenth byte, so that each partitioner spreads such keys.
std::string SpreadKey(uint64_t byte, const std::string& tail) {
  const std::string spread(1, static_cast<char>(byte));
  return spread + "spreads " + spread + tail;
}

Task<void> Tell(Task<Status> task, Status* status, bool* done) {
  *status = co_await task;
  *done = true;
}

}  // namespace

StoreOptions ShardsRun::Options(const std::shared_ptr<SimDisk>& disk) const {
  Settings settings = {{"engine.catalog.edit_log_size", "1KiB"}};
  if (on_loops) {
    settings.emplace_back("engine.executor.variant", "reactor");
    settings.emplace_back("engine.executor.loops", "3");
    settings.emplace_back("engine.executor.seed", std::to_string(seed));
  } else {
    settings.emplace_back("engine.executor.variant", "inline");
  }
  // The engine itself needs no thread for `interval`; the rule against it is one for users.
  if (sync != "interval") settings.emplace_back("engine.wal.sync", sync);
  StoreOptions options;
  options.path = "/store";
  options.composition = ComposeSmall(composition, settings);
  if (sync == "interval") options.composition.wal.settings.Set("sync", std::string("interval"));
  SimulatedOptions io;
  io.direct = ParseDirect(options.composition.io.settings.Choice("direct"));
  io.defer = on_loops;
  io.seed = seed;
  options.io = MakeSimulatedIo(disk, io);
  options.seed = seed;
  return options;
}

ShardsHistory::ShardsHistory(const Partitioner& partitioner) : partitioner_(partitioner) {
  for (uint32_t shard = 0; shard < partitioner.shards(); ++shard) {
    std::string marker;
    for (int i = 0; marker.empty() || partitioner.ShardOf(marker) != shard; ++i) {
      marker = std::string(1, static_cast<char>(i * 37)) + "marker" + std::to_string(i);
    }
    markers_.push_back(marker);
  }
  order_.resize(markers_.size());
}

uint32_t ShardsHistory::Add(Random& random, WriteBatch* batch) {
  std::vector<bool> concerned(markers_.size());
  const uint64_t changes = random.OneIn(3) ? 2 + random.Below(6) : 1;
  for (uint64_t i = 0; i < changes; ++i) {
    const uint64_t drawn = random.Below(40);
    const std::string key = SpreadKey(drawn * 5, "key" + std::to_string(drawn));
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

Status ShardsHistory::Match(Store& store, uint32_t least, uint32_t most,
                            std::vector<bool>* kept) const {
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

Status ShardsHistory::FindPrefix(Store& store, uint32_t shard, uint64_t* limit,
                                 size_t* prefix) const {
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

Status ShardsHistory::CheckKeys(Store& store, const std::vector<uint64_t>& limits) const {
  std::string value;
  for (const auto& [key, versions] : model_.map()) {
    const Status status = store.Get(key, &value);
    LSMLAB_TRY(CheckRead(model_, limits[partitioner_.ShardOf(key)], key, status, value));
  }
  return Status();
}

Status ShardsHistory::CheckWalk(Store& store, const std::vector<uint64_t>& limits) const {
  WholeContent content;
  for (const auto& [key, versions] : model_.map()) {
    const StoreModel::Version* version = model_.Find(key, limits[partitioner_.ShardOf(key)]);
    if (version == nullptr) continue;
    content[key] = CheckedValue(key, version->operation, version->length);
  }
  return CheckWholeWalks(store, content);
}

ShardsWorkload::ShardsWorkload(const ShardsRun& run) : run_(run), random_(run.seed) {
  const Composition composition = run.Options(disk_).composition;
  partitioner_ = composition.partitioner.variant->make(composition.partitioner.settings);
  history_ = std::make_unique<ShardsHistory>(*partitioner_);
}

Status ShardsWorkload::Run(uint64_t every) {
  disk_->SetAfterStep([this, every](uint64_t step) {
    if (step % every == 0) moments_.push_back({step, disk_->Snapshot(), progress_});
  });
  Status status = Open();
  while (status.ok() && progress_.issued < run_.writes) {
    const bool maintains = random_.OneIn(10);
    status = maintains ? Maintain() : Write();
    if (status.ok() && !maintains) status = Settle();
  }
  if (store_ != nullptr) {
    Status closed = Close();
    if (status.ok()) status = std::move(closed);
  }
  disk_->SetAfterStep(nullptr);
  if (status.ok()) moments_.push_back({disk_->steps(), disk_->Snapshot(), progress_});
  return status;
}

Status ShardsWorkload::Close() {
  const StoreStats stats = store_->Stats();
  flushes_ += stats.flushes;
  compactions_ += stats.compactions + stats.trivial_moves;
  Status closed = store_->Close();
  if (closed.ok()) progress_.durable = progress_.acknowledged;
  store_.reset();
  return closed;
}

// After a third of the writes tables, after two thirds others, merged with them.
Status ShardsWorkload::Settle() {
  const uint32_t third = std::max(1u, run_.writes / 3);
  if (progress_.issued != third && progress_.issued != 2 * third) return Status();
  LSMLAB_TRY(store_->Flush());
  progress_.durable = progress_.acknowledged;
  return progress_.issued == third ? Status() : store_->CompactRange(Slice(), Slice());
}

Status ShardsWorkload::Open() {
  StoreOptions options = run_.Options(disk_);
  if (run_.around_io) options.io = run_.around_io(options.io);
  auto store = Store::Open(std::move(options));
  if (!store.ok()) return store.status();
  store_ = std::move(store).value();
  return Status();
}

Status ShardsWorkload::Write() {
  WriteBatch batch;
  progress_.issued = history_->Add(random_, &batch);
  const bool on_a_loop = run_.on_loops && random_.OneIn(2);
  if (run_.write) {
    LSMLAB_TRY(run_.write(*store_, batch));
  } else {
    LSMLAB_TRY(on_a_loop ? WriteOnALoop(batch) : store_->Write(batch));
  }
  progress_.acknowledged = progress_.issued;
  if (run_.sync == "group" || run_.sync == "every") progress_.durable = progress_.issued;
  return Status();
}

Status ShardsWorkload::WriteOnALoop(const WriteBatch& batch) {
  Executor& executor = store_->executor();
  const auto loop = static_cast<int>(random_.Below(static_cast<uint64_t>(executor.loops())));
  Status status;
  bool done = false;
  executor.SpawnOn(loop, Priority::kForeground, Tell(store_->WriteAsync(batch), &status, &done),
                   store_->io());
  executor.RunUntil(done, store_->io());
  return status;
}

Status ShardsWorkload::Maintain() {
  const uint64_t kind = random_.Below(8);
  if (kind < 4) {
    LSMLAB_TRY(store_->Flush());
  } else if (kind < 5) {
    LSMLAB_TRY(store_->CompactRange(Slice(), Slice()));
  } else if (kind < 7) {
    LSMLAB_TRY(store_->SyncLog());
  } else {
    LSMLAB_TRY(Close());
    LSMLAB_TRY(Open());
  }
  progress_.durable = progress_.acknowledged;
  return Status();
}

Status CheckShards(const ShardsRun& run, const ShardsHistory& history,
                   const std::shared_ptr<SimDisk>& disk, uint32_t least, uint32_t most) {
  auto opened = Store::Open(run.Options(disk));
  if (!opened.ok()) return opened.status();
  std::vector<bool> kept, same;
  LSMLAB_TRY(history.Match(*opened.value(), least, most, &kept));
  LSMLAB_TRY(opened.value()->Verify());
  {
    auto again = Store::Open(run.Options(disk->Crash(CrashMode::kDurable, 1)));
    if (!again.ok()) return again.status();
    LSMLAB_TRY(history.Match(*again.value(), least, most, &same));
    if (same != kept) return Status::Corruption("after a power loss it holds other writes");
  }
  // One more batch over all shards, and the store as it is now to the end.
  WriteBatch batch;
  for (uint64_t i = 0; i < 64; ++i) batch.Put(SpreadKey(i * 4, "after"), "x");
  LSMLAB_TRY(opened.value()->Write(batch));
  LSMLAB_TRY(opened.value()->Flush());
  LSMLAB_TRY(opened.value()->Verify());
  LSMLAB_TRY(opened.value()->Close());
  for (const std::string& path : disk->Files()) {
    if (path.find("RECOVERY") != std::string::npos || path.ends_with(".copy"))
      return Status::Corruption(path + " is left");
  }
  opened = Store::Open(run.Options(disk));
  if (!opened.ok()) return opened.status();
  std::string value;
  for (uint64_t i = 0; i < 64; ++i) {
    LSMLAB_TRY(opened.value()->Get(SpreadKey(i * 4, "after"), &value));
  }
  return Status();
}

Status CrashShards(const ShardsRun& run, const ShardsHistory& history, const ShardsMoment& moment,
                   CrashMode mode, uint64_t damage, int again, uint64_t* points) {
  const uint32_t least =
      mode == CrashMode::kAll ? moment.progress.acknowledged : moment.progress.durable;
  const uint32_t most = moment.progress.issued;
  const auto name = [&](const Status& status, const std::string& second) {
    if (status.ok()) return status;
    return Status(status.code(), std::string(status.message()) + " [" + run.composition.name +
                                     ", sync " + run.sync + (run.on_loops ? ", on loops" : "") +
                                     ", seed " + std::to_string(run.seed) + ", step " +
                                     std::to_string(moment.step) + ", mode " +
                                     std::to_string(static_cast<int>(mode)) + ", damage " +
                                     std::to_string(damage) + second + "]");
  };
  std::shared_ptr<SimDisk> crashed = moment.disk->Crash(mode, damage);
  ++*points;
  LSMLAB_TRY(name(CheckShards(run, history, crashed->Snapshot(), least, most), ""));
  std::vector<std::shared_ptr<SimDisk>> during;
  if (again > 0) {
    crashed->SetAfterStep([&](uint64_t) { during.push_back(crashed->Snapshot()); });
    auto store = Store::Open(run.Options(crashed));
    crashed->SetAfterStep(nullptr);
    if (!store.ok()) return name(store.status(), ", opened twice");
  }
  Random random(damage);
  for (int i = 0; i < again; ++i) {
    const size_t at = random.Below(during.size());
    const auto second = static_cast<CrashMode>(random.Below(kCrashModes));
    ++*points;
    LSMLAB_TRY(name(CheckShards(run, history, during[at]->Crash(second, damage + i), least, most),
                    ", again after operation " + std::to_string(at + 1) + " of the recovery"));
  }
  return Status();
}

}  // namespace lsmlab::test
