#pragma once

#include <atomic>
#include <cstdint>

#include "engine/base/arena.h"
#include "variants/memtable/btree_node.h"

namespace lsmlab::memtable_parts {

// What of a leaf an iterator needs, copied at one moment. Later changes of the leaf do not touch
// it: what a split moved away is in the copy, and `next` starts after all of it.
struct LeafCopy {
  const Record* records[kSlots];
  uint32_t count = 0;
  const Node* next = nullptr;
};

// A B+-tree of pointers to records, ordered by (key, newest tag first); 64 slots per node.
//
// Thread safety: one writer (Insert), any number of readers (the rest), which never lock. A reader
// sees all records whose Insert returned before, in the sense of happens-before, its call.
class Btree {
 public:
  explicit Btree(Arena& arena);

  // An insertion in two steps, so that the caller can do other work while the leaf is on its way to
  // the cache: FindLeaf, then Insert with the same target and no other insertion between. The
  // record has the target's key and tag, and lives as long as the tree. REQUIRES: no such record is
  // in yet.
  struct Path;
  void FindLeaf(const Target& target, Path* path) const noexcept;
  void Insert(const Target& target, Path* path, const Record* record);

  // The first record at or after the target, or nullptr.
  const Record* AtOrAfter(const Target& target) const noexcept;

  // The three copy the leaf that holds the wanted record and return its place there; the copy's
  // count when there is none.
  uint32_t CopyAtOrAfter(const Target& target, LeafCopy& copy) const noexcept;
  uint32_t CopyFirst(LeafCopy& copy) const noexcept;
  uint32_t CopyLast(LeafCopy& copy) const noexcept;
  // The last record before the target.
  uint32_t CopyBefore(const Target& target, LeafCopy& copy) const noexcept;
  // Copies the leaf after `copy`; false when there is none.
  static bool CopyNext(LeafCopy& copy) noexcept;

  // Brings what AtOrAfter(target) reads towards the cache.
  void Prefetch(const Target& target) const noexcept;

 private:
  struct Step;
  // Root address and level (0: the root is a leaf) in one word, as nodes are 64-aligned: read
  // apart, a reader could pair a new root with an old depth.
  static constexpr uintptr_t kLevelMask = 63;
  static constexpr int kMaxLevels = 16;
  static Node* RootOf(uintptr_t word) noexcept {
    return reinterpret_cast<Node*>(word & ~kLevelMask);
  }
  static int LevelOf(uintptr_t word) noexcept { return static_cast<int>(word & kLevelMask); }

  // A leaf, the version it was reached under, and that it was the right one then.
  struct Place {
    const Node* leaf;
    uint32_t version;
  };

  template <typename ChooseChild>
  Place Descend(ChooseChild choose) const noexcept;
  template <typename ChooseChild>
  bool TryDescend(ChooseChild choose, Place* place) const noexcept;

  void SplitPath(const Record* record, const Path& path);
  // Moves the upper part of a full node to the empty `right`, and adds one more entry at
  // step.place. Returns the separator of the two halves.
  static const Record* Split(const Step& step, bool leaf, Node* right, const Record* record,
                             Node* child) noexcept;

  Arena& arena_;
  std::atomic<uintptr_t> root_;
};

// The way of an insertion at one level: the child taken, and the records that bound the node's
// key range (nullptr: unbounded).
struct Btree::Step {
  Node* node;
  uint32_t place;
  const Record* low;
  const Record* high;
};

struct Btree::Path {
  int root_level;
  Step steps[kMaxLevels];  // [0] is the leaf's
};

}  // namespace lsmlab::memtable_parts
