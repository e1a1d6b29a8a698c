#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/parts/block.h"
#include "variants/cache/cache_common.h"

// How caches that search find their blocks, and the queues in which they wait for their eviction.
// Everything here belongs to one shard, under its lock.
namespace lsmlab::cache_internal {

// One cached block: in its hash chain, in the list of its file, in a queue.
struct Node {
  Block* block = nullptr;
  BlockId id;
  Node* chain = nullptr;
  Node* file_next = nullptr;
  Node* file_previous = nullptr;
  Node* newer = nullptr;
  Node* older = nullptr;
  uint8_t uses = 0;      // the queue's owner counts in it what it needs
  bool is_main = false;  // in the second of two queues
};

// A hash table of nodes, which also knows those of one file. Owns nothing.
class NodeIndex {
 public:
  NodeIndex() : buckets_(64) {}
  size_t size() const noexcept { return size_; }
  // Null: there is none. `hash`: HashOf(id).
  Node* Find(const BlockId& id, uint64_t hash) noexcept { return *Place(id, hash); }
  // REQUIRES: its id is not there.
  void Add(Node* node, uint64_t hash) {
    if (size_ >= buckets_.size()) Grow();
    *Place(node->id, hash) = node;
    Node*& first = files_[node->id.file];
    node->file_next = first;
    if (first != nullptr) first->file_previous = node;
    first = node;
    ++size_;
  }
  // REQUIRES: it is there.
  void Remove(Node* node) {
    Node** at = Place(node->id, HashOf(node->id));
    *at = node->chain;
    if (node->file_next != nullptr) node->file_next->file_previous = node->file_previous;
    if (node->file_previous != nullptr) {
      node->file_previous->file_next = node->file_next;
    } else if (node->file_next != nullptr) {
      files_[node->id.file] = node->file_next;
    } else {
      files_.erase(node->id.file);
    }
    --size_;
  }
  // The first node of the file; the others follow by file_next.
  Node* FirstOf(uint64_t file) const noexcept {
    const auto found = files_.find(file);
    return found == files_.end() ? nullptr : found->second;
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

  std::vector<Node*> buckets_;
  std::unordered_map<uint64_t, Node*> files_;
  size_t size_ = 0;
};

// Nodes from the oldest to the newest: a ring through `end_`. Not movable.
class NodeQueue {
 public:
  NodeQueue() noexcept { end_.newer = end_.older = &end_; }
  NodeQueue(const NodeQueue&) = delete;
  NodeQueue& operator=(const NodeQueue&) = delete;
  bool empty() const noexcept { return end_.newer == &end_; }
  // null: the queue is empty, or the node was the newest.
  Node* Oldest() noexcept { return OrNull(end_.newer); }
  Node* After(Node* node) noexcept { return OrNull(node->newer); }
  void PushNewest(Node* node) noexcept {
    node->older = end_.older;
    node->newer = &end_;
    node->older->newer = node;
    end_.older = node;
  }
  static void Unlink(Node* node) noexcept {
    node->newer->older = node->older;
    node->older->newer = node->newer;
  }
  // Gives back the references and the nodes.
  void Clear() noexcept {
    for (Node* node = Oldest(); node != nullptr;) {
      Node* next = After(node);
      node->block->Unref();
      delete node;
      node = next;
    }
    end_.newer = end_.older = &end_;
  }

 private:
  Node* OrNull(Node* node) noexcept { return node == &end_ ? nullptr : node; }
  Node end_;
};

// What shards of nodes share, whatever their order of eviction is.
class NodeShard {
 public:
  void set_capacity(uint64_t bytes, double pin_share) noexcept {
    capacity_ = bytes;
    pins_.set_limit(static_cast<uint64_t>(pin_share * static_cast<double>(bytes)));
  }
  Block* Peek(const BlockId& id, uint64_t hash) noexcept {
    std::lock_guard guard(mutex_);
    const Node* node = index_.Find(id, hash);
    return node == nullptr ? nullptr : node->block;
  }
  void AddTo(CacheCounters& total) const noexcept {
    std::lock_guard guard(mutex_);
    total.inserts += counters_.inserts;
    total.evictions += counters_.evictions;
    total.charge_bytes += counters_.charge_bytes;
    total.blocks += counters_.blocks;
    pins_.AddTo(total);
  }

 protected:
  // A node with its own reference to the block, pinned if it asks for it and may be; in the index
  // but in no queue yet.
  Node* AddNode(const BlockId& id, uint64_t hash, Block* block) {
    auto* node = new Node;
    node->id = id;
    node->block = block;
    pins_.Take(*block);
    block->Ref();
    index_.Add(node, hash);
    ++counters_.inserts;
    ++counters_.blocks;
    counters_.charge_bytes += block->charge;
    return node;
  }
  // Takes it out of index and queue.
  void DropNode(Node* node, Dropped& dropped) {
    index_.Remove(node);
    NodeQueue::Unlink(node);
    --counters_.blocks;
    counters_.charge_bytes -= node->block->charge;
    pins_.Release(*node->block);
    dropped.Add(node->block);
    delete node;
  }

  mutable std::mutex mutex_;  // guards all of the shard
  uint64_t capacity_ = 0;
  NodeIndex index_;
  PinBudget pins_;
  CacheCounters counters_;
};

// A cache of shards that each have Find, Peek, Insert, Unpin, Forget, AddTo and set_capacity; the
// hash of a block's id says which is the block's.
template <typename Shard>
class ShardedCache final : public BlockCache {
 public:
  explicit ShardedCache(const SettingBag& bag)
      : capacity_(bag.Bytes("bytes")),
        shard_count_(ShardCount(bag)),
        shards_(new Shard[shard_count_]) {
    for (size_t i = 0; i < shard_count_; ++i) {
      shards_[i].set_capacity(capacity_ / shard_count_, PinShare(bag));
    }
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
  BlockRef Insert(BlockSlot& slot, const BlockId& id, BlockRef block) final {
    const uint64_t hash = HashOf(id);
    // Unpin finds its blocks by what stands in their slots.
    if (block->pin) slot.word.store(id.offset + 1, std::memory_order_relaxed);
    return ShardOf(hash).Insert(id, hash, std::move(block));
  }
  void Unpin(std::span<BlockSlot> slots, uint64_t file) noexcept final {
    for (const BlockSlot& slot : slots) {
      const uint64_t word = slot.word.load(std::memory_order_relaxed);
      if (word == 0) continue;  // never pinned
      const BlockId id{file, word - 1};
      const uint64_t hash = HashOf(id);
      ShardOf(hash).Unpin(id, hash);
    }
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
  Shard& ShardOf(uint64_t hash) noexcept { return shards_[hash & (shard_count_ - 1)]; }

  const uint64_t capacity_;
  const size_t shard_count_;
  const std::unique_ptr<Shard[]> shards_;
};

}  // namespace lsmlab::cache_internal
