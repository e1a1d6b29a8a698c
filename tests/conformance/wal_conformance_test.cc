#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/conformance/wal_fixture.h"
#include "variants/wal/wals.h"

namespace lsmlab::wal_test {
namespace {

const WalCase kAppend = {&kAppendWal, "none"};

std::string LogPath(uint64_t number) {
  return kDirectory + "/" + NumberedFileName("", number, ".log");
}

class WalCrash : public ::testing::TestWithParam<WalCase> {};
class WalFault : public ::testing::TestWithParam<WalCase> {};
INSTANTIATE_TEST_SUITE_P(All, WalCrash, ::testing::ValuesIn(WalCases()), ByWalCase());
INSTANTIATE_TEST_SUITE_P(All, WalFault, ::testing::ValuesIn(WalCases()), ByWalCase());

// Every operation of many small runs, every mode, and crashes of the recovering process too.
TEST_P(WalCrash, PrefixAndPromisesHoldAtEveryOperation) {
  const WalCase& c = GetParam();
  const std::unique_ptr<FaultIo> fresh = MakeFaultDisk();
  const std::unique_ptr<FaultIo> old = MakeFaultDisk();
  const History before = Age(*old, c);
  uint64_t states = 0;
  for (uint64_t seed = 1; seed <= test::Scaled(c.has_slots() ? 12 : 40); ++seed) {
    const FaultIo& start = c.has_slots() && seed % 4 != 0 ? *old : *fresh;
    const History known_at_start = &start == old.get() ? before : History();
    auto whole = start.Copy();
    History history = known_at_start;
    Process(*whole, c, history, seed).Run();
    const uint64_t operations = whole->operations();
    for (uint64_t stop = 1; stop <= operations; ++stop) {
      for (FaultCrash mode : kFaultCrashes) {
        auto disk = start.Copy();
        disk->StopAt(stop);
        History known = known_at_start;
        Process(*disk, c, known, seed).Run();
        for (uint64_t depth = 1; depth <= 3; ++depth) {
          const uint64_t mix = seed * 1000003 + stop * 101 + depth;
          Random random(mix);
          disk = disk->Crash(depth == 1 ? mode : kFaultCrashes[random.Below(6)], mix);
          if (depth < 3) disk->StopAt(random.Below(30) + 1);
          Process(*disk, c, known, mix).Run();
          ++states;
          ASSERT_FALSE(::testing::Test::HasFailure())
              << "seed " << seed << " stop " << stop << " mode " << static_cast<int>(mode)
              << " depth " << depth;
        }
      }
    }
  }
  EXPECT_GT(states, test::Scaled(5000));
  std::printf("%llu crash states\n", static_cast<unsigned long long>(states));
}

// The same on the simulated disk of the io part: an image after each of its steps.
TEST_P(WalCrash, HoldsOnTheSimulatedDisk) {
  const WalCase& c = GetParam();
  struct Moment {
    std::shared_ptr<SimDisk> image;
    History known;
  };
  uint64_t states = 0;
  for (uint64_t seed = 1; seed <= test::Scaled(c.has_slots() ? 6 : 30); ++seed) {
    std::shared_ptr<SimDisk> disk = SimDisk::Make();
    disk->MakeDirectories(kDirectory);
    History history;
    if (c.has_slots() && seed % 4 != 0) history = Age(*MakeSimulated(disk), c);
    std::vector<Moment> moments;
    disk->SetAfterStep([&](uint64_t) { moments.push_back({disk->Snapshot(), history}); });
    Process(*MakeSimulated(disk), c, history, seed).Run();
    disk->SetAfterStep(nullptr);
    for (const Moment& moment : moments) {
      for (int mode = 0; mode < kCrashModes; ++mode) {
        const uint64_t mix = seed * 1000003 + states;
        History known = moment.known;
        std::shared_ptr<SimDisk> left = moment.image->Crash(static_cast<CrashMode>(mode), mix);
        Process(*MakeSimulated(left), c, known, mix).Run();
        // What that process left behind, after one more crash.
        left = left->Crash(static_cast<CrashMode>(mix % kCrashModes), mix);
        Process(*MakeSimulated(left), c, known, mix + 1).Run();
        states += 2;
        ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed << " mode " << mode;
      }
    }
  }
  std::printf("%llu crash states\n", static_cast<unsigned long long>(states));
  // What a log must have passed before a preset may use it.
  if (test::TestScale() >= 60 && c.has_slots()) {
    EXPECT_GE(states, 100'000u);
  }
}

// A failed write or sync: nothing is acknowledged any more, and after a crash the promises hold.
TEST_P(WalFault, PoisonedAfterAnyFailure) {
  const WalCase& c = GetParam();
  const std::unique_ptr<FaultIo> start = MakeFaultDisk();
  const History before = c.has_slots() ? Age(*start, c) : History();
  for (uint64_t seed = 1; seed <= test::Scaled(60); ++seed) {
    auto whole = start->Copy();
    History history = before;
    Process(*whole, c, history, seed).Run();
    for (uint64_t fail = 1; fail <= whole->operations(); ++fail) {
      auto disk = start->Copy();
      disk->FailAt(fail);
      History known = before;
      Process(*disk, c, known, seed).Run();
      disk = disk->Crash(kFaultCrashes[fail % 6 == 1 ? 0 : fail % 6], fail);
      Process(*disk, c, known, seed + 1).Run();
      ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed << " fail " << fail;
    }
  }
}

class AppendWalTest : public ::testing::Test {
 protected:
  void Start(uint64_t number) { ASSERT_TRUE(Finish(wal_->StartSegment(number)).ok()); }
  Status Append(int count, bool durable) {
    const auto records = static_cast<uint64_t>(count);
    const std::string bytes = EncodeRecords(wal_->position(), dense_, records);
    dense_ += records;
    return Finish(wal_->Append(bytes, durable));
  }
  Status Recover(FaultIo& io, Recovered* recovered, uint64_t min_log = 0) {
    return recovered->Run(*MakeWal(io, kAppend), min_log);
  }

  FaultIo io_;
  std::unique_ptr<Wal> wal_ = MakeWal(io_, kAppend);
  uint64_t dense_ = 0;
};

TEST_F(AppendWalTest, CleanCloseReplaysEverything) {
  Start(3);
  ASSERT_TRUE(Append(2, true).ok());
  Start(8);
  ASSERT_TRUE(Append(5, false).ok());
  ASSERT_TRUE(Finish(wal_->Close()).ok());
  Recovered recovered;
  ASSERT_TRUE(Recover(io_, &recovered).ok());
  EXPECT_EQ(recovered.count, 7u);
  EXPECT_EQ(recovered.largest, 8u);
  EXPECT_EQ(recovered.stats.segments, 2u);
  EXPECT_EQ(recovered.stats.records, 7u);
  EXPECT_EQ(recovered.stats.dropped_tail_bytes, 0u);
}

// One write per append; a log that never syncs pays for nothing but writes.
TEST_F(AppendWalTest, CostsWhatItSays) {
  Start(1);
  EXPECT_EQ(io_.operations(), 2u);  // opened, and its header written
  ASSERT_TRUE(Append(3, false).ok());
  EXPECT_EQ(io_.operations(), 3u);
  ASSERT_TRUE(Append(3, true).ok());  // with the sync of its name and its own
  EXPECT_EQ(io_.operations(), 6u);
  EXPECT_EQ(wal_->position().synced_offset, wal_->position().offset);
  ASSERT_TRUE(Finish(wal_->Sync()).ok());  // nothing to do
  EXPECT_EQ(io_.operations(), 6u);
  ASSERT_TRUE(Append(1, false).ok());
  Start(2);
  EXPECT_EQ(wal_->syncs(), 1u);
  ASSERT_TRUE(Append(1, true).ok());  // the old segment and the new one
  EXPECT_EQ(wal_->syncs(), 3u);
  EXPECT_EQ(wal_->bytes_written(), io_.Counters().write_bytes);
}

TEST_F(AppendWalTest, ReleaseDeletesOlderSegmentsOnly) {
  for (uint64_t number : {2, 5, 9}) {
    Start(number);
    ASSERT_TRUE(Append(1, false).ok());
  }
  ASSERT_TRUE(Finish(wal_->Release(9)).ok());
  EXPECT_FALSE(io_.Exists(LogPath(2)));
  EXPECT_FALSE(io_.Exists(LogPath(5)));
  EXPECT_TRUE(io_.Exists(LogPath(9)));
  Recovered recovered;
  ASSERT_TRUE(Recover(io_, &recovered, 9).ok());
  EXPECT_EQ(recovered.first, 3u);
}

TEST_F(AppendWalTest, EveryFlippedByteOfAClosedLogIsAnError) {
  Start(1);
  ASSERT_TRUE(Append(3, true).ok());
  ASSERT_TRUE(Append(1, false).ok());
  Start(2);
  ASSERT_TRUE(Append(3, true).ok());
  ASSERT_TRUE(Finish(wal_->Close()).ok());
  for (uint64_t segment : {1, 2}) {
    const size_t size = io_.Bytes(LogPath(segment)).size();
    for (size_t at = 0; at < size; ++at) {
      auto disk = io_.Copy();
      disk->Bytes(LogPath(segment))[at] ^= 0x10;
      Recovered recovered;
      const Status status = Recover(*disk, &recovered);
      if (segment == 2 && at >= size - kWalFragmentHeaderBytes) {  // the end mark: nothing is lost
        ASSERT_TRUE(status.ok());
        ASSERT_EQ(recovered.count, 7u);
      } else {
        ASSERT_TRUE(status.IsCorruption()) << segment << " " << at << " " << status.ToString();
        ASSERT_NE(status.message().find(LogPath(segment == 1 ? 1 : 2).substr(0, 7)),
                  std::string_view::npos);
      }
    }
  }
}

TEST_F(AppendWalTest, UnsyncedTailMayGoAnywhere) {
  Start(1);
  ASSERT_TRUE(Append(3, true).ok());
  const size_t synced = wal_->position().synced_offset;
  ASSERT_TRUE(Append(4, false).ok());
  for (size_t size = 0; size <= io_.Bytes(LogPath(1)).size(); ++size) {
    auto disk = io_.Copy();
    disk->Bytes(LogPath(1)).resize(size);
    Recovered recovered;
    const Status status = Recover(*disk, &recovered);
    if (size >= synced) {
      ASSERT_TRUE(status.ok());
      ASSERT_GE(recovered.count, 3u);
    }
  }
}

TEST_F(AppendWalTest, MissingSegmentThatWasDurableIsAnError) {
  for (uint64_t number : {1, 2, 3}) {
    Start(number);
    ASSERT_TRUE(Append(2, number == 2).ok());
  }
  auto disk = io_.Copy();
  disk->Remove(LogPath(2));
  Recovered recovered;
  EXPECT_TRUE(Recover(*disk, &recovered).IsCorruption());
}

// A sync of the third makes the second durable, too, and its records say so.
TEST_F(AppendWalTest, MissingSegmentBelowADurableOneIsAnError) {
  for (uint64_t number : {1, 2, 3}) {
    Start(number);
    ASSERT_TRUE(Append(2, false).ok());
  }
  ASSERT_TRUE(Finish(wal_->Sync()).ok());
  ASSERT_TRUE(Append(2, false).ok());
  auto disk = io_.Copy();
  disk->Remove(LogPath(2));
  Recovered recovered;
  EXPECT_TRUE(Recover(*disk, &recovered).IsCorruption());
}

// While nothing is synced a power loss may take any of the names.
TEST_F(AppendWalTest, MissingSegmentThatNobodyPromisedEndsTheLog) {
  for (uint64_t number : {1, 2, 3}) {
    Start(number);
    ASSERT_TRUE(Append(2, false).ok());
  }
  auto disk = io_.Copy();
  disk->Remove(LogPath(2));
  Recovered recovered;
  ASSERT_TRUE(Recover(*disk, &recovered).ok());
  EXPECT_EQ(recovered.count, 2u);
}

// Segment 2 lost its unsynced tail: 3 cannot be used, and that stays so for later recoveries.
TEST_F(AppendWalTest, HoleEndsTheLogForGood) {
  for (uint64_t number : {1, 2, 3}) {
    Start(number);
    ASSERT_TRUE(Append(2, false).ok());
  }
  auto disk = io_.Copy();
  disk->Bytes(LogPath(2)).resize(disk->Bytes(LogPath(2)).size() - 1);
  {
    wal_ = MakeWal(*disk, kAppend);
    Recovered recovered;
    ASSERT_TRUE(recovered.Run(*wal_, 0).ok());
    EXPECT_EQ(recovered.count, 3u);
    EXPECT_GT(recovered.stats.dropped_tail_bytes, 0u);
    dense_ = 3;
    Start(4);
    ASSERT_TRUE(Append(2, true).ok());
  }
  Recovered again;
  ASSERT_TRUE(Recover(*disk, &again).ok());
  EXPECT_EQ(again.count, 5u);
  // What segment 4 builds on was durable: losing it now is damage.
  disk->Bytes(LogPath(2)).resize(kWalSegmentHeaderBytes);
  Recovered damaged;
  EXPECT_TRUE(Recover(*disk, &damaged).IsCorruption());
}

TEST_F(AppendWalTest, LostDurableTailOfAnEarlierSegmentIsAnError) {
  Start(1);
  ASSERT_TRUE(Append(2, true).ok());
  Start(2);
  ASSERT_TRUE(Append(2, false).ok());
  auto disk = io_.Copy();
  disk->Bytes(LogPath(1)).resize(disk->Bytes(LogPath(1)).size() - 1);
  Recovered recovered;
  EXPECT_TRUE(Recover(*disk, &recovered).IsCorruption());
}

// Where a third says that they were durable; two alone may be all that a power loss has left of an
// unsynced log, and are none.
TEST_F(AppendWalTest, SwappedSegmentsAreAnErrorAndNeverReplayed) {
  for (uint64_t number : {1, 2, 3}) {
    Start(number);
    ASSERT_TRUE(Append(2, true).ok());
  }
  auto disk = io_.Copy();
  std::swap(disk->Bytes(LogPath(1)), disk->Bytes(LogPath(2)));
  Recovered recovered;
  EXPECT_TRUE(Recover(*disk, &recovered).IsCorruption());
  EXPECT_EQ(recovered.count, 0u);
  disk->Remove(LogPath(3));
  EXPECT_TRUE(Recover(*disk, &recovered).ok());
  EXPECT_EQ(recovered.count, 0u);
}

TEST_F(AppendWalTest, PoisonStaysUntilReopen) {
  Start(1);
  ASSERT_TRUE(Append(1, true).ok());
  io_.FailAt(io_.operations() + 2);  // the sync of the next append
  EXPECT_EQ(Append(1, true).code(), StatusCode::kIoError);
  EXPECT_EQ(Append(1, false).code(), StatusCode::kAborted);
  EXPECT_EQ(Finish(wal_->Sync()).code(), StatusCode::kAborted);
  EXPECT_EQ(Finish(wal_->StartSegment(2)).code(), StatusCode::kAborted);
  EXPECT_EQ(Finish(wal_->Release(2)).code(), StatusCode::kAborted);
  EXPECT_EQ(Finish(wal_->Close()).code(), StatusCode::kAborted);
  EXPECT_TRUE(io_.Exists(LogPath(1)));
}

TEST_F(AppendWalTest, FailedWritePoisonsToo) {
  Start(1);
  io_.FailAt(io_.operations() + 1, StatusCode::kNoSpace);
  EXPECT_EQ(Append(1, false).code(), StatusCode::kNoSpace);
  EXPECT_EQ(Append(1, false).code(), StatusCode::kAborted);
}

// A file that cannot be removed is tried again by the next release, and those behind it.
TEST_P(WalFault, WhatCouldNotBeRemovedIsTriedAgain) {
  FaultIo io;
  // Another variant's files, which every log removes when it has no more use for them.
  {
    const std::unique_ptr<Wal> wal = MakeWal(io, kAppend);
    for (uint64_t segment = 1; segment <= 3; ++segment) {
      ASSERT_TRUE(Finish(wal->StartSegment(segment)).ok());
      ASSERT_TRUE(Finish(wal->Append(EncodeRecords(wal->position(), segment - 1, 1), false)).ok());
    }
    ASSERT_TRUE(Finish(wal->Sync()).ok());
  }
  const auto files = [&io] {
    size_t n = 0;
    for (const std::string& name : io.Names()) n += name.ends_with(".log") ? 1 : 0;
    return n;
  };
  const std::unique_ptr<Wal> wal = MakeWal(io, GetParam());
  Recovered recovered;
  ASSERT_TRUE(recovered.Run(*wal, 0).ok());
  EXPECT_EQ(recovered.count, 3u);
  ASSERT_TRUE(Finish(wal->StartSegment(4)).ok());
  const size_t own = files() - 3;
  io.FailAt(io.operations() + 1);
  EXPECT_EQ(Finish(wal->Release(4)).code(), StatusCode::kIoError);
  EXPECT_EQ(files(), 3 + own);
  EXPECT_TRUE(Finish(wal->Release(4)).ok());
  EXPECT_EQ(files(), own);
}

// A log that was closed cleanly must be there as it was left, also where its own bytes say nothing.
TEST_P(WalFault, AClosedLogHasTheEndThatTheCatalogKnows) {
  FaultIo io;
  std::unique_ptr<Wal> wal = MakeWal(io, GetParam());
  ASSERT_TRUE(Finish(wal->StartSegment(4)).ok());
  ASSERT_TRUE(Finish(wal->Append(EncodeRecords(wal->position(), 0, 3), false)).ok());
  ASSERT_TRUE(Finish(wal->Close()).ok());
  const uint64_t end = wal->position().offset;
  for (const uint64_t wrong : {end - 1, end + 1}) {
    Recovered recovered;
    EXPECT_TRUE(recovered.Run(*MakeWal(io, GetParam()), 0, 4, wrong).IsCorruption());
  }
  Recovered another;
  EXPECT_TRUE(another.Run(*MakeWal(io, GetParam()), 0, 5, end).IsCorruption());
  Recovered right;
  EXPECT_TRUE(right.Run(*MakeWal(io, GetParam()), 0, 4, end).ok());
  EXPECT_EQ(right.count, 3u);
  Recovered flushed;
  EXPECT_TRUE(flushed.Run(*MakeWal(io, GetParam()), 5, 4, end).ok());
  EXPECT_EQ(flushed.count, 0u);
  EXPECT_EQ(flushed.largest, 4u);
}

// Every variant goes on from what every other one left, and removes it once it is in tables.
TEST_P(WalFault, ReadsTheLogsOfTheOthers) {
  for (const WalCase& writer : WalCases()) {
    FaultIo io;
    {
      std::unique_ptr<Wal> wal = MakeWal(io, writer);
      ASSERT_TRUE(Finish(wal->StartSegment(1)).ok());
      ASSERT_TRUE(Finish(wal->Append(EncodeRecords(wal->position(), 0, 30), true)).ok());
      ASSERT_TRUE(Finish(wal->StartSegment(2)).ok());
      ASSERT_TRUE(Finish(wal->Append(EncodeRecords(wal->position(), 30, 5), true)).ok());
    }
    const std::vector<std::string> left = io.Names();
    std::unique_ptr<Wal> wal = MakeWal(io, GetParam());
    Recovered recovered;
    ASSERT_TRUE(recovered.Run(*wal, 1).ok());
    EXPECT_EQ(recovered.count, 35u);
    EXPECT_EQ(recovered.largest, 2u);
    ASSERT_TRUE(Finish(wal->StartSegment(3)).ok());
    ASSERT_TRUE(Finish(wal->Append(EncodeRecords(wal->position(), 35, 2), true)).ok());
    {
      Recovered again;
      ASSERT_TRUE(again.Run(*MakeWal(io, GetParam()), 1).ok());
      EXPECT_EQ(again.count, 37u);
    }
    ASSERT_TRUE(Finish(wal->Release(3)).ok());
    if (writer.variant != GetParam().variant) {
      for (const std::string& name : left) EXPECT_FALSE(io.Exists(name)) << name;
    }
    Recovered rest;
    ASSERT_TRUE(rest.Run(*MakeWal(io, GetParam()), 3).ok());
    EXPECT_EQ(rest.count, 2u);
  }
}

TEST(OffWal, KeepsNothingAndRefusesRecords) {
  const WalCase off_case = {&kOffWal, "none"};
  for (const WalCase& writer : WalCases()) {
    FaultIo io;
    std::unique_ptr<Wal> off = MakeWal(io, off_case);
    EXPECT_FALSE(off->keeps_records());
    Recovered recovered;
    ASSERT_TRUE(recovered.Run(*off, 0).ok());
    ASSERT_TRUE(Finish(off->StartSegment(1)).ok());
    ASSERT_TRUE(Finish(off->Append("x", true)).ok());
    EXPECT_TRUE(io.Names().empty());

    std::unique_ptr<Wal> log = MakeWal(io, writer);
    ASSERT_TRUE(Finish(log->StartSegment(2)).ok());
    ASSERT_TRUE(Finish(log->Close()).ok());
    ASSERT_TRUE(recovered.Run(*off, 0).ok());  // a log without records is no reason
    EXPECT_EQ(recovered.largest, 2u);
    ASSERT_TRUE(Finish(off->Release(3)).ok());
    EXPECT_TRUE(io.Names().empty());

    log = MakeWal(io, writer);
    ASSERT_TRUE(Finish(log->StartSegment(3)).ok());
    ASSERT_TRUE(Finish(log->Append(EncodeRecords(log->position(), 0, 1), true)).ok());
    EXPECT_EQ(recovered.Run(*off, 0).code(), StatusCode::kInvalidArgument);
    EXPECT_TRUE(recovered.Run(*off, 4).ok());
  }
}

}  // namespace
}  // namespace lsmlab::wal_test
