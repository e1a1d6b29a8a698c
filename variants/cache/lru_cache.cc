#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "variants/cache/cache_common.h"
#include "variants/cache/caches.h"

namespace lsmlab {
namespace {

using namespace cache_internal;  // NOLINT: the variant's own namespace

// One cached block: in its hash chain, in the list of use, in the list of its file.
struct Node {
  Block* block = nullptr;
  BlockId id;
  Node* chain = nullptr;
  Node* newer = nullptr;
  Node* older = nullptr;
  Node* file_next = nullptr;
  Node* file_previous = nullptr;
};

// A hash table and a list of use under one mutex.
class alignas(128) LruShard {
 public:
  LruShard() : buckets_(64) { use_.newer = use_.older = &use_; }
  ~LruShard() {
    for (Node* node = use_.newer; node != &use_;) {
      Node* next = node->newer;
      node->block->Unref();
      delete node;
      node = next;
    }
  }
  void set_capacity(uint64_t bytes) noexcept { capacity_ = bytes; }

  Block* Find(const BlockId& id, uint64_t hash) noexcept {
    std::lock_guard guard(mutex_);
    Node* node = *Place(id, hash);
    if (node == nullptr) {
      ++counters_.misses;
      return nullptr;
    }
    ++counters_.hits;
    Unlink(node);
    LinkNewest(node);
    return node->block;
  }

  Block* Peek(const BlockId& id, uint64_t hash) noexcept {
    std::lock_guard guard(mutex_);
    const Node* node = *Place(id, hash);
    return node == nullptr ? nullptr : node->block;
  }

  BlockRef Insert(const BlockId& id, uint64_t hash, BlockRef block) {
    Dropped dropped;
    std::lock_guard guard(mutex_);
    if (Node* present = *Place(id, hash); present != nullptr)
      return BlockRef::Share(present->block);
    if (!MakeRoom(block->charge, dropped)) return block;
    if (counters_.blocks >= buckets_.size()) Grow();
    auto* node = new Node;
    node->id = id;
    node->block = block.get();
    node->block->Ref();
    *Place(id, hash) = node;
    LinkNewest(node);
    Node*& first = files_[id.file];
    node->file_next = first;
    if (first != nullptr) first->file_previous = node;
    first = node;
    ++counters_.inserts;
    ++counters_.blocks;
    counters_.charge_bytes += node->block->charge;
    return block;
  }

  void Forget(uint64_t file) noexcept {
    Dropped dropped;
    std::lock_guard guard(mutex_);
    const auto found = files_.find(file);
    if (found == files_.end()) return;
    for (Node* node = found->second; node != nullptr;) {
      Node* next = node->file_next;
      Remove(node, dropped);
      node = next;
    }
  }

  void AddTo(CacheCounters& total) const noexcept {
    std::lock_guard guard(mutex_);
    total.hits += counters_.hits;
    total.misses += counters_.misses;
    total.inserts += counters_.inserts;
    total.evictions += counters_.evictions;
    total.charge_bytes += counters_.charge_bytes;
    total.blocks += counters_.blocks;
  }

 private:
  // Where the pointer to the node stands, or would.
  Node** Place(const BlockId& id, uint64_t hash) noexcept {
    Node** at = &buckets_[hash >> 32 & (buckets_.size() - 1)];
    while (*at != nullptr && !((*at)->id == id)) at = &(*at)->chain;
    return at;
  }
  void Grow() {
    std::vector<Node*> old(2 * buckets_.size());
    old.swap(buckets_);
    for (Node* node : old) {
      while (node != nullptr) {
        Node* next = node->chain;
        node->chain = nullptr;
        *Place(node->id, HashOf(node->id)) = node;
        node = next;
      }
    }
  }
  void Unlink(Node* node) noexcept {
    node->newer->older = node->older;
    node->older->newer = node->newer;
  }
  // use_.older is the newest, use_.newer the oldest: the list is a ring through use_.
  void LinkNewest(Node* node) noexcept {
    node->older = use_.older;
    node->newer = &use_;
    node->older->newer = node;
    use_.older = node;
  }
  // Evicts from the oldest on, leaving out blocks in use elsewhere.
  bool MakeRoom(uint64_t bytes, Dropped& dropped) {
    if (bytes > capacity_) return false;
    for (Node* node = use_.newer; counters_.charge_bytes + bytes > capacity_;) {
      if (node == &use_) return false;
      Node* next = node->newer;
      if (IsIdle(*node->block)) {
        ++counters_.evictions;
        Remove(node, dropped);
      }
      node = next;
    }
    return true;
  }
  void Remove(Node* node, Dropped& dropped) {
    Node** at = Place(node->id, HashOf(node->id));
    *at = node->chain;
    Unlink(node);
    if (node->file_next != nullptr) node->file_next->file_previous = node->file_previous;
    if (node->file_previous != nullptr) {
      node->file_previous->file_next = node->file_next;
    } else if (node->file_next != nullptr) {
      files_[node->id.file] = node->file_next;
    } else {
      files_.erase(node->id.file);
    }
    --counters_.blocks;
    counters_.charge_bytes -= node->block->charge;
    dropped.Add(node->block);
    delete node;
  }

  mutable std::mutex mutex_;
  uint64_t capacity_ = 0;
  std::vector<Node*> buckets_;
  Node use_;
  std::unordered_map<uint64_t, Node*> files_;
  CacheCounters counters_;
};

class LruCache final : public BlockCache {
 public:
  explicit LruCache(const SettingBag& bag)
      : capacity_(bag.Bytes("bytes")),
        shard_count_(ShardCount(bag)),
        shards_(new LruShard[shard_count_]) {
    for (size_t i = 0; i < shard_count_; ++i) shards_[i].set_capacity(capacity_ / shard_count_);
  }
  Block* TryPin(BlockSlot&, const BlockId& id, const ReadGuard&) noexcept final {
    const uint64_t hash = HashOf(id);
    return ShardOf(hash).Find(id, hash);
  }
  Block* Peek(BlockSlot&, const BlockId& id, const ReadGuard&) noexcept final {
    const uint64_t hash = HashOf(id);
    return ShardOf(hash).Peek(id, hash);
  }
  bool swizzled_slots() const noexcept final { return false; }
  BlockRef Insert(BlockSlot&, const BlockId& id, BlockRef block) final {
    const uint64_t hash = HashOf(id);
    return ShardOf(hash).Insert(id, hash, std::move(block));
  }
  void Forget(std::span<BlockSlot>, uint64_t file) noexcept final {
    for (size_t i = 0; i < shard_count_; ++i) shards_[i].Forget(file);
  }
  CacheCounters Counters() const noexcept final {
    CacheCounters total;
    for (size_t i = 0; i < shard_count_; ++i) shards_[i].AddTo(total);
    return total;
  }
  uint64_t capacity_bytes() const noexcept final { return capacity_; }

 private:
  LruShard& ShardOf(uint64_t hash) noexcept { return shards_[hash & (shard_count_ - 1)]; }

  const uint64_t capacity_;
  const size_t shard_count_;
  const std::unique_ptr<LruShard[]> shards_;
};

}  // namespace

const CacheVariant kLruCache = {"lru", "least recently used goes first; sharded, a mutex per shard",
                                kCacheSettings,
                                [](const SettingBag& bag) -> std::unique_ptr<BlockCache> {
                                  return std::make_unique<LruCache>(bag);
                                }};

}  // namespace lsmlab
