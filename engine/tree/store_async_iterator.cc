#include "engine/base/key_buffer.h"
#include "engine/tree/store_iterator.h"

namespace lsmlab {
namespace {

class StoreAsyncIterator final : public AsyncIterator {
 public:
  StoreAsyncIterator(StoreImpl& store, ShardWalks shards, Sequence release)
      : store_(store), merge_(std::move(shards)), release_(release) {}
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
    if (!merge_.forward() || !merge_.current()->TryNext()) return Show(merge_.Step(true));
    if (merge_.several()) merge_.Choose();
    key_ = merge_.current()->key();
    return Status();
  }
  ValueOrTask<Status> Prev() override {
    ++steps_;
    return Show(merge_.Step(false));
  }

  ValueOrTask<Result<Slice>> Value() override {
    TreeIterator* current = merge_.current();
    if (current->kind() == EntryKind::kPutInValueFile) return SeparatedValue();
    return Result<Slice>(current->value());
  }

 private:
  // A copy: the caller's may lie in a block that the move lets go.
  ValueOrTask<Status> Position(ShardMerge::To to, Slice target) {
    if (to == ShardMerge::To::kKey || to == ShardMerge::To::kKeyOrBefore) {
      store_.counters().Add(Counter::kSeeks, 1);
    }
    target_.assign(target);
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
    if (valid_) key_ = merge_.current()->key();
  }
  Task<Result<Slice>> SeparatedValue() {
    const TreeIterator& current = *merge_.current();
    const Version& version = *current.view()->version();
    Result<BlockRef> value =
        co_await merge_.tree()->ReadUserValue(version, current.key(), current.value());
    if (!value.ok()) co_return value.status();
    value_ = std::move(value).value();
    co_return value_->bytes();
  }

  StoreImpl& store_;
  ShardMerge merge_;
  const Sequence release_;
  uint64_t steps_ = 0;  // counted by the store at the end
  KeyBuffer target_;
  BlockRef value_;
};

}  // namespace

std::unique_ptr<AsyncIterator> NewAsyncStoreIterator(StoreImpl& store, ShardWalks shards,
                                                     Sequence release) {
  return std::make_unique<StoreAsyncIterator>(store, std::move(shards), release);
}

}  // namespace lsmlab
