#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/format/block_trailer.h"
#include "engine/format/table_footer.h"
#include "engine/format/table_properties.h"
#include "engine/parts/table.h"
#include "variants/table/block_layout.h"
#include "variants/table/dictionary_samples.h"

// Builder of tables of every format: data blocks first, then what `Sections` makes of their keys
// and places (flat_sections.h, partition_sections.h), then
//
//   dictionary block?, properties block, zero*, footer
//   dictionary block := codec u8, dictionary      the codec says in which form
//
// With block.large_values an entry with a value of at least that size is the only one of its data
// block. The format is the same: readers take blocks of one entry and of many.
//
// With block.alignment = "page" every data block starts a page of 4 KiB, and one that compression
// would not make at least a page shorter stays raw. All blocks carry the trailer of
// engine/format/block_trailer.h. Dictionary and properties are stored raw; the zeros bring a direct
// file to its alignment. Where there is a dictionary, all blocks under its codec refer to it.
namespace lsmlab::table_internal {

// Where Sections write their blocks.
class SectionWriter {
 public:
  virtual ~SectionWriter() = default;
  // A raw block, at the alignment of data blocks or right after what was written last.
  virtual BlockHandle WriteAligned(Slice payload) = 0;
  virtual BlockHandle WriteRaw(Slice payload) = 0;
  // Keeps a block beside the data blocks, as number data_blocks + `number`, if one of the data
  // blocks `first` to `end` - 1 is kept.
  virtual void KeepWith(uint32_t first, uint32_t end, uint32_t number, Slice payload,
                        const BlockHandle& handle) = 0;
};

// The bits that a new table's filter gets per key; 0: it has none.
inline double FilterBits(const TableEnvironment& environment, const TableBuildContext& context) {
  return environment.filter == nullptr ? 0 : context.filter_bits_per_key;
}

// Sections are made of (environment, context); they have kName and kFormat, and take AddKey for
// every key, in order, before the AddBlock of the block in which it is met first; Finish writes
// them and fills in the footer's handles and the properties' filter and index.
template <typename Layout, typename Sections>
class DataBuilder final : public TableBuilder, private SectionWriter {
 public:
  DataBuilder(const TableEnvironment& environment, const TableBuildContext& context,
              FileWriter& writer)
      : writer_(writer),
        table_seed_(TableSeed(context.id)),
        alignment_(environment.settings.Choice("block.alignment") == "page" ? kPageBytes : 0),
        block_bytes_(DataBytes(environment.settings.Bytes("block.size"), alignment_ != 0)),
        large_bytes_(LargeFrom(environment.settings.Bytes("block.large_values"))),
        block_(LayoutOptions{block_bytes_, static_cast<size_t>(environment.settings.Integer(
                                               "block.restart_interval"))}),
        sections_(environment, context) {
    properties_.id = context.id;
    properties_.tree = context.tree;
    properties_.level = context.level;
    properties_.last_level = context.last_level;
    properties_.created_ns = context.now_ns;
    properties_.oldest_tombstone_ns = context.oldest_tombstone_ns;
    properties_.table_variant = Sections::kName;
    properties_.block_layout = Layout::kName;
    properties_.block_alignment = alignment_;
    properties_.min_sequence = kMaxSequence;
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
    const bool alone = value.size() >= large_bytes_;
    if (!block_.empty() && (alone || holds_large_ || block_.SizeWith(key, value) > block_bytes_ ||
                            !block_.Fits(key, value))) {
      WriteBlock(!new_key);
    }
    holds_large_ = alone;
    if (first) {
      properties_.smallest_key = key;
      properties_.smallest_tag = tag;
    }
    if (new_key) {
      ++properties_.distinct_keys;
      AddKey(key);
      last_key_.assign(key);
    }
    last_tag_ = tag;
    block_.Add(key, tag, value);
    Count(key, tag, value);
    return Status();
  }

  void AddLostDelete() final {
    if (!std::exchange(properties_.lost_deletes, true)) properties_.first_lost_key = last_key_;
    properties_.last_lost_key = last_key_;
  }

  uint64_t EstimatedFileBytes() const noexcept final {
    return writer_.offset() + (block_.empty() ? 0 : block_.bytes()) +
           (samples_ == nullptr ? 0 : samples_->stored_bytes());
  }
  uint64_t entries() const noexcept final { return properties_.entries; }

  void KeepBlocks(bool keep, uint64_t limit_bytes) noexcept final {
    keep_ = keep;
    keep_limit_ = limit_bytes;
  }
  std::vector<KeptBlock> TakeKeptBlocks() final { return std::move(kept_); }

  Status Finish(Slice catalog_mark, TableProperties* properties) final {
    if (!block_.empty()) WriteBlock(false);
    if (samples_ != nullptr) WriteSamples();
    properties_.catalog_mark = catalog_mark;
    properties_.largest_key = last_key_;
    properties_.largest_tag = last_tag_;
    if (properties_.entries == 0) properties_.min_sequence = 0;
    if (properties_.tombstones + properties_.range_tombstones == 0 && !properties_.lost_deletes) {
      properties_.oldest_tombstone_ns = 0;
    }
    properties_.data_blocks = blocks_;
    properties_.data_bytes = writer_.offset();

    TableFooter footer;
    footer.id = properties_.id;
    footer.format = Sections::kFormat;
    sections_.Finish(*this, &properties_, &footer);
    if (footer.index.size > kMaxIndexBytes || properties_.filter_bytes > kMaxFilterBytes) {
      return Status::InvalidArgument(
          "a table of " + std::to_string(properties_.data_bytes) +
          " bytes has an index or a filter too large for one (1 GiB and 4 GiB); make memtables or "
          "table files smaller");
    }
    if (!dictionary_.empty()) footer.dictionary = WriteRaw(dictionary_);
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
  static size_t LargeFrom(uint64_t setting) {
    return setting == 0 ? SIZE_MAX : static_cast<size_t>(setting);
  }
  static size_t Pages(size_t payload) {
    return (payload + kBlockTrailerBytes + kPageBytes - 1) / kPageBytes;
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
    if (environment.dictionary_bytes > 0 && codec_->takes_dictionaries()) {
      samples_ = std::make_unique<DictionarySamples>(*codec_, environment.dictionary_bytes);
    }
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

  void AddKey(Slice key) {
    if (samples_ != nullptr && !samples_->HasRoomFor(key.size())) WriteSamples();
    if (samples_ != nullptr) {
      samples_->AddKey(key);
    } else {
      sections_.AddKey(key);
    }
  }

  // `continues`: the next entry is another version of the block's last key.
  void WriteBlock(bool continues) {
    const Slice raw = block_.Finish();
    if (samples_ != nullptr && !samples_->HasRoomFor(raw.size())) WriteSamples();
    compressed_.clear();
    if (codec_ != nullptr) codec_->Compress(raw, compressed_);
    if (samples_ != nullptr) {
      samples_->Add({std::string(raw), compressed_, {}, continues, keep_, last_key_, last_tag_},
                    StoredBytes(raw.size(), compressed_.size()));
    } else {
      PlaceBlock(raw, compressed_, keep_, continues, last_key_, last_tag_);
    }
    block_.Reset();
  }
  // `compressed`: empty for a block that is to be stored raw.
  void PlaceBlock(Slice raw, Slice compressed, bool keep, bool continues, Slice last_key,
                  Tag last_tag) {
    const bool raw_it_is =
        compressed.empty() || (alignment_ != 0 && Pages(compressed.size()) >= Pages(raw.size()));
    if (alignment_ != 0) writer_.Pad(alignment_);
    const BlockHandle handle = raw_it_is ? WriteRaw(raw) : Write(compressed, raw.size(), codec_id_);
    if (keep) Keep(blocks_, raw, handle);
    sections_.AddBlock(handle, continues, last_key, last_tag);
    ++blocks_;
  }
  // What a block takes in the file.
  size_t StoredBytes(size_t raw, size_t compressed) const {
    const size_t bytes = compressed == 0 ? raw : compressed;
    return alignment_ == 0 ? bytes + kBlockTrailerBytes
                           : std::min(Pages(raw), Pages(bytes)) * kPageBytes;
  }

  // Ends the sampling: trains the dictionary and writes what was held back.
  void WriteSamples() {
    const std::unique_ptr<DictionarySamples> samples = std::move(samples_);
    dictionary_codec_ = samples->Train(
        [this](size_t raw, size_t compressed) { return StoredBytes(raw, compressed); });
    if (dictionary_codec_ != nullptr) {
      codec_ = dictionary_codec_.get();
      dictionary_ = static_cast<char>(codec_id_) + samples->dictionary();
      properties_.dictionary_bytes = static_cast<uint32_t>(samples->dictionary().size());
    }
    for (const DictionarySamples::Block& block : samples->blocks()) {
      for (const std::string& key : block.keys) sections_.AddKey(key);
      PlaceBlock(block.raw, block.compressed, block.keep, block.continues, block.last_key,
                 block.last_tag);
    }
    for (const std::string& key : samples->open_keys()) sections_.AddKey(key);
  }

  void Keep(uint32_t number, Slice raw, const BlockHandle& handle) {
    if (kept_bytes_ + raw.size() > keep_limit_) return;
    BlockRef block = BlockRef::Adopt(AllocateBlock(raw.size()));
    std::memcpy(MutableData(block.get()), raw.data(), raw.size());
    block->id.offset = handle.offset;
    kept_bytes_ += block->charge;
    kept_.push_back({number, std::move(block)});
  }

  BlockHandle WriteRaw(Slice payload) final { return Write(payload, payload.size(), 0); }
  BlockHandle WriteAligned(Slice payload) final {
    if (alignment_ != 0) writer_.Pad(alignment_);
    return WriteRaw(payload);
  }
  void KeepWith(uint32_t first, uint32_t end, uint32_t number, Slice payload,
                const BlockHandle& handle) final {
    const bool kept = std::any_of(kept_.begin(), kept_.end(), [&](const KeptBlock& block) {
      return block.number >= first && block.number < end;
    });
    if (kept) Keep(blocks_ + number, payload, handle);
  }

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
  const size_t large_bytes_;  // of a value that lies alone in its block
  typename Layout::Builder block_;
  bool holds_large_ = false;  // the open block
  Sections sections_;
  uint32_t blocks_ = 0;
  const Codec* codec_ = nullptr;
  uint8_t codec_id_ = 0;
  std::string compressed_;
  std::unique_ptr<DictionarySamples> samples_;  // while blocks are held back
  std::unique_ptr<const Codec> dictionary_codec_;
  std::string dictionary_;  // the block that says it; empty: there is none
  bool keep_ = false;
  uint64_t keep_limit_ = 0, kept_bytes_ = 0;
  std::vector<KeptBlock> kept_;
  std::string last_key_;
  Tag last_tag_ = 0;
  TableProperties properties_;
};

}  // namespace lsmlab::table_internal
