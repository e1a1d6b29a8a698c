#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/format/aligned_bytes.h"
#include "engine/format/block_trailer.h"
#include "engine/format/table_footer.h"
#include "engine/parts/table.h"
#include "variants/table/block_index.h"
#include "variants/table/block_layout.h"

// An open `flat` file without its layout: footer, properties, index, filter and slots in memory,
// and blocks loaded, checked and cached. Shared by table and iterators of every layout.
namespace lsmlab::table_internal {

// Checks the structure of a decoded block and that it ends with (last_key, last_tag). The message
// says what was expected and found.
using CheckBlockFunction = Status (*)(Slice block, Slice last_key, Tag last_tag);

template <typename Layout>
Status CheckBlock(Slice block, Slice last_key, Tag last_tag) {
  LSMLAB_TRY(Layout::Validate(block));
  typename Layout::Cursor cursor;
  cursor.Attach(block);
  Entry last;
  if (!cursor.Last(last) || last.key != last_key || last.tag != last_tag) {
    return Status::Corruption("the entry that the index names as the block's last, found another");
  }
  return Status();
}

// Memory for one read, aligned as the file needs it.
class ReadBuffer {
 public:
  ReadBuffer() noexcept = default;
  // Room for `bytes` plus what an aligned read takes more, and 64 spare bytes.
  ReadBuffer(Io& io, size_t bytes)
      : io_(&io), bytes_(bytes), data_(static_cast<char*>(io.AllocateBuffer(bytes))) {}
  ReadBuffer(ReadBuffer&& o) noexcept
      : io_(o.io_), bytes_(o.bytes_), data_(std::exchange(o.data_, nullptr)) {}
  ReadBuffer& operator=(ReadBuffer&& o) noexcept {
    std::swap(io_, o.io_);
    std::swap(bytes_, o.bytes_);
    std::swap(data_, o.data_);
    return *this;
  }
  ~ReadBuffer() {
    if (data_ != nullptr) io_->FreeBuffer(data_, bytes_);
  }
  char* data() const noexcept { return data_; }
  size_t bytes() const noexcept { return bytes_; }

 private:
  Io* io_ = nullptr;
  size_t bytes_ = 0;
  char* data_ = nullptr;
};

// A byte range of a file widened to the file's alignment.
struct AlignedRange {
  AlignedRange(const IoFile& file, uint64_t offset, uint64_t size) noexcept;
  uint64_t offset;
  size_t length;
  size_t skip;  // from `offset` to the range asked for
};

class FlatFile {
 public:
  FlatFile(const TableEnvironment& environment, std::unique_ptr<IoFile> file, uint64_t file_number,
           const TableFooter& footer, TableProperties properties)
      : environment_(environment),
        cache_(environment.cache),
        swizzled_(cache_ != nullptr && cache_->swizzled_slots()),
        file_(std::move(file)),
        file_number_(file_number),
        footer_(footer),
        table_seed_(TableSeed(footer.id)),
        properties_(std::move(properties)),
        raw_blocks_(properties_.codec == "none") {}
  ~FlatFile();
  FlatFile(const FlatFile&) = delete;
  FlatFile& operator=(const FlatFile&) = delete;

  // Second half of opening.
  Task<Status> LoadIndexAndFilter();
  void set_check(CheckBlockFunction check) noexcept { check_ = check; }

  const BlockIndex& index() const noexcept { return index_; }
  const TableProperties& properties() const noexcept { return properties_; }
  const TableFooter& footer() const noexcept { return footer_; }
  IoFile& file() const noexcept { return *file_; }
  Io& io() const noexcept { return *environment_.io; }
  uint64_t file_bytes() const noexcept { return footer_.file_size; }
  uint64_t memory_bytes() const noexcept;
  uint64_t reads() const noexcept { return reads_.load(std::memory_order_relaxed); }
  uint64_t read_bytes() const noexcept { return read_bytes_.load(std::memory_order_relaxed); }

  const FilterProbe& filter() const noexcept { return filter_; }
  const char* filter_data() const noexcept { return filter_bytes_.data(); }
  size_t filter_size() const noexcept { return footer_.filter.size; }
  // Bytes of the key prefixes in the filter; 0: there are none.
  uint32_t filter_prefix_bytes() const noexcept { return filter_prefix_bytes_; }

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
  bool swizzled() const noexcept { return swizzled_; }
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

  // Reads, checks and decodes block i and offers it to the cache.
  Task<Result<BlockRef>> Load(uint32_t i, IoSite site) const;
  // Offers the cache block i as its builder has kept it.
  void Adopt(uint32_t i, BlockRef block) const;
  // Reads `range` into `to`; counts the read.
  Task<Status> Read(AlignedRange range, char* to, IoSite site) const;
  // Checks trailer of the stored bytes of block i.
  Result<BlockTrailer> CheckTrailer(uint32_t i, Slice stored) const;
  // Decodes a compressed payload into exactly trailer.raw_size bytes.
  Status Decode(uint32_t i, Slice payload, BlockTrailer trailer, char* raw) const;
  // Structure and separator of a decoded block.
  Status CheckDecoded(uint32_t i, Slice block) const;
  // Reads and checks a block that is stored raw and lies outside the data (filter, index, ...).
  // ENSURES: `out` starts with the payload, then its trailer.
  Task<Status> ReadRawBlock(BlockHandle handle, uint64_t limit, const char* what,
                            AlignedBytes* out) const;

 private:
  BlockId Id(uint32_t i) const noexcept { return BlockId{file_number_, index_.handle(i).offset}; }
  Result<BlockRef> Unpack(uint32_t i, Slice stored) const;

  const TableEnvironment& environment_;
  BlockCache* const cache_;
  const bool swizzled_;
  const std::unique_ptr<IoFile> file_;
  const uint64_t file_number_;
  const TableFooter footer_;
  const uint64_t table_seed_;
  const TableProperties properties_;
  const bool raw_blocks_;
  CheckBlockFunction check_ = nullptr;
  BlockIndex index_;
  AlignedBytes filter_bytes_;
  FilterProbe filter_;
  uint32_t filter_prefix_bytes_ = 0;
  AlignedBytes slot_bytes_;
  BlockSlot* slots_ = nullptr;
  mutable std::atomic<uint64_t> reads_{0}, read_bytes_{0};
};

// Reads `range` of the file into memory.
Task<Status> ReadInto(Io& io, IoSite site, IoFile& file, uint64_t offset, uint64_t size, char* to);

}  // namespace lsmlab::table_internal
