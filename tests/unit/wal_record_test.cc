#include "engine/format/wal_record.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/coding.h"
#include "engine/base/random.h"

namespace lsmlab {
namespace {

using Outcome = WalRecordReader::Outcome;

WalIdentity Identity() { return {.store_id = 0x1122334455667788, .shard = 3, .log_number = 7}; }

void AddRecord(WalRecordEncoder& encoder, uint64_t dense, Slice payload) {
  encoder.BeginRecord(dense * 10, dense);
  encoder.buffer().append(payload);
  encoder.EndRecord();
}

struct Record {
  Sequence sequence;
  uint64_t dense;
  std::string payload;
  friend bool operator==(const Record&, const Record&) = default;
};

// Records up to where the reader stops.
std::vector<Record> ReadAll(WalRecordReader& reader, Outcome* last) {
  std::vector<Record> records;
  while (true) {
    *last = reader.Next();
    if (*last == Outcome::kEnd || *last == Outcome::kDamaged) return records;
    if (*last == Outcome::kRecord) {
      records.push_back(
          {reader.first_sequence(), reader.dense_number(), std::string(reader.payload())});
    }
  }
}

// Header, a synced part of two records, a sync mark, a record after it, the end mark.
std::string SmallSegment() {
  WalRecordEncoder encoder;
  encoder.Begin(Identity(), 0);
  encoder.AppendSegmentHeader({.previous_log = 5, .previous_end = 300, .previous_synced = 200});
  AddRecord(encoder, 1, "alpha");
  AddRecord(encoder, 2, "");
  std::string segment(encoder.bytes());
  encoder.Begin(Identity(), segment.size());
  encoder.AppendSyncMark();
  AddRecord(encoder, 3, std::string(300, 'x'));
  segment.append(encoder.bytes());
  encoder.Begin(Identity(), segment.size());
  encoder.AppendEndMark();
  return segment.append(encoder.bytes());
}

std::vector<Record> SmallRecords() {
  return {{10, 1, "alpha"}, {20, 2, ""}, {30, 3, std::string(300, 'x')}};
}

TEST(WalRecord, RoundTrip) {
  const std::string segment = SmallSegment();
  WalRecordReader reader(Identity(), segment);
  ASSERT_EQ(reader.Next(), Outcome::kSegmentHeader);
  EXPECT_EQ(reader.segment_header().previous_log, 5u);
  EXPECT_EQ(reader.segment_header().previous_end, 300u);
  EXPECT_EQ(reader.segment_header().previous_synced, 200u);
  Outcome last;
  EXPECT_EQ(ReadAll(reader, &last), SmallRecords());
  EXPECT_EQ(last, Outcome::kEnd);
  EXPECT_EQ(reader.intact_end(), segment.size());
  EXPECT_EQ(reader.synced_offset(), segment.size() - kWalFragmentHeaderBytes);
}

// The bytes of the format: a change here makes old logs unreadable.
TEST(WalRecord, GoldenBytes) {
  WalRecordEncoder encoder;
  encoder.Begin(Identity(), 0);
  encoder.AppendSegmentHeader({.previous_log = 5, .previous_end = 300, .previous_synced = 200});
  AddRecord(encoder, 1, "alpha");
  std::string hex;
  for (char c : encoder.bytes()) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[c & 15];
  }
  EXPECT_EQ(hex,
            "793083ec97add0c72000000005000000000000000000000000000000000000000000000000000000"
            "010000000000000005000000000000002c01000000000000c8000000000000000ae9e5d72cc6a841"
            "050000000100000001000000000000000a000000000000000000000000000000616c706861");
}

TEST(WalRecord, LargeRecordsAreCutAndJoined) {
  Random random(1);
  for (size_t bytes : {kWalFragmentBytes - 1, kWalFragmentBytes, kWalFragmentBytes + 1,
                       3 * kWalFragmentBytes, 5 * kWalFragmentBytes + 17}) {
    std::string payload(bytes, '\0');
    for (char& c : payload) c = static_cast<char>(random.Next());
    WalRecordEncoder encoder;
    encoder.Begin(Identity(), 0);
    encoder.AppendSegmentHeader({});
    AddRecord(encoder, 1, "before");
    AddRecord(encoder, 2, payload);
    AddRecord(encoder, 3, "after");
    WalRecordReader reader(Identity(), encoder.bytes());
    Outcome last;
    const std::vector<Record> records = ReadAll(reader, &last);
    ASSERT_EQ(last, Outcome::kEnd) << reader.detail();
    ASSERT_EQ(records.size(), 3u);
    EXPECT_TRUE(records[1].payload == payload);
    EXPECT_EQ(records[2].payload, "after");
    // Cut inside: the record before stays, nothing of the large one comes.
    WalRecordReader cut(Identity(), encoder.bytes().substr(0, encoder.bytes().size() - 100));
    EXPECT_EQ(ReadAll(cut, &last).size(), 1u);
    EXPECT_EQ(last, Outcome::kDamaged);
  }
}

TEST(WalRecord, EveryFlippedBitIsFound) {
  const std::string segment = SmallSegment();
  const std::vector<Record> all = SmallRecords();
  const size_t end_mark = segment.size() - kWalFragmentHeaderBytes;
  for (size_t bit = 0; bit < segment.size() * 8; ++bit) {
    std::string damaged = segment;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    WalRecordReader reader(Identity(), damaged);
    Outcome last;
    const std::vector<Record> records = ReadAll(reader, &last);
    ASSERT_EQ(last, Outcome::kDamaged) << bit;
    ASSERT_LE(reader.offset(), bit / 8);
    ASSERT_LE(records.size(), all.size());
    for (size_t i = 0; i < records.size(); ++i) ASSERT_TRUE(records[i] == all[i]) << bit;
    // Before the end mark the damage cannot be taken for a torn tail.
    if (bit / 8 < end_mark) {
      ASSERT_GT(reader.FindSyncBehindDamage(), reader.intact_end()) << bit;
    } else {
      ASSERT_EQ(reader.FindSyncBehindDamage(), 0u) << bit;
      ASSERT_EQ(records.size(), all.size());
    }
  }
}

TEST(WalRecord, EveryCutGivesAPrefix) {
  const std::string segment = SmallSegment();
  const std::vector<Record> all = SmallRecords();
  for (size_t size = 0; size < segment.size(); ++size) {
    for (bool zeros : {false, true}) {
      std::string cut = segment.substr(0, size);
      if (zeros) cut.resize(segment.size() + 5000, '\0');
      WalRecordReader reader(Identity(), cut);
      Outcome last;
      const std::vector<Record> records = ReadAll(reader, &last);
      ASSERT_LE(records.size(), all.size());
      for (size_t i = 0; i < records.size(); ++i) ASSERT_TRUE(records[i] == all[i]);
      ASSERT_LE(reader.intact_end(), std::max(size, reader.intact_end() * zeros));
      ASSERT_TRUE(last == Outcome::kDamaged || reader.offset() == reader.intact_end());
      ASSERT_EQ(reader.FindSyncBehindDamage(), 0u);
    }
  }
}

// Readers pass over pads; they carry a synced offset like every fragment.
TEST(WalRecord, PadsMoveTheNextRecord) {
  WalRecordEncoder encoder;
  encoder.Begin(Identity(), 0);
  encoder.AppendSegmentHeader({});
  encoder.AppendPad(4096 - kWalSegmentHeaderBytes);
  std::string segment(encoder.bytes());
  ASSERT_EQ(segment.size(), 4096u);
  encoder.Begin(Identity(), segment.size());
  AddRecord(encoder, 1, "alpha");
  encoder.AppendPad(kWalFragmentHeaderBytes);
  segment.append(encoder.bytes());
  WalRecordReader reader(Identity(), segment);
  ASSERT_EQ(reader.Next(), Outcome::kSegmentHeader);
  Outcome last;
  EXPECT_EQ(ReadAll(reader, &last), (std::vector<Record>{{10, 1, "alpha"}}));
  EXPECT_EQ(last, Outcome::kEnd);
  EXPECT_EQ(reader.intact_end(), segment.size());
  EXPECT_EQ(reader.synced_offset(), 4096u);
  // Damage in the first pad: the last one tells that what stood before it was durable.
  segment[200] ^= 1;
  WalRecordReader damaged(Identity(), segment);
  EXPECT_TRUE(ReadAll(damaged, &last).empty());
  EXPECT_EQ(last, Outcome::kDamaged);
  EXPECT_EQ(damaged.FindSyncBehindDamage(), 4096u);
}

// Where a file is used again other segments' bytes may follow, also behind an end mark.
TEST(WalRecord, AReusedFileMayHoldAnythingBehindTheEnd) {
  const std::string segment = SmallSegment();
  WalRecordEncoder other;
  WalIdentity before = Identity();
  before.log_number -= 1;
  other.Begin(before, 100);
  AddRecord(other, 4, "old");
  const std::string followed = segment + std::string(other.bytes());
  WalRecordReader reader(Identity(), followed, true);
  Outcome last;
  EXPECT_EQ(ReadAll(reader, &last), SmallRecords());
  EXPECT_EQ(last, Outcome::kEnd);
  EXPECT_EQ(reader.intact_end(), segment.size());
  const std::string open_end =
      followed.substr(0, segment.size() - kWalFragmentHeaderBytes) + std::string(other.bytes());
  WalRecordReader without_mark(Identity(), open_end, true);
  EXPECT_EQ(ReadAll(without_mark, &last), SmallRecords());
  EXPECT_EQ(last, Outcome::kDamaged);
  EXPECT_EQ(without_mark.FindSyncBehindDamage(), 0u);
}

TEST(WalRecord, ForeignSegmentsAreRefused) {
  const std::string segment = SmallSegment();
  for (int field = 0; field < 3; ++field) {
    WalIdentity other = Identity();
    if (field == 0) other.store_id ^= 1;
    if (field == 1) other.shard ^= 1;
    if (field == 2) other.log_number ^= 1;
    WalRecordReader reader(other, segment);
    EXPECT_EQ(reader.Next(), Outcome::kDamaged);
    EXPECT_EQ(reader.FindSyncBehindDamage(), 0u);
  }
}

TEST(WalRecord, DataBehindTheEndMarkIsDamage) {
  std::string segment = SmallSegment();
  segment.append(10, '\0').append("x");
  WalRecordReader reader(Identity(), segment);
  Outcome last;
  EXPECT_EQ(ReadAll(reader, &last), SmallRecords());
  EXPECT_EQ(last, Outcome::kDamaged);
  // An intact record too.
  WalRecordEncoder encoder;
  encoder.Begin(Identity(), 0);
  AddRecord(encoder, 4, "late");
  segment = SmallSegment().append(encoder.bytes());
  WalRecordReader again(Identity(), segment);
  EXPECT_EQ(ReadAll(again, &last), SmallRecords());
  EXPECT_EQ(last, Outcome::kDamaged);
}

// Rewrites a header field and makes the checksum fit again.
std::string Forge(std::string segment, size_t at, size_t field, uint64_t value, size_t width) {
  std::memcpy(segment.data() + at + field, &value, width);
  const uint64_t seed = MixSeed(MixSeed(Identity().store_id, Identity().log_number), 3);
  const size_t bytes = LoadLe<uint32_t>(segment.data() + at + 8);
  if (bytes <= segment.size() - at - kWalFragmentHeaderBytes) {
    StoreLe<uint64_t>(segment.data() + at, Checksum(segment.data() + at + 8, 32 + bytes, seed));
  }
  return segment;
}

TEST(WalRecord, HostileHeadersWithValidChecksums) {
  const std::string segment = SmallSegment();
  const size_t record = kWalSegmentHeaderBytes;
  const std::vector<std::string> hostile = {
      Forge(segment, record, 8, 0xffffffff, 4),         // length
      Forge(segment, record, 8, 2u << 20, 4),           // length
      Forge(segment, record, 12, 0, 1),                 // type
      Forge(segment, record, 12, 2, 1),                 // a first without a last
      Forge(segment, record, 12, 3, 1),                 // a middle without a first
      Forge(segment, record, 12, 5, 1),                 // a second segment header
      Forge(segment, record, 12, 7, 1),                 // an end mark with payload
      Forge(segment, record, 12, 99, 1),                //
      Forge(segment, record, 13, 1, 1),                 // transform
      Forge(segment, record, 14, 1, 2),                 // index
      Forge(segment, record, 24, kMaxSequence + 1, 8),  // sequence
      Forge(segment, record, 32, record + 1, 8),        // synced beyond itself
      Forge(segment, 0, 40, 2, 4),                      // version
      Forge(segment, 0, 44, 1, 4),                      // reserved
      Forge(segment, 0, 64, 301, 8),                    // more synced than written
      Forge(segment, 0, 12, 1, 1),                      // no segment header
  };
  for (size_t i = 0; i < hostile.size(); ++i) {
    WalRecordReader reader(Identity(), hostile[i]);
    Outcome last;
    ReadAll(reader, &last);
    EXPECT_EQ(last, Outcome::kDamaged) << i;
    EXPECT_FALSE(reader.detail().empty());
  }
}

TEST(WalRecord, RandomBytesNeverCrash) {
  Random random(7);
  const std::string segment = SmallSegment();
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = segment;
    for (uint64_t n = random.Below(8) + 1; n > 0; --n) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    }
    bytes = Forge(bytes, kWalSegmentHeaderBytes, 16, 1, 8);
    WalRecordReader reader(Identity(), bytes);
    Outcome last;
    ReadAll(reader, &last);
    reader.FindSyncBehindDamage();
  }
}

}  // namespace
}  // namespace lsmlab
