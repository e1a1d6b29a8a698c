// The writer's half of the memtable's B+-tree. One thread at a time; nobody else changes nodes, so
// reads here need no validation.

#include <algorithm>
#include <new>

#include "engine/base/assert.h"
#include "variants/memtable/btree.h"

namespace lsmlab::memtable_parts {
namespace {

Node* NewNode(Arena& arena, bool leaf) {
  char* memory = arena.Allocate(leaf ? sizeof(Node) : sizeof(InnerNode), 64);
  return leaf ? new (memory) Node : new (memory) InnerNode;
}

uint32_t CountOf(const Node& node) noexcept { return node.count.load(std::memory_order_relaxed); }
void SetCount(Node& node, uint32_t count) noexcept {
  node.count.store(static_cast<uint16_t>(count), std::memory_order_relaxed);
}

// Moves slots [from, count) one up.
template <typename T>
void OpenSlot(T* slots, uint32_t from, uint32_t count) noexcept {
#if defined(LSMLAB_MEMTABLE_SIMD)
  std::memmove(slots + from + 1, slots + from, (count - from) * sizeof(T));
#else
  for (uint32_t i = count; i > from; --i) StoreRelaxed(slots[i], slots[i - 1]);
#endif
}

// Makes the first `skip` bytes of `key` the node's prefix. REQUIRES: all its keys begin with them.
void SetPrefix(Node& node, Slice key, uint32_t skip) noexcept {
  for (uint32_t i = 0; i < kPrefixBytes; ++i) {
    StoreRelaxed(node.prefix[i], static_cast<unsigned char>(i < skip ? key[i] : 0));
  }
  if (skip == node.skip.load(std::memory_order_relaxed)) return;
  node.skip.store(static_cast<uint16_t>(skip), std::memory_order_relaxed);
  const uint32_t count = CountOf(node);
  for (uint32_t i = 0; i < count; ++i) __builtin_prefetch(node.records[i]);
  for (uint32_t i = 0; i < count; ++i) {
    StoreRelaxed(node.heads[i], KeyHead(node.records[i]->key(), skip));
  }
}

// Shortens the prefix of a node at the edge of the tree until `key` fits. Rare: an inner range is
// bounded by two separators, whose common prefix every key between them has.
void FitPrefix(Node& node, Slice key) noexcept {
  if (CountOf(node) == 0) {
    SetPrefix(node, key, static_cast<uint32_t>(std::min<size_t>(key.size(), kPrefixBytes)));
    return;
  }
  const uint32_t skip = node.skip.load(std::memory_order_relaxed);
  const Slice prefix(reinterpret_cast<const char*>(node.prefix), skip);
  const auto common = static_cast<uint32_t>(CommonPrefix(prefix, key, skip));
  if (common < skip) SetPrefix(node, key, common);
}

// Chooses the prefix anew after a split: as long as the bounds of the key range allow.
void RefitPrefix(Node& node, const Record* low, const Record* high) noexcept {
  const uint32_t count = CountOf(node);
  if (count == 0) return;  // the next entry chooses
  const Record* first = low != nullptr && high != nullptr ? low : node.records[0];
  const Record* last = low != nullptr && high != nullptr ? high : node.records[count - 1];
  const auto skip = static_cast<uint32_t>(CommonPrefix(first->key(), last->key(), kPrefixBytes));
  SetPrefix(node, first->key(), skip);
}

// REQUIRES: the node is being changed and not full. `child` (inner nodes): what follows the record.
void AddEntry(Node& node, uint32_t place, const Record* record, Node* child) noexcept {
  FitPrefix(node, record->key());
  const uint32_t count = CountOf(node);
  const uint32_t skip = node.skip.load(std::memory_order_relaxed);
  OpenSlot(node.heads, place, count);
  OpenSlot(node.records, place, count);
  StoreRelaxed(node.heads[place], KeyHead(record->key(), skip));
  StoreRelaxed(node.records[place], record);
  if (child != nullptr) {
    Node** children = static_cast<InnerNode&>(node).children;
    OpenSlot(children, place + 1, count + 1);
    StoreRelaxed(children[place + 1], child);
  }
  SetCount(node, count + 1);
}

// Fills the new node `right` with the entries [from, count) of `left`, and their children.
void CopyTail(const Node& left, Node& right, uint32_t from, bool leaf) noexcept {
  const uint32_t count = CountOf(left);
  std::copy(left.heads + from, left.heads + count, right.heads);
  std::copy(left.records + from, left.records + count, right.records);
  std::copy_n(left.prefix, kPrefixBytes, right.prefix);
  right.skip.store(left.skip.load(std::memory_order_relaxed), std::memory_order_relaxed);
  SetCount(right, count - from);
  if (leaf) return;
  const Node* const* children = static_cast<const InnerNode&>(left).children;
  std::copy(const_cast<Node* const*>(children) + from,
            const_cast<Node* const*>(children) + count + 1,
            static_cast<InnerNode&>(right).children);
}

}  // namespace

Btree::Btree(Arena& arena)
    : arena_(arena), root_(reinterpret_cast<uintptr_t>(NewNode(arena, true))) {}

void Btree::FindLeaf(const Target& target, Path* path) const noexcept {
  const uintptr_t word = root_.load(std::memory_order_relaxed);
  path->root_level = LevelOf(word);
  Node* node = RootOf(word);
  const Record* low = nullptr;
  const Record* high = nullptr;
  for (int level = path->root_level; level > 0; --level) {
    const uint32_t version = node->version.load(std::memory_order_relaxed);
    const auto place = static_cast<uint32_t>(LowerBound(*node, version, target));
    path->steps[level] = {node, place, low, high};
    if (place > 0) low = node->records[place - 1];
    if (place < CountOf(*node)) high = node->records[place];
    node = ChildAt(*node, place);
    PrefetchHeads(node);
    if (level == 1) PrefetchRecords(node);
  }
  path->steps[0] = {node, 0, low, high};
}

void Btree::Insert(const Target& target, Path* path, const Record* record) {
  Node& leaf = *path->steps[0].node;
  const uint32_t version = leaf.version.load(std::memory_order_relaxed);
  path->steps[0].place = static_cast<uint32_t>(LowerBound(leaf, version, target));
  if (CountOf(leaf) == kSlots) [[unlikely]] {
    SplitPath(record, *path);
    return;
  }
  BeginChange(leaf);
  AddEntry(leaf, path->steps[0].place, record, nullptr);
  EndChange(leaf);
}

void Btree::SplitPath(const Record* record, const Path& path) {
  const int root_level = path.root_level;
  const Step* steps = path.steps;
  LSMLAB_ASSERT(root_level + 1 < kMaxLevels);
  int full = 0;
  while (full <= root_level && CountOf(*steps[full].node) == kSlots) ++full;
  const bool grows = full > root_level;
  // Allocated before anything is odd: after an exception no reader may wait for ever.
  Node* fresh[kMaxLevels];
  for (int level = 0; level < full; ++level) fresh[level] = NewNode(arena_, level == 0);
  Node* root = grows ? NewNode(arena_, false) : nullptr;

  // All nodes that change stay odd until the new ones are linked: a reader never sees a left half
  // whose parent does not know the right one.
  const int changed = grows ? full : full + 1;
  for (int level = 0; level < changed; ++level) BeginChange(*steps[level].node);
  Node* child = nullptr;
  for (int level = 0; level < full; ++level) {
    record = Split(steps[level], level == 0, fresh[level], record, child);
    child = fresh[level];
  }
  if (grows) {
    static_cast<InnerNode*>(root)->children[0] = steps[root_level].node;
    AddEntry(*root, 0, record, child);
    root_.store(reinterpret_cast<uintptr_t>(root) | static_cast<uintptr_t>(root_level + 1),
                std::memory_order_release);
  } else {
    AddEntry(*steps[full].node, steps[full].place, record, child);
  }
  for (int level = changed - 1; level >= 0; --level) EndChange(*steps[level].node);
}

const Record* Btree::Split(const Step& step, bool leaf, Node* right, const Record* record,
                           Node* child) noexcept {
  Node& left = *step.node;
  // An ascending run leaves full nodes behind instead of half-full ones.
  const uint32_t at = step.place == kSlots ? kSlots - 1 : kSlots / 2;
  const Record* middle = left.records[at];
  // The separator of an inner split moves up and stays in neither half.
  const uint32_t from = leaf ? at : at + 1;
  CopyTail(left, *right, from, leaf);
  SetCount(left, at);
  if (leaf) {
    right->next.store(left.next.load(std::memory_order_relaxed), std::memory_order_relaxed);
    left.next.store(right, std::memory_order_release);
  }
  RefitPrefix(left, step.low, middle);
  RefitPrefix(*right, middle, step.high);
  if (step.place <= at) {
    AddEntry(left, step.place, record, child);
  } else {
    AddEntry(*right, step.place - from, record, child);
  }
  return middle;
}

}  // namespace lsmlab::memtable_parts
