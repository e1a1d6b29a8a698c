// `hash-skiplist`: a hash table over the first bytes of the key, and a skiplist per bucket
// (RocksDB's HashSkipListRep is alike): a point read or write searches among the few keys that
// share a bucket. There is no order over all keys: iterators before Seal sort a copy, Seal sorts
// once.

#include <algorithm>
#include <atomic>
#include <bit>
#include <memory>
#include <new>
#include <vector>

#include "engine/base/assert.h"
#include "engine/base/checksum.h"
#include "variants/memtable/arena_list.h"
#include "variants/memtable/memtables.h"
#include "variants/memtable/sorted_copy.h"

namespace lsmlab {
namespace {

using memtable_parts::ArenaList;
using memtable_parts::Record;
using memtable_parts::SealedRecords;
using memtable_parts::SortedCopyIterator;
using memtable_parts::SortedRecords;

// Enough for some thousand keys in one bucket; more cost longer walks.
constexpr int kBucketTower = 8;

// Thread safety: one writer, any number of readers: a list is published with its first entry.
class HashSkiplistMemtable final : public Memtable {
 public:
  HashSkiplistMemtable(const SettingBag& bag, Arena& arena)
      : arena_(arena),
        prefix_bytes_(static_cast<size_t>(bag.Integer("prefix_length"))),
        branching_(bag.Integer("branching")),
        bucket_count_(BucketCount(bag)),
        buckets_(reinterpret_cast<Bucket*>(arena.Allocate(bucket_count_ * sizeof(Bucket), 64))) {
    for (uint64_t i = 0; i < bucket_count_; ++i) new (&buckets_[i]) Bucket(nullptr);
  }

  void Add(Slice key, Tag tag, Slice value) override {
    LSMLAB_ASSERT(sealed_.get() == nullptr);
    LSMLAB_ASSERT(key.size() <= kMaxKeyBytes && value.size() <= kMaxValueBytes);
    Bucket& bucket = BucketOf(key);
    ArenaList* list = bucket.load(std::memory_order_relaxed);
    if (list == nullptr) {
      void* memory = arena_.Allocate(sizeof(ArenaList), alignof(ArenaList));
      list = new (memory) ArenaList(branching_, arena_, kBucketTower);
      list->Insert(key, tag, value);
      bucket.store(list, std::memory_order_release);
    } else {
      list->Insert(key, tag, value);
    }
    entries_.store(entries_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  void Get(const LookupKey& lookup, LookupFold& fold) const override {
    const ArenaList* list = BucketOf(lookup.key).load(std::memory_order_acquire);
    if (list == nullptr) return;
    const Record* record = list->AtOrAfter(lookup.key, SnapshotTag(lookup.snapshot));
    while (record != nullptr && record->key() == lookup.key &&
           !fold.Feed(record->tag, record->value())) {
      record = list->Next(record);
    }
  }
  void PrefetchGet(const LookupKey& lookup) const noexcept override {
    __builtin_prefetch(&BucketOf(lookup.key));
  }
  std::unique_ptr<InternalIterator> NewIterator() const override {
    return std::make_unique<SortedCopyIterator<HashSkiplistMemtable>>(*this);
  }
  bool ordered_while_mutable() const noexcept override { return false; }
  void Seal() override { sealed_.Make(Records()); }
  uint64_t entries() const noexcept override { return entries_.load(std::memory_order_acquire); }

  const SortedRecords* sealed() const noexcept { return sealed_.get(); }
  std::vector<const Record*> Records() const {
    std::vector<const Record*> all;
    all.reserve(entries());
    for (uint64_t i = 0; i < bucket_count_; ++i) {
      const ArenaList* list = buckets_[i].load(std::memory_order_acquire);
      if (list == nullptr) continue;
      for (const Record* r = list->First(); r != nullptr; r = list->Next(r)) all.push_back(r);
    }
    return all;
  }

 private:
  // Lists need no destruction: they and their nodes are the arena's.
  using Bucket = std::atomic<ArenaList*>;

  // No more than a small memtable is likely to have entries for.
  static uint64_t BucketCount(const SettingBag& bag) {
    constexpr uint64_t kEntryBytes = 128;
    const uint64_t wanted = std::bit_ceil(static_cast<uint64_t>(bag.Integer("buckets")));
    if (!bag.Has("size")) return wanted;
    return std::min(wanted, std::bit_ceil(bag.Bytes("size") / kEntryBytes + 1));
  }
  Bucket& BucketOf(Slice key) const noexcept {
    const Slice prefix = key.substr(0, std::min(prefix_bytes_, key.size()));
    return buckets_[KeyHash(prefix) & (bucket_count_ - 1)];
  }

  Arena& arena_;
  const size_t prefix_bytes_;
  const int64_t branching_;
  const uint64_t bucket_count_;
  Bucket* const buckets_;
  std::atomic<uint64_t> entries_{0};
  SealedRecords sealed_;
};

constexpr SettingSpec kHashSkiplistSettings[] = {
    {"prefix_length", SettingType::kInteger, "8", 1, 65535, "",
     "bytes of the key that choose its bucket; of a longer part fewer keys share one"},
    {"buckets", SettingType::kInteger, "16384", 1, 1 << 24, "",
     "buckets, rounded up to a power of two; fewer in a memtable below 128 bytes per bucket"},
    {"branching", SettingType::kInteger, "4", 2, 64, "",
     "one node in this many reaches the next level of a bucket's list"},
};

}  // namespace

const MemtableVariant kHashSkiplistMemtable = {
    "hash-skiplist", "hash table over the key's first bytes, a skiplist per bucket",
    kHashSkiplistSettings, [](const SettingBag& bag, Arena& arena) -> std::unique_ptr<Memtable> {
      return std::make_unique<HashSkiplistMemtable>(bag, arena);
    }};

}  // namespace lsmlab
