#include "variants/wal/ring_slot.h"

#include <algorithm>
#include <cstring>

#include "engine/base/checksum.h"
#include "engine/base/coding.h"
#include "engine/format/file_name.h"

// Grammar (integers little-endian):
//   slot := copy copy piece
//   copy := checksum:u64 magic:u32 version:u32 slot_bytes:u64 log_number:u64 incarnation:u64
//           chain_place:u32 durable:u32 zero:u8[4096 - 48]
// checksum covers the 40 bytes behind it, under a seed of store id, shard and slot number. The
// segment is what stands in the pieces of its slots, one after another
// (engine/format/wal_record.cc); behind its end the last slot holds whatever it held before.
namespace lsmlab {
namespace {

constexpr uint32_t kRingMagic = 0x676e6972;  // "ring"
constexpr uint32_t kRingVersion = 2;
constexpr size_t kRingCopyBytes = 48;

uint64_t RingSeed(const RingSlotOwner& owner) {
  return MixSeed(MixSeed(owner.store_id, owner.slot), owner.shard);
}

bool DecodeCopy(uint64_t seed, const char* copy, RingSlotHead* head) {
  if (LoadLe<uint64_t>(copy) != Checksum(copy + 8, kRingCopyBytes - 8, seed)) return false;
  if (LoadLe<uint32_t>(copy + 8) != kRingMagic || LoadLe<uint32_t>(copy + 12) != kRingVersion) {
    return false;
  }
  head->slot_bytes = LoadLe<uint64_t>(copy + 16);
  head->log_number = LoadLe<uint64_t>(copy + 24);
  head->incarnation = LoadLe<uint64_t>(copy + 32);
  head->piece = LoadLe<uint32_t>(copy + 40);
  head->durable = LoadLe<uint32_t>(copy + 44) != 0;
  return true;
}

}  // namespace

std::string RingSlotName(uint64_t slot) { return NumberedFileName("", slot, ".ring"); }

void EncodeRingSlotHead(const RingSlotOwner& owner, const RingSlotHead& head, char* to) {
  std::memset(to, 0, kRingHeadBytes);
  StoreLe<uint32_t>(to + 8, kRingMagic);
  StoreLe<uint32_t>(to + 12, kRingVersion);
  StoreLe<uint64_t>(to + 16, head.slot_bytes);
  StoreLe<uint64_t>(to + 24, head.log_number);
  StoreLe<uint64_t>(to + 32, head.incarnation);
  StoreLe<uint32_t>(to + 40, head.piece);
  StoreLe<uint32_t>(to + 44, head.durable ? 1 : 0);
  StoreLe<uint64_t>(to, Checksum(to + 8, kRingCopyBytes - 8, RingSeed(owner)));
  std::memcpy(to + kRingBlock, to, kRingCopyBytes);
}

RingSlotState DecodeRingSlotHead(const RingSlotOwner& owner, Slice start, RingSlotHead* head) {
  bool ready = false;
  int in_use = 0;  // copies that are not zeros
  for (uint64_t at = 0; at + kRingCopyBytes <= start.size(); at += kRingBlock) {
    const char* copy = start.data() + at;
    in_use += std::any_of(copy, copy + kRingCopyBytes, [](char c) { return c != 0; }) ? 1 : 0;
    RingSlotHead found;
    if (!DecodeCopy(RingSeed(owner), copy, &found)) continue;
    if (!ready || found.log_number > head->log_number) *head = found;
    ready = true;
  }
  if (ready) return RingSlotState::kReady;
  // The first head is written over zeros in one piece: a tear damages one copy at most.
  return in_use == 2 ? RingSlotState::kDamaged : RingSlotState::kUnfinished;
}

}  // namespace lsmlab
