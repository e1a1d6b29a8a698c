#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "engine/async/task.h"
#include "engine/base/epoch.h"
#include "engine/base/status.h"
#include "engine/parts/block.h"
#include "engine/parts/io.h"
#include "engine/parts/settings.h"

// Block cache: keeps blocks in memory within a budget. Variants: `none`, `lru` and `s3-fifo`
// (sharded, mutex), `clock` (no lock for hits), `swizzled` (the table's own slot points straight at
// the block; CLOCK eviction; no search at all).
// All keep blocks of a higher priority (Block::priority) for longer, and those that are pinned
// (Block::pin) until their table lets go of them or goes away. What is pinned is charged like
// everything else and bounded: by the share cache.pin_share of cache.bytes, in each shard of the
// cache. Beyond it a block that asks to be pinned is kept like any other, and counted.
// Hot: TryPin is one virtual call per block touched, unless swizzled_slots() lets the table look
// into its slot itself.
//
// Thread safety: all methods from any thread. Eviction drops the cache's reference through the
// epoch, so a block found under a ReadGuard lives as long as the guard.
// Invariants:
//  1. At most one block is cached under a BlockId, and TryPin never gives another one's.
//  2. The charges of all cached blocks together are at most capacity_bytes().
// Errors: none; a block without room is not cached.
// Never reads, decodes or checks a block, and never suspends: a lock is held for a moment only.
// Lifetime: outlives every table that has slots in it.
//
// The part's own settings (pin, pin_share) are declared in engine/tree/part_settings.cc, the
// variants' in variants/cache/. Provisional: swizzled_slots(), as one variant has them.
namespace lsmlab {

// Hits and misses are the readers' to count (ReadCounters): here each hit would write to a line
// that all of them share.
struct CacheCounters {
  uint64_t inserts = 0, evictions = 0, charge_bytes = 0, blocks = 0;
  uint64_t pinned_bytes = 0;  // part of charge_bytes
  uint64_t pins_refused = 0;  // blocks that found no room among the pinned ones
};

class BlockCache {
 public:
  virtual ~BlockCache() = default;

  // The cached block, or null. Never suspends, never allocates. Notes that the block was used.
  virtual Block* TryPin(BlockSlot& slot, const BlockId& id, const ReadGuard& guard) noexcept = 0;
  // As TryPin, but the block is no younger for it: for compactions, whose one reading of a block
  // says nothing about the next.
  virtual Block* Peek(BlockSlot& slot, const BlockId& id, const ReadGuard& guard) noexcept = 0;
  // True: slot.word is null or the Block*, and TryPin does nothing but load it (acquire) and set
  // recently_used when clear; callers may do that inline.
  virtual bool swizzled_slots() const noexcept = 0;

  // Offers a block just loaded or built (one reference, taken over). Returns a reference to the
  // block now cached for the slot: this one, or the one another loader has put there meanwhile. May
  // evict others. A block larger than the cache, or a cache that is full of pinned blocks, is
  // returned uncached.
  virtual BlockRef Insert(BlockSlot& slot, const BlockId& id, BlockRef block) = 0;

  // From now on the blocks of these slots are evicted like others. Safe beside readers and beside
  // Insert of other slots; one of these slots under way may or may not be met.
  virtual void Unpin(std::span<BlockSlot> slots, uint64_t file) noexcept = 0;

  // The table that owns these slots is going away: forget its blocks. REQUIRES: no reader can reach
  // the slots any more; ENSURES: the cache does not touch them again.
  virtual void Forget(std::span<BlockSlot> slots, uint64_t file) noexcept = 0;

  virtual CacheCounters Counters() const noexcept = 0;
  virtual uint64_t capacity_bytes() const noexcept = 0;
};

// A block with room for `size` bytes (and 64 readable bytes after), one reference, empty; freed by
// its last reference. Frames are drawn from size classes; see block_frames.cc. The caller fills
// `data` and `size` before sharing it.
Block* AllocateBlock(size_t size);
// Where the data of every block from AllocateBlock starts, from the Block, which starts a cache
// line: the first 8 bytes of data share that line, and a reader may prefetch both before they have
// arrived.
inline constexpr size_t kBlockDataOffset = 56;
// What a frame holds beside the data. A block of 4096 - kBlockOverhead bytes fills a frame of one
// page; frames of whole pages, up to the size below, start a page (not under sanitizers).
inline constexpr size_t kBlockOverhead = kBlockDataOffset + 64;
inline constexpr size_t kLargestPooledFrame = 128u << 10;
// Bytes of block frames in use now, over all caches and readers. For tests and statistics.
uint64_t BlockFrameBytes() noexcept;
inline char* MutableData(Block* block) noexcept { return const_cast<char*>(block->data); }

struct CacheVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  std::unique_ptr<BlockCache> (*make)(const SettingBag& bag);
};

}  // namespace lsmlab
