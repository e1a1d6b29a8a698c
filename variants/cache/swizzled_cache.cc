#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "variants/cache/cache_common.h"
#include "variants/cache/caches.h"

// Pointer swizzling as in LeanStore (Leis et al. 2018): the table's own slot holds the address of
// the cached block, so a hit is one load and no search. Readers stay safe by their epoch. Eviction
// is CLOCK over a ring of (slot, block).
namespace lsmlab {
namespace {

using namespace cache_internal;  // NOLINT: the variant's own namespace

inline Block* BlockOf(uint64_t word) noexcept { return reinterpret_cast<Block*>(word); }

class alignas(128) ClockShard {
 public:
  ~ClockShard() {
    for (const Entry& entry : ring_) {
      if (entry.block != nullptr) entry.block->Unref();
    }
  }
  void set_capacity(uint64_t bytes, double pin_share) noexcept {
    capacity_ = bytes;
    pins_.set_limit(static_cast<uint64_t>(pin_share * static_cast<double>(bytes)));
  }

  BlockRef Insert(BlockSlot& slot, BlockRef block) {
    Dropped dropped;
    std::lock_guard guard(mutex_);
    // Only this shard's lock changes the slot, so what it holds stays while we hold the lock.
    if (Block* present = BlockOf(slot.word.load(std::memory_order_relaxed)); present != nullptr) {
      return BlockRef::Share(present);
    }
    if (!MakeRoom(block->charge, dropped)) return block;
    if (holes_.empty()) {
      holes_.push_back(static_cast<uint32_t>(ring_.size()));
      ring_.push_back({});
    }
    const uint32_t position = holes_.back();
    holes_.pop_back();
    ring_[position] = {&slot, block.get()};
    block->cache_position = position;
    pins_.Take(*block.get());
    block->Ref();
    ++counters_.inserts;
    ++counters_.blocks;
    counters_.charge_bytes += block->charge;
    slot.word.store(reinterpret_cast<uint64_t>(block.get()), std::memory_order_release);
    return block;
  }

  // These two: REQUIRES a ReadGuard under which the slot held the block. It may have been evicted
  // since.
  void Unpin(const BlockSlot& slot, Block* block) noexcept {
    std::lock_guard guard(mutex_);
    if (BlockOf(slot.word.load(std::memory_order_relaxed)) == block) pins_.Release(*block);
  }
  void Forget(BlockSlot& slot, Block* block) noexcept {
    Dropped dropped;
    std::lock_guard guard(mutex_);
    if (BlockOf(slot.word.load(std::memory_order_relaxed)) == block) {
      Remove(block->cache_position, dropped);
    }
  }

  void AddTo(CacheCounters& total) const noexcept {
    std::lock_guard guard(mutex_);
    total.inserts += counters_.inserts;
    total.evictions += counters_.evictions;
    total.charge_bytes += counters_.charge_bytes;
    total.blocks += counters_.blocks;
    pins_.AddTo(total);
  }

 private:
  struct Entry {
    BlockSlot* slot = nullptr;
    Block* block = nullptr;
  };

  // The first turn of the hand clears the bits of what was used, the second evicts; what has a
  // priority stays for some more.
  bool MakeRoom(uint64_t bytes, Dropped& dropped) {
    if (bytes > capacity_) return false;
    for (size_t steps = (2 + kHighestBlockPriority) * ring_.size();
         counters_.charge_bytes + bytes > capacity_; --steps) {
      if (steps == 0) return false;
      if (hand_ >= ring_.size()) hand_ = 0;
      const uint32_t position = hand_++;
      Block* block = ring_[position].block;
      if (block == nullptr) continue;
      if (block->recently_used.load(std::memory_order_relaxed) != 0) {
        block->recently_used.store(0, std::memory_order_relaxed);
        block->spared = 0;
      } else if (!block->pin && IsIdle(*block) && !IsSpared(*block)) {
        ++counters_.evictions;
        Remove(position, dropped);
      }
    }
    return true;
  }
  void Remove(uint32_t position, Dropped& dropped) {
    Entry& entry = ring_[position];
    entry.slot->word.exchange(0, std::memory_order_seq_cst);
    --counters_.blocks;
    counters_.charge_bytes -= entry.block->charge;
    pins_.Release(*entry.block);
    dropped.Add(entry.block);
    entry = {};
    holes_.push_back(position);
  }

  mutable std::mutex mutex_;  // not taken by hits
  uint64_t capacity_ = 0;
  std::vector<Entry> ring_;
  std::vector<uint32_t> holes_;
  uint32_t hand_ = 0;
  PinBudget pins_;
  CacheCounters counters_;
};

class SwizzledCache final : public BlockCache {
 public:
  explicit SwizzledCache(const SettingBag& bag)
      : capacity_(bag.Bytes("bytes")),
        shard_count_(ShardCount(bag)),
        shards_(new ClockShard[shard_count_]) {
    for (size_t i = 0; i < shard_count_; ++i) {
      shards_[i].set_capacity(capacity_ / shard_count_, PinShare(bag));
    }
  }
  Block* TryPin(BlockSlot& slot, const BlockId&, const ReadGuard&) noexcept final {
    Block* block = BlockOf(slot.word.load(std::memory_order_acquire));
    if (block != nullptr && block->recently_used.load(std::memory_order_relaxed) == 0) {
      block->recently_used.store(1, std::memory_order_relaxed);
    }
    return block;
  }
  Block* Peek(BlockSlot& slot, const BlockId&, const ReadGuard&) noexcept final {
    return BlockOf(slot.word.load(std::memory_order_acquire));
  }
  bool swizzled_slots() const noexcept final { return true; }
  BlockRef Insert(BlockSlot& slot, const BlockId& id, BlockRef block) final {
    block->id = id;
    return ShardOf(id).Insert(slot, std::move(block));
  }
  // The guard keeps the block alive until its shard is known and locked.
  void Unpin(std::span<BlockSlot> slots, uint64_t) noexcept final {
    for (const BlockSlot& slot : slots) {
      const ReadGuard guard;
      Block* block = BlockOf(slot.word.load(std::memory_order_acquire));
      if (block != nullptr) ShardOf(block->id).Unpin(slot, block);
    }
  }
  void Forget(std::span<BlockSlot> slots, uint64_t) noexcept final {
    for (BlockSlot& slot : slots) {
      const ReadGuard guard;
      Block* block = BlockOf(slot.word.load(std::memory_order_acquire));
      if (block != nullptr) ShardOf(block->id).Forget(slot, block);
    }
  }
  CacheCounters Counters() const noexcept final {
    CacheCounters total;
    for (size_t i = 0; i < shard_count_; ++i) shards_[i].AddTo(total);
    return total;
  }
  uint64_t capacity_bytes() const noexcept final { return capacity_; }

 private:
  ClockShard& ShardOf(const BlockId& id) noexcept {
    return shards_[HashOf(id) & (shard_count_ - 1)];
  }

  const uint64_t capacity_;
  const size_t shard_count_;
  const std::unique_ptr<ClockShard[]> shards_;
};

}  // namespace

const CacheVariant kSwizzledCache = {
    "swizzled", "the table's slot points at the block: no search, no lock on a hit; CLOCK eviction",
    kCacheSettings, [](const SettingBag& bag) -> std::unique_ptr<BlockCache> {
      return std::make_unique<SwizzledCache>(bag);
    }};

}  // namespace lsmlab
