#include "engine/format/batch_part.h"

#include "engine/base/assert.h"
#include "engine/base/coding.h"

// Grammar (integers little-endian):
//   record payload := part? operation*                 operations: engine/format/batch.h
//   part           := mark:u8(128) durable:u8(0|1) batch:u64 count:varint
//                     (shard:varint log_number:varint){count}
// The mark is no kind of operation: a reader that does not know parts stops at it.
namespace lsmlab {
namespace {

constexpr uint8_t kPartMark = 128;

Status DamagedPart(const char* problem) {
  return Status::Corruption(std::string("part of a batch: ") + problem);
}

}  // namespace

void EncodeBatchPart(std::string& out, const BatchPart& part) {
  LSMLAB_ASSERT(part.participants.size() >= 2 && part.participants.size() <= kBatchShardsMax);
  out.push_back(static_cast<char>(kPartMark));
  out.push_back(part.durable ? 1 : 0);
  PutFixed64(out, part.batch);
  PutVarint64(out, part.participants.size());
  for (const BatchPart::Participant& participant : part.participants) {
    PutVarint64(out, participant.shard);
    PutVarint64(out, participant.log_number);
  }
}

Result<bool> TakeBatchPart(Slice* payload, BatchPart* part) {
  if (payload->empty() || static_cast<uint8_t>((*payload)[0]) != kPartMark) return false;
  Decoder in(payload->substr(1));
  uint64_t count = 0;
  uint8_t durable = 0;
  in.GetFixed(&durable);
  in.GetFixed(&part->batch);
  in.GetVarint(&count);
  if (!in.ok()) return DamagedPart("cut off");
  if (durable > 1) return DamagedPart("expected 0 or 1 for durable, found another number");
  part->durable = durable == 1;
  if (count < 2 || count > kBatchShardsMax) {
    return DamagedPart("expected 2 to 1024 participants, found another number");
  }
  part->participants.assign(static_cast<size_t>(count), {});
  uint64_t least = 0;
  for (BatchPart::Participant& participant : part->participants) {
    uint64_t shard = 0;
    in.GetVarint(&shard);
    in.GetVarint(&participant.log_number);
    if (!in.ok()) return DamagedPart("cut off");
    if (shard < least || shard >= kBatchShardsMax) {
      return DamagedPart("expected ascending shards below 1024");
    }
    participant.shard = static_cast<uint32_t>(shard);
    least = shard + 1;
  }
  payload->remove_prefix(payload->size() - in.remaining());
  return true;
}

}  // namespace lsmlab
