#include "engine/format/batch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/base/coding.h"
#include "engine/base/random.h"
#include "engine/format/batch_part.h"

namespace lsmlab {
namespace {

std::string Sample() {
  std::string out;
  EncodeOperation(out, EntryKind::kPut, 0, "key", "value");
  EncodeOperation(out, EntryKind::kDelete, 1, "gone", "");
  EncodeOperation(out, EntryKind::kMerge, 300, "", "+1");
  EncodeOperation(out, EntryKind::kRangeDelete, 0, "a", "b");
  return out;
}

TEST(Batch, RoundTrip) {
  const std::string bytes = Sample();
  OperationReader reader(bytes);
  Operation op;
  ASSERT_TRUE(reader.Next(&op));
  EXPECT_EQ(op.kind, EntryKind::kPut);
  EXPECT_EQ(op.key, "key");
  EXPECT_EQ(op.value, "value");
  ASSERT_TRUE(reader.Next(&op));
  EXPECT_EQ(op.kind, EntryKind::kDelete);
  EXPECT_EQ(op.tree, 1u);
  ASSERT_TRUE(reader.Next(&op));
  EXPECT_EQ(op.kind, EntryKind::kMerge);
  EXPECT_EQ(op.tree, 300u);
  EXPECT_EQ(op.key, "");
  ASSERT_TRUE(reader.Next(&op));
  EXPECT_EQ(op.kind, EntryKind::kRangeDelete);
  EXPECT_EQ(op.value, "b");
  EXPECT_FALSE(reader.Next(&op));
  EXPECT_TRUE(reader.status().ok());
}

TEST(Batch, GoldenBytes) {
  std::string out;
  EncodeOperation(out, EntryKind::kPut, 0, "key", "value");
  EncodeOperation(out, EntryKind::kDelete, 300, "k", "");
  EXPECT_EQ(out, std::string("\x01\x00\x03key\x05value\x02\xac\x02\x01k\x00", 18));
}

TEST(Batch, EveryCutIsAnErrorOrAnOperationBoundary) {
  const std::string bytes = Sample();
  int whole = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    OperationReader reader(Slice(bytes).substr(0, size));
    Operation op;
    while (reader.Next(&op)) {
    }
    whole += reader.status().ok();
    if (!reader.status().ok()) {
      EXPECT_TRUE(reader.status().IsCorruption());
      EXPECT_FALSE(reader.Next(&op));
    }
  }
  EXPECT_EQ(whole, 4);
}

TEST(Batch, HostileOperations) {
  std::vector<std::string> hostile(8);
  hostile[0] = std::string("\x00\x00\x00\x00", 4);                  // kind 0
  hostile[1] = std::string("\x05\x00\x00\x00", 4);                  // not of a batch
  hostile[2] = std::string("\x02\x00\x01k\x01v", 6);                // delete with a value
  hostile[3] = std::string("\x01\xff\xff\xff\xff\x1f\x00\x00", 8);  // tree above 32 bits
  hostile[4] = std::string("\x01\x80\x00\x00\x00", 5);              // varint too long
  hostile[5] = "\x01";
  PutVarint64(hostile[5], 0);
  PutVarint64(hostile[5], ~uint64_t{0});  // key length
  EncodeOperation(hostile[6], EntryKind::kPut, 0, std::string(kMaxKeyBytes + 1, 'k'), "");
  EncodeOperation(hostile[7], EntryKind::kRangeDelete, 0, "a", std::string(kMaxKeyBytes + 1, 'k'));
  for (const std::string& bytes : hostile) {
    OperationReader reader(bytes);
    Operation op;
    EXPECT_FALSE(reader.Next(&op));
    EXPECT_TRUE(reader.status().IsCorruption());
  }
}

TEST(Batch, RandomBytesNeverCrash) {
  Random random(3);
  for (int round = 0; round < 100000; ++round) {
    std::string bytes = Sample();
    bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    bytes.resize(random.Below(bytes.size() + 1));
    OperationReader reader(bytes);
    Operation op;
    size_t seen = 0;
    while (reader.Next(&op)) seen += op.key.size() + op.value.size();
    EXPECT_LE(seen, bytes.size());
  }
}

TEST(BatchPart, GoldenBytesAndRoundTrip) {
  BatchPart part;
  part.batch = 0x1234;
  part.durable = true;
  part.participants = {{1, 300}, {7, 2}};
  std::string bytes;
  EncodeBatchPart(bytes, part);
  EXPECT_EQ(bytes, std::string("\x80\x01\x34\x12\0\0\0\0\0\0\x02\x01\xac\x02\x07\x02", 16));
  bytes += Sample();
  Slice payload = bytes;
  BatchPart read;
  const auto taken = TakeBatchPart(&payload, &read);
  ASSERT_TRUE(taken.ok() && taken.value());
  EXPECT_EQ(payload, Sample());
  EXPECT_EQ(read.batch, 0x1234u);
  EXPECT_TRUE(read.durable);
  ASSERT_EQ(read.participants.size(), 2u);
  EXPECT_EQ(read.participants[0].log_number, 300u);
  EXPECT_EQ(read.participants[1].shard, 7u);
  // What is no part stays as it is; what does not know parts refuses one.
  const auto none = TakeBatchPart(&payload, &read);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none.value());
  EXPECT_EQ(payload, Sample());
  OperationReader operations(bytes);
  Operation operation;
  EXPECT_FALSE(operations.Next(&operation));
  EXPECT_TRUE(operations.status().IsCorruption());
}

TEST(BatchPart, HostileBytes) {
  BatchPart part;
  part.participants = {{1, 300}, {7, 2}};
  std::string bytes;
  EncodeBatchPart(bytes, part);
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    Slice payload(bytes.data(), cut);
    EXPECT_TRUE(TakeBatchPart(&payload, &part).status().IsCorruption()) << cut;
  }
  const size_t durable = 1, count = 10, second_shard = 14;
  for (const auto& [at, value] :
       {std::pair<size_t, int>{durable, 2}, {count, 0}, {count, 1}, {second_shard, 1}}) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(value);
    Slice payload = changed;
    EXPECT_TRUE(TakeBatchPart(&payload, &part).status().IsCorruption()) << at << " " << value;
  }
  std::string many(10, '\0');
  many[0] = '\x80';
  PutVarint64(many, 1'000'000'000);
  Slice payload = many;
  EXPECT_TRUE(TakeBatchPart(&payload, &part).status().IsCorruption());
}

}  // namespace
}  // namespace lsmlab
