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
    const EntryKind kind = TagKind(tag);
    lost_delete_ = for_snapshot_ = false;
    if (first_ || !SameKey(key, key_)) {
      key_.assign(key);
      first_ = false;
      newest_group_ = group;
      replaced_delete_ = false;
    } else if (group == group_ && shadowed_) {
      // A newer version of the same key is visible wherever this one would be.
      if (kind == EntryKind::kDelete && !by_delete_) {
        replaced_delete_ = true;
        lost_delete_ = !nothing_below;
      }
      return false;
    }
    group_ = group;
    // A merge operand needs what is below it; everything else hides older versions of its group.
    shadowed_ = kind != EntryKind::kMerge;
    by_delete_ = kind == EntryKind::kDelete;
    if (by_delete_ && group == 0 && nothing_below) return false;
    for_snapshot_ = group != newest_group_;
    lost_delete_ = replaced_delete_;
    return true;
  }

  // Of the entry that Keep was asked about last.
  //
  // A newer version of its key, no tombstone, has taken a tombstone's place in the output, and what
  // that deletes may be left: it lies below, or this entry is of it and kept for a snapshot.
  bool lost_delete() const noexcept { return lost_delete_; }
  // It is kept for a snapshot alone; a newer version of its key is in the output.
  bool for_snapshot() const noexcept { return for_snapshot_; }

 private:
  // Index of the first snapshot that sees the sequence; snapshots_.size(): only the present.
  // Group 0 holds what the oldest snapshot (or, with none, the present) sees.
  size_t GroupOf(Sequence sequence) const {
    return static_cast<size_t>(std::lower_bound(snapshots_.begin(), snapshots_.end(), sequence) -
                               snapshots_.begin());
  }

  std::vector<Sequence> snapshots_;
  std::string key_;
  size_t newest_group_ = 0;  // of the key
  size_t group_ = 0;
  bool shadowed_ = false;
  bool by_delete_ = false;        // what shadows is a tombstone: in the output, it counts itself
  bool replaced_delete_ = false;  // something else has taken the place of one of the key's
  bool first_ = true;
  bool lost_delete_ = false, for_snapshot_ = false;
};

}  // namespace lsmlab
