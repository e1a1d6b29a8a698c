#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/epoch.h"
#include "engine/parts/block_cache.h"
#include "engine/parts/settings.h"

// What the caches with a budget share.
namespace lsmlab::cache_internal {

inline constexpr SettingSpec kCacheSettings[] = {
    {"bytes", SettingType::kBytes, "8MiB", 0, int64_t{1} << 44, "",
     "memory for blocks, counted as the frames that hold them"},
    {"shards", SettingType::kInteger, "16", 1, 1024, "",
     "parts with a lock of their own; fewer when each would get less than 512 KiB"},
    {"fill_by", SettingType::kChoice, "reads", 0, 0, "reads|compactions|writes",
     "who puts blocks in: reads; also compactions, what they write in place of cached blocks; or "
     "also flushes, while the store is being read"},
};

inline size_t ShardCount(const SettingBag& bag) {
  constexpr uint64_t kMinShardBytes = 512u << 10;
  const auto wanted = static_cast<uint64_t>(bag.Integer("shards"));
  return std::bit_floor(std::clamp<uint64_t>(bag.Bytes("bytes") / kMinShardBytes, 1, wanted));
}

// The share of its memory that a cache may have pinned; a bag made by hand may lack it: none.
inline double PinShare(const SettingBag& bag) {
  return bag.Has("pin_share") ? bag.Real("pin_share") : 0;
}

// What one shard has pinned. Under the shard's lock.
class PinBudget {
 public:
  void set_limit(uint64_t bytes) noexcept { limit_ = bytes; }
  // Of a block that was taken in: whether it is pinned, as it may have asked to be.
  bool Take(Block& block) noexcept {
    if (!block.pin) return false;
    block.pin = bytes_ + block.charge <= limit_;
    if (block.pin) {
      bytes_ += block.charge;
    } else {
      ++refused_;
    }
    return block.pin;
  }
  void Release(Block& block) noexcept {
    if (block.pin) bytes_ -= block.charge;
    block.pin = false;
  }
  void AddTo(CacheCounters& total) const noexcept {
    total.pinned_bytes += bytes_;
    total.pins_refused += refused_;
  }

 private:
  uint64_t limit_ = 0, bytes_ = 0, refused_ = 0;
};

// MixSeed alone leaves the low bits of both halves alike where offsets are multiples of a page: the
// shard is taken from one half and the place in it from the other.
inline uint64_t HashOf(const BlockId& id) noexcept {
  const uint64_t mixed = MixSeed(id.file, id.offset) * 0xc4ceb9fe1a85ec53;
  return mixed ^ mixed >> 32;
}

// The cache's references to blocks that it has dropped. They are given back after the shard's lock
// is released: retiring may run the deleters of other objects, and those may call the cache.
class Dropped {
 public:
  Dropped() = default;
  Dropped(const Dropped&) = delete;
  ~Dropped() {
    for (Block* block : blocks_) {
      // Read before: with the last reference the block may go.
      const size_t bytes = block->charge;
      EpochRetire(
          block, [](void* b) { static_cast<Block*>(b)->Unref(); }, bytes);
    }
  }
  void Add(Block* block) { blocks_.push_back(block); }

 private:
  std::vector<Block*> blocks_;
};

// Whether an old block is passed over once more for its priority. Under the shard's lock.
inline bool IsSpared(Block& block) noexcept {
  if (block.spared >= block.priority) return false;
  ++block.spared;
  return true;
}

// Whether only the cache refers to the block. Evicting another one would free no memory.
inline bool IsIdle(const Block& block) noexcept {
  return block.references.load(std::memory_order_relaxed) == 1;
}

}  // namespace lsmlab::cache_internal
