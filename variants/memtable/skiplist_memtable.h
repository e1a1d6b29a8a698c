#pragma once

#include <atomic>
#include <memory>

#include "engine/base/assert.h"
#include "engine/base/random.h"
#include "engine/parts/memtable.h"

// What the two skiplists share: everything of a memtable except nodes and search.
namespace lsmlab::memtable_parts {

// Tallest tower: with branching 2 enough for 16 M entries, beyond which searches slow down gently.
inline constexpr int kMaxTower = 24;

// Heights of new towers: each level is reached by one in `branching` of the one below (Pugh 1990).
// A fixed seed: the same writes build the same list.
class TowerHeights {
 public:
  explicit TowerHeights(int64_t branching, int tallest = kMaxTower)
      : branching_(static_cast<uint64_t>(branching)), tallest_(tallest) {}
  int Next() noexcept {
    int height = 1;
    while (height < tallest_ && random_.OneIn(branching_)) ++height;
    return height;
  }

 private:
  Random random_{0x5eed};
  uint64_t branching_;
  int tallest_;
};

// A walk over a list that links forward only: a step back is a search.
//
// `List` has: Node with key(), tag and value(); First, Last, Next(node), AtOrAfter(key, tag) and
// Before(key, tag), each nullptr when there is no such node. Every node returned is published.
template <typename List>
class SkiplistIterator final : public InternalIterator {
 public:
  explicit SkiplistIterator(const List& list) : list_(list) {}

  ValueOrTask<Status> Seek(Slice key, Tag tag) override { return At(list_.AtOrAfter(key, tag)); }
  ValueOrTask<Status> SeekBefore(Slice key, Tag tag) override { return At(list_.Before(key, tag)); }
  ValueOrTask<Status> SeekToFirst() override { return At(list_.First()); }
  ValueOrTask<Status> SeekToLast() override { return At(list_.Last()); }
  ValueOrTask<Status> Next() override { return At(list_.Next(node_)); }
  ValueOrTask<Status> Prev() override { return At(list_.Before(entry_.key, entry_.tag)); }

 private:
  bool StepInMemory() noexcept override {
    const typename List::Node* next = list_.Next(node_);
    if (next == nullptr) return false;
    return At(next).ok();
  }
  Status At(const typename List::Node* node) noexcept {
    node_ = node;
    valid_ = node != nullptr;
    if (valid_) entry_ = {node->key(), node->tag, node->value()};
    return Status();
  }
  const List& list_;
  const typename List::Node* node_ = nullptr;
};

template <typename List>
class SkiplistMemtable final : public Memtable {
 public:
  SkiplistMemtable(int64_t branching, Arena& arena) : list_(branching, arena) {}

  void Add(Slice key, Tag tag, Slice value) override {
    LSMLAB_ASSERT(!sealed_.load(std::memory_order_relaxed));
    LSMLAB_ASSERT(key.size() <= kMaxKeyBytes && value.size() <= kMaxValueBytes);
    list_.Insert(key, tag, value);
    entries_.store(entries_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  void Get(const LookupKey& lookup, LookupFold& fold) const override {
    const typename List::Node* node = list_.AtOrAfter(lookup.key, SnapshotTag(lookup.snapshot));
    while (node != nullptr && node->key() == lookup.key && !fold.Feed(node->tag, node->value())) {
      node = list_.Next(node);
    }
  }
  std::unique_ptr<InternalIterator> NewIterator() const override {
    return std::make_unique<SkiplistIterator<List>>(list_);
  }
  bool ordered_while_mutable() const noexcept override { return true; }
  void Seal() override { sealed_.store(true, std::memory_order_relaxed); }
  uint64_t entries() const noexcept override { return entries_.load(std::memory_order_relaxed); }

 private:
  List list_;
  std::atomic<uint64_t> entries_{0};
  std::atomic<bool> sealed_{false};
};

}  // namespace lsmlab::memtable_parts
