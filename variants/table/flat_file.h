#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "engine/format/aligned_bytes.h"
#include "variants/table/block_file.h"
#include "variants/table/block_index.h"
#include "variants/table/block_layout.h"

namespace lsmlab::table_internal {

// An open `flat` file without its layout: index, filter and slots in memory. Shared by table and
// iterators of every layout.
class FlatFile : public BlockFile {
 public:
  using BlockFile::BlockFile;
  ~FlatFile();

  // Second half of opening.
  Task<Status> LoadIndexAndFilter();
  // See ExpectedBlock.
  void set_check(decltype(ExpectedBlock::check) check) noexcept { check_ = check; }

  const BlockIndex& index() const noexcept { return index_; }
  uint64_t memory_bytes() const noexcept;

  const FilterProbe& filter() const noexcept { return filter_; }
  const char* filter_data() const noexcept { return filter_bytes_.data(); }
  size_t filter_size() const noexcept { return footer_.filter.size; }
  // Bytes of the key prefixes in the filter; 0: there are none.
  uint32_t filter_prefix_bytes() const noexcept { return filter_prefix_bytes_; }
  const Status& filter_damage() const noexcept { return filter_damage_; }

  // The cached block, or null.
  Block* TryPin(uint32_t i, const ReadGuard& guard) const noexcept {
    if (swizzled_) [[likely]] {
      auto* block = reinterpret_cast<Block*>(slots_[i].word.load(std::memory_order_acquire));
      if (block != nullptr && block->recently_used.load(std::memory_order_relaxed) == 0) {
        block->recently_used.store(1, std::memory_order_relaxed);
      }
      return block;
    }
    return cache_ == nullptr ? nullptr : cache_->TryPin(slots_[i], Id(i), guard);
  }
  Block* Peek(uint32_t i, const ReadGuard& guard) const noexcept {
    return cache_ == nullptr ? nullptr : cache_->Peek(slots_[i], Id(i), guard);
  }
  // Prefetches the slots of blocks first to first+15.
  void PrefetchSlots(uint32_t first) const noexcept {
    __builtin_prefetch(&slots_[first]);
    __builtin_prefetch(&slots_[first] + 8);
  }
  // Prefetches block i if the slot itself says where it lies.
  void Prefetch(uint32_t i, const Footprint& footprint) const noexcept {
    if (!swizzled_) return;
    const uint64_t word = slots_[i].word.load(std::memory_order_acquire);
    if (word != 0) PrefetchBlock(reinterpret_cast<const Block*>(word), footprint);
  }

  ExpectedBlock Expected(uint32_t i) const noexcept {
    ExpectedBlock expected;
    expected.check = check_;
    if (i == 0) expected.context = &properties_;
    expected.handle = index_.handle(i);
    expected.last_key = index_.last_key(i);
    expected.last_tag = index_.last_tag(i);
    expected.raw = raw_blocks_;
    return expected;
  }
  // Reads, checks and decodes block i and offers it to the cache.
  Task<Result<BlockRef>> Load(uint32_t i, IoSite site) const {
    return LoadBlock(Expected(i), &slots_[i], site);
  }
  // Offers the cache block i as its builder has kept it.
  void Adopt(uint32_t i, BlockRef block) const;
  void SetLevel(uint32_t level) const noexcept {
    MoveToLevel(level, std::span<BlockSlot>(slots_, index_.count()), {});
  }

 private:
  BlockId Id(uint32_t i) const noexcept { return IdAt(index_.handle(i).offset); }

  decltype(ExpectedBlock::check) check_ = nullptr;
  BlockIndex index_;
  AlignedBytes filter_bytes_;
  FilterProbe filter_;
  uint32_t filter_prefix_bytes_ = 0;
  Status filter_damage_;
  AlignedBytes slot_bytes_;
  BlockSlot* slots_ = nullptr;
};

}  // namespace lsmlab::table_internal
