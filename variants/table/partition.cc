#include "variants/table/partition.h"

#include <string>

namespace lsmlab::table_internal {
namespace {

Status BadPartition(std::string_view expected, uint64_t found) {
  return Status::Corruption("a partition with " + std::string(expected) + ", found " +
                            std::to_string(found));
}

// The entries of a valid slotted block as an index of data blocks.
Status CheckPlaces(const SlottedView& index, const PartitionLimits& limits) {
  uint64_t end = 0;
  Entry before;
  for (uint32_t i = 0; i < index.n; ++i) {
    const Entry entry = index.At(i);
    if (entry.value.size() != kPartitionValueBytes || static_cast<uint8_t>(entry.value[12]) > 1) {
      return BadPartition("places of 13 bytes and known flags, entry", i);
    }
    const BlockHandle handle = PartitionPlace::Decode(entry.value).handle;
    if (handle.offset < end || handle.offset > limits.data_end || handle.size == 0 ||
        handle.size > kMaxRawBlockBytes ||
        limits.data_end - handle.offset < handle.size + kBlockTrailerBytes) {
      return BadPartition("block " + std::to_string(i) + " from byte " + std::to_string(end) +
                              " on and before byte " + std::to_string(limits.data_end),
                          handle.offset);
    }
    if (i > 0 && CompareEntry(before.key, before.tag, entry.key, entry.tag) >= 0) {
      return BadPartition("rising separators, entry", i);
    }
    before = entry;
    end = handle.offset + handle.size + kBlockTrailerBytes;
  }
  return Status();
}

}  // namespace

Status CheckPartition(Slice partition, Slice last_key, Tag last_tag, const PartitionLimits& limits,
                      FilterProbe* probe) {
  if (partition.size() < kPartitionHeaderBytes) {
    return BadPartition("at least 8 bytes", partition.size());
  }
  const size_t filter_bytes = LoadLe<uint32_t>(partition.data());
  if (filter_bytes > partition.size() - kPartitionHeaderBytes ||
      (filter_bytes != 0) != (limits.filter != nullptr)) {
    return BadPartition("a filter within it if the table has one", filter_bytes);
  }
  if (limits.filter != nullptr) {
    Result<FilterProbe> opened =
        limits.filter->open(partition.substr(kPartitionHeaderBytes, filter_bytes));
    if (!opened.ok()) return opened.status();
    *probe = opened.value();
  }
  LSMLAB_TRY(SlottedLayout::Validate(partition.substr(kPartitionHeaderBytes + filter_bytes)));
  const PartitionView view(partition.data());
  if (view.first_block > limits.data_blocks ||
      limits.data_blocks - view.first_block < view.blocks()) {
    return BadPartition("blocks below number " + std::to_string(limits.data_blocks),
                        view.first_block);
  }
  LSMLAB_TRY(CheckPlaces(view.index, limits));
  const Entry last = view.index.At(view.blocks() - 1);
  if (last.key != last_key || last.tag != last_tag) {
    return Status::Corruption(
        "a partition whose last entry is the one that the top index names, found another");
  }
  return Status();
}

}  // namespace lsmlab::table_internal
