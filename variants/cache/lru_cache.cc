#include <memory>
#include <mutex>
#include <utility>

#include "variants/cache/cache_common.h"
#include "variants/cache/caches.h"
#include "variants/cache/node_index.h"

namespace lsmlab {
namespace {

using namespace cache_internal;  // NOLINT: the variant's own namespace

// A hash table and a list of use under one mutex.
class alignas(128) LruShard {
 public:
  ~LruShard() { use_.Clear(); }
  void set_capacity(uint64_t bytes) noexcept { capacity_ = bytes; }

  Block* Find(const BlockId& id, uint64_t hash) noexcept {
    std::lock_guard guard(mutex_);
    Node* node = index_.Find(id, hash);
    if (node == nullptr) {
      ++counters_.misses;
      return nullptr;
    }
    ++counters_.hits;
    NodeQueue::Unlink(node);
    use_.PushNewest(node);
    return node->block;
  }

  Block* Peek(const BlockId& id, uint64_t hash) noexcept {
    std::lock_guard guard(mutex_);
    const Node* node = index_.Find(id, hash);
    return node == nullptr ? nullptr : node->block;
  }

  BlockRef Insert(const BlockId& id, uint64_t hash, BlockRef block) {
    Dropped dropped;
    std::lock_guard guard(mutex_);
    if (Node* present = index_.Find(id, hash); present != nullptr) {
      return BlockRef::Share(present->block);
    }
    if (!MakeRoom(block->charge, dropped)) return block;
    auto* node = new Node;
    node->id = id;
    node->block = block.get();
    node->block->Ref();
    index_.Add(node, hash);
    use_.PushNewest(node);
    ++counters_.inserts;
    ++counters_.blocks;
    counters_.charge_bytes += node->block->charge;
    return block;
  }

  void Forget(uint64_t file) noexcept {
    Dropped dropped;
    std::lock_guard guard(mutex_);
    for (Node* node = index_.FirstOf(file); node != nullptr;) {
      Node* next = node->file_next;
      Remove(node, dropped);
      node = next;
    }
  }

  void AddTo(CacheCounters& total) const noexcept {
    std::lock_guard guard(mutex_);
    Sum(counters_, total);
  }

 private:
  // Evicts from the oldest on, leaving out blocks in use elsewhere.
  bool MakeRoom(uint64_t bytes, Dropped& dropped) {
    if (bytes > capacity_) return false;
    for (Node* node = use_.Oldest(); counters_.charge_bytes + bytes > capacity_;) {
      if (node == nullptr) return false;
      Node* next = use_.After(node);
      if (IsIdle(*node->block)) {
        ++counters_.evictions;
        Remove(node, dropped);
      }
      node = next;
    }
    return true;
  }
  void Remove(Node* node, Dropped& dropped) {
    index_.Remove(node);
    NodeQueue::Unlink(node);
    --counters_.blocks;
    counters_.charge_bytes -= node->block->charge;
    dropped.Add(node->block);
    delete node;
  }

  mutable std::mutex mutex_;
  uint64_t capacity_ = 0;
  NodeIndex index_;
  NodeQueue use_;
  CacheCounters counters_;
};

}  // namespace

const CacheVariant kLruCache = {"lru", "least recently used goes first; sharded, a mutex per shard",
                                kCacheSettings,
                                [](const SettingBag& bag) -> std::unique_ptr<BlockCache> {
                                  return std::make_unique<ShardedCache<LruShard>>(bag);
                                }};

}  // namespace lsmlab
