#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/key_buffer.h"
#include "engine/tree/tree.h"
#include "engine/tree/tree_iterator.h"

namespace lsmlab {

// Entries that a scan has read ahead, in windows that grow while most of their values are asked
// for: whoever reads one value now and then, or none, pays for no other. Values that lie close
// together in a file are read at once, and all that is read side by side.
class ValuesAhead {
 public:
  // Entries of a window at most; 1, as it begins: nothing is read ahead.
  void set_most(size_t most) noexcept { most_ = most; }
  // The walk has been positioned anew.
  void Forget() noexcept {
    Clear();
    passed_ = kNear + 1;
    window_ = taken_ = 0;
    largest_ = 0;
  }
  // Notes that a separated value was read by itself. From the next position on, asking for one soon
  // begins a window.
  void Ask() noexcept {
    if (most_ > 1) passed_ = 0;
  }
  // Notes how long a value was: the bound on a window is one of memory, and how much a reference's
  // bytes hold when they are decoded is known of earlier ones alone.
  void NoteSize(uint64_t bytes) noexcept { largest_ = std::max(largest_, bytes); }
  // Whether a separated value was asked for at one of the last entries that have one.
  bool asked() const noexcept { return passed_ <= kNear; }
  // The key to show of a position of the walks: a copy where a window may begin, as that moves
  // them, and what was said of the key stays true until the next positioning.
  Slice Shown(Slice key, EntryKind kind) {
    Pass(kind);
    may_begin_ = asked();
    if (!may_begin_) return key;
    shown_.assign(key);
    return shown_;
  }
  // Whether asking for a value of the position shown last begins a window.
  bool may_begin() const noexcept { return may_begin_; }
  // Begins a window, to be filled from the current entry on.
  void Begin() noexcept {
    const bool most_taken = 2 * taken_ >= window_;
    window_ = std::min(most_taken ? std::max(kFirstWindow, 2 * window_) : kFirstWindow, most_);
    taken_ = 0;
  }
  bool full() const noexcept { return items_.size() >= window_ || bytes_ >= kBytesMost; }
  void Clear() noexcept {
    items_.clear();
    at_ = 0;
    bytes_ = 0;
  }
  bool active() const noexcept { return !items_.empty(); }
  Slice key() const noexcept { return items_[at_].key; }
  // False: that was the last one.
  bool Step() noexcept {
    items_[at_].found = StoredValue();
    if (++at_ == items_.size()) return false;
    Pass(items_[at_].kind);
    return true;
  }
  // The current entry's value could not be read when the window was: ReadAgain.
  bool failed() const noexcept { return !items_[at_].status.ok(); }
  Result<Slice> Value() {
    Item& item = items_[at_];
    taken_ += !std::exchange(item.taken, true);
    if (item.kind != EntryKind::kPutInValueFile) return Slice(item.value);
    passed_ = 0;
    if (!item.status.ok()) return item.status;
    return item.found.value;
  }
  // Copies the walk's item.
  void Push(Tree& tree, const TreeIterator& walk) {
    Item& item = items_.emplace_back();
    item.tree = &tree;
    item.version = walk.view()->version();
    item.kind = walk.kind();
    item.key.assign(walk.key());
    item.value.assign(walk.value());
    bytes_ += item.kind == EntryKind::kPutInValueFile
                  ? std::max(ReferencedBytes(item.value), largest_)
                  : item.value.size();
  }
  Task<Status> ReadValues();
  // Of the current entry alone. What failed may have been a fault of that moment, and nobody had
  // asked for the value then.
  Task<Status> ReadAgain() { return ReadOne(&items_[at_]); }

 private:
  static constexpr size_t kFirstWindow = 4;
  static constexpr size_t kNear = 2;  // entries with separated values
  static constexpr uint64_t kBytesMost = 4u << 20;
  // Of what is read at once, and of what lies in it between two values.
  static constexpr uint64_t kGroupMost = 64u << 10;
  static constexpr uint64_t kGapMost = 4u << 10;

  struct Item {
    Tree* tree = nullptr;
    const Version* version = nullptr;  // the walk's view holds it
    EntryKind kind = EntryKind::kInvalid;
    std::string key, value;  // the value, or the reference to it
    ValueReference at;       // the reference, decoded; no file: it is none
    StoredValue found;
    Status status;
    bool taken = false;  // its value was asked for
  };

  void Pass(EntryKind kind) noexcept {
    if (kind == EntryKind::kPutInValueFile && passed_ <= kNear) ++passed_;
  }
  void Keep(Result<StoredValue> found, Item* item) {
    item->status = found.status();
    if (!found.ok()) return;
    item->found = std::move(found).value();
    NoteSize(item->found.value.size());
  }
  Task<Status> ReadOne(Item* item);
  Task<Status> ReadGroup(std::span<Item* const> group);

  std::vector<Item> items_;
  size_t at_ = 0;
  uint64_t bytes_ = 0;    // of the values, copied or to be read
  uint64_t largest_ = 0;  // separated value met since the walk was positioned
  size_t most_ = 1, window_ = 0;
  size_t taken_ = 0;           // values asked for in the last window
  size_t passed_ = kNear + 1;  // entries with separated values since one was asked for, up to there
  bool may_begin_ = false;
  KeyBuffer shown_;
};

}  // namespace lsmlab
