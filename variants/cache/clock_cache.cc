#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "variants/cache/cache_common.h"
#include "variants/cache/caches.h"

// CLOCK (Corbató 1968) over an open-addressing hash table that readers search without a lock: a
// slot is the pointer to the block, which says itself what it is, and the epoch keeps both the
// block and an outgrown table alive for whoever still looks at them. A hit sets the block's bit
// when it is clear and writes nothing else. Inserts, evictions and growth take the
// shard's lock.
namespace lsmlab {
namespace {

using namespace cache_internal;  // NOLINT: the variant's own namespace

// Linear probing. A removed block leaves a mark behind, so that searches go on past it.
class ClockTable {
 public:
  explicit ClockTable(size_t slots) : mask_(slots - 1), slots_(slots) {}
  size_t size() const noexcept { return mask_ + 1; }
  Block* At(size_t i) const noexcept { return OrNull(slots_[i].load(std::memory_order_relaxed)); }

  // REQUIRES: a ReadGuard, or the lock.
  Block* Find(const BlockId& id, uint64_t hash) const noexcept {
    for (size_t i = hash >> 32 & mask_;; i = (i + 1) & mask_) {
      Block* block = slots_[i].load(std::memory_order_acquire);
      if (block == nullptr) return nullptr;
      if (block != Removed() && block->id == id) return block;
    }
  }
  // The three: under the lock. REQUIRES for Add: not there, and a free slot. True: it took a slot
  // that was never used.
  bool Add(Block* block, uint64_t hash) noexcept {
    size_t i = hash >> 32 & mask_;
    while (At(i) != nullptr) i = (i + 1) & mask_;
    const bool fresh = slots_[i].load(std::memory_order_relaxed) == nullptr;
    slots_[i].store(block, std::memory_order_release);
    return fresh;
  }
  void Remove(size_t i) noexcept { slots_[i].store(Removed(), std::memory_order_seq_cst); }
  // REQUIRES: it is there.
  size_t PlaceOf(const Block* block, uint64_t hash) const noexcept {
    size_t i = hash >> 32 & mask_;
    while (slots_[i].load(std::memory_order_relaxed) != block) i = (i + 1) & mask_;
    return i;
  }

 private:
  static Block* Removed() noexcept {
    static Block removed;
    return &removed;
  }
  static Block* OrNull(Block* block) noexcept { return block == Removed() ? nullptr : block; }

  const size_t mask_;
  std::vector<std::atomic<Block*>> slots_;
};

// Retires the table when the shard's lock is released: that may run the deleters of other objects.
struct Outgrown {
  ~Outgrown() {
    if (table != nullptr) EpochDelete(table);
  }
  ClockTable* table = nullptr;
};

class alignas(128) ClockTableShard {
 public:
  ~ClockTableShard() {
    ClockTable* table = table_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < table->size(); ++i) {
      if (table->At(i) != nullptr) table->At(i)->Unref();
    }
    delete table;
  }
  void set_capacity(uint64_t bytes, double pin_share) noexcept {
    capacity_ = bytes;
    pins_.set_limit(static_cast<uint64_t>(pin_share * static_cast<double>(bytes)));
  }

  Block* Find(const BlockId& id, uint64_t hash) noexcept {
    Block* block = Peek(id, hash);
    if (block == nullptr) return nullptr;
    if (block->recently_used.load(std::memory_order_relaxed) == 0) {
      block->recently_used.store(1, std::memory_order_relaxed);
    }
    return block;
  }
  Block* Peek(const BlockId& id, uint64_t hash) const noexcept {
    return table_.load(std::memory_order_acquire)->Find(id, hash);
  }

  BlockRef Insert(BlockSlot& slot, const BlockId& id, uint64_t hash, BlockRef block) {
    Dropped dropped;
    Outgrown outgrown;
    std::lock_guard guard(mutex_);
    if (Block* present = Table().Find(id, hash); present != nullptr) {
      return BlockRef::Share(present);
    }
    if (!MakeRoom(block->charge, dropped)) return block;
    if (4 * (taken_ + 1) > 3 * Table().size()) outgrown.table = Rebuild();
    pins_.Take(*block.get());
    block->Ref();
    if (Table().Add(block.get(), hash)) ++taken_;
    // Forget and Unpin find their blocks by what stands in their slots.
    slot.word.store(id.offset + 1, std::memory_order_relaxed);
    ++counters_.inserts;
    ++counters_.blocks;
    counters_.charge_bytes += block->charge;
    return block;
  }

  void Unpin(const BlockId& id, uint64_t hash) noexcept {
    std::lock_guard guard(mutex_);
    Block* block = Table().Find(id, hash);
    if (block != nullptr) pins_.Release(*block);
  }
  void Forget(const BlockId& id, uint64_t hash) noexcept {
    Dropped dropped;
    std::lock_guard guard(mutex_);
    Block* block = Table().Find(id, hash);
    if (block != nullptr) Remove(Table().PlaceOf(block, hash), block, dropped);
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
  ClockTable& Table() noexcept { return *table_.load(std::memory_order_relaxed); }

  // The first turn of the hand clears the bits of what was used, the second evicts; what has a
  // priority stays for some more.
  bool MakeRoom(uint64_t bytes, Dropped& dropped) {
    if (bytes > capacity_) return false;
    ClockTable& table = Table();
    for (size_t steps = (2 + kHighestBlockPriority) * table.size();
         counters_.charge_bytes + bytes > capacity_; --steps) {
      if (steps == 0) return false;
      if (hand_ >= table.size()) hand_ = 0;
      const size_t i = hand_++;
      Block* block = table.At(i);
      if (block == nullptr) continue;
      if (block->recently_used.load(std::memory_order_relaxed) != 0) {
        block->recently_used.store(0, std::memory_order_relaxed);
        block->spared = 0;
      } else if (!block->pin && IsIdle(*block) && !IsSpared(*block)) {
        ++counters_.evictions;
        Remove(i, block, dropped);
      }
    }
    return true;
  }
  void Remove(size_t i, Block* block, Dropped& dropped) {
    Table().Remove(i);
    --counters_.blocks;
    counters_.charge_bytes -= block->charge;
    pins_.Release(*block);
    dropped.Add(block);
  }
  // Without the marks of what was removed, and larger where that is not enough. Readers may stay in
  // the old table, which is returned: what they find there is alive, and what they miss is loaded
  // again.
  ClockTable* Rebuild() {
    size_t slots = Table().size();
    while (2 * (counters_.blocks + 1) > slots) slots *= 2;
    auto larger = std::make_unique<ClockTable>(slots);
    for (size_t i = 0; i < Table().size(); ++i) {
      Block* block = Table().At(i);
      if (block != nullptr) larger->Add(block, HashOf(block->id));
    }
    // The hand stays where it is: from the start each time, it would never come to the end.
    taken_ = counters_.blocks;
    return table_.exchange(larger.release(), std::memory_order_acq_rel);
  }

  mutable std::mutex mutex_;  // not taken by hits and misses
  std::atomic<ClockTable*> table_{new ClockTable(64)};
  uint64_t capacity_ = 0;
  size_t taken_ = 0;  // slots that hold a block or the mark of one
  size_t hand_ = 0;
  PinBudget pins_;
  CacheCounters counters_;
};

class ClockCache final : public BlockCache {
 public:
  explicit ClockCache(const SettingBag& bag)
      : capacity_(bag.Bytes("bytes")),
        shard_count_(ShardCount(bag)),
        shards_(new ClockTableShard[shard_count_]) {
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
    block->id = id;
    return ShardOf(hash).Insert(slot, id, hash, std::move(block));
  }
  void Unpin(std::span<BlockSlot> slots, uint64_t file) noexcept final {
    ForEach(slots, file, [](ClockTableShard& shard, const BlockId& id, uint64_t hash) noexcept {
      shard.Unpin(id, hash);
    });
  }
  void Forget(std::span<BlockSlot> slots, uint64_t file) noexcept final {
    ForEach(slots, file, [](ClockTableShard& shard, const BlockId& id, uint64_t hash) noexcept {
      shard.Forget(id, hash);
    });
  }
  CacheCounters Counters() const noexcept final {
    CacheCounters total;
    for (size_t i = 0; i < shard_count_; ++i) shards_[i].AddTo(total);
    return total;
  }
  uint64_t capacity_bytes() const noexcept final { return capacity_; }

 private:
  // Calls `visit` with what was ever cached for the slots.
  template <typename Visit>
  void ForEach(std::span<BlockSlot> slots, uint64_t file, Visit visit) noexcept {
    for (const BlockSlot& slot : slots) {
      const uint64_t word = slot.word.load(std::memory_order_relaxed);
      if (word == 0) continue;
      const BlockId id{file, word - 1};
      const uint64_t hash = HashOf(id);
      visit(ShardOf(hash), id, hash);
    }
  }
  ClockTableShard& ShardOf(uint64_t hash) noexcept { return shards_[hash & (shard_count_ - 1)]; }

  const uint64_t capacity_;
  const size_t shard_count_;
  const std::unique_ptr<ClockTableShard[]> shards_;
};

}  // namespace

const CacheVariant kClockCache = {
    "clock", "a hash table that hits search without a lock; CLOCK eviction", kCacheSettings,
    [](const SettingBag& bag) -> std::unique_ptr<BlockCache> {
      return std::make_unique<ClockCache>(bag);
    }};

}  // namespace lsmlab
