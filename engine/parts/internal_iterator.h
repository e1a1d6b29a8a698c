#pragma once

#include "engine/async/task.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"

namespace lsmlab {

// Ordered walk over internal entries: of a memtable, a block, a table, a level, or a merge of them.
// Dispatch is virtual per positioning call; the current entry is in plain fields, so reading it
// costs nothing.
//
// Thread safety: one user at a time. The iterator keeps alive what it points into (its own counted
// references); it needs no ReadGuard between calls. Invariants: after any positioning call either
// valid() and the entry's slices live until the next positioning call, or !valid() and the returned
// Status says why (ok: there is no such entry). After a failed call the iterator stays !valid()
// until an absolute positioning call succeeds; an error is never turned into an end.
class InternalIterator {
 public:
  virtual ~InternalIterator() = default;
  InternalIterator() = default;
  InternalIterator(const InternalIterator&) = delete;
  InternalIterator& operator=(const InternalIterator&) = delete;

  bool valid() const noexcept { return valid_; }
  // REQUIRES for the three: valid().
  Slice key() const noexcept { return entry_.key; }
  Tag tag() const noexcept { return entry_.tag; }
  Slice value() const noexcept { return entry_.value; }
  const Entry& entry() const noexcept { return entry_; }

  // Prefetches what Seek(key) will touch; never suspends, never fails, changes nothing.
  virtual void PrepareSeek(Slice key) noexcept {}
  // At the first entry at or after (key, tag) in entry order.
  virtual ValueOrTask<Status> Seek(Slice key, Tag tag) = 0;
  // At the last entry strictly before (key, tag); with SnapshotTag/kMaxTag: the last entry of an
  // earlier key.
  virtual ValueOrTask<Status> SeekBefore(Slice key, Tag tag) = 0;
  virtual ValueOrTask<Status> SeekToFirst() = 0;
  virtual ValueOrTask<Status> SeekToLast() = 0;
  // REQUIRES: valid().
  virtual ValueOrTask<Status> Next() = 0;
  virtual ValueOrTask<Status> Prev() = 0;

 protected:
  Entry entry_;
  bool valid_ = false;
};

}  // namespace lsmlab
