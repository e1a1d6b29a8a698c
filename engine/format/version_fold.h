#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/slice.h"
#include "engine/format/entry.h"

namespace lsmlab {

// Decides, entry by entry in entry order, which versions of each key a flush or compaction keeps:
// the newest one that each snapshot (and the present) can see; a tombstone that nothing older lies
// below is dropped once every snapshot sees it. Not thread-safe; one per job.
class VersionFold {
 public:
  // `snapshots`: ascending, taken when the job began.
  explicit VersionFold(std::vector<Sequence> snapshots) : snapshots_(std::move(snapshots)) {}

  // `nothing_below`: no older data of this key can exist outside the job's inputs.
  bool Keep(Slice key, Tag tag, bool nothing_below) {
    const size_t group = GroupOf(TagSequence(tag));
    if (!first_ && SameKey(key, key_)) {
      // A newer version of the same key is visible wherever this one would be.
      if (group == group_ && shadowed_) return false;
    } else {
      key_.assign(key);
      first_ = false;
    }
    group_ = group;
    // A merge operand needs what is below it; everything else hides older versions of its group.
    shadowed_ = TagKind(tag) != EntryKind::kMerge;
    return !(TagKind(tag) == EntryKind::kDelete && group == 0 && nothing_below);
  }

 private:
  // Index of the first snapshot that sees the sequence; snapshots_.size(): only the present.
  // Group 0 holds what the oldest snapshot (or, with none, the present) sees.
  size_t GroupOf(Sequence sequence) const {
    return static_cast<size_t>(std::lower_bound(snapshots_.begin(), snapshots_.end(), sequence) -
                               snapshots_.begin());
  }

  std::vector<Sequence> snapshots_;
  std::string key_;
  size_t group_ = 0;
  bool shadowed_ = false;
  bool first_ = true;
};

}  // namespace lsmlab
