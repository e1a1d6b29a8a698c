#include "engine/format/lookup.h"

namespace lsmlab {

Status CheckReadableKind(Tag tag) {
  switch (TagKind(tag)) {
    case EntryKind::kPut:
    case EntryKind::kDelete:
    case EntryKind::kPutInValueFile:
      return Status();
    case EntryKind::kMerge:
    case EntryKind::kRangeDelete:
    case EntryKind::kPutWithExpiry:
      return Status::NotSupported("entry of kind " + std::to_string(tag & 0xff) +
                                  ": reading it needs a newer engine");
    default:
      return Status::Corruption("entry of unknown kind " + std::to_string(tag & 0xff) +
                                ", expected 1 to 6");
  }
}

bool LookupFold::FeedOther(Tag tag, Slice value, const BlockRef* pin) {
  if (TagKind(tag) == EntryKind::kMerge) {
    operands_.emplace_back(value);
    return false;
  }
  Status status = CheckReadableKind(tag);
  if (!status.ok()) {
    Fail(std::move(status));
  } else if (TagKind(tag) == EntryKind::kDelete) {
    state_ = State::kDeleted;
  } else {
    state_ = State::kFound;
    kind_ = EntryKind::kPutInValueFile;
    value_ = value;
    if (pin != nullptr) pin_ = *pin;
  }
  return true;
}

}  // namespace lsmlab
