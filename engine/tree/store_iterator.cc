#include "engine/tree/store_iterator.h"

#include "engine/base/key_buffer.h"

namespace lsmlab {
namespace {

class StoreIterator final : public Iterator {
 public:
  StoreIterator(StoreImpl& store, ShardWalks shards, Sequence release)
      : store_(store), shards_(std::move(shards)), release_(release) {}
  ~StoreIterator() override {
    store_.counters().Add(Counter::kNexts, steps_);
    if (release_ != kMaxSequence) store_.ReleaseSnapshot(release_);
  }

  static void* operator new(size_t bytes) { return AllocateFrame(bytes); }
  static void operator delete(void* memory, size_t bytes) noexcept { FreeFrame(memory, bytes); }

  Status Seek(Slice target) override {
    store_.counters().Add(Counter::kSeeks, 1);
    target_.assign(target);
    if (shards_.size() > 1) {
      for (auto& [tree, walk] : shards_) walk->PrepareSeek(target_);
    }
    return Position([this](TreeIterator& walk) { return walk.Seek(target_); }, true);
  }
  Status SeekForPrev(Slice target) override {
    store_.counters().Add(Counter::kSeeks, 1);
    target_.assign(target);
    return Position([this](TreeIterator& walk) { return walk.SeekForPrev(target_); }, false);
  }
  Status SeekToFirst() override {
    return Position([](TreeIterator& walk) { return walk.SeekToFirst(); }, true);
  }
  Status SeekToLast() override {
    return Position([](TreeIterator& walk) { return walk.SeekToLast(); }, false);
  }
  // Small, so that a scan's loop can take it in.
  Status Next() override {
    if (forward_ && current_->TryNext()) [[likely]] {
      ++steps_;
      key_ = current_->key();
      if (shards_.size() > 1) Choose();
      return Status();
    }
    return Step(true);
  }
  Status Prev() override { return Step(false); }

  Result<Slice> Value() override {
    if (current_->kind() != EntryKind::kPutInValueFile) return current_->value();
    Result<BlockRef> value = store_.Run(tree_->ReadValue(current_->value()));
    if (!value.ok()) return value.status();
    value_ = std::move(value).value();
    return value_->bytes();
  }

 private:
  template <typename Move>
  Status Position(Move&& move, bool forward) {
    forward_ = forward;
    current_ = nullptr;
    valid_ = false;
    for (auto& [tree, walk] : shards_) LSMLAB_TRY(store_.Run(move(*walk)));
    Choose();
    return Status();
  }
  [[gnu::noinline]] Status Step(bool forward) {
    ++steps_;
    if (forward != forward_ && shards_.size() > 1) return Turn(forward);
    Status status = store_.Run(forward ? current_->Next() : current_->Prev());
    if (!status.ok()) {
      current_ = nullptr;
      valid_ = false;
      return status;
    }
    forward_ = forward;
    Choose();
    return Status();
  }
  // Keys live in exactly one shard: the other walks go to the far side of the current key.
  Status Turn(bool forward) {
    const std::string key(current_->key());
    TreeIterator* turning = current_;
    forward_ = forward;
    current_ = nullptr;
    valid_ = false;
    for (auto& [tree, walk] : shards_) {
      if (walk.get() == turning) {
        LSMLAB_TRY(store_.Run(forward ? walk->Next() : walk->Prev()));
      } else {
        LSMLAB_TRY(store_.Run(forward ? walk->Seek(key) : walk->SeekForPrev(key)));
      }
    }
    Choose();
    return Status();
  }
  [[gnu::noinline]] void Choose() noexcept {
    current_ = nullptr;
    for (auto& [tree, walk] : shards_) {
      if (!walk->valid()) continue;
      if (current_ == nullptr ||
          (forward_ ? walk->key() < current_->key() : walk->key() > current_->key())) {
        current_ = walk.get();
        tree_ = tree;
      }
    }
    valid_ = current_ != nullptr;
    if (valid_) key_ = current_->key();
  }

  StoreImpl& store_;
  ShardWalks shards_;
  const Sequence release_;
  TreeIterator* current_ = nullptr;
  Tree* tree_ = nullptr;
  bool forward_ = true;
  uint64_t steps_ = 0;  // counted by the store at the end
  BlockRef value_;
  KeyBuffer target_;  // a copy: the caller's may lie in a block that the move lets go
};

}  // namespace

std::unique_ptr<Iterator> NewStoreIterator(StoreImpl& store, ShardWalks shards, Sequence release) {
  return std::make_unique<StoreIterator>(store, std::move(shards), release);
}

}  // namespace lsmlab
