#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/format/file_name.h"
#include "engine/format/wal_record.h"
#include "tests/support/fault_io.h"
#include "tests/support/test_scale.h"
#include "variants/io/simulated_io.h"
#include "variants/wal/wals.h"

namespace lsmlab {
namespace {

constexpr uint64_t kStore = 0xfeedfacecafebeef;
const std::string kDirectory = "d";

std::unique_ptr<Wal> MakeWal(Io& io, const WalVariant& variant = kAppendWal) {
  WalEnvironment environment;
  environment.io = &io;
  environment.directory = kDirectory;
  environment.shard = 1;
  environment.store_id = kStore;
  return variant.make(SettingBag(), environment);
}

std::string LogPath(uint64_t number) {
  return kDirectory + "/" + NumberedFileName("", number, ".log");
}

// The payload follows from the record's number, so any record read checks itself.
std::string PayloadOf(uint64_t dense) {
  Random random(dense);
  std::string payload(random.Below(900), '\0');
  for (char& c : payload) c = static_cast<char>(random.Next());
  return payload;
}

struct Recovered final : WalReplayer {
  Status Replay(uint64_t, Sequence first_sequence, uint64_t dense, Slice payload) override {
    EXPECT_TRUE(payload == PayloadOf(dense));
    EXPECT_EQ(first_sequence, dense * 3);
    EXPECT_TRUE(count == 0 || dense == last + 1);
    if (count == 0) first = dense;
    last = dense;
    ++count;
    return {};
  }
  Status Run(Wal& wal, uint64_t min_log) {
    return Finish(wal.Recover(min_log, *this, &stats, &largest));
  }
  uint64_t count = 0, first = 0, last = 0, largest = 0;
  WalReplayStats stats;
};

// What a process knows while it uses a log: the promises that hold after a crash.
struct History {
  uint64_t appended = 0;  // last record handed to the log, whatever came of it
  uint64_t acked = 0;     // last record known to be durable
  uint64_t flushed = 0;   // last record that tables hold
  uint64_t min_log = 0;
};

// One process: recovers, then appends, syncs, rotates and releases as the seed says, until the disk
// stops. `settled` is false when the log could not even be recovered.
class Process {
 public:
  Process(Io& io, History& history, uint64_t seed)
      : history_(history), random_(seed), wal_(MakeWal(io)) {}

  void Run() {
    durable_share_ = random_.Below(4);  // 0: never
    Recovered recovered;
    const Status status = recovered.Run(*wal_, history_.min_log);
    if (!status.ok()) {
      ASSERT_FALSE(status.IsCorruption()) << status.ToString();
      return;
    }
    Settle(recovered);
    current_ = recovered.largest;
    if (random_.OneIn(2)) Flush();
    if (!NewSegment()) return;
    for (int step = 0; step < 14; ++step) {
      if (!Step()) return;
    }
    if (random_.OneIn(2) && Finish(wal_->Close()).ok()) history_.acked = history_.appended;
  }

 private:
  void Settle(const Recovered& recovered) {
    const uint64_t last = recovered.count > 0 ? recovered.last : history_.flushed;
    if (recovered.count > 0) {
      ASSERT_LE(recovered.first, history_.flushed + 1);
    }
    ASSERT_GE(std::max(last, history_.flushed), history_.acked);
    ASSERT_LE(last, history_.appended);
    history_.appended = std::max(last, history_.flushed);
    history_.acked = history_.appended;  // recovery syncs what it reads
  }
  // All records so far go to tables.
  void Flush() {
    history_.flushed = history_.acked = history_.appended;
    history_.min_log = current_ + 1;
  }
  bool NewSegment() {
    if (!Finish(wal_->StartSegment(++current_)).ok()) return false;
    return true;
  }
  bool Step() {
    switch (random_.Below(8)) {
      case 0: {
        const uint64_t before = history_.appended;
        if (!NewSegment()) return false;
        if (random_.OneIn(2)) return true;
        history_.flushed = before;
        history_.acked = std::max(history_.acked, before);
        history_.min_log = current_;
        return Finish(wal_->Release(current_)).ok();
      }
      case 1:
        if (durable_share_ == 0) return true;
        if (!Finish(wal_->Sync()).ok()) return false;
        history_.acked = history_.appended;
        return true;
      default:
        return AppendGroup();
    }
  }
  bool AppendGroup() {
    WalRecordEncoder encoder;
    const WalPosition position = wal_->position();
    EXPECT_EQ(position.log_number, current_);
    WalIdentity identity;
    identity.store_id = kStore;
    identity.shard = 1;
    identity.log_number = current_;
    encoder.Begin(identity, position.synced_offset);
    for (uint64_t n = random_.Below(3) + 1; n > 0; --n) {
      const uint64_t dense = ++history_.appended;
      encoder.BeginRecord(dense * 3, dense);
      encoder.buffer().append(PayloadOf(dense));
      encoder.EndRecord();
    }
    const bool durable = random_.Below(4) < durable_share_;
    if (!Finish(wal_->Append(encoder.bytes(), durable)).ok()) return false;
    if (durable) history_.acked = history_.appended;
    return true;
  }

  History& history_;
  Random random_;
  std::unique_ptr<Wal> wal_;
  uint64_t current_ = 0;
  uint64_t durable_share_ = 0;
};

// Every operation of many small runs, every mode, and crashes of the recovering process too.
TEST(WalCrash, PrefixAndPromisesHoldAtEveryOperation) {
  uint64_t states = 0;
  for (uint64_t seed = 1; seed <= test::Scaled(40); ++seed) {
    FaultIo whole;
    History history;
    Process(whole, history, seed).Run();
    const uint64_t operations = whole.operations();
    for (uint64_t stop = 1; stop <= operations; ++stop) {
      for (FaultCrash mode : kFaultCrashes) {
        auto disk = std::make_unique<FaultIo>();
        disk->StopAt(stop);
        History known;
        Process(*disk, known, seed).Run();
        for (uint64_t depth = 1; depth <= 3; ++depth) {
          const uint64_t mix = seed * 1000003 + stop * 101 + depth;
          Random random(mix);
          disk = disk->Crash(depth == 1 ? mode : kFaultCrashes[random.Below(6)], mix);
          if (depth < 3) disk->StopAt(random.Below(30) + 1);
          Process(*disk, known, mix).Run();
          ++states;
          ASSERT_FALSE(::testing::Test::HasFailure())
              << "seed " << seed << " stop " << stop << " mode " << static_cast<int>(mode)
              << " depth " << depth;
        }
      }
    }
  }
  EXPECT_GT(states, test::Scaled(10000));
  std::printf("%llu crash states\n", static_cast<unsigned long long>(states));
}

// The same on the simulated disk of the io part: an image after each of its steps.
TEST(WalCrash, HoldsOnTheSimulatedDisk) {
  struct Moment {
    std::shared_ptr<SimDisk> image;
    History known;
  };
  uint64_t states = 0;
  for (uint64_t seed = 1; seed <= test::Scaled(30); ++seed) {
    std::shared_ptr<SimDisk> disk = SimDisk::Make();
    disk->MakeDirectories(kDirectory);
    History history;
    std::vector<Moment> moments;
    disk->SetAfterStep([&](uint64_t) { moments.push_back({disk->Snapshot(), history}); });
    Process(*MakeSimulatedIo(disk), history, seed).Run();
    disk->SetAfterStep(nullptr);
    for (const Moment& moment : moments) {
      for (int mode = 0; mode < kCrashModes; ++mode) {
        const uint64_t mix = seed * 1000003 + states;
        History known = moment.known;
        std::shared_ptr<SimDisk> left = moment.image->Crash(static_cast<CrashMode>(mode), mix);
        Process(*MakeSimulatedIo(left), known, mix).Run();
        // What that process left behind, after one more crash.
        left = left->Crash(static_cast<CrashMode>(mix % kCrashModes), mix);
        Process(*MakeSimulatedIo(left), known, mix + 1).Run();
        states += 2;
        ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed << " mode " << mode;
      }
    }
  }
  std::printf("%llu crash states\n", static_cast<unsigned long long>(states));
}

// A failed write or sync: nothing is acknowledged any more, and after a crash the promises hold.
TEST(WalFault, PoisonedAfterAnyFailure) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    FaultIo whole;
    History history;
    Process(whole, history, seed).Run();
    for (uint64_t fail = 1; fail <= whole.operations(); ++fail) {
      auto disk = std::make_unique<FaultIo>();
      disk->FailAt(fail);
      History known;
      Process(*disk, known, seed).Run();
      disk = disk->Crash(kFaultCrashes[fail % 6 == 1 ? 0 : fail % 6], fail);
      Process(*disk, known, seed + 1).Run();
      ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed << " fail " << fail;
    }
  }
}

class AppendWalTest : public ::testing::Test {
 protected:
  void Start(uint64_t number) { ASSERT_TRUE(Finish(wal_->StartSegment(number)).ok()); }
  Status Append(int count, bool durable) {
    WalRecordEncoder encoder;
    WalIdentity identity;
    identity.store_id = kStore;
    identity.shard = 1;
    identity.log_number = wal_->position().log_number;
    encoder.Begin(identity, wal_->position().synced_offset);
    for (int i = 0; i < count; ++i) {
      ++dense_;
      encoder.BeginRecord(dense_ * 3, dense_);
      encoder.buffer().append(PayloadOf(dense_));
      encoder.EndRecord();
    }
    return Finish(wal_->Append(encoder.bytes(), durable));
  }
  Status Recover(FaultIo& io, Recovered* recovered, uint64_t min_log = 0) {
    return recovered->Run(*MakeWal(io), min_log);
  }

  FaultIo io_;
  std::unique_ptr<Wal> wal_ = MakeWal(io_);
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

// One write per append; a log that never syncs data costs one directory sync per segment.
TEST_F(AppendWalTest, CostsWhatItSays) {
  Start(1);
  const uint64_t after_start = io_.operations();
  ASSERT_TRUE(Append(3, false).ok());
  EXPECT_EQ(io_.operations(), after_start + 1);
  ASSERT_TRUE(Append(3, true).ok());
  EXPECT_EQ(io_.operations(), after_start + 3);
  EXPECT_EQ(wal_->position().synced_offset, wal_->position().offset);
  ASSERT_TRUE(Finish(wal_->Sync()).ok());  // nothing to do
  EXPECT_EQ(io_.operations(), after_start + 3);
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

TEST_F(AppendWalTest, MissingSegmentIsAnError) {
  for (uint64_t number : {1, 2, 3}) {
    Start(number);
    ASSERT_TRUE(Append(2, false).ok());
  }
  auto disk = io_.Copy();
  disk->Remove(LogPath(2));
  Recovered recovered;
  EXPECT_TRUE(Recover(*disk, &recovered).IsCorruption());
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
    wal_ = MakeWal(*disk);
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

TEST_F(AppendWalTest, SwappedSegmentsAreAnError) {
  for (uint64_t number : {1, 2}) {
    Start(number);
    ASSERT_TRUE(Append(2, true).ok());
  }
  auto disk = io_.Copy();
  std::swap(disk->Bytes(LogPath(1)), disk->Bytes(LogPath(2)));
  Recovered recovered;
  EXPECT_EQ(Recover(*disk, &recovered).ok() ? recovered.count : 0, 0u);
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

TEST(OffWal, KeepsNothingAndRefusesForeignRecords) {
  FaultIo io;
  std::unique_ptr<Wal> off = MakeWal(io, kOffWal);
  EXPECT_FALSE(off->keeps_records());
  Recovered recovered;
  ASSERT_TRUE(recovered.Run(*off, 0).ok());
  ASSERT_TRUE(Finish(off->StartSegment(1)).ok());
  ASSERT_TRUE(Finish(off->Append("x", true)).ok());
  EXPECT_TRUE(io.Names().empty());

  std::unique_ptr<Wal> append = MakeWal(io);
  ASSERT_TRUE(Finish(append->StartSegment(2)).ok());
  ASSERT_TRUE(Finish(append->Close()).ok());
  ASSERT_TRUE(recovered.Run(*off, 0).ok());  // a log without records is no reason
  EXPECT_EQ(recovered.largest, 2u);
  io.Bytes(LogPath(2)).append(100, 'x');
  EXPECT_EQ(recovered.Run(*off, 0).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(recovered.Run(*off, 3).ok());
}

}  // namespace
}  // namespace lsmlab
