#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/conformance/wal_fixture.h"
#include "variants/wal/ring_slot.h"

// What the log `ring` owes besides its part's contract: slots that are used again, old records in
// them that are never taken for live ones, durable writes into blocks of their own.
namespace lsmlab::wal_test {
namespace {

std::string SlotPath(uint64_t slot) { return kDirectory + "/" + RingSlotName(slot); }

class RingWalTest : public ::testing::TestWithParam<WalCase> {
 protected:
  void Start(uint64_t number) { ASSERT_TRUE(Finish(wal_->StartSegment(number)).ok()); }
  Status Append(uint64_t count, bool durable) {
    const std::string bytes = EncodeRecords(wal_->position(), dense_, count);
    dense_ += count;
    return Finish(wal_->Append(bytes, durable));
  }
  std::unique_ptr<Wal> NewWal(Io& io) const { return MakeWal(io, GetParam()); }
  size_t Slots() const { return io_->Names().size(); }
  bool Durable() const { return GetParam().sync == "group"; }
  // As if the last head of this slot had not reached the disk.
  static void LoseHead(FaultIo& disk, uint64_t slot) {
    const RingSlotOwner owner{.store_id = kStore, .shard = 1, .slot = slot};
    EncodeRingSlotHead(owner, {.slot_bytes = kSlotBytes}, disk.Bytes(SlotPath(slot)).data());
  }

  std::unique_ptr<FaultIo> io_ = MakeFaultDisk();
  std::unique_ptr<Wal> wal_ = NewWal(*io_);
  uint64_t dense_ = 0;
};
INSTANTIATE_TEST_SUITE_P(All, RingWalTest, ::testing::ValuesIn(CasesWithSlots()), ByWalCase());

// One write per group, durable or not; released slots are used again.
TEST_P(RingWalTest, CostsWhatItSays) {
  Start(1);
  EXPECT_EQ(Slots(), GetParam().prewritten() ? 3u : 1u);
  for (uint64_t segment = 2; segment < 20; ++segment) {
    const uint64_t before = io_->operations();
    ASSERT_TRUE(Append(1, Durable()).ok());
    EXPECT_EQ(io_->operations(), before + 1);
    EXPECT_EQ(wal_->position().offset % kRingBlock == 0, Durable());
    if (Durable()) {
      EXPECT_EQ(wal_->position().synced_offset, wal_->position().offset);
    }
    const uint64_t syncs = wal_->syncs();
    Start(segment);
    if (segment > 2) {
      EXPECT_EQ(wal_->syncs(), syncs + (Durable() ? 1 : 0));
    }
    ASSERT_TRUE(Finish(wal_->Release(segment)).ok());
  }
  EXPECT_EQ(Slots(), GetParam().prewritten() ? 3u : 2u) << "what was needed";
  EXPECT_EQ(wal_->bytes_written(), io_->Counters().write_bytes);
  EXPECT_EQ(wal_->syncs(), io_->Counters().syncs);
}

// Without a free slot the ring grows, and the log neither waits nor fails; what is above the
// setting goes when the next process has no more use for it.
TEST_P(RingWalTest, GrowsWhileNothingIsReleasedAndShrinksAfterReopen) {
  for (uint64_t segment = 1; segment <= 6; ++segment) {
    Start(segment);
    ASSERT_TRUE(Append(2, true).ok());
  }
  EXPECT_EQ(Slots(), 6u);
  wal_ = NewWal(*io_);
  Recovered recovered;
  ASSERT_TRUE(recovered.Run(*wal_, 2).ok());
  EXPECT_EQ(recovered.count, 10u);
  Start(7);
  EXPECT_EQ(Slots(), 6u);  // the first segment's slot was free
  ASSERT_TRUE(Finish(wal_->Release(7)).ok());
  EXPECT_EQ(Slots(), 3u);
  ASSERT_TRUE(Append(1, true).ok());
}

// A segment longer than a slot, also with one record that fills several.
TEST_P(RingWalTest, ASegmentGoesOnInOtherSlots) {
  Start(1);
  EXPECT_FALSE(wal_->segment_is_full());
  ASSERT_TRUE(Append(120, Durable()).ok());
  EXPECT_TRUE(wal_->segment_is_full());
  EXPECT_GE(Slots(), 4u);
  ASSERT_TRUE(Append(3, Durable()).ok());
  const uint64_t slots = Slots();
  Start(2);
  ASSERT_TRUE(Append(1, true).ok());
  {
    Recovered recovered;
    ASSERT_TRUE(recovered.Run(*NewWal(*io_), 0).ok());
    EXPECT_EQ(recovered.count, 124u);
    auto disk = io_->Copy();
    disk->Remove(SlotPath(2));  // its second piece
    Recovered without;
    EXPECT_TRUE(without.Run(*NewWal(*disk), 0).IsCorruption());
  }
  ASSERT_TRUE(Finish(wal_->Release(2)).ok());
  ASSERT_TRUE(Append(50, Durable()).ok());
  EXPECT_EQ(Slots(), slots + 1);
  Recovered recovered;
  ASSERT_TRUE(recovered.Run(*NewWal(*io_), 2).ok());
  EXPECT_EQ(recovered.first, 124u);
  EXPECT_EQ(recovered.count, 51u);
}

// The danger is real: behind the end of the log stand records that are whole and were valid.
TEST_P(RingWalTest, OldRecordsBehindTheEndAreNotReplayed) {
  const History before = Age(*io_, GetParam());
  wal_ = NewWal(*io_);
  Recovered nothing;
  ASSERT_TRUE(nothing.Run(*wal_, before.min_log, before.closed_log, before.closed_bytes).ok());
  EXPECT_EQ(nothing.count, 0u);
  dense_ = before.appended;
  const uint64_t number = nothing.largest + 1;
  Start(number);
  ASSERT_TRUE(Append(1, true).ok());
  EXPECT_EQ(Slots(), 3u);
  uint64_t slot = 0;
  for (uint64_t at = 1; at <= 3; ++at) {
    RingSlotHead head;
    const RingSlotOwner owner{.store_id = kStore, .shard = 1, .slot = at};
    const std::string& bytes = io_->Bytes(SlotPath(at));
    ASSERT_EQ(DecodeRingSlotHead(owner, bytes, &head), RingSlotState::kReady);
    if (head.log_number == number) slot = at;
  }
  ASSERT_NE(slot, 0u);
  // Whatever the old segments were called, one of them is still readable from here on.
  const std::string& bytes = io_->Bytes(SlotPath(slot));
  uint64_t old_records = 0;
  for (uint64_t at = kRingHeadBytes + wal_->position().offset; at < bytes.size(); ++at) {
    for (uint64_t old = 1; old < number; ++old) {
      // A reader wants a segment header first, so a record is recognised by how that is refused.
      WalRecordReader reader(IdentityOf(old, 1), Slice(bytes).substr(at), true);
      if (reader.Next() != WalRecordReader::Outcome::kDamaged) continue;
      const bool intact = reader.detail().starts_with("expected a segment header") ||
                          reader.detail().starts_with("expected a fragment of this format");
      old_records += intact ? 1 : 0;
    }
  }
  EXPECT_GT(old_records, 0u);
  Recovered recovered;
  ASSERT_TRUE(recovered.Run(*NewWal(*io_), number).ok());
  EXPECT_EQ(recovered.count, 1u);
}

// A power loss takes a segment's head and leaves its records; the next process uses the number, and
// the slot, again. What it writes is followed by what the first one wrote there, byte for byte.
TEST_P(RingWalTest, ALogNumberThatComesAgainBringsNothingBack) {
  Start(1);
  ASSERT_TRUE(Append(3, false).ok());
  Start(2);
  // Each in a block of its own, so that the second one stands where the log ends after the first.
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Append(1, true).ok());
  LoseHead(*io_, 2);
  wal_ = NewWal(*io_);
  Recovered before;
  ASSERT_TRUE(before.Run(*wal_, 0).ok());
  EXPECT_EQ(before.last, 3u);
  EXPECT_EQ(before.largest, 1u);
  dense_ = before.last;
  Start(2);
  ASSERT_TRUE(Append(1, true).ok());
  Recovered after;
  ASSERT_TRUE(after.Run(*NewWal(*io_), 2).ok());
  EXPECT_EQ(after.count, 1u);
  EXPECT_EQ(after.last, 4u);
}

// A segment of which a power loss has left some slots' heads only: it ends where one is missing,
// which is damage when something behind was durable.
TEST_P(RingWalTest, ASegmentEndsWhereAHeadIsMissing) {
  Start(1);
  Start(2);
  const uint64_t first = GetParam().prewritten() ? 2 : Slots();
  ASSERT_TRUE(Append(60, Durable()).ok());
  ASSERT_TRUE(Append(60, Durable()).ok());
  Recovered all;
  ASSERT_TRUE(all.Run(*NewWal(*io_), 2).ok());
  EXPECT_EQ(all.count, 120u);
  uint64_t kept = 0;
  for (uint64_t slot = first; slot <= Slots(); ++slot) {
    auto disk = io_->Copy();
    LoseHead(*disk, slot);
    Recovered some;
    const Status status = some.Run(*NewWal(*disk), 2);
    if (Durable() && slot < Slots()) {
      EXPECT_TRUE(status.IsCorruption()) << slot;
    } else {
      ASSERT_TRUE(status.ok()) << status.ToString();
      EXPECT_GE(some.last, kept);
      EXPECT_EQ(some.last > 0, slot > first);
      EXPECT_LT(some.last, 120u);
      kept = some.last;
    }
  }
}

// No write touches a block that holds records acknowledged as durable.
TEST_P(RingWalTest, DurableGroupsHaveBlocksOfTheirOwn) {
  Start(1);
  uint64_t end = wal_->position().offset;
  for (int i = 0; i < 6; ++i) {
    const std::string before = io_->Bytes(SlotPath(1)).substr(0, kRingHeadBytes + end);
    ASSERT_EQ(end % kRingBlock, 0u);
    if (end + kRingBlock > kSlotBytes - kRingHeadBytes) break;
    ASSERT_TRUE(Append(1, true).ok());
    EXPECT_EQ(io_->Bytes(SlotPath(1)).substr(0, before.size()), before);
    end = wal_->position().offset;
  }
}

TEST_P(RingWalTest, EveryFlippedByteOfAClosedLogIsAnErrorOrHarmless) {
  Start(1);
  ASSERT_TRUE(Append(20, true).ok());
  Start(2);
  ASSERT_TRUE(Append(3, true).ok());
  ASSERT_TRUE(Finish(wal_->Close()).ok());
  const uint64_t end = wal_->position().offset;
  uint64_t noticed = 0, all = 0;
  for (const std::string& path : io_->Names()) {
    for (size_t at = 0; at < kSlotBytes; at += 29) {
      auto disk = io_->Copy();
      disk->Bytes(path)[at] ^= 0x10;
      Recovered recovered;
      const Status status = recovered.Run(*NewWal(*disk), 0, 2, end);
      ++all;
      if (!status.ok()) {
        ++noticed;
        ASSERT_TRUE(status.IsCorruption()) << status.ToString();
        ASSERT_NE(status.message().find(kDirectory + "/00000"), std::string_view::npos)
            << status.ToString();
      } else {
        ASSERT_EQ(recovered.count, 23u) << path << " " << at;
      }
    }
  }
  EXPECT_GT(noticed, all / 5);
}

// Both copies of a head in use: damage of the second kind is never taken for a free slot.
TEST_P(RingWalTest, ASlotWithoutAnyIntactHeadIsAnError) {
  Start(1);
  ASSERT_TRUE(Append(1, true).ok());
  for (const std::string& path : io_->Names()) {
    auto disk = io_->Copy();
    disk->Bytes(path)[20] ^= 1;
    disk->Bytes(path)[kRingBlock + 30] ^= 1;
    Recovered recovered;
    const Status status = recovered.Run(*NewWal(*disk), 0);
    EXPECT_TRUE(status.IsCorruption());
    EXPECT_NE(status.message().find(path), std::string_view::npos) << status.ToString();
  }
}

TEST_P(RingWalTest, MissingSwappedAndCutSlotsAreErrors) {
  Start(1);
  ASSERT_TRUE(Append(20, true).ok());
  Start(2);
  ASSERT_TRUE(Append(1, true).ok());
  for (const uint64_t slot : {1, 2}) {
    auto disk = io_->Copy();
    disk->Remove(SlotPath(slot));
    Recovered without;
    // The last segment's slot may be missing: nothing later says that there was one.
    EXPECT_EQ(without.Run(*NewWal(*disk), 0).IsCorruption(), slot == 1);
    disk = io_->Copy();
    disk->Bytes(SlotPath(slot)).resize(kSlotBytes - 1);
    Recovered cut;
    EXPECT_TRUE(cut.Run(*NewWal(*disk), 0).IsCorruption()) << slot;
  }
  std::swap(io_->Bytes(SlotPath(1)), io_->Bytes(SlotPath(2)));
  Recovered recovered;
  EXPECT_TRUE(recovered.Run(*NewWal(*io_), 0).IsCorruption());
}

TEST_P(RingWalTest, AnotherSizeReplacesTheSlots) {
  Start(1);
  ASSERT_TRUE(Append(1, true).ok());
  SettingBag bag = DefaultSettings(GetParam().variant->settings);
  bag.Set("sync", GetParam().sync);
  bag.Set("segment_size", static_cast<int64_t>(2 * kSlotBytes));
  bag.Set("segments", int64_t{2});
  bag.Set("prewrite", std::string("open"));
  const WalEnvironment environment{
      .io = io_.get(), .directory = kDirectory, .shard = 1, .store_id = kStore};
  wal_ = GetParam().variant->make(bag, environment);
  Recovered recovered;
  ASSERT_TRUE(recovered.Run(*wal_, 0).ok());
  EXPECT_EQ(recovered.count, 1u);
  Start(2);
  ASSERT_TRUE(Append(2, true).ok());
  ASSERT_TRUE(Finish(wal_->Release(2)).ok());
  EXPECT_EQ(Slots(), 2u);
  for (const std::string& name : io_->Names()) EXPECT_EQ(io_->Bytes(name).size(), 2 * kSlotBytes);
}

// Without a size of its own a slot takes the log of one memtable; durable groups fill blocks, and
// have larger ones.
TEST_P(RingWalTest, ASlotIsMeantForOneMemtable) {
  SettingBag bag = DefaultSettings(GetParam().variant->settings);
  bag.Set("sync", GetParam().sync);
  const WalEnvironment environment{.io = io_.get(),
                                   .directory = kDirectory,
                                   .shard = 1,
                                   .store_id = kStore,
                                   .memtable_bytes = 1u << 20};
  wal_ = GetParam().variant->make(bag, environment);
  Start(1);
  const size_t bytes = io_->Bytes(SlotPath(1)).size();
  EXPECT_EQ(bytes % 4096, 0u);
  if (Durable()) {
    EXPECT_EQ(bytes, 64u << 20);
  } else {
    EXPECT_GT(bytes, 5u << 18);
    EXPECT_LT(bytes, 6u << 18);
    while (wal_->position().offset < 1u << 20) ASSERT_TRUE(Append(64, false).ok());
    EXPECT_EQ(Slots(), 1u);
    while (wal_->position().offset < 3u << 20) ASSERT_TRUE(Append(64, false).ok());
    EXPECT_EQ(Slots(), 3u);
    EXPECT_FALSE(wal_->segment_is_full()) << "the memtable says when it is full";
  }
}

TEST_P(RingWalTest, PoisonStaysUntilReopen) {
  Start(1);
  ASSERT_TRUE(Append(1, true).ok());
  io_->FailAt(io_->operations() + 1, StatusCode::kNoSpace);
  EXPECT_EQ(Append(1, true).code(), StatusCode::kIoError);  // as a sync that failed
  EXPECT_EQ(Append(1, false).code(), StatusCode::kAborted);
  EXPECT_EQ(Finish(wal_->Sync()).code(), StatusCode::kAborted);
  EXPECT_EQ(Finish(wal_->StartSegment(2)).code(), StatusCode::kAborted);
  EXPECT_EQ(Finish(wal_->Release(2)).code(), StatusCode::kAborted);
  EXPECT_EQ(Finish(wal_->Close()).code(), StatusCode::kAborted);
}

// A full disk while a slot is made: the log fails, what was taken is given back.
TEST_P(RingWalTest, AFullDiskWhileGrowingLeavesNoHalfSlot) {
  for (uint64_t segment = 1; segment <= 3; ++segment) {
    Start(segment);
    ASSERT_TRUE(Append(1, true).ok());
  }
  io_->FailAt(io_->operations() + 2, StatusCode::kNoSpace);  // the zeros of the fourth slot
  EXPECT_EQ(Finish(wal_->StartSegment(4)).code(), StatusCode::kNoSpace);
  EXPECT_EQ(Slots(), 3u);
  EXPECT_EQ(Append(1, true).code(), StatusCode::kAborted);
  Recovered recovered;
  ASSERT_TRUE(recovered.Run(*NewWal(*io_), 0).ok());
  EXPECT_EQ(recovered.count, 3u);
}

}  // namespace
}  // namespace lsmlab::wal_test
