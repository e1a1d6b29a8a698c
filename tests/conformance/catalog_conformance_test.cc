// What every catalog must do (engine/parts/catalog.h), also when one takes over from another.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/conformance/catalog_fixture.h"
#include "tests/support/fault_io.h"
#include "tests/support/registered.h"
#include "tests/support/test_scale.h"
#include "variants/io/simulated_io.h"

namespace lsmlab::catalog_test {
namespace {

// The catalogs of the processes that follow each other on a disk.
class Succession {
 public:
  explicit Succession(const CatalogVariant* always) : always_(always) {}
  // Another one each time.
  Succession() = default;
  const CatalogVariant& Of(uint64_t process) const {
    const auto all = CatalogVariants();
    return always_ != nullptr ? *always_ : *all[process % all.size()];
  }

 private:
  const CatalogVariant* always_ = nullptr;
};

// One process: opens, checks that the state is that after some number of commits between the
// acknowledged and the issued ones, commits on until the disk stops.
void Process(const CatalogVariant& variant, Io& io, uint64_t commits, bool close, uint64_t* acked,
             uint64_t* issued) {
  FakeShard shard(io);
  std::unique_ptr<Catalog> catalog = MakeCatalog(variant, io, shard);
  Result<CatalogState> opened = Finish(catalog->Open(true, false));
  if (!opened.ok()) {
    ASSERT_FALSE(opened.status().IsCorruption()) << opened.status().ToString();
    return;
  }
  CatalogState state = opened.value();
  const uint64_t done = state.last_sequence;
  ASSERT_GE(done, *acked);
  ASSERT_LE(done, *issued);
  ASSERT_EQ(Print(state), TheHistory().printed[done]);
  for (const TableEntry& table : state.tables) {
    ASSERT_LT(table.file, state.next_file);
    const Status read = Finish(shard.ReadTable(table.file)).status();
    ASSERT_FALSE(read.IsCorruption()) << read.ToString() << ", of commit " << done;
    if (!read.ok()) return;
  }
  Status started = Finish(shard.LookAround());
  if (started.ok()) started = Finish(catalog->StartWriting());
  ASSERT_FALSE(started.IsCorruption()) << started.ToString();
  if (!started.ok()) return;
  const Status swept = Finish(shard.Sweep(*catalog, state));
  ASSERT_FALSE(swept.IsCorruption()) << swept.ToString();
  if (!swept.ok()) return;
  *acked = *issued = done;
  for (uint64_t i = 1; i <= commits; ++i) {
    *issued = done + i;
    bool refused = false;
    const Status status = Finish(CommitNext(*catalog, shard, io, state, done + i, &refused));
    ASSERT_FALSE(status.IsCorruption()) << status.ToString();
    if (refused) {
      VersionEdit more;
      ASSERT_EQ(Finish(catalog->Commit(0, more, nullptr)).code(), StatusCode::kAborted);
      ASSERT_EQ(Finish(catalog->Close()).code(), StatusCode::kAborted);
    }
    if (state.last_sequence == done + i) *acked = done + i;  // also when a file was left behind
    if (!status.ok()) return;
  }
  if (close) (void)Finish(catalog->Close()).ok();
}

// Every operation of a first process is the last one, and two recoveries end early, too.
void StopEverywhere(const Succession& catalogs, uint64_t commits, uint64_t seeds) {
  FaultIo whole;
  uint64_t acked = 0, issued = 0, states = 0;
  Process(catalogs.Of(0), whole, commits, true, &acked, &issued);
  ASSERT_EQ(acked, commits);
  for (uint64_t stop = 1; stop <= whole.operations(); ++stop) {
    for (FaultCrash mode : kFaultCrashes) {
      for (uint64_t seed = 0; seed < seeds; ++seed) {
        auto disk = std::make_unique<FaultIo>();
        disk->StopAt(stop);
        acked = issued = 0;
        Process(catalogs.Of(seed), *disk, commits, true, &acked, &issued);
        for (uint64_t depth = 1; depth <= 3; ++depth) {
          Random random(seed * 1000003 + stop * 101 + depth);
          disk = disk->Crash(depth == 1 ? mode : kFaultCrashes[random.Below(6)], random.Next());
          if (depth < 3) disk->StopAt(random.Below(60) + 1);
          Process(catalogs.Of(seed + depth), *disk, random.Below(10), false, &acked, &issued);
          ++states;
          ASSERT_FALSE(::testing::Test::HasFailure())
              << "stop " << stop << " mode " << static_cast<int>(mode) << " seed " << seed
              << " depth " << depth;
        }
      }
    }
  }
  std::printf("%llu crash states\n", static_cast<unsigned long long>(states));
}

// The same on the simulated disk of the io part: an image after each of its steps.
void CrashEverywhere(const Succession& catalogs, uint64_t commits, uint64_t seeds) {
  struct Moment {
    std::shared_ptr<SimDisk> image;
    uint64_t acked, issued;
  };
  std::shared_ptr<SimDisk> disk = SimDisk::Make();
  disk->MakeDirectories(kShardDirectory);
  uint64_t acked = 0, issued = 0, states = 0;
  std::vector<Moment> moments;
  disk->SetAfterStep([&](uint64_t) { moments.push_back({disk->Snapshot(), acked, issued}); });
  Process(catalogs.Of(0), *MakeSimulatedIo(disk), commits, true, &acked, &issued);
  Process(catalogs.Of(1), *MakeSimulatedIo(disk), commits / 4, false, &acked, &issued);
  disk->SetAfterStep(nullptr);
  for (const Moment& moment : moments) {
    for (int mode = 0; mode < kCrashModes; ++mode) {
      for (uint64_t seed = 0; seed < seeds; ++seed) {
        acked = moment.acked;
        issued = moment.issued;
        std::shared_ptr<SimDisk> left = moment.image->Crash(static_cast<CrashMode>(mode), seed);
        Process(catalogs.Of(seed), *MakeSimulatedIo(left), seed, false, &acked, &issued);
        left = left->Crash(static_cast<CrashMode>((mode + seed) % kCrashModes), seed);
        Process(catalogs.Of(seed + 1), *MakeSimulatedIo(left), 2, true, &acked, &issued);
        states += 2;
        ASSERT_FALSE(::testing::Test::HasFailure()) << "mode " << mode << " seed " << seed;
      }
    }
  }
  std::printf("%llu crash states\n", static_cast<unsigned long long>(states));
}

// One operation fails.
void FailEverywhere(const Succession& catalogs) {
  FaultIo whole;
  uint64_t acked = 0, issued = 0;
  Process(catalogs.Of(0), whole, 20, true, &acked, &issued);
  for (uint64_t fail = 1; fail <= whole.operations(); ++fail) {
    for (StatusCode code : {StatusCode::kIoError, StatusCode::kNoSpace}) {
      auto disk = std::make_unique<FaultIo>();
      disk->FailAt(fail, code);
      acked = issued = 0;
      Process(catalogs.Of(0), *disk, 20, true, &acked, &issued);
      disk->FailAt(0);
      // Opened again before the power fails, or not.
      if (code == StatusCode::kIoError) {
        Process(catalogs.Of(1), *disk, 2, false, &acked, &issued);
      }
      disk = disk->Crash(kFaultCrashes[fail % 6], fail);
      Process(catalogs.Of(2), *disk, 3, true, &acked, &issued);
      ASSERT_FALSE(::testing::Test::HasFailure()) << fail;
    }
  }
}

class CatalogConformance : public testing::TestWithParam<const CatalogVariant*> {
 protected:
  FaultIo io_;
  FakeShard shard_{io_};
};

TEST_P(CatalogConformance, StateIsAPrefixAtEveryOperation) {
  StopEverywhere(Succession(GetParam()), 12, test::Scaled(3));
}
TEST_P(CatalogConformance, HoldsOnTheSimulatedDisk) {
  CrashEverywhere(Succession(GetParam()), 14, test::Scaled(2));
}
TEST_P(CatalogConformance, NothingIsTakenAfterAFailure) { FailEverywhere(Succession(GetParam())); }

TEST_P(CatalogConformance, ReadOnlyOpenWritesNothing) {
  uint64_t acked = 0, issued = 0;
  Process(*GetParam(), io_, 9, false, &acked, &issued);
  const std::vector<std::string> names = io_.Names();
  const IoCounters before = io_.Counters();
  for (const CatalogVariant* reader : CatalogVariants()) {
    const auto catalog = MakeCatalog(*reader, io_, shard_);
    Result<CatalogState> state = Finish(catalog->Open(false, true));
    ASSERT_TRUE(state.ok()) << state.status().ToString();
    EXPECT_EQ(Print(state.value()), TheHistory().printed[9]);
  }
  EXPECT_EQ(io_.Names(), names);
  EXPECT_EQ(io_.Counters().writes, before.writes);
  EXPECT_EQ(io_.Counters().syncs, before.syncs);
}

// Whoever opens to write may find out elsewhere that the store does not open.
TEST_P(CatalogConformance, OpenChangesNothingUntilWritingStarts) {
  uint64_t acked = 0, issued = 0;
  Process(*GetParam(), io_, 9, false, &acked, &issued);
  const std::vector<std::string> names = io_.Names();
  const IoCounters before = io_.Counters();
  for (const CatalogVariant* opener : CatalogVariants()) {
    const auto catalog = MakeCatalog(*opener, io_, shard_);
    Result<CatalogState> state = Finish(catalog->Open(true, false));
    ASSERT_TRUE(state.ok()) << state.status().ToString();
    EXPECT_EQ(Print(state.value()), TheHistory().printed[9]);
    EXPECT_TRUE(Finish(catalog->Close()).ok());
  }
  EXPECT_EQ(io_.Names(), names);
  EXPECT_EQ(io_.Counters().writes, before.writes);
  FaultIo fresh;
  FakeShard shard(fresh);
  const auto catalog = MakeCatalog(*GetParam(), fresh, shard);
  ASSERT_TRUE(Finish(catalog->Open(true, false)).ok());
  EXPECT_TRUE(fresh.Names().empty());
  ASSERT_TRUE(Finish(catalog->StartWriting()).ok());
  EXPECT_FALSE(fresh.Names().empty());
}

TEST_P(CatalogConformance, OpensWhatIsThereAndCreatesOnlyWhenAsked) {
  const auto open = [&](bool create, bool read_only) {
    return Finish(MakeCatalog(*GetParam(), io_, shard_)->Open(create, read_only)).status();
  };
  EXPECT_TRUE(open(false, true).IsNotFound());
  EXPECT_TRUE(open(false, false).IsNotFound());
  uint64_t acked = 0, issued = 0;
  Process(*GetParam(), io_, 3, true, &acked, &issued);
  Process(*GetParam(), io_, 2, true, &acked, &issued);
  EXPECT_EQ(acked, 5u);
  EXPECT_TRUE(open(false, false).ok());
  FaultIo other;
  ASSERT_TRUE(Finish(OpenFile(other, IoSite::kOther, OpenMode::kCreate, FilePath(7, ".log"))).ok());
  FakeShard shard(other);
  EXPECT_TRUE(
      Finish(MakeCatalog(*GetParam(), other, shard)->Open(true, false)).status().IsCorruption());
}

TEST_P(CatalogConformance, RefusesAContradictingEditForGood) {
  const auto catalog = MakeCatalog(*GetParam(), io_, shard_);
  ASSERT_TRUE(Finish(catalog->Open(true, false)).ok());
  ASSERT_TRUE(Finish(catalog->StartWriting()).ok());
  VersionEdit edit;
  edit.removed = {{99}};
  EXPECT_TRUE(Finish(catalog->Commit(1, edit, nullptr)).IsCorruption());
  EXPECT_EQ(Finish(catalog->Commit(2, VersionEdit(), nullptr)).code(), StatusCode::kAborted);
  EXPECT_TRUE(Finish(MakeCatalog(*GetParam(), io_, shard_)->Open(false, true)).ok());
}

TEST_P(CatalogConformance, AnotherStoresFilesAreAnError) {
  uint64_t acked = 0, issued = 0;
  Process(*GetParam(), io_, 3, true, &acked, &issued);
  const auto foreign = MakeCatalog(*GetParam(), io_, shard_, 1024, 78);
  EXPECT_TRUE(Finish(foreign->Open(false, true)).status().IsCorruption());
}

INSTANTIATE_TEST_SUITE_P(All, CatalogConformance, test::Registered(CatalogVariants()),
                         test::ByVariant());

// A process is killed, the next one takes the shard over, and power fails in the middle of that:
// what it gave up must not be what the disk, without the kernel's memory, still needs.
TEST(CatalogSuccession, ATakeoverBuildsOnNothingThatIsNotDurable) {
  constexpr uint64_t kCommits = 8;
  for (const uint64_t first : {0, 1}) {
    const Succession catalogs;
    FaultIo whole;
    uint64_t acked = 0, issued = 0;
    Process(catalogs.Of(first), whole, kCommits, true, &acked, &issued);
    for (uint64_t stop = 1; stop <= whole.operations(); ++stop) {
      FaultIo disk;
      disk.StopAt(stop);
      acked = issued = 0;
      Process(catalogs.Of(first), disk, kCommits, true, &acked, &issued);
      for (uint64_t then = 1; then <= 60; then += test::Scaled(3) < 3 ? 7 : 1) {
        const auto killed = disk.Copy();
        killed->StopAt(then);
        uint64_t then_acked = acked, then_issued = issued;
        Process(catalogs.Of(first + 1), *killed, 0, false, &then_acked, &then_issued);
        const auto left = killed->Crash(FaultCrash::kDurableOnly, then);
        then_acked = acked;
        then_issued = issued;
        Process(catalogs.Of(first + 1), *left, 1, false, &then_acked, &then_issued);
        ASSERT_FALSE(::testing::Test::HasFailure()) << "stop " << stop << ", then " << then;
        if (killed->operations() < then) break;
      }
    }
  }
}

// A shard goes from one catalog to the next, with crashes on the way.
TEST(CatalogSuccession, StateIsAPrefixAtEveryOperation) {
  StopEverywhere(Succession(), 6, test::Scaled(4));
}
TEST(CatalogSuccession, HoldsOnTheSimulatedDisk) {
  CrashEverywhere(Succession(), 9, test::Scaled(2));
}
TEST(CatalogSuccession, NothingIsTakenAfterAFailure) { FailEverywhere(Succession()); }

}  // namespace
}  // namespace lsmlab::catalog_test
