// The readers' half of the memtable's B+-tree.

#include "variants/memtable/btree.h"

namespace lsmlab::memtable_parts {
namespace {

// False: the leaf changed meanwhile, and the copy is garbage.
bool TryCopy(const Node& leaf, uint32_t version, LeafCopy& copy) noexcept {
  copy.count = leaf.count.load(std::memory_order_relaxed);
  copy.next = leaf.next.load(std::memory_order_relaxed);
#if defined(LSMLAB_MEMTABLE_SIMD)
  std::memcpy(copy.records, leaf.records, sizeof copy.records);
#else
  for (uint32_t i = 0; i < copy.count; ++i) copy.records[i] = LoadRelaxed(leaf.records[i]);
#endif
  return Unchanged(leaf, version);
}

}  // namespace

template <typename ChooseChild>
bool Btree::TryDescend(ChooseChild choose, Place* place) const noexcept {
  const uintptr_t word = root_.load(std::memory_order_acquire);
  const Node* node = RootOf(word);
  uint32_t version = ReadVersion(*node);
  // An old root that was split before its version was read holds only the left half.
  if (root_.load(std::memory_order_relaxed) != word) return false;
  for (int level = LevelOf(word); level > 0; --level) {
    const int chosen = choose(*node, version);
    if (chosen == kChanged) return false;
    const Node* child = ChildAt(*node, static_cast<uint32_t>(chosen));
    PrefetchHeads(child);
    if (level == 1) PrefetchRecords(child);
    if (!Unchanged(*node, version)) return false;
    const uint32_t child_version = ReadVersion(*child);
    // Again, after the child's version: from here on a split of the child shows in that version.
    if (!Unchanged(*node, version)) return false;
    node = child;
    version = child_version;
  }
  *place = {node, version};
  return true;
}

template <typename ChooseChild>
Btree::Place Btree::Descend(ChooseChild choose) const noexcept {
  Place place;
  for (Backoff backoff; !TryDescend(choose, &place);) backoff.Wait();
  return place;
}

const Record* Btree::AtOrAfter(const Target& target) const noexcept {
  const auto lower = [&](const Node& node, uint32_t version) {
    return LowerBound(node, version, target);
  };
  for (Backoff backoff;; backoff.Wait()) {
    const Place place = Descend(lower);
    const int at = LowerBound(*place.leaf, place.version, target);
    if (at == kChanged) continue;
    if (static_cast<uint32_t>(at) < place.leaf->count.load(std::memory_order_relaxed)) {
      const Record* record = LoadRelaxed(place.leaf->records[at]);
      if (Unchanged(*place.leaf, place.version)) return record;
      continue;
    }
    // The separator to the right is already after the target: then it is the answer.
    const Node* next = place.leaf->next.load(std::memory_order_relaxed);
    if (!Unchanged(*place.leaf, place.version)) continue;
    if (next == nullptr) return nullptr;
    const uint32_t version = ReadVersion(*next);
    const Record* record = LoadRelaxed(next->records[0]);
    if (Unchanged(*next, version)) return record;
  }
}

uint32_t Btree::CopyAtOrAfter(const Target& target, LeafCopy& copy) const noexcept {
  const auto lower = [&](const Node& node, uint32_t version) {
    return LowerBound(node, version, target);
  };
  for (Backoff backoff;; backoff.Wait()) {
    const Place place = Descend(lower);
    const int at = LowerBound(*place.leaf, place.version, target);
    // Search and copy under one version, or the place would be another copy's.
    if (at == kChanged || !TryCopy(*place.leaf, place.version, copy)) continue;
    if (static_cast<uint32_t>(at) < copy.count) return static_cast<uint32_t>(at);
    return CopyNext(copy) ? 0 : copy.count;
  }
}

uint32_t Btree::CopyBefore(const Target& target, LeafCopy& copy) const noexcept {
  const auto lower = [&](const Node& node, uint32_t version) {
    return LowerBound(node, version, target);
  };
  for (Backoff backoff;; backoff.Wait()) {
    const Place place = Descend(lower);
    const int at = LowerBound(*place.leaf, place.version, target);
    if (at == kChanged || !TryCopy(*place.leaf, place.version, copy)) continue;
    // The leaf's first record is its separator, which is before the target; none is in the first
    // leaf only.
    return at > 0 ? static_cast<uint32_t>(at) - 1 : copy.count;
  }
}

uint32_t Btree::CopyFirst(LeafCopy& copy) const noexcept {
  Place place;
  do {
    place = Descend([](const Node&, uint32_t) { return 0; });
  } while (!TryCopy(*place.leaf, place.version, copy));
  return 0;
}

uint32_t Btree::CopyLast(LeafCopy& copy) const noexcept {
  const auto last = [](const Node& node, uint32_t) -> int {
    return node.count.load(std::memory_order_relaxed);
  };
  Place place;
  do {
    place = Descend(last);
  } while (!TryCopy(*place.leaf, place.version, copy));
  return copy.count == 0 ? 0 : copy.count - 1;
}

bool Btree::CopyNext(LeafCopy& copy) noexcept {
  const Node* leaf = copy.next;
  if (leaf == nullptr) return false;
  while (!TryCopy(*leaf, ReadVersion(*leaf), copy)) {
  }
  if (copy.next != nullptr) {
    PrefetchRecords(copy.next);
    __builtin_prefetch(copy.next);
  }
  return true;
}

void Btree::Prefetch(const Target& target) const noexcept {
  const auto lower = [&](const Node& node, uint32_t version) {
    return LowerBound(node, version, target);
  };
  Place unused;
  static_cast<void>(TryDescend(lower, &unused));
}

}  // namespace lsmlab::memtable_parts
