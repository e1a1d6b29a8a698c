#include "engine/tree/tree_iterator.h"

namespace lsmlab {

bool TreeIterator::LookForward(bool& skip_key) {
  const Slice key = merged_->key();
  if (TagSequence(merged_->tag()) > snapshot_) return false;
  if (skip_key && SameKey(key, key_)) return false;
  if (TagKind(merged_->tag()) == EntryKind::kDelete) {
    key_.assign(key);
    skip_key = true;
    return false;
  }
  return true;
}

Status TreeIterator::Show() {
  const Status status = CheckReadableKind(merged_->tag());
  valid_ = status.ok();
  return status;
}

ValueOrTask<Status> TreeIterator::FindForward(bool skip_key) {
  while (merged_->valid()) {
    if (!upper_.empty() && merged_->key() >= upper_) break;
    if (LookForward(skip_key)) return Show();
    if (merged_->TryNext()) continue;
    ValueOrTask<Status> step = merged_->Next();
    if (!step.ready()) return FindForwardSlow(step.TakeTask(), skip_key);
    Status status = step.Take();
    if (!status.ok()) {
      valid_ = false;
      return status;
    }
  }
  valid_ = false;
  return Status();
}

Task<Status> TreeIterator::FindForwardSlow(Task<Status> step, bool skip_key) {
  Status status = co_await step;
  while (true) {
    if (!status.ok()) {
      valid_ = false;
      co_return status;
    }
    if (!merged_->valid() || (!upper_.empty() && merged_->key() >= upper_)) {
      valid_ = false;
      co_return Status();
    }
    if (LookForward(skip_key)) co_return Show();
    status = co_await merged_->Next();
  }
}

ValueOrTask<Status> TreeIterator::Seek(Slice target) {
  forward_ = true;
  if (target < lower_) target = lower_;
  ValueOrTask<Status> seek = merged_->Seek(target, SnapshotTag(snapshot_));
  if (!seek.ready()) return FindForwardSlow(seek.TakeTask(), false);
  Status status = seek.Take();
  if (!status.ok()) {
    valid_ = false;
    return status;
  }
  return FindForward(false);
}

ValueOrTask<Status> TreeIterator::SeekToFirst() {
  if (!lower_.empty()) return Seek(lower_);
  forward_ = true;
  ValueOrTask<Status> seek = merged_->SeekToFirst();
  if (!seek.ready()) return FindForwardSlow(seek.TakeTask(), false);
  Status status = seek.Take();
  if (!status.ok()) {
    valid_ = false;
    return status;
  }
  return FindForward(false);
}

ValueOrTask<Status> TreeIterator::Next() {
  if (!forward_) return NextFromBackward();
  if (std::exchange(stepped_, false)) return FindForward(true);
  key_.assign(merged_->key());
  ValueOrTask<Status> step = merged_->Next();
  if (!step.ready()) return FindForwardSlow(step.TakeTask(), true);
  Status status = step.Take();
  if (!status.ok()) {
    valid_ = false;
    return status;
  }
  return FindForward(true);
}

Task<Status> TreeIterator::NextFromBackward() {
  // merged_ stands before the versions of key_: go behind all of them.
  forward_ = true;
  Status status = co_await merged_->Seek(key_, 0);
  if (!status.ok()) {
    valid_ = false;
    co_return status;
  }
  ValueOrTask<Status> found = FindForward(true);
  co_return co_await found;
}

ValueOrTask<Status> TreeIterator::SeekForPrev(Slice target) {
  if (!upper_.empty() && target >= upper_) return SeekToLast();
  forward_ = false;
  // Tag 0 sorts behind every version of the target.
  ValueOrTask<Status> seek = merged_->SeekBefore(target, 0);
  if (!seek.ready()) return FindBackward(seek.TakeTask());
  Status status = seek.Take();
  if (!status.ok()) {
    valid_ = false;
    return status;
  }
  return FindBackwardFrom();
}

ValueOrTask<Status> TreeIterator::SeekToLast() {
  forward_ = false;
  ValueOrTask<Status> seek =
      upper_.empty() ? merged_->SeekToLast() : merged_->SeekBefore(upper_, kMaxTag);
  if (!seek.ready()) return FindBackward(seek.TakeTask());
  Status status = seek.Take();
  if (!status.ok()) {
    valid_ = false;
    return status;
  }
  return FindBackwardFrom();
}

ValueOrTask<Status> TreeIterator::Prev() {
  if (forward_) return PrevFromForward();
  return FindBackwardFrom();
}

Task<Status> TreeIterator::PrevFromForward() {
  key_.assign(merged_->key());
  forward_ = false;
  Status status = co_await merged_->SeekBefore(key_, kMaxTag);
  if (!status.ok()) {
    valid_ = false;
    co_return status;
  }
  co_return co_await FindBackwardFrom();
}

Task<Status> TreeIterator::FindBackward(Task<Status> positioned) {
  Status status = co_await positioned;
  if (!status.ok()) {
    valid_ = false;
    co_return status;
  }
  co_return co_await FindBackwardFrom();
}

// merged_ stands on the oldest version of some key. Walks its versions from old to new, keeping the
// newest visible one, until the key changes; a deleted key is passed over.
Task<Status> TreeIterator::FindBackwardFrom() {
  valid_ = false;
  bool have = false;
  while (merged_->valid()) {
    if (have && merged_->key() != Slice(key_)) {
      if (kind_ != EntryKind::kDelete) break;
      have = false;
    }
    if (!have && merged_->key() < lower_) break;
    if (TagSequence(merged_->tag()) <= snapshot_) {
      if (!have) key_.assign(merged_->key());
      have = true;
      LSMLAB_CO_TRY(CheckReadableKind(merged_->tag()));
      kind_ = TagKind(merged_->tag());
      if (kind_ != EntryKind::kDelete) value_.assign(merged_->value());
    }
    Status status = co_await merged_->Prev();
    if (!status.ok()) co_return status;
  }
  valid_ = have && kind_ != EntryKind::kDelete;
  co_return Status();
}

}  // namespace lsmlab
