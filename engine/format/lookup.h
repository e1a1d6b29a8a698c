#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"
#include "engine/parts/block.h"

namespace lsmlab {

// Whether a read may show or skip an entry of this kind: put, delete, put in a value file. Others
// are NotSupported (the format has them, this engine writes none yet) or Corruption (unknown).
Status CheckReadableKind(Tag tag);

// What a point read looks for. Built once per Get: one hash serves every filter it meets.
struct LookupKey {
  LookupKey(Slice user_key, Sequence at) noexcept
      : key(user_key), hash(KeyHash(user_key)), snapshot(at) {}
  Slice key;
  uint64_t hash;
  Sequence snapshot;
};

// Takes the versions of one key, newest to oldest, from whatever holds them, and says when the
// answer is complete. The one place that knows what the entry kinds mean for a point read.
// Not thread-safe; one per read.
class LookupFold {
 public:
  enum class State : uint8_t { kSearching, kFound, kDeleted, kFailed };

  explicit LookupFold(Sequence snapshot, Sequence covering_range_delete = 0) noexcept
      : snapshot_(snapshot), range_delete_(covering_range_delete) {}

  // Feeds the next older version. Versions above the snapshot are ignored. `value` stays valid as
  // long as the caller's ReadGuard, or `pin` when given, lives. Returns true when no older version
  // is wanted: the answer is found, deleted or failed.
  bool Feed(Tag tag, Slice value, const BlockRef* pin = nullptr) {
    if (TagSequence(tag) > snapshot_) return false;
    if (TagSequence(tag) < range_delete_) {
      state_ = State::kDeleted;
      return true;
    }
    if (TagKind(tag) == EntryKind::kPut) [[likely]] {
      state_ = State::kFound;
      value_ = value;
      kind_ = EntryKind::kPut;
      if (pin != nullptr) pin_ = *pin;
      return true;
    }
    return FeedOther(tag, value, pin);
  }
  // The block that the values fed next lie in: lets the reader keep a value without copying it.
  // Optional; null: not in a block.
  void NoteBlock(Block* block) noexcept { block_ = block; }
  Block* block() const noexcept { return block_; }

  // A newer range delete at `sequence` covers the key: older versions are gone.
  void CoverBy(Sequence sequence) noexcept {
    if (sequence <= snapshot_ && sequence > range_delete_) range_delete_ = sequence;
  }

  State state() const noexcept { return state_; }
  bool done() const noexcept { return state_ != State::kSearching; }
  Sequence snapshot() const noexcept { return snapshot_; }
  // kPut or kPutInValueFile when found.
  EntryKind kind() const noexcept { return kind_; }
  Slice value() const noexcept { return value_; }
  // Merge operands above the base value, newest first, copied. Nothing writes merges yet: a reader
  // that finds some reports NotSupported.
  const std::vector<std::string>& operands() const noexcept { return operands_; }
  const BlockRef& pin() const noexcept { return pin_; }
  const Status& status() const noexcept { return status_; }
  void Fail(Status status) {
    state_ = State::kFailed;
    status_ = std::move(status);
  }

 private:
  bool FeedOther(Tag tag, Slice value, const BlockRef* pin);

  Sequence snapshot_;
  Sequence range_delete_;
  State state_ = State::kSearching;
  EntryKind kind_ = EntryKind::kInvalid;
  Slice value_;
  Block* block_ = nullptr;
  BlockRef pin_;
  std::vector<std::string> operands_;
  Status status_;
};

}  // namespace lsmlab
