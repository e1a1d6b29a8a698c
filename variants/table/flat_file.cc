#include "variants/table/flat_file.h"

#include <algorithm>
#include <new>
#include <utility>

namespace lsmlab::table_internal {
FlatFile::~FlatFile() {
  if (cache_ != nullptr && slots_ != nullptr) {
    cache_->Forget(std::span<BlockSlot>(slots_, index_.count()), file_number_);
  }
}

uint64_t FlatFile::memory_bytes() const noexcept {
  return dictionary_memory() + index_.memory_bytes() + filter_bytes_.reserved() +
         slot_bytes_.reserved() + properties_.smallest_key.size() + properties_.largest_key.size() +
         sizeof(FlatFile);
}

Task<Status> FlatFile::LoadIndexAndFilter() {
  uint64_t data_end = std::min(footer_.index.offset, footer_.properties.offset);
  const bool has_filter = footer_.filter.size != 0;
  if (has_filter) data_end = std::min(data_end, footer_.filter.offset);
  Result<BlockIndex> index = co_await ReadIndex(data_end);
  if (!index.ok()) co_return index.status();
  index_ = std::move(index).value();
  if (index_.count() != properties_.data_blocks) {
    co_return DamageAt(file_->path(), footer_.index.offset,
                       std::to_string(properties_.data_blocks) + " data blocks",
                       std::to_string(index_.count()));
  }
  slot_bytes_ = AlignedBytes(index_.count() * sizeof(BlockSlot) + 128);
  slots_ = slot_bytes_.as<BlockSlot>();
  for (uint32_t i = 0; i < index_.count(); ++i) new (&slots_[i]) BlockSlot;

  if (!has_filter) co_return Status();
  const Result<const FilterVariant*> variant = FindFilter(footer_.filter.offset);
  if (!variant.ok()) co_return variant.status();
  Status read = co_await ReadRawBlock(footer_.filter, kMaxFilterBytes, "a filter", &filter_bytes_);
  if (read.ok()) {
    const Slice filter(filter_bytes_.data(), static_cast<size_t>(footer_.filter.size));
    Result<FilterProbe> probe = variant.value()->open(filter);
    if (probe.ok()) {
      filter_ = probe.value();
      if (variant.value()->prefix_bytes != nullptr) {
        filter_prefix_bytes_ = variant.value()->prefix_bytes(filter);
      }
      co_return Status();
    }
    read = AtOffset(footer_.filter.offset, probe.status());
  }
  if (!read.IsCorruption()) co_return read;
  filter_bytes_ = AlignedBytes();
  filter_damage_ = std::move(read);
  co_return Status();
}

void FlatFile::Adopt(uint32_t i, BlockRef block) const {
  if (cache_ == nullptr || i >= index_.count()) return;
  (void)Offer(slots_[i], Id(i), std::move(block), /*metadata=*/false);
}

}  // namespace lsmlab::table_internal
