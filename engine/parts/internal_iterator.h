#pragma once

#include "engine/async/frame_pool.h"
#include "engine/async/task.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"

namespace lsmlab {

// Ordered walk over internal entries: of a memtable, a block, a table, a level, or a merge of them.
// Dispatch is virtual per positioning call; the current entry is in plain fields, so reading it
// costs nothing.
//
// Thread safety: one user at a time. The iterator holds counted references to the blocks it points
// into, and so needs no ReadGuard between calls; what made it (memtable, table, run) outlives it.
// Invariants: after any positioning call either valid() and the entry's slices live until the next
// positioning call, or !valid() and the returned Status says why (ok: there is no such entry).
// After a failed call the iterator stays !valid() until an absolute positioning call succeeds; an
// error is never turned into an end.
// Errors: those of the tables walked over (table.h); a walk over a memtable has none.
// A positioning call that needs a block which is not in memory returns a task, which may suspend;
// the key that was passed outlives it, and no other call is made meanwhile. Nothing else waits.
class InternalIterator {
 public:
  virtual ~InternalIterator() = default;
  InternalIterator() = default;
  InternalIterator(const InternalIterator&) = delete;
  InternalIterator& operator=(const InternalIterator&) = delete;

  bool valid() const noexcept { return valid_; }
  // REQUIRES for the four: valid().
  Slice key() const noexcept { return shown_->key; }
  Tag tag() const noexcept { return shown_->tag; }
  Slice value() const noexcept { return shown_->value; }
  const Entry& entry() const noexcept { return *shown_; }

  // The stages before Seek(key), so that the cache misses of several sources overlap: each uses
  // what the one before has prefetched. The first goes down to what knows the block, the second
  // finds the block, the third the entry. Any may be left out, the last ones first. They never
  // suspend or fail; the position does not change for the user, but the current entry may be gone.
  // PrepareSeek discards what was prepared before.
  // REQUIRES: all with one key; the next positioning call is an absolute one and, when it is Seek,
  // for that key (and any tag), which need not live until then. Any other forgets what was
  // prepared.
  virtual void PrepareSeek(Slice key) noexcept {}
  virtual void PrepareBlock(Slice key) noexcept {}
  virtual void PrepareEntry(Slice key) noexcept {}
  // After PrepareEntry: whether the entry at which the Seek to come would stand certainly has a key
  // above `other`, told without touching that entry. A merge leaves such a source where it is as
  // long as another one comes first: a seek then costs one entry's cache misses, not all sources'.
  virtual bool PreparedAfter(Slice other) const noexcept { return false; }
  // At the first entry at or after (key, tag) in entry order.
  virtual ValueOrTask<Status> Seek(Slice key, Tag tag) = 0;
  // At the last entry strictly before (key, tag); with SnapshotTag/kMaxTag: the last entry of an
  // earlier key.
  virtual ValueOrTask<Status> SeekBefore(Slice key, Tag tag) = 0;
  virtual ValueOrTask<Status> SeekToFirst() = 0;
  virtual ValueOrTask<Status> SeekToLast() = 0;
  // REQUIRES: valid().
  virtual ValueOrTask<Status> Next() = 0;
  // As Next where that needs no waiting and there is a next entry; false: nothing has changed, and
  // Next has to do it. The hot form of a scan. REQUIRES: valid().
  bool TryNext() noexcept { return stepper_->StepInMemory(); }
  virtual ValueOrTask<Status> Prev() = 0;

  // Short-lived and made for every scan: from the per-thread free lists.
  static void* operator new(size_t bytes) { return AllocateFrame(bytes); }
  static void operator delete(void* memory, size_t bytes) noexcept { FreeFrame(memory, bytes); }

 protected:
  // What TryNext does.
  virtual bool StepInMemory() noexcept { return false; }
  // From here to the next positioning call this iterator is at `source`'s entry and TryNext is
  // source's: a step then costs no call and no copy of its own. REQUIRES: source.valid().
  void ShowThrough(const InternalIterator& source) noexcept {
    shown_ = source.shown_;
    stepper_ = source.stepper_;
    valid_ = true;
  }
  // As ShowThrough, but TryNext stays this iterator's own.
  void Show(const InternalIterator& source) noexcept {
    shown_ = source.shown_;
    valid_ = true;
  }

  Entry entry_;
  // What is shown: the own entry_, or that of a source underneath, which then needs no copy per
  // step.
  const Entry* shown_ = &entry_;
  InternalIterator* stepper_ = this;
  bool valid_ = false;
};

}  // namespace lsmlab
