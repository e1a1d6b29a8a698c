#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/key_buffer.h"
#include "engine/tree/tree.h"
#include "engine/tree/tree_iterator.h"

namespace lsmlab {

// Entries that a scan has read ahead, all their values read side by side, in windows that grow
// while the scan asks for values again and again: whoever reads one value, or none, pays for no
// other.
class ValuesAhead {
 public:
  // Entries of a window at most; 1, as it begins: nothing is read ahead.
  void set_most(size_t most) noexcept { most_ = most; }
  // The walk has been positioned anew.
  void Forget() noexcept {
    Clear();
    asked_ = false;
    window_ = 0;
  }
  // Notes that a value was asked for. From the next position on, asking for one begins a window.
  void Ask() noexcept { asked_ = most_ > 1; }
  bool asked() const noexcept { return asked_; }
  // The key to show of a position of the walks: a copy where a window may begin, as that moves
  // them, and what was said of the key stays true until the next positioning.
  Slice Shown(Slice key) {
    may_begin_ = asked_;
    if (!may_begin_) return key;
    shown_.assign(key);
    return shown_;
  }
  // Whether asking for a value of the position shown last begins a window.
  bool may_begin() const noexcept { return may_begin_; }
  // Begins a window, to be filled from the current entry on.
  void Begin() noexcept { window_ = std::min(std::max(kFirstWindow, 2 * window_), most_); }
  bool full() const noexcept { return items_.size() >= window_ || bytes_ >= kBytesMost; }
  void Clear() noexcept {
    items_.clear();
    at_ = 0;
    bytes_ = 0;
  }
  bool active() const noexcept { return !items_.empty(); }
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
    bytes_ +=
        item.kind == EntryKind::kPutInValueFile ? ReferencedBytes(item.value) : item.value.size();
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
  static constexpr size_t kFirstWindow = 4;
  static constexpr uint64_t kBytesMost = 4u << 20;

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
  uint64_t bytes_ = 0;  // of the values, copied or to be read
  size_t most_ = 1, window_ = 0;
  bool asked_ = false;  // for a value, since the walk was positioned
  bool may_begin_ = false;
  KeyBuffer shown_;
};

}  // namespace lsmlab
