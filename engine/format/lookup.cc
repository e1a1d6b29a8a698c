#include "engine/format/lookup.h"

namespace lsmlab {

bool LookupFold::FeedOther(Tag tag, Slice value, const BlockRef* pin) {
  switch (TagKind(tag)) {
    case EntryKind::kDelete:
      state_ = State::kDeleted;
      return true;
    case EntryKind::kMerge:
      operands_.emplace_back(value);
      return false;
    case EntryKind::kPutInValueFile:
      state_ = State::kFound;
      kind_ = EntryKind::kPutInValueFile;
      value_ = value;
      if (pin != nullptr) pin_ = *pin;
      return true;
    default:
      Fail(Status::Corruption("entry of unknown kind " + std::to_string(tag & 0xff) +
                              ", expected 1 to 5"));
      return true;
  }
}

}  // namespace lsmlab
