#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

#include "engine/base/random.h"
#include "tests/crash/crash_workload.h"
#include "tests/support/filter_io.h"
#include "tests/support/test_scale.h"

// The N-th operation of the disk fails, once or from then on, with EIO or for want of space, for N
// over whole scripts; and disks that are too small. Nothing acknowledged is lost, nothing wrong is
// read, nothing is acknowledged after a failed sync, and a later open finds everything in order.
namespace lsmlab::test {
namespace {

// A script of writes and maintenance that goes on after errors, and what the store may hold then.
class FaultScript {
 public:
  explicit FaultScript(const std::string& sync, const TestComposition& composition = {"", "", {}},
                       MakeIo make_io = {})
      : make_io_(std::move(make_io)) {
    CrashRun run;
    run.composition = composition;
    run.sync = sync;
    workload_ = std::make_unique<CrashWorkload>(run);
    durable_ = sync == "group" || sync == "every";
  }
  const std::shared_ptr<SimDisk>& disk() { return workload_->shared_disk(); }
  uint32_t acknowledged() const { return history_.writes(); }
  uint64_t refused() const { return refused_; }

  // Runs `steps` steps; the first broken promise.
  Status Run(int steps) {
    Random random(99);
    for (int i = 0; i < steps; ++i) {
      if (store_ == nullptr) {
        StoreOptions options = workload_->OptionsOn(disk());
        if (make_io_) options.io = make_io_(disk());
        auto store = Store::Open(std::move(options));
        if (!store.ok()) {
          LSMLAB_TRY(Expected(store.status()));
          continue;
        }
        store_ = std::move(store).value();
        LSMLAB_TRY(Settle());
      }
      const uint64_t kind = random.Below(24);
      if (kind == 0) {
        LSMLAB_TRY(Expected(store_->CompactRange(Slice(), Slice())));
      } else if (kind < 4) {
        LSMLAB_TRY(Expected(store_->Flush()));
      } else if (kind == 4) {
        Status closed = store_->Close();
        store_.reset();
        LSMLAB_TRY(Expected(closed));
      } else {
        LSMLAB_TRY(Write(random));
      }
      LSMLAB_TRY(ReadAll());
    }
    return Status();
  }

  // Without faults again: closes, opens, and finds what was acknowledged. Then the same after a
  // crash at the end of the script.
  Status Recover(CrashMode mode = CrashMode::kDurable) {
    disk()->set_capacity(0);
    auto crashed = disk()->Crash(mode, disk()->steps());
    if (store_ != nullptr) {
      Status ignored = store_->Close();
      (void)ignored;
      store_.reset();
    }
    disk()->DisarmFaults();
    LSMLAB_TRY(CheckOn(disk(), history_.writes()));
    // The names of the store's own directories are made once. When their sync fails, this disk
    // forgets them and lies ever after; a real one (ext4) stops its journal and fails every sync.
    if (disk()->faults().Failed(IoKind::kSyncDir, IoSite::kIdentity) > 0) return Status();
    return CheckOn(crashed, durable_ || mode == CrashMode::kAll ? history_.writes() : 0);
  }

 private:
  // An error is fine when it says what happened to which file; but not corruption.
  static Status Expected(const Status& status) {
    if (status.ok()) return status;
    const bool known = status.code() == StatusCode::kIoError ||
                       status.code() == StatusCode::kNoSpace ||
                       status.code() == StatusCode::kAborted;
    if (known && !status.message().empty()) return Status();
    return Status::InvalidArgument("unexpected error: " + status.ToString());
  }

  uint64_t FailedSyncs() {
    uint64_t failed = 0;
    const SimFaults faults = disk()->faults();
    for (size_t site = 0; site < kIoSites; ++site) {
      for (const IoKind kind : {IoKind::kSync, IoKind::kDataSync, IoKind::kSyncDir}) {
        failed += faults.Failed(kind, static_cast<IoSite>(site));
      }
    }
    return failed;
  }

  Status Write(Random& random) {
    std::vector<History::Change> changes(1 + random.Below(3));
    for (History::Change& change : changes) {
      change.key = "key" + std::to_string(random.Below(20));
      change.deleted = random.OneIn(5);
      change.length = 28 + random.Below(3000);
    }
    WriteBatch batch;
    History with = history_;
    with.Add(changes, &batch);
    const bool poisoned = FailedSyncs() > syncs_at_open_;
    const Status status = store_->Write(batch);
    if (!status.ok()) {
      maybe_.push_back(std::move(with));
      ++refused_;
      return Expected(status);
    }
    if (poisoned) return Status::Corruption("a write was acknowledged after a failed sync");
    // What failed before it, and was not reported as written, is not there either.
    history_ = std::move(with);
    maybe_.clear();
    return Status();
  }

  // Reads every key: the right value, or an error that is expected, as long as a failed write may
  // or may not have happened: the one or the other.
  Status ReadAll() {
    if (store_ == nullptr) return Status();
    for (int i = 0; i < 20; ++i) {
      const std::string key = "key" + std::to_string(i);
      std::string value;
      const Status status = store_->Get(key, &value);
      if (!status.ok() && !status.IsNotFound()) {
        LSMLAB_TRY(Expected(status));
        continue;
      }
      Status right = history_.CheckKey(key, status, value);
      for (const History& maybe : maybe_) {
        if (maybe.CheckKey(key, status, value).ok()) right = Status();
      }
      LSMLAB_TRY(right);
    }
    return Status();
  }

  // After an open: which of the possible histories it is. An error of the disk leaves it open.
  Status Settle() {
    syncs_at_open_ = FailedSyncs();
    std::vector<History> possible = std::move(maybe_);
    maybe_.clear();
    possible.push_back(history_);
    Status status;
    for (History& history : possible) {
      uint32_t found = 0;
      status = history.Match(*store_, history.writes(), history.writes(), &found);
      if (!status.ok() && !status.IsCorruption()) {
        maybe_ = std::move(possible);
        return Expected(status);
      }
      if (!status.ok()) continue;
      history_ = std::move(history);
      return Status();
    }
    return status;
  }

  Status CheckOn(const std::shared_ptr<SimDisk>& disk, uint32_t least) {
    auto store = Store::Open(workload_->OptionsOn(disk));
    if (!store.ok()) return store.status();
    std::vector<History> possible = maybe_;
    possible.push_back(history_);
    Status status;
    for (const History& history : possible) {
      uint32_t found = 0;
      status = history.Match(*store.value(), least, history.writes(), &found);
      if (status.ok()) break;
    }
    LSMLAB_TRY(status);
    LSMLAB_TRY(store.value()->Put("after", "x"));
    LSMLAB_TRY(store.value()->Flush());
    LSMLAB_TRY(store.value()->CompactRange(Slice(), Slice()));
    return store.value()->Verify();
  }

  const MakeIo make_io_;
  std::unique_ptr<CrashWorkload> workload_;
  std::unique_ptr<Store> store_;
  History history_;             // of what was acknowledged
  std::vector<History> maybe_;  // with one failed write behind it
  uint64_t syncs_at_open_ = 0;
  uint64_t refused_ = 0;
  bool durable_ = false;
};

constexpr int kSteps = 40;

struct FaultCase {
  const char* name;
  const char* sync;
  bool persistent;
  bool no_space;
  TestComposition composition = {"", "", {}};
  uint64_t every = 1;  // of the operations; scripts with value files or a ring have many more
};

class FaultTest : public testing::TestWithParam<FaultCase> {
 protected:
  using Sites = std::set<std::pair<size_t, size_t>>;  // kind and site of operations

  static Sites SitesWith(const SimFaults& faults,
                         uint64_t (SimFaults::*count)(IoKind, IoSite) const) {
    Sites sites;
    for (size_t kind = 0; kind < kIoKinds; ++kind) {
      for (size_t site = 0; site < kIoSites; ++site) {
        if ((faults.*count)(static_cast<IoKind>(kind), static_cast<IoSite>(site)) == 0) continue;
        sites.emplace(kind, site);
      }
    }
    return sites;
  }

  // The script with this fault, and a crash at its end.
  void Check(SimFault fault, CrashMode mode) {
    const FaultCase& c = GetParam();
    FaultScript script(c.sync, c.composition);
    fault.persistent = c.persistent;
    fault.no_space = c.no_space;
    script.disk()->Arm(fault);
    Status status = script.Run(kSteps);
    if (status.ok()) status = script.Recover(mode);
    EXPECT_TRUE(status.ok()) << status.ToString() << " [operation " << fault.at
                             << (fault.kind.has_value() ? " of its kind and site" : "")
                             << " failed, mode " << static_cast<int>(mode) << "]";
    failed_.merge(SitesWith(script.disk()->faults(), &SimFaults::Failed));
  }

  Sites failed_;
};

TEST_P(FaultTest, NothingAcknowledgedIsLostAndNothingWrongIsRead) {
  const FaultCase& c = GetParam();
  FaultScript without(c.sync, c.composition);
  const Status plain = without.Run(kSteps);
  ASSERT_TRUE(plain.ok()) << plain.ToString();
  const uint64_t operations = without.disk()->steps();
  const uint64_t scale = std::max<uint64_t>(1, static_cast<uint64_t>(1 / TestScale()));
  for (uint64_t at = 1; at <= operations; at += c.every * scale) {
    SimFault fault;
    fault.at = at;
    Check(fault, static_cast<CrashMode>(at / c.every % kCrashModes));
  }
  // And one of every kind at every call site, where the steps have passed over it.
  for (const auto& [kind, site] : SitesWith(without.disk()->faults(), &SimFaults::Seen)) {
    if (failed_.contains({kind, site}) || scale > 1) continue;
    SimFault fault;
    fault.kind = static_cast<IoKind>(kind);
    fault.site = static_cast<IoSite>(site);
    Check(fault, CrashMode::kDurable);
    EXPECT_TRUE(failed_.contains({kind, site})) << "kind " << kind << ", site " << site;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, FaultTest,
    testing::Values(
        FaultCase{"eio_once", "group", false, false},
        FaultCase{"eio_from_then_on", "group", true, false},
        FaultCase{"eio_once_no_sync", "none", false, false},
        FaultCase{"no_space_once", "group", false, true},
        FaultCase{"no_space_from_then_on", "group", true, true},
        FaultCase{"no_space_once_no_sync", "none", false, true},
        FaultCase{"ring_eio_once", "group", false, false, RingComposition(true), 3},
        FaultCase{"ring_no_space_from_then_on", "none", true, true, RingComposition(true), 3},
        FaultCase{"eio_once_separated", "group", false, false, SeparatedCompositions().front(), 3},
        FaultCase{"no_space_once_separated", "none", false, true, SeparatedCompositions().back(),
                  3},
        FaultCase{"footers_eio_once", "group", false, false, FootersCompositions().front(), 3},
        FaultCase{"footers_eio_from_then_on", "group", true, false, FootersCompositions().front(),
                  2},
        FaultCase{"footers_no_space_once", "none", false, true, FootersCompositions().back(), 4}),
    [](const auto& c) { return std::string(c.param.name); });

// The bug that the rule about failed syncs is there for, planted: trying again.
TEST(PlantedFaultBugTest, RetryingAFailedSyncIsFound) {
  const MakeIo retrying = [](std::shared_ptr<SimDisk> disk) {
    std::shared_ptr<Io> io = MakeSimulatedIo(std::move(disk));
    return std::make_unique<FilterIo>(io, [io](IoOp& op) {
      if (op.kind != IoKind::kSync && op.kind != IoKind::kDataSync) return false;
      io->Start(op);
      if (!op.status.ok()) {
        op.status = Status();
        io->Start(op);
      }
      return true;
    });
  };
  for (const IoSite site : {IoSite::kWal, IoSite::kFlush, IoSite::kCatalog, IoSite::kValueFile}) {
    const TestComposition composition =
        site == IoSite::kValueFile ? SeparatedCompositions().front() : TestComposition();
    uint64_t found = 0;
    for (uint64_t at = 1; at <= 10; ++at) {
      FaultScript script("group", composition, retrying);
      SimFault fault;
      fault.kind = IoKind::kDataSync;
      fault.site = site;
      fault.at = at;
      script.disk()->Arm(fault);
      Status status = script.Run(kSteps);
      if (status.ok()) status = script.Recover();
      found += status.ok() ? 0 : 1;
    }
    // Not where the store is closed before the next write: what the open then reads it rewrites.
    EXPECT_GE(found, 1u) << "site " << static_cast<int>(site);
  }
}

// After a failed sync the page cache shows what is not on the disk. The store is opened again on
// the same kernel, and power is lost after each operation of that: no log may go on from such
// bytes.
TEST(PowerLossInAReopenTest, AfterAFailedSyncThePromisesHold) {
  const std::vector<TestComposition> compositions = {
      {"plain", "", {}}, RingComposition(true), FootersCompositions().front()};
  for (const TestComposition& composition : compositions) {
    for (const char* sync : {"none", "group"}) {
      uint64_t reached = 0;
      for (uint64_t at = 1; at <= Scaled(12); ++at) {
        CrashRun run;
        run.composition = composition;
        run.sync = sync;
        run.writes = 60;
        run.every = ~uint64_t{0};
        CrashWorkload workload(run);
        const bool writes_durably = composition.name == compositions[1].name && run.sync == "group";
        SimFault fault;
        fault.kind = writes_durably ? IoKind::kWrite : IoKind::kDataSync;
        fault.site = writes_durably ? IoSite::kDurableWal : IoSite::kWal;
        fault.at = 2 + at;
        workload.disk().Arm(fault);
        Status ignored = workload.Run();
        (void)ignored;
        reached += workload.disk().faults().Failed(*fault.kind, *fault.site);
        auto disk = workload.disk().Snapshot();
        std::vector<std::shared_ptr<SimDisk>> during;
        disk->SetAfterStep([&](uint64_t) { during.push_back(disk->Snapshot()); });
        auto reopened = Store::Open(workload.OptionsOn(disk));
        disk->SetAfterStep(nullptr);
        ASSERT_TRUE(reopened.ok()) << reopened.status().ToString();
        for (size_t step = 0; step < during.size(); ++step) {
          const Progress& progress = workload.progress();
          const auto mode = static_cast<CrashMode>(step % 2 == 0 ? 0 : step / 2 % kCrashModes);
          const Status status = CheckRecovered(workload, during[step]->Crash(mode, at + step),
                                               progress.durable, progress.issued);
          ASSERT_TRUE(status.ok()) << status.ToString() << ": " << composition.name << ", sync "
                                   << sync << ", operation " << fault.at << " failed, operation "
                                   << step + 1 << " of the reopen";
        }
      }
      EXPECT_GT(reached, 0u) << composition.name << ", sync " << sync;
    }
  }
}

TEST(FullDiskTest, KeepsWhatItAcknowledgedAndGoesOnWithSpace) {
  uint64_t refused = 0;
  for (uint64_t kib = 24; kib <= 200; kib += TestScale() < 1 ? 32 : 8) {
    FaultScript script("none");
    script.disk()->set_capacity(kib << 10);
    Status status = script.Run(4 * kSteps);
    if (status.ok()) status = script.Recover();
    ASSERT_TRUE(status.ok()) << status.ToString() << " [" << kib << " KiB]";
    refused += script.refused();
  }
  EXPECT_GT(refused, TestScale() < 1 ? 0u : 100u);
}

}  // namespace
}  // namespace lsmlab::test
