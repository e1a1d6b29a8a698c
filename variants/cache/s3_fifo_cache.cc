#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "variants/cache/cache_common.h"
#include "variants/cache/caches.h"
#include "variants/cache/node_index.h"

// S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", 2023). A block comes
// into a small queue, a tenth of the memory; used there more than once it goes on into the main
// queue, else it is evicted soon, and only its name stays for a while: should it come again, it
// goes straight into the main queue. There a used block gets another round, and one of priority
// starts as if it were used. So a scan passes through the small queue and leaves what is used
// alone, and a hit moves nothing.
namespace lsmlab {
namespace {

using namespace cache_internal;  // NOLINT: the variant's own namespace

constexpr uint8_t kMostUses = 3;

// The names of blocks evicted from the small queue, the last so many of them that have not come
// again.
class GhostQueue {
 public:
  bool Take(uint64_t hash) { return names_.erase(hash) > 0; }
  void Add(uint64_t hash, size_t most) {
    names_[hash] = ++added_;
    order_.push_back({hash, added_});
    // What was taken, or added anew, left its place behind; those are no more than the names, too.
    while (names_.size() > most || order_.size() > 2 * most) {
      const auto [oldest, number] = order_.front();
      order_.pop_front();
      const auto found = names_.find(oldest);
      if (found != names_.end() && found->second == number) names_.erase(found);
    }
  }

 private:
  std::deque<std::pair<uint64_t, uint64_t>> order_;  // a name, and the number of its Add
  std::unordered_map<uint64_t, uint64_t> names_;
  uint64_t added_ = 0;
};

class alignas(128) S3FifoShard : public NodeShard {
 public:
  ~S3FifoShard() {
    small_.Clear();
    main_.Clear();
    pinned_.Clear();
  }

  Block* Find(const BlockId& id, uint64_t hash) noexcept {
    std::lock_guard guard(mutex_);
    Node* node = index_.Find(id, hash);
    if (node == nullptr) return nullptr;
    if (node->uses < kMostUses) ++node->uses;
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
    if (block->pin) {
      node->is_main = true;
      pinned_.PushNewest(node);
    } else if (block->priority > 0) {
      PushMain(node);
      node->uses = kMostUses;
    } else if (ghosts_.Take(hash)) {
      PushMain(node);
    } else {
      small_.PushNewest(node);
      small_bytes_ += node->block->charge;
    }
    return block;
  }

  void Unpin(const BlockId& id, uint64_t hash) noexcept {
    std::lock_guard guard(mutex_);
    Node* node = index_.Find(id, hash);
    if (node == nullptr || !node->block->pin) return;
    pins_.Release(*node->block);
    NodeQueue::Unlink(node);
    PushMain(node);
    if (node->block->priority > 0) node->uses = kMostUses;
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

 private:
  void PushMain(Node* node) noexcept {
    node->uses = 0;
    node->is_main = true;
    main_.PushNewest(node);
  }
  bool MakeRoom(uint64_t bytes, Dropped& dropped) {
    if (bytes > capacity_) return false;
    // Enough for every block to lose all its uses and be looked at once more.
    size_t steps = (kMostUses + 2) * index_.size();
    size_t kept = 0;  // in the main queue, since one was evicted of it
    while (counters_.charge_bytes + bytes > capacity_) {
      if (steps-- == 0) return false;                     // all are in use elsewhere
      if (small_.empty() && main_.empty()) return false;  // all that is left is pinned
      const bool main_is_busy = main_.empty() || kept >= (kMostUses + 1) * index_.size();
      if (!small_.empty() && (small_bytes_ > capacity_ / 10 || main_is_busy)) {
        StepSmall(dropped);
      } else {
        kept = StepMain(dropped) ? 0 : kept + 1;
      }
    }
    return true;
  }
  void StepSmall(Dropped& dropped) {
    Node* node = small_.Oldest();
    // A block in use elsewhere would free no memory.
    if (node->uses > 1 || !IsIdle(*node->block)) {
      NodeQueue::Unlink(node);
      small_bytes_ -= node->block->charge;
      PushMain(node);
      return;
    }
    ghosts_.Add(HashOf(node->id), index_.size());
    ++counters_.evictions;
    Remove(node, dropped);
  }
  // True: its oldest was evicted; else it has become the newest.
  bool StepMain(Dropped& dropped) {
    Node* node = main_.Oldest();
    if (node->uses > 0 || !IsIdle(*node->block)) {
      if (node->uses > 0) --node->uses;
      NodeQueue::Unlink(node);
      main_.PushNewest(node);
      return false;
    }
    ++counters_.evictions;
    Remove(node, dropped);
    return true;
  }
  void Remove(Node* node, Dropped& dropped) {
    if (!node->is_main) small_bytes_ -= node->block->charge;
    DropNode(node, dropped);
  }

  NodeQueue small_, main_;
  NodeQueue pinned_;
  uint64_t small_bytes_ = 0;
  GhostQueue ghosts_;
};

}  // namespace

const CacheVariant kS3FifoCache = {
    "s3-fifo",
    "two FIFO queues: what is used only once passes through the small one; a mutex per shard",
    kCacheSettings, [](const SettingBag& bag) -> std::unique_ptr<BlockCache> {
      return std::make_unique<ShardedCache<S3FifoShard>>(bag);
    }};

}  // namespace lsmlab
