#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/base/slice.h"

// A block in memory, as caches, tables and readers share it.
//
// Thread safety: one thread fills a block and then shares it; from then on any thread may count it
// and set recently_used, and the cache changes the fields that are marked as its own. Whoever drops
// the last reference frees it, on any thread. Nothing here fails, reads a file or suspends.
namespace lsmlab {

struct TableId {  // 128 random bits, in the table's footer and in the catalog
  uint64_t high = 0;
  uint64_t low = 0;
  friend bool operator==(const TableId&, const TableId&) = default;
};

// Names a block for accounting and for caches that search by it. `file` is the number of the table
// in its store's process-wide table list: unique for the life of the process, never reused.
struct BlockId {
  uint64_t file = 0;
  uint64_t offset = 0;
  friend bool operator==(const BlockId&, const BlockId&) = default;
};

inline constexpr uint8_t kHighestBlockPriority = 3;

// An immutable block: decompressed, checksum and structure verified when it entered memory, so that
// lookups trust it. Counted; whoever caches it holds one reference and, on eviction, drops it
// through the epoch, so that a reader under a ReadGuard may still use the block or take its own
// reference. `data` has at least 64 readable bytes after `size` (for unaligned SIMD loads).
struct Block {
  std::atomic<uint32_t> references{1};
  std::atomic<uint8_t> recently_used{0};  // CLOCK bit: set by readers when clear
  // How many times more than others a cache passes over the block before it evicts it: for what
  // leads to many other blocks. At most kHighestBlockPriority; set before the block is shared.
  uint8_t priority = 0;
  uint8_t spared = 0;  // the cache's, under its lock: how many of these times are over
  // Set before the block is shared: the cache is asked to keep it, see BlockCache. From Insert on
  // the cache's, under its lock: whether it does.
  bool pin = false;
  uint32_t size = 0;
  uint32_t charge = 0;          // bytes of memory this block really takes
  uint32_t cache_position = 0;  // the cache's, under its lock
  const char* data = nullptr;
  void (*destroy)(Block*) = nullptr;  // frees block and frame
  BlockId id;

  void Ref() noexcept { references.fetch_add(1, std::memory_order_relaxed); }
  void Unref() noexcept {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(this);
  }
  Slice bytes() const noexcept { return Slice(data, size); }
};

// A counted reference that outlives a ReadGuard and may move between threads.
class BlockRef {
 public:
  BlockRef() noexcept = default;
  // Takes over one reference.
  static BlockRef Adopt(Block* block) noexcept {
    BlockRef ref;
    ref.block_ = block;
    return ref;
  }
  // Adds a reference. REQUIRES: a ReadGuard under which the block was found, or another reference.
  static BlockRef Share(Block* block) noexcept {
    block->Ref();
    return Adopt(block);
  }
  BlockRef(const BlockRef& o) noexcept : block_(o.block_) {
    if (block_ != nullptr) block_->Ref();
  }
  BlockRef(BlockRef&& o) noexcept : block_(std::exchange(o.block_, nullptr)) {}
  BlockRef& operator=(BlockRef o) noexcept {
    std::swap(block_, o.block_);
    return *this;
  }
  ~BlockRef() {
    if (block_ != nullptr) block_->Unref();
  }
  Block* get() const noexcept { return block_; }
  Block* operator->() const noexcept { return block_; }
  explicit operator bool() const noexcept { return block_ != nullptr; }

 private:
  Block* block_ = nullptr;
};

// One per block, in the array of the table that owns it. What it holds belongs to the cache variant
// (`swizzled`: the pointer to the cached block or null; others: the offset of a block that Unpin or
// Forget may have to find).
struct BlockSlot {
  std::atomic<uint64_t> word{0};
};

}  // namespace lsmlab
