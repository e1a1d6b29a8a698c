#include "variants/table/partitioned_file.h"

#include <algorithm>
#include <new>
#include <span>
#include <utility>

namespace lsmlab::table_internal {

PartitionedFile::~PartitionedFile() {
  if (cache_ == nullptr || slots_ == nullptr) return;
  const size_t count = properties_.data_blocks + top_.count();
  cache_->Forget(std::span<BlockSlot>(slots_, count), file_number_);
}

uint64_t PartitionedFile::memory_bytes() const noexcept {
  return dictionary_memory() + top_.memory_bytes() + slot_bytes_.reserved() +
         properties_.smallest_key.size() + properties_.largest_key.size() + sizeof(PartitionedFile);
}

Task<Status> PartitionedFile::LoadTopIndex() {
  Result<BlockIndex> top =
      co_await ReadIndex(std::min(footer_.index.offset, footer_.properties.offset));
  if (!top.ok()) co_return top.status();
  top_ = std::move(top).value();
  const uint64_t blocks = properties_.data_blocks;
  // Every block has a trailer and at least one byte.
  const uint64_t most = std::min<uint64_t>(footer_.file_size / kBlockTrailerBytes, UINT32_MAX / 2);
  if (blocks > most || blocks < top_.count() || (blocks > 0 && top_.count() == 0)) {
    co_return DamageAt(file_->path(), footer_.properties.offset,
                       std::to_string(top_.count()) + " to " + std::to_string(most) +
                           " data blocks in " + std::to_string(top_.count()) + " partitions",
                       std::to_string(blocks));
  }
  limits_.data_blocks = blocks;
  limits_.data_end = top_.count() == 0 ? 0 : top_.handle(0).offset;
  if (properties_.filter_variant != "none" && top_.count() > 0) {
    const Result<const FilterVariant*> filter = FindFilter(footer_.properties.offset);
    if (!filter.ok()) co_return filter.status();
    limits_.filter = filter.value();
  }
  const size_t slots = static_cast<size_t>(blocks) + top_.count();
  slot_bytes_ = AlignedBytes(slots * sizeof(BlockSlot));
  slots_ = slot_bytes_.as<BlockSlot>();
  partition_slots_ = slots_ + blocks;
  for (size_t i = 0; i < slots; ++i) new (&slots_[i]) BlockSlot;
  co_return Status();
}

Status PartitionedFile::CheckOnePartition(const void* file, Slice block, Slice last_key,
                                          Tag last_tag) {
  const auto* self = static_cast<const PartitionedFile*>(file);
  FilterProbe probe;
  LSMLAB_TRY(CheckPartition(block, last_key, last_tag, self->limits_, &probe));
  self->may_contain_.store(probe.may_contain, std::memory_order_relaxed);
  return Status();
}

Task<Result<BlockRef>> PartitionedFile::LoadPartition(uint32_t p, bool fill_cache,
                                                      IoSite site) const {
  ExpectedBlock expected;
  expected.check = CheckOnePartition;
  expected.context = this;
  expected.handle = top_.handle(p);
  expected.last_key = top_.last_key(p);
  expected.last_tag = top_.last_tag(p);
  expected.raw = true;
  expected.metadata = true;
  return LoadBlock(expected, fill_cache ? &partition_slots_[p] : nullptr, site);
}

void PartitionedFile::Adopt(uint32_t number, BlockRef block) const {
  const uint64_t blocks = properties_.data_blocks;
  if (cache_ == nullptr || number >= blocks + top_.count()) return;
  if (number >= blocks) {
    const auto p = static_cast<uint32_t>(number - blocks);
    const Status good = CheckOnePartition(this, block->bytes(), top_.last_key(p), top_.last_tag(p));
    if (!good.ok()) return;
  }
  const BlockId id = IdAt(block->id.offset);
  (void)Offer(slots_[number], id, std::move(block), /*metadata=*/number >= blocks);
}

void PartitionedFile::SetLevel(uint32_t level) const noexcept {
  const auto blocks = static_cast<size_t>(properties_.data_blocks);
  MoveToLevel(level, std::span<BlockSlot>(slots_, blocks),
              std::span<BlockSlot>(partition_slots_, top_.count()));
}

}  // namespace lsmlab::table_internal
