#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "engine/format/aligned_bytes.h"
#include "variants/table/block_file.h"
#include "variants/table/block_index.h"
#include "variants/table/partition.h"

namespace lsmlab::table_internal {

// An open `partitioned` file without its layout. In memory for as long as it is open: the top index
// and 8 bytes per block for the cache. Partitions and data blocks come and go with the cache.
class PartitionedFile : public BlockFile {
 public:
  using BlockFile::BlockFile;
  ~PartitionedFile();

  // Second half of opening.
  Task<Status> LoadTopIndex();
  // See ExpectedBlock: of data blocks.
  void set_check(decltype(ExpectedBlock::check) check) noexcept { check_ = check; }

  // Of partitions, not of data blocks.
  const BlockIndex& top() const noexcept { return top_; }
  uint64_t memory_bytes() const noexcept;
  bool has_filter() const noexcept { return limits_.filter != nullptr; }

  // The filter of a partition that is in memory.
  TableFilter FilterOf(const PartitionView& view) const noexcept {
    TableFilter filter;
    // Set before the first partition was published.
    filter.probe.may_contain = may_contain_.load(std::memory_order_relaxed);
    filter.data = view.filter;
    filter.size = view.filter_bytes;
    return filter;
  }

  // The cached block, or null. Data block `number` lies at `offset`.
  Block* TryPinPartition(uint32_t p, const ReadGuard& guard) const noexcept {
    return TryPin(partition_slots_[p], top_.handle(p).offset, guard);
  }
  Block* TryPinData(uint32_t number, uint64_t offset, const ReadGuard& guard) const noexcept {
    return TryPin(slots_[number], offset, guard);
  }
  Block* PeekPartition(uint32_t p, const ReadGuard& guard) const noexcept {
    return Peek(partition_slots_[p], top_.handle(p).offset, guard);
  }
  Block* PeekData(uint32_t number, uint64_t offset, const ReadGuard& guard) const noexcept {
    return Peek(slots_[number], offset, guard);
  }

  // What is expected of data block i of a partition, into which it points.
  ExpectedBlock ExpectedData(const PartitionView& view, uint32_t i) const noexcept {
    const Entry entry = view.index.At(i);
    ExpectedBlock expected;
    expected.check = check_;
    if (view.first_block + i == 0) expected.context = &properties_;
    expected.handle = PartitionPlace::Decode(entry.value).handle;
    expected.last_key = entry.key;
    expected.last_tag = entry.tag;
    expected.raw = raw_blocks_;
    return expected;
  }
  // Reads and checks; `fill_cache`: and offers it to the cache.
  Task<Result<BlockRef>> LoadPartition(uint32_t p, bool fill_cache, IoSite site) const;
  // REQUIRES: the view's partition is held until the task ends.
  Task<Result<BlockRef>> LoadData(const PartitionView& view, uint32_t i, IoSite site) const {
    return LoadBlock(ExpectedData(view, i), &slots_[view.first_block + i], site);
  }
  // Offers the cache a data block or, from number data_blocks on, a partition as its builder has
  // kept it; id.offset says where it lies.
  void Adopt(uint32_t number, BlockRef block) const;
  void SetLevel(uint32_t level) const noexcept;

 private:
  Block* TryPin(BlockSlot& slot, uint64_t offset, const ReadGuard& guard) const noexcept {
    if (swizzled_) [[likely]] {
      auto* block = reinterpret_cast<Block*>(slot.word.load(std::memory_order_acquire));
      if (block != nullptr && block->recently_used.load(std::memory_order_relaxed) == 0) {
        block->recently_used.store(1, std::memory_order_relaxed);
      }
      return block;
    }
    return cache_ == nullptr ? nullptr : cache_->TryPin(slot, IdAt(offset), guard);
  }
  Block* Peek(BlockSlot& slot, uint64_t offset, const ReadGuard& guard) const noexcept {
    return cache_ == nullptr ? nullptr : cache_->Peek(slot, IdAt(offset), guard);
  }
  static Status CheckOnePartition(const void* file, Slice block, Slice last_key, Tag last_tag);

  decltype(ExpectedBlock::check) check_ = nullptr;
  BlockIndex top_;
  PartitionLimits limits_;
  // How all partitions' filters are asked.
  mutable std::atomic<decltype(FilterProbe::may_contain)> may_contain_{nullptr};
  AlignedBytes slot_bytes_;
  BlockSlot* slots_ = nullptr;            // of the data blocks, then
  BlockSlot* partition_slots_ = nullptr;  // of the partitions
};

}  // namespace lsmlab::table_internal
