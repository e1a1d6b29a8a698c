#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "engine/format/aligned_bytes.h"
#include "engine/format/aligned_read.h"
#include "engine/format/block_trailer.h"
#include "engine/format/table_footer.h"
#include "engine/parts/table.h"
#include "variants/table/block_index.h"
#include "variants/table/block_layout.h"

namespace lsmlab::table_internal {

// What is known of a block before it is read: checked when it enters memory.
struct ExpectedBlock {
  // The structure of the decoded block, and that it ends with (last_key, last_tag). The message
  // says what was expected and found.
  Status (*check)(const void* context, Slice block, Slice last_key, Tag last_tag) = nullptr;
  const void* context = nullptr;
  BlockHandle handle;
  Slice last_key;  // outlives the load
  Tag last_tag = 0;
  bool metadata = false;  // of index and filter, not of entries
  bool raw = false;       // certainly not compressed, as a rule
};

// An open table file of any format: footer and properties in memory; blocks read, checked, decoded
// and offered to the cache.
// Thread safety: all methods from any thread at once.
class BlockFile {
 public:
  BlockFile(const TableEnvironment& environment, std::unique_ptr<IoFile> file, uint64_t file_number,
            const TableFooter& footer, TableProperties properties)
      : environment_(environment),
        cache_(environment.cache),
        swizzled_(cache_ != nullptr && cache_->swizzled_slots()),
        file_(std::move(file)),
        file_number_(file_number),
        footer_(footer),
        table_seed_(TableSeed(footer.id)),
        properties_(std::move(properties)),
        raw_blocks_(properties_.codec == "none"),
        read_ahead_(ReadAheadOf(environment)) {}
  BlockFile(const BlockFile&) = delete;
  BlockFile& operator=(const BlockFile&) = delete;

  const TableProperties& properties() const noexcept { return properties_; }
  const TableFooter& footer() const noexcept { return footer_; }
  IoFile& file() const noexcept { return *file_; }
  Io& io() const noexcept { return *environment_.io; }
  uint64_t file_bytes() const noexcept { return footer_.file_size; }
  uint64_t reads() const noexcept { return reads_.load(std::memory_order_relaxed); }
  uint64_t read_bytes() const noexcept { return read_bytes_.load(std::memory_order_relaxed); }
  bool swizzled() const noexcept { return swizzled_; }
  // Blocks that a walk reads side by side at most; 1 where an Io would read them one by one.
  uint32_t read_ahead() const noexcept { return read_ahead_; }

  // Metadata stay in the cache when data blocks go: one partition serves some dozens of those.
  static constexpr uint8_t kMetadataPriority = kHighestBlockPriority;

  // Reads, checks and decodes a block and offers it to the cache, for `slot` if there is one.
  Task<Result<BlockRef>> LoadBlock(ExpectedBlock expected, BlockSlot* slot, IoSite site) const;
  // Reads `range` into `to`; counts the read.
  Task<Status> Read(AlignedRange range, char* to, IoSite site) const;
  // Checks the trailer of the bytes stored at `offset`.
  Result<BlockTrailer> CheckTrailer(uint64_t offset, Slice stored,
                                    uint64_t most = kMaxRawBlockBytes) const;
  // Decodes a compressed payload into exactly trailer.raw_size bytes.
  Status Decode(uint64_t offset, Slice payload, BlockTrailer trailer, char* raw) const;
  // Structure and separator of a decoded block.
  Status CheckDecoded(const ExpectedBlock& expected, Slice block) const;
  // Reads and checks a block that is stored raw and lies outside the data (filter, index, ...).
  // ENSURES: `out` starts with the payload, then its trailer.
  Task<Status> ReadRawBlock(BlockHandle handle, uint64_t limit, const char* what,
                            AlignedBytes* out) const;
  // First half of opening: what the blocks' codec refers to, if the footer names it.
  Task<Status> LoadDictionary();

 protected:
  // Reads the index block that the footer names: of blocks that all lie before `data_end`.
  Task<Result<BlockIndex>> ReadIndex(uint64_t data_end) const;
  // How the table's filters are read; null: it has none. An unknown one is damage at `offset`.
  Result<const FilterVariant*> FindFilter(uint64_t offset) const;
  // Memory of the dictionary.
  uint64_t dictionary_memory() const noexcept {
    return dictionary_ == nullptr ? 0 : dictionary_->memory_bytes();
  }
  // "PATH offset N: expected DETAIL" of a status whose message is "E, found F".
  Status AtOffset(uint64_t offset, const Status& status) const;
  BlockId IdAt(uint64_t offset) const noexcept { return BlockId{file_number_, offset}; }
  // Offers a block to the cache, with the priority and the pin that its kind gets; returns the one
  // that is cached.
  BlockRef Offer(BlockSlot& slot, const BlockId& id, BlockRef block, bool metadata) const;
  // See Table::SetLevel; with the slots of the table's data blocks and of its metadata.
  void MoveToLevel(uint32_t level, std::span<BlockSlot> data,
                   std::span<BlockSlot> metadata) const noexcept;

  const TableEnvironment& environment_;
  BlockCache* const cache_;
  const bool swizzled_;
  const std::unique_ptr<IoFile> file_;
  const uint64_t file_number_;
  const TableFooter footer_;
  const uint64_t table_seed_;
  const TableProperties properties_;
  const bool raw_blocks_;
  const uint32_t read_ahead_;
  mutable std::atomic<uint64_t> reads_{0}, read_bytes_{0};

 private:
  static uint32_t ReadAheadOf(const TableEnvironment& environment) noexcept;
  Result<BlockRef> Unpack(uint64_t offset, Slice stored) const;
  bool PinsSomething() const noexcept;
  bool InLevel0() const noexcept;

  // Only taken when something is pinned, beside a read. A block that is offered while the table
  // leaves level 0 is met there, or by whoever offers it.
  mutable std::mutex level_mutex_;
  mutable bool in_level0_ = false;

  std::unique_ptr<const Codec> dictionary_;  // the codec with this table's dictionary
  uint8_t dictionary_codec_ = 0;             // its id
};

// About how long a table's blocks are in memory and what of them a search touches first.
template <typename Layout>
Footprint MeanFootprint(const TableProperties& p, uint64_t raw_block_bytes) noexcept {
  if (p.data_blocks == 0) return {};
  const uint64_t data = p.codec == "none"
                            ? raw_block_bytes
                            : Layout::DataBytes(p.entries, p.raw_key_bytes + p.raw_value_bytes);
  return {Layout::LinesToSearch(static_cast<size_t>(p.entries / p.data_blocks)),
          kBlockDataOffset + static_cast<size_t>(data / p.data_blocks)};
}

// ExpectedBlock::check of a data block. `begins`: null, or the properties of the table whose first
// block it is.
template <typename Layout>
Status CheckDataBlock(const void* begins, Slice block, Slice last_key, Tag last_tag) {
  LSMLAB_TRY(Layout::Validate(block));
  typename Layout::Cursor cursor;
  cursor.Attach(block);
  Entry entry;
  if (!cursor.Last(entry) || entry.key != last_key || entry.tag != last_tag) {
    return Status::Corruption("the entry that the index names as the block's last, found another");
  }
  if (begins == nullptr) return Status();
  const auto& properties = *static_cast<const TableProperties*>(begins);
  if (!cursor.First(entry) || entry.key != properties.smallest_key ||
      entry.tag != properties.smallest_tag) {
    return Status::Corruption("the properties' smallest entry as the table's first, found another");
  }
  return Status();
}

}  // namespace lsmlab::table_internal
