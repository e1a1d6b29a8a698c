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
class alignas(128) LruShard : public NodeShard {
 public:
  ~LruShard() {
    use_.Clear();
    pinned_.Clear();
  }

  Block* Find(const BlockId& id, uint64_t hash) noexcept {
    std::lock_guard guard(mutex_);
    Node* node = index_.Find(id, hash);
    if (node == nullptr) return nullptr;
    node->block->spared = 0;
    NodeQueue::Unlink(node);
    use_.PushNewest(node);
    return node->block;
  }

  BlockRef Insert(const BlockId& id, uint64_t hash, BlockRef block) {
    Dropped dropped;
    std::lock_guard guard(mutex_);
    if (Node* present = index_.Find(id, hash); present != nullptr) {
      return BlockRef::Share(present->block);
    }
    if (!MakeRoom(block->charge, dropped)) return block;
    Node* node = AddNode(id, hash, block.get());
    use_.PushNewest(node);
    return block;
  }

  void Unpin(const BlockId& id, uint64_t hash) noexcept {
    std::lock_guard guard(mutex_);
    Node* node = index_.Find(id, hash);
    if (node == nullptr || !node->block->pin) return;
    pins_.Release(*node->block);
    NodeQueue::Unlink(node);
    use_.PushNewest(node);
  }

  void Forget(uint64_t file) noexcept {
    Dropped dropped;
    std::lock_guard guard(mutex_);
    for (Node* node = index_.FirstOf(file); node != nullptr;) {
      Node* next = node->file_next;
      DropNode(node, dropped);
      node = next;
    }
  }

 private:
  // Evicts from the oldest on, leaving out blocks in use elsewhere. What has a priority is made the
  // newest again some times before it goes; what is pinned gets out of the way until its next use.
  bool MakeRoom(uint64_t bytes, Dropped& dropped) {
    if (bytes > capacity_) return false;
    for (Node* node = use_.Oldest(); counters_.charge_bytes + bytes > capacity_;) {
      if (node == nullptr) return false;
      Node* next = use_.After(node);
      if (node->block->pin) {
        NodeQueue::Unlink(node);
        pinned_.PushNewest(node);
      } else if (IsIdle(*node->block) && IsSpared(*node->block)) {
        NodeQueue::Unlink(node);
        use_.PushNewest(node);
        if (next == nullptr) next = node;
      } else if (IsIdle(*node->block)) {
        ++counters_.evictions;
        DropNode(node, dropped);
      }
      node = next;
    }
    return true;
  }

  NodeQueue use_;
  NodeQueue pinned_;  // those that an eviction has met
};

}  // namespace

const CacheVariant kLruCache = {"lru", "least recently used goes first; sharded, a mutex per shard",
                                kCacheSettings,
                                [](const SettingBag& bag) -> std::unique_ptr<BlockCache> {
                                  return std::make_unique<ShardedCache<LruShard>>(bag);
                                }};

}  // namespace lsmlab
