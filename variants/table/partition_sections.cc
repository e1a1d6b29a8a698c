#include "variants/table/partition_sections.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/base/checksum.h"
#include "variants/table/partition.h"

namespace lsmlab::table_internal {
namespace {

// What a slotted block holds of an entry beside its key: tag, length, head, offset; and our value.
constexpr size_t kPlaceBytes = 8 + 2 + 4 + 2 + kPartitionValueBytes;
// Header, prefix and the last offset.
constexpr size_t kIndexHeaderBytes = 32;

}  // namespace

PartitionSections::PartitionSections(const TableEnvironment& environment,
                                     const TableBuildContext& context)
    : environment_(environment), bits_per_key_(FilterBits(environment, context)) {
  // A filter variant that builds none says so by its builder.
  if (bits_per_key_ > 0 &&
      environment.filter->make_builder(environment.filter_settings, bits_per_key_, 1) == nullptr) {
    bits_per_key_ = 0;
  }
}

void PartitionSections::AddKey(Slice key) {
  if (bits_per_key_ > 0) keys_.emplace_back(key);
}

size_t PartitionSections::WaitingBytes() const noexcept {
  const size_t keys = waiting_.empty() ? 0 : waiting_.back().keys_end;
  return kPartitionHeaderBytes + kIndexHeaderBytes + waiting_index_bytes_ +
         static_cast<size_t>(bits_per_key_ * static_cast<double>(keys) / 8);
}

void PartitionSections::AddBlock(const BlockHandle& handle, bool continues, Slice last_key,
                                 Tag last_tag) {
  waiting_.push_back({handle, continues, std::string(last_key), last_tag, keys_.size()});
  waiting_index_bytes_ += kPlaceBytes + last_key.size();
  // The last one began the next partition.
  while (waiting_.size() > 1 && WaitingBytes() > kPartitionBytes) Close(waiting_.size() - 1);
}

std::string PartitionSections::Build(size_t blocks, uint64_t* filter_bytes) const {
  std::string out(kPartitionHeaderBytes, '\0');
  if (bits_per_key_ > 0) {
    const size_t keys = waiting_[blocks - 1].keys_end;
    const std::unique_ptr<FilterBuilder> filter =
        environment_.filter->make_builder(environment_.filter_settings, bits_per_key_, keys);
    for (size_t i = 0; i < keys; ++i) filter->Add(keys_[i], KeyHash(keys_[i]));
    filter->Finish(out);
  }
  *filter_bytes = out.size() - kPartitionHeaderBytes;
  StoreLe<uint32_t>(out.data(), static_cast<uint32_t>(*filter_bytes));
  StoreLe<uint32_t>(out.data() + 4, next_block_);
  LayoutOptions options;
  options.block_bytes = 8 * std::max<size_t>(blocks, 512);
  SlottedBuilder index(options);
  for (size_t i = 0; i < blocks; ++i) {
    char value[kPartitionValueBytes];
    PartitionPlace{waiting_[i].handle, waiting_[i].continues}.Encode(value);
    index.Add(waiting_[i].last_key, waiting_[i].last_tag, Slice(value, sizeof value));
  }
  out += index.Finish();
  return out;
}

void PartitionSections::Close(size_t most) {
  size_t blocks = most;
  uint64_t filter_bytes = 0;
  std::string bytes = Build(blocks, &filter_bytes);
  // How large a filter becomes, only itself knows.
  while (bytes.size() > kPartitionBytes && blocks > 1) bytes = Build(--blocks, &filter_bytes);
  filter_bytes_ += filter_bytes;

  WaitingBlock& last = waiting_[blocks - 1];
  const auto end = next_block_ + static_cast<uint32_t>(blocks);
  const size_t keys = last.keys_end;
  partitions_.push_back(
      {std::move(bytes), next_block_, end, last.continues, last.last_key, last.last_tag});
  next_block_ = end;
  keys_.erase(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(keys));
  const bool repeat = last.continues && bits_per_key_ > 0;
  if (repeat) keys_.insert(keys_.begin(), last.last_key);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(blocks));
  waiting_index_bytes_ = 0;
  for (WaitingBlock& block : waiting_) {
    block.keys_end = block.keys_end - keys + (repeat ? 1 : 0);
    waiting_index_bytes_ += kPlaceBytes + block.last_key.size();
  }
}

void PartitionSections::Finish(SectionWriter& writer, TableProperties* properties,
                               TableFooter* footer) {
  while (!waiting_.empty()) Close(waiting_.size());
  IndexWriter top;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < partitions_.size(); ++i) {
    const Partition& partition = partitions_[i];
    const BlockHandle handle = writer.WriteAligned(partition.bytes);
    top.Add(handle, partition.continues, partition.last_key, partition.last_tag);
    writer.KeepWith(partition.first_block, partition.end_block, i, partition.bytes, handle);
    bytes += partition.bytes.size();
  }
  const std::string index = top.Finish();
  footer->index = writer.WriteRaw(index);
  const bool has_filter = bits_per_key_ > 0 && !partitions_.empty();
  properties->filter_variant = has_filter ? environment_.filter->name : "none";
  properties->filter_bits_per_key = has_filter ? bits_per_key_ : 0;
  properties->filter_bytes = filter_bytes_;
  properties->index_bytes = bytes - filter_bytes_ + index.size();
}

}  // namespace lsmlab::table_internal
