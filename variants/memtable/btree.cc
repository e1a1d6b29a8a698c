// `btree`: a B+-tree of 64-slot nodes of key heads (after a prefix that each node keeps), with one
// writer and readers that validate instead of locking, and a filter for Gets that miss. A search
// meets about four cache misses instead of a skiplist's twenty. At 1 M entries of 16 + 100 bytes,
// ns, against arena-skiplist: insert 246 : 1049, get 401 : 1224, miss 11 : 1295, seek 419 : 1283,
// next 21 : 154 (tests/bench/memtable_bench.cc, native build, medians of 5 on a busy 2-core
// machine).

#include "variants/memtable/btree.h"

#include <memory>

#include "engine/base/assert.h"
#include "variants/memtable/memtable_filter.h"
#include "variants/memtable/memtables.h"

namespace lsmlab {
namespace {

using memtable_parts::Btree;
using memtable_parts::LeafCopy;
using memtable_parts::MemtableFilter;
using memtable_parts::Record;
using memtable_parts::Target;

// Walks a copy of one leaf at a time. The copy is of one moment, so no record shows twice; the next
// leaf is that of the same moment, and holds all that follows the copy. Backwards a leaf is found
// by searching, as leaves link forward only.
class BtreeIterator final : public InternalIterator {
 public:
  explicit BtreeIterator(const Btree& tree) : tree_(tree) {}

  void PrepareSeek(Slice key) noexcept override { tree_.Prefetch(Target(key, kMaxTag)); }
  ValueOrTask<Status> Seek(Slice key, Tag tag) override {
    return At(tree_.CopyAtOrAfter(Target(key, tag), leaf_));
  }
  ValueOrTask<Status> SeekBefore(Slice key, Tag tag) override {
    return At(tree_.CopyBefore(Target(key, tag), leaf_));
  }
  ValueOrTask<Status> SeekToFirst() override { return At(tree_.CopyFirst(leaf_)); }
  ValueOrTask<Status> SeekToLast() override { return At(tree_.CopyLast(leaf_)); }
  ValueOrTask<Status> Next() override {
    if (StepInMemory()) [[likely]]
      return Status();
    if (!Btree::CopyNext(leaf_)) return At(leaf_.count);
    for (uint32_t i = 1; i < kAhead && i < leaf_.count; ++i) {
      __builtin_prefetch(leaf_.records[i]);
    }
    return At(0);
  }
  ValueOrTask<Status> Prev() override {
    if (at_ == 0) return SeekBefore(entry_.key, entry_.tag);
    if (at_ >= kAhead) __builtin_prefetch(leaf_.records[at_ - kAhead]);
    return At(at_ - 1);
  }

 private:
  static constexpr uint32_t kAhead = 8;  // records between the prefetch and the use

  bool StepInMemory() noexcept override {
    if (at_ + 1 >= leaf_.count) return false;
    if (at_ + kAhead < leaf_.count) __builtin_prefetch(leaf_.records[at_ + kAhead]);
    Place(at_ + 1);
    return true;
  }
  void Place(uint32_t place) noexcept {
    at_ = place;
    valid_ = place < leaf_.count;
    if (valid_) [[likely]] {
      const Record& record = *leaf_.records[place];
      entry_ = {record.key(), record.tag, record.value()};
    }
  }

  Status At(uint32_t place) noexcept {
    Place(place);
    return Status();
  }

  const Btree& tree_;
  uint32_t at_ = 0;
  LeafCopy leaf_;
};

class BtreeMemtable final : public Memtable {
 public:
  BtreeMemtable(uint64_t memtable_bytes, Arena& arena)
      : arena_(arena), filter_(memtable_bytes, arena), tree_(arena) {}

  void Add(Slice key, Tag tag, Slice value) override {
    LSMLAB_ASSERT(!sealed_.load(std::memory_order_relaxed));
    LSMLAB_ASSERT(key.size() <= kMaxKeyBytes && value.size() <= kMaxValueBytes);
    const uint64_t hash = KeyHash(key);
    filter_.Prefetch(hash);
    const Target target(key, tag);
    Btree::Path path;
    tree_.FindLeaf(target, &path);
    const Record* record =
        Record::Write(arena_.Allocate(Record::BytesFor(key, value)), key, tag, value);
    // The filter first: whoever finds the entry in the tree must not be turned away by it.
    filter_.Add(hash);
    tree_.Insert(target, &path, record);
    entries_.store(entries_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  void Get(const LookupKey& lookup, LookupFold& fold) const override {
    if (entries() == 0 || !filter_.MayContain(lookup.hash)) return;
    const Record* record = tree_.AtOrAfter(Target(lookup.key, SnapshotTag(lookup.snapshot)));
    if (record == nullptr || record->key() != lookup.key) return;
    if (!fold.Feed(record->tag, record->value())) FeedOlder(*record, lookup, fold);
  }
  void PrefetchGet(const LookupKey& lookup) const noexcept override {
    filter_.Prefetch(lookup.hash);
  }

  std::unique_ptr<InternalIterator> NewIterator() const override {
    return std::make_unique<BtreeIterator>(tree_);
  }
  bool ordered_while_mutable() const noexcept override { return true; }
  void Seal() override { sealed_.store(true, std::memory_order_relaxed); }
  uint64_t entries() const noexcept override { return entries_.load(std::memory_order_relaxed); }

 private:
  // What follows `newer` in order, as long as it is of the same key.
  [[gnu::noinline]] void FeedOlder(const Record& newer, const LookupKey& lookup,
                                   LookupFold& fold) const {
    LeafCopy leaf;
    // No entry has a tag of 0: it would be of the invalid kind.
    uint32_t at = tree_.CopyAtOrAfter(Target(lookup.key, newer.tag - 1), leaf);
    while (at < leaf.count) {
      const Record& record = *leaf.records[at];
      if (record.key() != lookup.key || fold.Feed(record.tag, record.value())) return;
      if (++at == leaf.count) {
        if (!Btree::CopyNext(leaf)) return;
        at = 0;
      }
    }
  }

  Arena& arena_;
  MemtableFilter filter_;
  Btree tree_;
  std::atomic<uint64_t> entries_{0};
  std::atomic<bool> sealed_{false};
};

}  // namespace

const MemtableVariant kBtreeMemtable = {
    "btree",
    "B+-tree of 64-slot nodes of key heads, readers that never lock, filter for misses",
    {},
    [](const SettingBag& bag, Arena& arena) -> std::unique_ptr<Memtable> {
      return std::make_unique<BtreeMemtable>(bag.Has("size") ? bag.Bytes("size") : 0, arena);
    }};

}  // namespace lsmlab
