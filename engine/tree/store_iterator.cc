#include "engine/tree/store_iterator.h"

#include <algorithm>
#include <vector>

#include "engine/base/key_buffer.h"

namespace lsmlab {
namespace {

constexpr size_t kFirstWindow = 4;
constexpr uint64_t kWindowBytesMax = 4u << 20;

// Entries that a scan has read ahead, all their values read side by side.
class ReadAhead {
 public:
  void Clear() noexcept {
    items_.clear();
    at_ = 0;
    bytes_ = 0;
  }
  bool active() const noexcept { return !items_.empty(); }
  size_t size() const noexcept { return items_.size(); }
  uint64_t bytes() const noexcept { return bytes_; }  // to be read
  Slice key() const noexcept { return items_[at_].key; }
  // False: that was the last one.
  bool Step() noexcept { return ++at_ < items_.size(); }
  Result<Slice> Value() const {
    const Item& item = items_[at_];
    if (item.kind != EntryKind::kPutInValueFile) return Slice(item.value);
    if (!item.status.ok()) return item.status;
    return item.block->bytes();
  }
  // Copies the walk's item.
  void Push(Tree& tree, const TreeIterator& walk) {
    Item& item = items_.emplace_back();
    item.tree = &tree;
    item.version = walk.view()->version();
    item.kind = walk.kind();
    item.key.assign(walk.key());
    item.value.assign(walk.value());
    if (item.kind == EntryKind::kPutInValueFile) bytes_ += ReferencedBytes(item.value);
  }
  Task<Status> ReadValues() {
    std::vector<Task<Result<BlockRef>>> reads;
    std::vector<Item*> readers;
    for (Item& item : items_) {
      if (item.kind != EntryKind::kPutInValueFile) continue;
      readers.push_back(&item);
      reads.push_back(item.tree->ReadUserValue(*item.version, item.key, item.value));
    }
    for (Task<Result<BlockRef>>& read : reads) read.Start();
    for (size_t i = 0; i < reads.size(); ++i) {
      Result<BlockRef> value = co_await reads[i].Join();
      readers[i]->status = value.status();
      if (value.ok()) readers[i]->block = std::move(value).value();
    }
    co_return Status();
  }

 private:
  struct Item {
    Tree* tree = nullptr;
    const Version* version = nullptr;  // the walk's view holds it
    EntryKind kind = EntryKind::kInvalid;
    std::string key, value;  // the value, or the reference to it
    BlockRef block;
    Status status;
  };
  std::vector<Item> items_;
  size_t at_ = 0;
  uint64_t bytes_ = 0;
};

// With worker pools, whatever may read runs on a worker, and with it all of a positioning and of a
// step back. A step forward within what is in memory is the caller's: the way to a worker costs
// many times as much. `Here`: on this thread, which may be a worker.
class StoreIterator final : public Iterator {
 public:
  StoreIterator(StoreImpl& store, ShardWalks shards, Sequence release)
      : store_(store), shards_(std::move(shards)), release_(release) {
    if (store_.io().defers()) window_max_ = shards_.front().first->read_ahead();
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
    if (steps_forward_ && current_->TryNext()) [[likely]] {
      ++steps_;
      key_ = current_->key();
      if (shards_.size() > 1) Choose();
      return Status();
    }
    return Step(true);
  }
  Status Prev() override { return Step(false); }

  Result<Slice> Value() override {
    if (ahead_.active()) return ahead_.Value();
    if (current_->kind() != EntryKind::kPutInValueFile) return current_->value();
    return store_.OnReader([this] { return SeparatedValue(); });
  }

 private:
  // A scan that asks for values again and again is read ahead, in windows that grow: whoever reads
  // one value, or none, pays for no other.
  [[gnu::noinline]] Result<Slice> SeparatedValue() {
    if (window_max_ > 1 && values_asked_++ > 0) {
      const size_t window = std::min(std::max(kFirstWindow, 2 * last_window_), window_max_);
      last_window_ = window;
      FillAhead(window);
      return ahead_.Value();
    }
    const Version& version = *current_->view()->version();
    Result<BlockRef> value =
        store_.Run(tree_->ReadUserValue(version, current_->key(), current_->value()));
    if (!value.ok()) return value.status();
    value_ = std::move(value).value();
    return value_->bytes();
  }

  // From here on `ahead_` shows the entries from the current one on, and the walks stand behind
  // them.
  void FillAhead(size_t window) {
    steps_forward_ = false;
    bool full = false;
    do {
      ahead_.Push(*tree_, *current_);
      full = ahead_.size() == window || ahead_.bytes() >= kWindowBytesMax;
      behind_ahead_ = StepWalks(forward_);
    } while (!full && behind_ahead_.ok() && current_ != nullptr);
    Status read = store_.Run(ahead_.ReadValues());
    (void)read;  // every failure is in its entry
    key_ = ahead_.key();
    valid_ = true;
  }
  // A step that leaves `ahead_`. In the other direction the walks first come back to its entry.
  Status LeaveAhead(bool forward) {
    if (forward == forward_) {
      ahead_.Clear();
      steps_forward_ = forward_;
      Choose();
      valid_ = valid_ && behind_ahead_.ok();
      return std::exchange(behind_ahead_, Status());
    }
    target_.assign(ahead_.key());
    LSMLAB_TRY(PositionHere([this](TreeIterator& walk) { return walk.Seek(target_); }, true));
    steps_forward_ = forward;
    return StepWalks(forward);
  }
  // One step of the merged walks; leaves valid_ and key_ for the caller.
  Status StepWalks(bool forward) {
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

  template <typename Move>
  Status Position(Move&& move, bool forward) {
    return store_.OnReader([&] { return PositionHere(move, forward); });
  }
  template <typename Move>
  Status PositionHere(Move&& move, bool forward) {
    ahead_.Clear();
    values_asked_ = 0;
    last_window_ = 0;
    behind_ahead_ = Status();
    forward_ = steps_forward_ = forward;
    current_ = nullptr;
    valid_ = false;
    for (auto& [tree, walk] : shards_) LSMLAB_TRY(store_.Run(move(*walk)));
    Choose();
    return Status();
  }
  [[gnu::noinline]] Status Step(bool forward) {
    ++steps_;
    if (ahead_.active() && forward == forward_ && ahead_.Step()) {
      key_ = ahead_.key();
      return Status();
    }
    return store_.OnReader([this, forward] { return StepHere(forward); });
  }
  Status StepHere(bool forward) {
    if (ahead_.active()) return LeaveAhead(forward);
    steps_forward_ = forward;
    return StepWalks(forward);
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
  bool steps_forward_ = true;  // forward_ and not in ahead_: Next is a step of the walk
  uint64_t steps_ = 0;         // counted by the store at the end
  BlockRef value_;
  size_t window_max_ = 1, last_window_ = 0;
  uint64_t values_asked_ = 0;  // since the last absolute positioning
  ReadAhead ahead_;
  Status behind_ahead_;  // why the walks stand nowhere behind it; ok: at the next entry, or the end
  KeyBuffer target_;     // a copy: the caller's may lie in a block that the move lets go
};

}  // namespace

std::unique_ptr<Iterator> NewStoreIterator(StoreImpl& store, ShardWalks shards, Sequence release) {
  return std::make_unique<StoreIterator>(store, std::move(shards), release);
}

}  // namespace lsmlab
