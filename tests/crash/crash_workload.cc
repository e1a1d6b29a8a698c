#include "tests/crash/crash_workload.h"

#include <algorithm>

#include "engine/format/file_name.h"

namespace lsmlab::test {
namespace {

constexpr const char* kPath = "/store";

Settings CrashSettings(const CrashRun& run) {
  // One shard: what is checked is one order of writes.
  Settings settings = {{"engine.executor.variant", "inline"},
                       {"engine.partitioner.variant", "single"},
                       {"engine.catalog.edit_log_size", "1KiB"}};
  const Settings& changes = run.composition.changes;
  const bool leveled = std::none_of(changes.begin(), changes.end(), [](const auto& change) {
    return change.first == "engine.compaction.variant";
  });
  // Early merges; the other policies have no such setting.
  if (leveled) settings.emplace_back("engine.compaction.l0_trigger", "2");
  // The engine itself needs no thread for `interval`; the rule against it is one for users.
  if (run.sync != "interval") settings.emplace_back("engine.wal.sync", run.sync);
  return settings;
}

std::vector<History::Change> DrawChanges(Random& random) {
  static const std::vector<std::string> kEdges = {"", std::string(1, '\0'), std::string(9, '\xff'),
                                                  std::string(254, 'p') + "a",
                                                  std::string(254, 'p') + "b"};
  std::vector<History::Change> changes(random.OneIn(4) ? 1 + random.Below(8) : 1);
  for (History::Change& change : changes) {
    const uint64_t drawn = random.Below(40);
    change.key = drawn < kEdges.size() ? kEdges[drawn] : "key" + std::to_string(drawn);
    change.deleted = random.OneIn(5);
    change.length = 28 + random.Below(random.OneIn(8) ? 6000 : 500);
  }
  return changes;
}

// Of the log `ring`: the slots that it keeps, and one that an open needs while all hold a log.
constexpr uint64_t kSlotsMost = 4;

// What a store that has just been opened keeps: its tables and value files, one log, and one
// manifest or, with the catalog `footers`, one table without entries.
Status CheckNoOrphans(const SimDisk& disk, const StoreStats& live, bool footers) {
  uint64_t tables = 0, values = 0, logs = 0, slots = 0, manifests = 0;
  for (const std::string& path : disk.Files()) {
    tables += path.ends_with(".sst") || path.ends_with(kUnfinishedTable) ? 1 : 0;
    values += path.ends_with(".val") ? 1 : 0;
    logs += path.ends_with(".log") ? 1 : 0;
    slots += path.ends_with(".ring") ? 1 : 0;
    manifests += path.find("MANIFEST") != std::string::npos ? 1 : 0;
  }
  if (footers) tables -= tables > live.tables ? 1 : 0;
  if (tables == live.tables && values == live.value_files && logs <= 1 && slots <= kSlotsMost &&
      manifests == (footers ? 0u : 1u)) {
    return Status();
  }
  return Status::Corruption(
      "orphans: " + std::to_string(tables) + " table files where " + std::to_string(live.tables) +
      " are live, " + std::to_string(values) + " value files where " +
      std::to_string(live.value_files) + " are live, " + std::to_string(logs) + " logs, " +
      std::to_string(slots) + " slots, " + std::to_string(manifests) + " manifests");
}

}  // namespace

CrashWorkload::CrashWorkload(CrashRun run)
    : run_(std::move(run)),
      composition_(ComposeSmall(run_.composition, CrashSettings(run_))),
      random_(run_.seed) {
  if (run_.sync == "interval") composition_.wal.settings.Set("sync", std::string("interval"));
  log_kept_ = composition_.wal.variant->name != "off";
  footers_ = composition_.catalog.variant->name == "footers";
  acknowledged_is_durable_ = run_.sync == "group" || run_.sync == "every";
}

StoreOptions CrashWorkload::OptionsOn(std::shared_ptr<SimDisk> disk) const {
  StoreOptions options;
  options.path = kPath;
  options.composition = composition_;
  SimulatedOptions io;
  io.direct = ParseDirect(composition_.io.settings.Choice("direct"));
  options.io = MakeSimulatedIo(std::move(disk), io);
  options.seed = run_.seed;
  return options;
}

Status CrashWorkload::Open() {
  StoreOptions options = OptionsOn(disk_);
  if (run_.make_io) options.io = run_.make_io(disk_);
  if (run_.wal != nullptr) options.composition.wal.variant = run_.wal;
  auto store = Store::Open(std::move(options));
  if (!store.ok()) return store.status();
  store_ = std::move(store).value();
  return Status();
}

Status CrashWorkload::Run() {
  disk_->SetAfterStep([this](uint64_t step) {
    if (run_.wanted && !run_.wanted()) return;
    if (!run_.script.empty() && !begun_) return;
    if (step % run_.every == 0) moments_.push_back({step, disk_->Snapshot(), progress_});
  });
  Status status = Open();
  begun_ = true;
  for (const CrashStep step : run_.script) {
    if (status.ok()) status = Do(step);
  }
  while (status.ok() && run_.script.empty() && progress_.issued < run_.writes) status = Drawn();
  if (store_ != nullptr) {
    Status closed = Close();
    if (status.ok()) status = std::move(closed);
  }
  disk_->SetAfterStep(nullptr);
  if (status.ok() && !run_.wanted) {
    moments_.push_back({disk_->steps(), disk_->Snapshot(), progress_});
  }
  return status;
}

Status CrashWorkload::Close() {
  const StoreStats stats = store_->Stats();
  flushes_ += stats.flushes;
  compactions_ += stats.compactions + stats.trivial_moves;
  Status closed = store_->Close();
  if (closed.ok() && log_kept_) progress_.durable = progress_.acknowledged;
  store_.reset();
  return closed;
}

// After a third of the writes a table, after two thirds another one, merged with it.
Status CrashWorkload::Settle() {
  const uint32_t third = std::max(1u, run_.writes / 3);
  if (progress_.issued != third && progress_.issued != 2 * third) return Status();
  LSMLAB_TRY(store_->Flush());
  progress_.durable = progress_.acknowledged;
  return progress_.issued == third ? Status() : store_->CompactRange(Slice(), Slice());
}

Status CrashWorkload::Write(const std::vector<History::Change>& changes) {
  WriteBatch batch;
  progress_.issued = history_.Add(changes, &batch);
  LSMLAB_TRY(run_.write ? run_.write(*store_, batch) : store_->Write(batch));
  progress_.acknowledged = progress_.issued;
  if (acknowledged_is_durable_) progress_.durable = progress_.issued;
  return Status();
}

Status CrashWorkload::Drawn() {
  if (!random_.OneIn(12)) {
    LSMLAB_TRY(Write(DrawChanges(random_)));
    return Settle();
  }
  const uint64_t kind = random_.Below(16);
  if (kind < 8) return Do(CrashStep::kFlush);
  if (kind < 10) return Do(CrashStep::kDrain);
  if (kind < 12) return Do(CrashStep::kMerge);
  return Do(kind < 15 ? CrashStep::kSync : CrashStep::kReopen);
}

Status CrashWorkload::Do(CrashStep step) {
  const size_t length = 120 + 10 * progress_.issued;
  switch (step) {
    case CrashStep::kPut:
      return Write({{"a", false, length}});
    case CrashStep::kDelete:
      return Write({{"a", true, 0}});
    case CrashStep::kBatch:
      return Write({{"b", false, length}, {"a", false, length}, {"b", true, 0}, {"b", false, 28}});
    case CrashStep::kSync:
      LSMLAB_TRY(store_->SyncLog());
      if (!log_kept_) return Status();
      break;
    case CrashStep::kFlush:
      LSMLAB_TRY(store_->Flush());
      break;
    case CrashStep::kDrain:
      LSMLAB_TRY(store_->Drain());
      break;
    case CrashStep::kMerge:
      LSMLAB_TRY(store_->CompactRange(Slice(), Slice()));
      break;
    case CrashStep::kReopen:
      if (!log_kept_) LSMLAB_TRY(Do(CrashStep::kFlush));
      LSMLAB_TRY(Close());
      return Open();
  }
  progress_.durable = progress_.acknowledged;
  return Status();
}

uint32_t LeastAfter(CrashMode mode, const Progress& progress, bool log_kept) {
  return mode == CrashMode::kAll && log_kept ? progress.acknowledged : progress.durable;
}

Status CheckRecovered(const CrashWorkload& workload, std::shared_ptr<SimDisk> disk, uint32_t least,
                      uint32_t most) {
  auto opened = Store::Open(workload.OptionsOn(disk));
  if (!opened.ok()) return opened.status();
  std::unique_ptr<Store> store = std::move(opened).value();
  // The longest prefix that fits the state was found: the same state must be found again.
  uint32_t found = 0;
  LSMLAB_TRY(workload.history().Match(*store, least, most, &found));
  LSMLAB_TRY(store->Verify());
  {
    auto again = Store::Open(workload.OptionsOn(disk->Crash(CrashMode::kDurable, 1)));
    if (!again.ok()) return again.status();
    uint32_t same = 0;
    Status status = workload.history().Match(*again.value(), found, found, &same);
    if (!status.ok()) {
      return Status(status.code(),
                    "after what was shown and a power loss: " + std::string(status.message()));
    }
  }
  History extended = workload.history().Prefix(found);
  Random random(found);
  for (int i = 0; i < 8; ++i) {
    WriteBatch batch;
    extended.Add(DrawChanges(random), &batch);
    LSMLAB_TRY(store->Write(batch));
  }
  const uint32_t all = extended.writes();
  LSMLAB_TRY(store->Flush());
  LSMLAB_TRY(extended.Match(*store, all, all, &found));
  LSMLAB_TRY(store->CompactRange(Slice(), Slice()));
  LSMLAB_TRY(store->Verify());
  LSMLAB_TRY(extended.Match(*store, all, all, &found));
  LSMLAB_TRY(store->Drain());  // so that the next open owes no job whose files would be counted
  LSMLAB_TRY(store->Close());
  store.reset();
  opened = Store::Open(workload.OptionsOn(disk));
  if (!opened.ok()) return opened.status();
  LSMLAB_TRY(CheckNoOrphans(*disk, opened.value()->Stats(), workload.footers()));
  return extended.Match(*opened.value(), all, all, &found);
}

Status CheckCrash(const CrashWorkload& workload, const Moment& moment, CrashMode mode,
                  uint64_t damage, int again, uint64_t* points) {
  const uint32_t least = LeastAfter(mode, moment.progress, workload.log_kept());
  const uint32_t most = moment.progress.issued;
  const auto name = [&](const Status& status, const std::string& second) {
    const CrashRun& run = workload.run();
    return Status(status.code(), std::string(status.message()) + " [" + run.composition.name +
                                     ", sync " + run.sync + ", seed " + std::to_string(run.seed) +
                                     ", " + std::to_string(run.writes) + " writes, step " +
                                     std::to_string(moment.step) + ", mode " +
                                     std::to_string(static_cast<int>(mode)) + ", damage " +
                                     std::to_string(damage) + second + "]");
  };
  std::shared_ptr<SimDisk> crashed = moment.disk->Crash(mode, damage);
  ++*points;
  Status status = CheckRecovered(workload, crashed->Snapshot(), least, most);
  if (!status.ok()) return name(status, "");
  if (again == 0) return status;
  // The same recovery once more, with crashes in it.
  const uint64_t before = crashed->steps();
  std::vector<std::shared_ptr<SimDisk>> during;
  crashed->SetAfterStep([&](uint64_t) { during.push_back(crashed->Snapshot()); });
  {
    auto store = Store::Open(workload.OptionsOn(crashed));
    if (!store.ok()) return name(store.status(), ", opened twice");
    crashed->SetAfterStep(nullptr);
  }
  Random random(damage ^ before);
  for (int i = 0; i < again; ++i) {
    const size_t at = random.Below(during.size());
    const auto second = static_cast<CrashMode>(random.Below(kCrashModes));
    ++*points;
    status = CheckRecovered(workload, during[at]->Crash(second, damage + i), least, most);
    if (!status.ok()) {
      return name(status, ", again after operation " + std::to_string(at + 1) +
                              " of the recovery, mode " + std::to_string(static_cast<int>(second)) +
                              ", damage " + std::to_string(damage + i));
    }
  }
  return Status();
}

}  // namespace lsmlab::test
