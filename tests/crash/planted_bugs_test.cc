#include <gtest/gtest.h>

#include "engine/format/batch.h"
#include "engine/format/file_name.h"
#include "tests/crash/crash_workload.h"
#include "tests/support/filter_io.h"
#include "variants/wal/wals.h"

// That the crash tests can fail: bugs of the kind that they are there for, planted on purpose, must
// all be found.
namespace lsmlab::test {
namespace {

constexpr uint64_t kSeeds = 8;
constexpr uint64_t kMoments = 60;

// Looks for a violation in runs of several seeds; Ok: none was found.
Status FirstViolation(CrashRun run) {
  uint64_t points = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    run.seed = seed;
    run.writes = seed % 2 == 0 ? 200 : 40;
    CrashWorkload whole(run);
    LSMLAB_TRY(whole.Run());
    run.every = std::max<uint64_t>(1, whole.disk().steps() / kMoments);
    CrashWorkload workload(run);
    LSMLAB_TRY(workload.Run());
    for (const Moment& moment : workload.moments()) {
      for (int mode = 0; mode < kCrashModes; ++mode) {
        LSMLAB_TRY(CheckCrash(workload, moment, static_cast<CrashMode>(mode), moment.step + mode, 0,
                              &points));
      }
    }
    run.every = 1;
  }
  return Status();
}

CrashRun GroupRun() {
  CrashRun run;
  run.composition = {"default", "", {}};
  run.sync = "group";
  return run;
}

// Syncs of this kind and site report success and do nothing.
struct MissingSync {
  const char* name;
  bool directory;
  IoSite site;
  bool footers = false;  // the catalog
};

class MissingSyncTest : public testing::TestWithParam<MissingSync> {};

TEST_P(MissingSyncTest, IsFound) {
  const MissingSync& missing = GetParam();
  CrashRun run = GroupRun();
  if (missing.site == IoSite::kValueFile) run.composition = SeparatedCompositions().front();
  if (missing.footers) run.composition = FootersCompositions().front();
  uint64_t skipped = 0;
  run.make_io = [&](std::shared_ptr<SimDisk> disk) {
    return std::make_unique<FilterIo>(MakeSimulatedIo(std::move(disk)), [&](IoOp& op) {
      const bool file_sync = op.kind == IoKind::kSync || op.kind == IoKind::kDataSync;
      const bool sync = missing.directory ? op.kind == IoKind::kSyncDir : file_sync;
      if (op.site != missing.site || !sync) return false;
      ++skipped;
      op.status = Status();
      return true;
    });
  };
  const Status found = FirstViolation(run);
  EXPECT_GT(skipped, 0u);
  EXPECT_FALSE(found.ok()) << "a missing sync was not noticed";
  std::printf("%s: %s\n", missing.name, found.ToString().c_str());
}

INSTANTIATE_TEST_SUITE_P(
    All, MissingSyncTest,
    testing::Values(MissingSync{"log", false, IoSite::kWal},
                    MissingSync{"log_directory", true, IoSite::kWal},
                    MissingSync{"flushed_table", false, IoSite::kFlush},
                    MissingSync{"flush_directory", true, IoSite::kFlush},
                    MissingSync{"merged_table", false, IoSite::kCompactionWrite},
                    MissingSync{"merge_directory", true, IoSite::kCompactionWrite},
                    MissingSync{"value_file", false, IoSite::kValueFile},
                    MissingSync{"catalog", false, IoSite::kCatalog},
                    MissingSync{"catalog_directory", true, IoSite::kCatalog},
                    MissingSync{"footers_flushed_table", false, IoSite::kFlush, true},
                    MissingSync{"footers_record", false, IoSite::kCatalog, true},
                    MissingSync{"footers_commit", true, IoSite::kCatalog, true},
                    MissingSync{"identity", false, IoSite::kIdentity},
                    MissingSync{"identity_directory", true, IoSite::kIdentity}),
    [](const auto& c) { return std::string(c.param.name); });

// The log `ring` on a kernel that forgets that a write is to be durable.
TEST(MissingSyncTest, OfADurableWriteIsFound) {
  CrashRun run = GroupRun();
  run.composition = RingComposition(false);
  const Status as_it_is = FirstViolation(run);
  EXPECT_TRUE(as_it_is.ok()) << as_it_is.ToString();
  run.make_io = [&](std::shared_ptr<SimDisk> disk) {
    return std::make_unique<FilterIo>(MakeSimulatedIo(std::move(disk)), [](IoOp& op) {
      op.data_sync_after = false;
      return false;
    });
  };
  const Status found = FirstViolation(run);
  EXPECT_FALSE(found.ok()) << "a missing sync was not noticed";
  std::printf("durable write: %s\n", found.ToString().c_str());
}

// A log with a bug; what the bug does not touch goes to the real one.
class BuggyWal : public Wal {
 public:
  explicit BuggyWal(std::unique_ptr<Wal> inner) : inner_(std::move(inner)) {}
  Task<Status> StartSegment(uint64_t n) override { return inner_->StartSegment(n); }
  WalPosition position() const noexcept override { return inner_->position(); }
  bool keeps_records() const noexcept override { return inner_->keeps_records(); }
  Task<Status> Append(Slice r, bool durable) override { return inner_->Append(r, durable); }
  Task<Status> Sync() override { return inner_->Sync(); }
  Task<Status> Release(uint64_t n) override { return inner_->Release(n); }
  bool segment_is_full() const noexcept override { return inner_->segment_is_full(); }
  Task<Status> Recover(WalExpectation expected, WalReplayer& replayer, WalReplayStats* stats,
                       uint64_t* largest) override {
    return inner_->Recover(expected, replayer, stats, largest);
  }
  Task<Status> WriteAgain() override { return inner_->WriteAgain(); }
  Task<Status> Close() override { return inner_->Close(); }
  uint64_t bytes_written() const noexcept override { return inner_->bytes_written(); }
  uint64_t syncs() const noexcept override { return inner_->syncs(); }

 protected:
  const std::unique_ptr<Wal> inner_;
};

class AcknowledgesBeforeItSyncs final : public BuggyWal {
 public:
  using BuggyWal::BuggyWal;
  Task<Status> Append(Slice records, bool) override { return inner_->Append(records, false); }
};

// Drops the old segment when a new one begins, before the memtable is in a durable table.
class ReleasesTooEarly final : public BuggyWal {
 public:
  using BuggyWal::BuggyWal;
  Task<Status> StartSegment(uint64_t number) override {
    LSMLAB_CO_TRY(co_await inner_->StartSegment(number));
    co_return co_await inner_->Release(number);
  }
};

// Every fourth group is acknowledged without a record.
class DropsRecords final : public BuggyWal {
 public:
  using BuggyWal::BuggyWal;
  Task<Status> Append(Slice records, bool durable) override {
    if (++appends_ % 4 == 0) co_return Status();
    co_return co_await inner_->Append(records, durable);
  }

 private:
  uint64_t appends_ = 0;
};

template <typename Bug>
const WalVariant* BuggyVariant() {
  static const WalVariant variant = {
      "buggy", "append with a bug", {}, [](const SettingBag& bag, const WalEnvironment& env) {
        return std::unique_ptr<Wal>(std::make_unique<Bug>(kAppendWal.make(bag, env)));
      }};
  return &variant;
}

void ExpectFound(const WalVariant* wal) {
  CrashRun run = GroupRun();
  run.wal = wal;
  const Status found = FirstViolation(run);
  EXPECT_FALSE(found.ok());
  std::printf("%s\n", found.ToString().c_str());
}

TEST(BuggyLogTest, AcknowledgingBeforeTheSyncIsFound) {
  ExpectFound(BuggyVariant<AcknowledgesBeforeItSyncs>());
}
TEST(BuggyLogTest, ReleasingASegmentTooEarlyIsFound) {
  ExpectFound(BuggyVariant<ReleasesTooEarly>());
}
TEST(BuggyLogTest, ALostRecordIsFound) { ExpectFound(BuggyVariant<DropsRecords>()); }

// And no false alarm by the same search.
TEST(BuggyLogTest, TheLogAsItIsPasses) {
  const Status found = FirstViolation(GroupRun());
  EXPECT_TRUE(found.ok()) << found.ToString();
}

// A batch whose operations go into groups of their own.
TEST(BuggyBatchTest, ABatchSplitOverGroupsIsFound) {
  CrashRun run = GroupRun();
  run.write = [](Store& store, const WriteBatch& batch) {
    OperationReader operations(batch.payload());
    for (Operation one; operations.Next(&one);) {
      const bool deletes = one.kind == EntryKind::kDelete;
      LSMLAB_TRY(deletes ? store.Delete(one.key) : store.Put(one.key, one.value));
    }
    return operations.status();
  };
  const Status found = FirstViolation(run);
  EXPECT_FALSE(found.ok()) << "half a batch was not noticed";
  std::printf("%s\n", found.ToString().c_str());
}

// The bugs that the rules of footers.cc are there for. Rule 1: a table has its name before it is
// durable.
TEST(BuggyFootersTest, NamingATableBeforeItIsDurableIsFound) {
  CrashRun run = GroupRun();
  run.composition = FootersCompositions().front();
  run.make_io = [](std::shared_ptr<SimDisk> disk) {
    std::shared_ptr<Io> io = MakeSimulatedIo(std::move(disk));
    return std::make_unique<FilterIo>(io, [](IoOp& op) {
      const bool table = op.path.ends_with(kUnfinishedTable) && op.path.find("/0") != Slice::npos;
      if (table && op.kind == IoKind::kOpen) {
        op.path.replace(op.path.size() - kUnfinishedTable.size(), std::string::npos, ".sst");
      }
      if (!table || op.kind != IoKind::kRename) return false;
      op.status = Status();
      return true;
    });
  };
  const Status found = FirstViolation(run);
  EXPECT_FALSE(found.ok()) << "an unfinished table was not noticed";
  std::printf("%s\n", found.ToString().c_str());
}

// Rule 2: the mark's table has its name before the other files of the job have theirs durably.
// Shows between two operations only, when a later change of names is kept and an earlier one lost.
TEST(BuggyFootersTest, CommittingBeforeTheOtherFilesAreNamedIsFound) {
  CrashRun run = GroupRun();
  run.composition = FootersCompositions().back();
  run.seed = 2;
  bool named = false;  // whether a flush has just named its table
  run.make_io = [&named](std::shared_ptr<SimDisk> disk) {
    return std::make_unique<FilterIo>(MakeSimulatedIo(std::move(disk)), [&named](IoOp& op) {
      named = op.kind == IoKind::kRename && op.site == IoSite::kFlush;
      if (op.kind != IoKind::kSyncDir || op.site != IoSite::kFlush) return false;
      op.status = Status();
      return true;
    });
  };
  run.wanted = [&named] { return named; };
  CrashWorkload workload(run);
  Status found = workload.Run();
  uint64_t points = 0;
  for (const Moment& moment : workload.moments()) {
    for (uint64_t damage = 0; found.ok() && damage < 4; ++damage) {
      found = CheckCrash(workload, moment, CrashMode::kNames, damage, 0, &points);
    }
  }
  EXPECT_FALSE(found.ok()) << "a missing sync was not noticed at " << points << " points";
  std::printf("%s\n", found.ToString().c_str());
}

}  // namespace
}  // namespace lsmlab::test
