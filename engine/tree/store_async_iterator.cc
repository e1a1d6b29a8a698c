#include "engine/base/key_buffer.h"
#include "engine/tree/store_iterator.h"
#include "engine/tree/values_ahead.h"

namespace lsmlab {
namespace {

class StoreAsyncIterator final : public AsyncIterator {
 public:
  StoreAsyncIterator(StoreImpl& store, ShardWalks shards, Sequence release)
      : store_(store), merge_(std::move(shards)), release_(release) {
    if (store_.io().defers()) ahead_.set_most(merge_.read_ahead());
  }
  ~StoreAsyncIterator() override {
    store_.counters().Add(Counter::kNexts, steps_);
    if (release_ != kMaxSequence) store_.ReleaseSnapshot(release_);
  }

  ValueOrTask<Status> Seek(Slice target) override { return Position(ShardMerge::To::kKey, target); }
  ValueOrTask<Status> SeekForPrev(Slice target) override {
    return Position(ShardMerge::To::kKeyOrBefore, target);
  }
  ValueOrTask<Status> SeekToFirst() override { return Position(ShardMerge::To::kFirst, Slice()); }
  ValueOrTask<Status> SeekToLast() override { return Position(ShardMerge::To::kLast, Slice()); }
  ValueOrTask<Status> Next() override {
    ++steps_;
    if (ahead_.active()) return StepAhead(true);
    if (!merge_.forward() || ahead_.asked() || !merge_.current()->TryNext()) {
      return Show(merge_.Step(true));
    }
    if (merge_.several()) merge_.Choose();
    key_ = merge_.current()->key();
    return Status();
  }
  ValueOrTask<Status> Prev() override {
    ++steps_;
    if (ahead_.active()) return StepAhead(false);
    return Show(merge_.Step(false));
  }

  ValueOrTask<Result<Slice>> Value() override {
    if (ahead_.active()) {
      if (ahead_.failed()) return ValueReadAgain();
      return ahead_.Value();
    }
    TreeIterator* current = merge_.current();
    if (current->kind() == EntryKind::kPutInValueFile) {
      // What was shown of this position stays there until the next one, and is not read twice.
      if (value_ && value_at_ == steps_) return Result<Slice>(value_->bytes());
      if (ahead_.may_begin()) return FillAhead();
      ahead_.Ask();
      return SeparatedValue();
    }
    return Result<Slice>(current->value());
  }

 private:
  // A copy: the caller's may lie in a block that the move lets go.
  ValueOrTask<Status> Position(ShardMerge::To to, Slice target) {
    if (to == ShardMerge::To::kKey || to == ShardMerge::To::kKeyOrBefore) {
      store_.counters().Add(Counter::kSeeks, 1);
    }
    target_.assign(target);
    ahead_.Forget();
    value_ = BlockRef();
    behind_ahead_ = Status();
    return Show(merge_.Position(to, target_));
  }
  ValueOrTask<Status> Show(ValueOrTask<Status> move) {
    if (!move.ready()) return ShowAfter(move.TakeTask());
    ShowCurrent();
    return move;
  }
  Task<Status> ShowAfter(Task<Status> move) {
    Status status = co_await move;
    ShowCurrent();
    co_return status;
  }
  void ShowCurrent() noexcept {
    valid_ = merge_.current() != nullptr;
    if (valid_) key_ = ahead_.Shown(merge_.current()->key(), merge_.current()->kind());
  }
  Task<Result<Slice>> SeparatedValue() {
    const TreeIterator& current = *merge_.current();
    const Version& version = *current.view()->version();
    Result<BlockRef> value =
        co_await merge_.tree()->ReadUserValue(version, current.key(), current.value());
    if (!value.ok()) co_return value.status();
    value_ = std::move(value).value();
    value_at_ = steps_;
    ahead_.NoteSize(value_->size);
    co_return value_->bytes();
  }
  Task<Result<Slice>> ValueReadAgain() {
    Status read = co_await ahead_.ReadAgain();
    (void)read;  // a failure is in its entry
    co_return ahead_.Value();
  }

  // From here on `ahead_` shows the entries from the current one on, and the walks stand behind
  // them.
  Task<Result<Slice>> FillAhead() {
    ahead_.Begin();
    do {
      ahead_.Push(*merge_.tree(), *merge_.current());
      behind_ahead_ = co_await merge_.Step(merge_.forward());
    } while (!ahead_.full() && behind_ahead_.ok() && merge_.current() != nullptr);
    Status read = co_await ahead_.ReadValues();
    (void)read;  // every failure is in its entry
    co_return ahead_.Value();
  }
  ValueOrTask<Status> StepAhead(bool forward) {
    if (forward != merge_.forward()) return TurnInAhead(forward);
    if (ahead_.Step()) {
      key_ = ahead_.key();
      return Status();
    }
    ahead_.Clear();
    ShowCurrent();
    return std::exchange(behind_ahead_, Status());
  }
  // The walks first come back to the entry shown.
  Task<Status> TurnInAhead(bool forward) {
    target_.assign(ahead_.key());
    ahead_.Forget();
    behind_ahead_ = Status();
    Status status = co_await merge_.Position(ShardMerge::To::kKey, target_);
    if (status.ok()) status = co_await merge_.Step(forward);
    ShowCurrent();
    co_return status;
  }

  StoreImpl& store_;
  ShardMerge merge_;
  const Sequence release_;
  uint64_t steps_ = 0;  // counted by the store at the end
  KeyBuffer target_;
  BlockRef value_;         // read by itself
  uint64_t value_at_ = 0;  // the step after which it was; positioning drops it
  ValuesAhead ahead_;
  Status behind_ahead_;  // why the walks stand nowhere behind it; ok: at the next entry, or the end
};

}  // namespace

std::unique_ptr<AsyncIterator> NewAsyncStoreIterator(StoreImpl& store, ShardWalks shards,
                                                     Sequence release) {
  return std::make_unique<StoreAsyncIterator>(store, std::move(shards), release);
}

}  // namespace lsmlab
