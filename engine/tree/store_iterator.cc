#include "engine/tree/store_iterator.h"

#include "engine/base/key_buffer.h"
#include "engine/tree/values_ahead.h"

namespace lsmlab {
namespace {

// With worker pools, whatever may read runs on a worker, and with it all of a positioning and of a
// step back. A step forward within what is in memory is the caller's: the way to a worker costs
// many times as much. `Here`: on this thread, which may be a worker.
class StoreIterator final : public Iterator {
 public:
  StoreIterator(StoreImpl& store, ShardWalks shards, Sequence release)
      : store_(store), merge_(std::move(shards)), release_(release) {
    if (store_.io().defers()) ahead_.set_most(merge_.read_ahead());
  }
  ~StoreIterator() override {
    store_.counters().Add(Counter::kNexts, steps_);
    if (release_ != kMaxSequence) store_.ReleaseSnapshot(release_);
  }

  static void* operator new(size_t bytes) { return AllocateFrame(bytes); }
  static void operator delete(void* memory, size_t bytes) noexcept { FreeFrame(memory, bytes); }

  Status Seek(Slice target) override {
    store_.counters().Add(Counter::kSeeks, 1);
    target_.assign(target);
    return Position(ShardMerge::To::kKey);
  }
  Status SeekForPrev(Slice target) override {
    store_.counters().Add(Counter::kSeeks, 1);
    target_.assign(target);
    return Position(ShardMerge::To::kKeyOrBefore);
  }
  Status SeekToFirst() override { return Position(ShardMerge::To::kFirst); }
  Status SeekToLast() override { return Position(ShardMerge::To::kLast); }
  // Small, so that a scan's loop can take it in.
  Status Next() override {
    if (steps_forward_ && merge_.current()->TryNext()) [[likely]] {
      ++steps_;
      if (merge_.several()) merge_.Choose();
      key_ = merge_.current()->key();
      return Status();
    }
    return Step(true);
  }
  Status Prev() override { return Step(false); }

  Result<Slice> Value() override {
    if (ahead_.active()) return ValueAhead();
    TreeIterator* current = merge_.current();
    if (current->kind() != EntryKind::kPutInValueFile) return current->value();
    // What was shown of this position stays there until the next one, and is not read twice.
    if (value_ && value_at_ == steps_) return value_->bytes();
    return store_.OnReader([this] { return SeparatedValue(); });
  }

 private:
  Result<Slice> ValueAhead() {
    if (!ahead_.failed()) [[likely]]
      return ahead_.Value();
    return store_.OnReader([this]() -> Result<Slice> {
      Status read = store_.Run(ahead_.ReadAgain());
      (void)read;  // a failure is in its entry
      return ahead_.Value();
    });
  }
  [[gnu::noinline]] Result<Slice> SeparatedValue() {
    if (ahead_.may_begin()) {
      FillAhead();
      return ahead_.Value();
    }
    ahead_.Ask();
    steps_forward_ = steps_forward_ && !ahead_.asked();
    const TreeIterator& current = *merge_.current();
    const Version& version = *current.view()->version();
    Result<BlockRef> value =
        store_.Run(merge_.tree()->ReadUserValue(version, current.key(), current.value()));
    if (!value.ok()) return value.status();
    value_ = std::move(value).value();
    value_at_ = steps_;
    ahead_.NoteSize(value_->size);
    return value_->bytes();
  }

  // From here on `ahead_` shows the entries from the current one on, and the walks stand behind
  // them.
  void FillAhead() {
    ahead_.Begin();
    do {
      ahead_.Push(*merge_.tree(), *merge_.current());
      behind_ahead_ = store_.Run(merge_.Step(merge_.forward()));
    } while (!ahead_.full() && behind_ahead_.ok() && merge_.current() != nullptr);
    Status read = store_.Run(ahead_.ReadValues());
    (void)read;  // every failure is in its entry
  }
  // A step that leaves `ahead_`. In the other direction the walks first come back to its entry.
  Status LeaveAhead(bool forward) {
    if (forward == merge_.forward()) {
      ahead_.Clear();
      Show();
      return std::exchange(behind_ahead_, Status());
    }
    target_.assign(ahead_.key());
    LSMLAB_TRY(PositionHere(ShardMerge::To::kKey));
    steps_forward_ = forward;
    return StepWalks(forward);
  }
  Status StepWalks(bool forward) {
    Status status = store_.Run(merge_.Step(forward));
    Show();
    return status;
  }
  void Show() noexcept {
    valid_ = merge_.current() != nullptr;
    if (valid_) key_ = ahead_.Shown(merge_.current()->key(), merge_.current()->kind());
  }

  Status Position(ShardMerge::To to) {
    return store_.OnReader([this, to] { return PositionHere(to); });
  }
  Status PositionHere(ShardMerge::To to) {
    ahead_.Forget();
    value_ = BlockRef();
    behind_ahead_ = Status();
    Status status = store_.Run(merge_.Position(to, target_));
    steps_forward_ = merge_.forward();
    Show();
    return status;
  }
  [[gnu::noinline]] Status Step(bool forward) {
    ++steps_;
    if (ahead_.active() && forward == merge_.forward() && ahead_.Step()) {
      key_ = ahead_.key();
      return Status();
    }
    return store_.OnReader([this, forward] { return StepHere(forward); });
  }
  Status StepHere(bool forward) {
    if (ahead_.active()) return LeaveAhead(forward);
    steps_forward_ = forward && !ahead_.asked();
    return StepWalks(forward);
  }

  StoreImpl& store_;
  ShardMerge merge_;
  const Sequence release_;
  // Goes forward, and its values are not read ahead: Next is a step of the walk.
  bool steps_forward_ = true;
  uint64_t steps_ = 0;     // counted by the store at the end
  BlockRef value_;         // read by itself
  uint64_t value_at_ = 0;  // the step after which it was; positioning drops it
  ValuesAhead ahead_;
  Status behind_ahead_;  // why the walks stand nowhere behind it; ok: at the next entry, or the end
  KeyBuffer target_;     // a copy: the caller's may lie in a block that the move lets go
};

}  // namespace

std::unique_ptr<Iterator> NewStoreIterator(StoreImpl& store, ShardWalks shards, Sequence release) {
  return std::make_unique<StoreIterator>(store, std::move(shards), release);
}

}  // namespace lsmlab
