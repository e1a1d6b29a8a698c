#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/format/block_trailer.h"
#include "engine/format/table_footer.h"
#include "engine/format/table_properties.h"
#include "engine/parts/table.h"
#include "variants/table/block_index.h"
#include "variants/table/block_layout.h"

// Builder of `flat` tables:
//
//   table := (zero*, data block)*, filter block?, index block, properties block, zero*, footer
//
// With block.alignment = "page" every data block starts a page of 4 KiB, and one that compression
// would not make at least a page shorter stays raw. All blocks carry the trailer of
// engine/format/block_trailer.h. Filter, index and properties are stored raw; the zeros bring a
// direct file to its alignment.
namespace lsmlab::table_internal {

template <typename Layout>
class FlatBuilder final : public TableBuilder {
 public:
  FlatBuilder(const TableEnvironment& environment, const TableBuildContext& context,
              FileWriter& writer)
      : writer_(writer),
        table_seed_(TableSeed(context.id)),
        alignment_(environment.settings.Choice("block.alignment") == "page" ? kPageBytes : 0),
        block_bytes_(DataBytes(environment.settings.Bytes("block.size"), alignment_ != 0)),
        block_(LayoutOptions{block_bytes_, static_cast<size_t>(environment.settings.Integer(
                                               "block.restart_interval"))}) {
    properties_.id = context.id;
    properties_.tree = context.tree;
    properties_.level = context.level;
    properties_.last_level = context.last_level;
    properties_.created_ns = context.now_ns;
    properties_.oldest_tombstone_ns = context.oldest_tombstone_ns;
    properties_.catalog_mark = context.catalog_mark;
    properties_.table_variant = "flat";
    properties_.block_layout = Layout::kName;
    properties_.block_alignment = alignment_;
    properties_.min_sequence = kMaxSequence;
    ChooseFilter(environment, context);
    ChooseCodec(environment, context);
  }

  Status Add(Slice key, Tag tag, Slice value) final {
    if (key.size() > kMaxKeyBytes || value.size() > kMaxValueBytes || !IsKnownKind(tag)) {
      return Status::InvalidArgument(
          "a table takes keys of at most 65535 bytes, values of at most 64 MiB and known kinds");
    }
    const bool first = properties_.entries == 0;
    const int order = first ? -1 : CompareKeys(last_key_, key);
    if (order > 0 || (order == 0 && last_tag_ <= tag)) {
      return Status::InvalidArgument("a table takes its entries in order, each once");
    }
    const bool new_key = order != 0;
    if (!block_.empty() &&
        (block_.SizeWith(key, value) > block_bytes_ || !block_.Fits(key, value))) {
      WriteBlock(!new_key);
    }
    if (first) {
      properties_.smallest_key = key;
      properties_.smallest_tag = tag;
    }
    if (new_key) {
      ++properties_.distinct_keys;
      if (filter_ != nullptr) filter_->Add(key, KeyHash(key));
      last_key_.assign(key);
    }
    last_tag_ = tag;
    block_.Add(key, tag, value);
    Count(key, tag, value);
    return Status();
  }

  uint64_t EstimatedFileBytes() const noexcept final {
    return writer_.offset() + (block_.empty() ? 0 : block_.bytes());
  }
  uint64_t entries() const noexcept final { return properties_.entries; }

  void KeepBlocks(bool keep, uint64_t limit_bytes) noexcept final {
    keep_ = keep;
    keep_limit_ = limit_bytes;
  }
  std::vector<KeptBlock> TakeKeptBlocks() final { return std::move(kept_); }

  Status Finish(TableProperties* properties) final {
    if (!block_.empty()) WriteBlock(false);
    properties_.largest_key = last_key_;
    properties_.largest_tag = last_tag_;
    if (properties_.entries == 0) properties_.min_sequence = 0;
    if (properties_.tombstones + properties_.range_tombstones == 0) {
      properties_.oldest_tombstone_ns = 0;
    }
    properties_.data_blocks = index_.count();
    properties_.data_bytes = writer_.offset();

    TableFooter footer;
    footer.id = properties_.id;
    footer.format = TableFormat::kFlat;
    if (filter_ != nullptr && properties_.entries > 0) {
      std::string encoded;
      filter_->Finish(encoded);
      properties_.filter_bytes = encoded.size();
      footer.filter = WriteRaw(encoded);
    } else {
      properties_.filter_variant = "none";
      properties_.filter_bits_per_key = 0;
    }
    const std::string index = index_.Finish();
    properties_.index_bytes = index.size();
    footer.index = WriteRaw(index);
    std::string encoded;
    EncodeTableProperties(properties_, encoded);
    footer.properties = WriteRaw(encoded);

    const uint64_t footer_offset = writer_.TailOffset(kTableFooterBytes);
    writer_.Append(std::string(static_cast<size_t>(footer_offset - writer_.offset()), '\0'));
    footer.file_size = footer_offset + kTableFooterBytes;
    char bytes[kTableFooterBytes];
    EncodeTableFooter(footer, bytes);
    writer_.Append(Slice(bytes, sizeof bytes));
    if (properties != nullptr) *properties = properties_;
    return Status();
  }

 private:
  static constexpr uint32_t kPageBytes = 4096;
  // A block of whole pages shall take just these in memory, with what surrounds its data there.
  static size_t DataBytes(size_t block_size, bool aligned) {
    if (block_size % kPageBytes != 0) return block_size;
    if (block_size > kLargestPooledFrame) return block_size - (aligned ? kBlockTrailerBytes : 0);
    return block_size - kBlockOverhead - kBlockTrailerBytes;
  }
  static size_t Pages(size_t payload) {
    return (payload + kBlockTrailerBytes + kPageBytes - 1) / kPageBytes;
  }
  void ChooseFilter(const TableEnvironment& environment, const TableBuildContext& context) {
    const auto& bits = environment.filter_bits_per_level;
    const double per_key =
        bits.empty() ? 0 : bits[std::min<size_t>(context.level, bits.size() - 1)];
    if (environment.filter != nullptr && per_key > 0) {
      filter_ = environment.filter->make_builder(environment.filter_settings, per_key,
                                                 context.expected_keys);
    }
    properties_.filter_variant = filter_ != nullptr ? environment.filter->name : "none";
    properties_.filter_bits_per_key = filter_ != nullptr ? per_key : 0;
  }

  void ChooseCodec(const TableEnvironment& environment, const TableBuildContext& context) {
    const size_t levels = environment.codec_per_level.size();
    LSMLAB_ASSERT(levels == environment.codec_id_per_level.size());
    properties_.codec = "none";
    if (levels == 0) return;
    const size_t level =
        context.last_level ? levels - 1 : std::min<size_t>(context.level, levels - 1);
    codec_ = environment.codec_per_level[level].get();
    if (codec_ == nullptr) return;
    codec_id_ = environment.codec_id_per_level[level];
    properties_.codec = codec_->name();
  }

  void Count(Slice key, Tag tag, Slice value) {
    ++properties_.entries;
    const EntryKind kind = TagKind(tag);
    if (kind == EntryKind::kDelete) ++properties_.tombstones;
    if (kind == EntryKind::kRangeDelete) ++properties_.range_tombstones;
    properties_.raw_key_bytes += key.size();
    properties_.raw_value_bytes += value.size();
    properties_.min_sequence = std::min(properties_.min_sequence, TagSequence(tag));
    properties_.max_sequence = std::max(properties_.max_sequence, TagSequence(tag));
  }

  // `continues`: the next entry is another version of the block's last key.
  void WriteBlock(bool continues) {
    const Slice raw = block_.Finish();
    if (keep_ && kept_bytes_ + raw.size() <= keep_limit_) Keep(raw);
    Slice payload = raw;
    uint8_t codec = 0;
    if (codec_ != nullptr) {
      compressed_.clear();
      if (codec_->Compress(raw, compressed_) &&
          (alignment_ == 0 || Pages(compressed_.size()) < Pages(raw.size()))) {
        payload = compressed_;
        codec = codec_id_;
      }
    }
    if (alignment_ != 0) writer_.Pad(alignment_);
    index_.Add(Write(payload, raw.size(), codec), continues, last_key_, last_tag_);
    block_.Reset();
  }

  void Keep(Slice raw) {
    BlockRef block = BlockRef::Adopt(AllocateBlock(raw.size()));
    std::memcpy(MutableData(block.get()), raw.data(), raw.size());
    kept_bytes_ += block->charge;
    kept_.push_back({static_cast<uint32_t>(index_.count()), std::move(block)});
  }

  BlockHandle WriteRaw(Slice payload) { return Write(payload, payload.size(), 0); }

  BlockHandle Write(Slice payload, size_t raw_size, uint8_t codec) {
    const BlockHandle handle{writer_.offset(), payload.size()};
    char trailer[kBlockTrailerBytes];
    EncodeBlockTrailer(payload, BlockTrailer{codec, static_cast<uint32_t>(raw_size)}, table_seed_,
                       handle.offset, trailer);
    writer_.Append(payload);
    writer_.Append(Slice(trailer, sizeof trailer));
    return handle;
  }

  FileWriter& writer_;
  const uint64_t table_seed_;
  const uint32_t alignment_;  // of data blocks; 0: none
  const size_t block_bytes_;
  typename Layout::Builder block_;
  IndexWriter index_;
  std::unique_ptr<FilterBuilder> filter_;
  const Codec* codec_ = nullptr;
  uint8_t codec_id_ = 0;
  std::string compressed_;
  bool keep_ = false;
  uint64_t keep_limit_ = 0, kept_bytes_ = 0;
  std::vector<KeptBlock> kept_;
  std::string last_key_;
  Tag last_tag_ = 0;
  TableProperties properties_;
};

}  // namespace lsmlab::table_internal
