#pragma once

#include <memory>

#include "engine/base/key_buffer.h"
#include "engine/parts/internal_iterator.h"
#include "engine/store.h"
#include "engine/tree/counters.h"
#include "engine/tree/view.h"

namespace lsmlab {

// The newest version of each key that a snapshot can see, without deleted keys, within bounds: the
// walk of one shard. `valid()`, `key()`, `value()` as an InternalIterator; the tag tells whether
// the value is a reference. One user at a time; holds its view.
class TreeIterator {
 public:
  // `counters` outlives the iterator.
  TreeIterator(ViewRef view, Counters& counters, Sequence snapshot, Slice lower, Slice upper)
      : counters_(counters),
        view_(std::move(view)),
        snapshot_(snapshot),
        lower_(lower),
        upper_(upper) {}
  ~TreeIterator() {
    CounterCells& cells = counters_.Local();
    if (read_.filter_probes != 0) {
      cells.Add(Counter::kFilterProbes, read_.filter_probes);
      cells.Add(Counter::kFilterNegatives, read_.filter_negatives);
    }
    cells.Add(Counter::kCacheHits, read_.cache_hits);
    cells.Add(Counter::kCacheMisses, read_.cache_misses);
  }
  const ViewRef& view() const noexcept { return view_; }
  // What the sources count their reads in.
  TableReadCounters* read_counters() noexcept { return &read_; }
  // REQUIRES: before the first positioning.
  void SetSource(std::unique_ptr<InternalIterator> merged) { merged_ = std::move(merged); }

  // Made for every scan: from the per-thread free lists.
  static void* operator new(size_t bytes) { return AllocateFrame(bytes); }
  static void operator delete(void* memory, size_t bytes) noexcept { FreeFrame(memory, bytes); }

  bool valid() const noexcept { return valid_; }
  Slice key() const noexcept { return forward_ ? merged_->key() : Slice(key_); }
  Slice value() const noexcept { return forward_ ? merged_->value() : Slice(value_); }
  EntryKind kind() const noexcept { return forward_ ? TagKind(merged_->tag()) : kind_; }

  // Overlaps the cache misses of several walks before each one's Seek.
  void PrepareSeek(Slice target) noexcept {
    if (target < lower_) target = lower_;
    merged_->PrepareSeek(target);
    merged_->PrepareBlock(target);
  }
  ValueOrTask<Status> Seek(Slice target);
  ValueOrTask<Status> SeekForPrev(Slice target);
  ValueOrTask<Status> SeekToFirst();
  ValueOrTask<Status> SeekToLast();
  ValueOrTask<Status> Next();
  // The hot form of Next: true when it is done and a key is there; false: Next has to do it, and
  // the walk may be used for nothing else before. REQUIRES: valid().
  bool TryNext() noexcept {
    if (!forward_) return false;
    key_.assign(merged_->key());
    if (!merged_->TryNext()) return false;
    const Slice key = merged_->key();
    const Tag tag = merged_->tag();
    stepped_ = TagSequence(tag) > snapshot_ ||
               (TagKind(tag) != EntryKind::kPut && TagKind(tag) != EntryKind::kPutInValueFile) ||
               SameKey(key, key_) || (!upper_.empty() && key >= upper_);
    return !stepped_;
  }
  ValueOrTask<Status> Prev();

 private:
  // Forward: from merged_'s entry to the first one to show. `skip_key`: whether versions of key_
  // are passed over.
  ValueOrTask<Status> FindForward(bool skip_key);
  Task<Status> FindForwardSlow(Task<Status> step, bool skip_key);
  // One look at the current entry: true when it is to be shown, false to step on.
  bool LookForward(bool& skip_key);
  Status Show();
  Task<Status> FindBackward(Task<Status> positioned);
  Task<Status> FindBackwardFrom();
  Task<Status> PrevFromForward();
  Task<Status> NextFromBackward();

  Counters& counters_;
  TableReadCounters read_;
  ViewRef view_;
  std::unique_ptr<InternalIterator> merged_;
  const Sequence snapshot_;
  const Slice lower_, upper_;
  bool valid_ = false;
  bool forward_ = true;
  bool stepped_ = false;  // by TryNext, onto an entry that Next has to look at
  // Forward: the key whose older versions are skipped. Backward: the entry shown, copied, because
  // merged_ then stands before it.
  KeyBuffer key_;
  std::string value_;
  EntryKind kind_ = EntryKind::kInvalid;
};

}  // namespace lsmlab
