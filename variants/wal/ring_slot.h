#pragma once

#include <cstdint>
#include <string>

#include "engine/base/slice.h"

// A slot of the log `ring`: a file NNNNNN.ring of a fixed size, of zeros at first (or a hole),
// then used for one log segment after another. Its head says which segment it holds a piece of.
// Grammar at the encoder (ring_slot.cc).
namespace lsmlab {

inline constexpr uint64_t kRingBlock = 4096;
// Two copies of the head, a block each; the piece of the segment stands behind them.
inline constexpr uint64_t kRingHeadBytes = 2 * kRingBlock;

// Who a slot belongs to: mixed into the checksum of its head.
struct RingSlotOwner {
  uint64_t store_id = 0;
  uint32_t shard = 0;
  uint64_t slot = 0;  // the number in the file's name
};

struct RingSlotHead {
  uint64_t slot_bytes = 0;   // of the file
  uint64_t log_number = 0;   // 0: prewritten, holds nothing yet
  uint64_t incarnation = 0;  // number of the first segment of the process that wrote this one
  uint32_t piece = 0;        // place in the chain of slots that the segment fills
  bool durable = false;      // the heads of its pieces are, each before the next piece is begun
};

std::string RingSlotName(uint64_t slot);

// Writes both copies: kRingHeadBytes at `to`.
void EncodeRingSlotHead(const RingSlotOwner& owner, const RingSlotHead& head, char* to);

enum class RingSlotState : uint8_t {
  kReady,       // *head says what it holds
  kUnfinished,  // making it was not finished; nothing was ever logged in it
  kDamaged,     // no copy of the head passes its check, and it was in use
};

// `start`: the first kRingHeadBytes of the file, or all of a shorter one. A write of the head that
// a crash tears leaves at least one copy whole; of two that differ the later segment counts.
RingSlotState DecodeRingSlotHead(const RingSlotOwner& owner, Slice start, RingSlotHead* head);

}  // namespace lsmlab
