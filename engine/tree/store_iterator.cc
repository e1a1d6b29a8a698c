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
      : store_(store), merge_(std::move(shards)), release_(release) {
    if (store_.io().defers()) window_max_ = merge_.read_ahead();
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
    if (ahead_.active()) return ahead_.Value();
    TreeIterator* current = merge_.current();
    if (current->kind() != EntryKind::kPutInValueFile) return current->value();
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
    const TreeIterator& current = *merge_.current();
    const Version& version = *current.view()->version();
    Result<BlockRef> value =
        store_.Run(merge_.tree()->ReadUserValue(version, current.key(), current.value()));
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
      ahead_.Push(*merge_.tree(), *merge_.current());
      full = ahead_.size() == window || ahead_.bytes() >= kWindowBytesMax;
      behind_ahead_ = StepWalks(merge_.forward());
    } while (!full && behind_ahead_.ok() && merge_.current() != nullptr);
    Status read = store_.Run(ahead_.ReadValues());
    (void)read;  // every failure is in its entry
    key_ = ahead_.key();
    valid_ = true;
  }
  // A step that leaves `ahead_`. In the other direction the walks first come back to its entry.
  Status LeaveAhead(bool forward) {
    if (forward == merge_.forward()) {
      ahead_.Clear();
      steps_forward_ = forward;
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
    if (valid_) key_ = merge_.current()->key();
  }

  Status Position(ShardMerge::To to) {
    return store_.OnReader([this, to] { return PositionHere(to); });
  }
  Status PositionHere(ShardMerge::To to) {
    ahead_.Clear();
    values_asked_ = 0;
    last_window_ = 0;
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
    steps_forward_ = forward;
    return StepWalks(forward);
  }

  StoreImpl& store_;
  ShardMerge merge_;
  const Sequence release_;
  bool steps_forward_ = true;  // goes forward and is not in ahead_: Next is a step of the walk
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
