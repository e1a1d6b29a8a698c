#include "variants/table/flat_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace lsmlab::table_internal {
namespace {

constexpr uint64_t kMaxIndexBytes = 1u << 30;
constexpr uint64_t kMaxFilterBytes = uint64_t{1} << 32;

// "PATH offset N: expected DETAIL" of a status whose message is "E, found F".
Status AtOffset(const IoFile& file, uint64_t offset, const Status& status) {
  std::string message = file.path() + " offset " + std::to_string(offset) + ": expected ";
  message += status.message();
  return Status(status.code(), std::move(message));
}

IndexSearch SearchOf(const SettingBag& settings) {
  return settings.Choice("index.search") == "binary" ? IndexSearch::kBinary : IndexSearch::kBtree;
}

}  // namespace

AlignedRange::AlignedRange(const IoFile& file, uint64_t from, uint64_t size) noexcept {
  const uint64_t alignment = file.alignment();
  offset = from / alignment * alignment;
  skip = static_cast<size_t>(from - offset);
  length = static_cast<size_t>((skip + size + alignment - 1) / alignment * alignment);
}

Task<Status> ReadInto(Io& io, IoSite site, IoFile& file, uint64_t offset, uint64_t size, char* to) {
  if (file.alignment() == 1) {
    co_return co_await ReadExactly(io, site, file, offset, to, static_cast<size_t>(size));
  }
  const AlignedRange range(file, offset, size);
  ReadBuffer buffer(io, range.length);
  LSMLAB_CO_TRY(co_await ReadExactly(io, site, file, range.offset, buffer.data(), range.length));
  std::memcpy(to, buffer.data() + range.skip, static_cast<size_t>(size));
  co_return Status();
}

FlatFile::~FlatFile() {
  if (cache_ != nullptr && slots_ != nullptr) {
    cache_->Forget(std::span<BlockSlot>(slots_, index_.count()), file_number_);
  }
}

uint64_t FlatFile::memory_bytes() const noexcept {
  return index_.memory_bytes() + filter_bytes_.reserved() + slot_bytes_.reserved() +
         properties_.smallest_key.size() + properties_.largest_key.size() + sizeof(FlatFile);
}

Task<Status> FlatFile::ReadRawBlock(BlockHandle handle, uint64_t limit, const char* what,
                                    AlignedBytes* out) const {
  if (handle.size > limit) {
    co_return DamageAt(file_->path(), handle.offset,
                       std::string(what) + " of at most " + std::to_string(limit) + " bytes",
                       std::to_string(handle.size));
  }
  const size_t stored = static_cast<size_t>(handle.size) + kBlockTrailerBytes;
  *out = AlignedBytes(stored);
  LSMLAB_CO_TRY(
      co_await ReadInto(io(), IoSite::kTableOpen, *file_, handle.offset, stored, out->data()));
  const Result<BlockTrailer> trailer =
      CheckBlockTrailer(Slice(out->data(), stored), table_seed_, handle.offset, file_->path());
  if (!trailer.ok()) co_return trailer.status();
  if (trailer->codec != 0) {
    co_return DamageAt(file_->path(), handle.offset, std::string(what) + " stored raw",
                       "codec " + std::to_string(trailer->codec));
  }
  co_return Status();
}

Task<Status> FlatFile::LoadIndexAndFilter() {
  AlignedBytes encoded;
  LSMLAB_CO_TRY(co_await ReadRawBlock(footer_.index, kMaxIndexBytes, "an index", &encoded));
  uint64_t data_end = std::min(footer_.index.offset, footer_.properties.offset);
  const bool has_filter = footer_.filter.size != 0;
  if (has_filter) data_end = std::min(data_end, footer_.filter.offset);
  Result<BlockIndex> index =
      BlockIndex::Open(Slice(encoded.data(), static_cast<size_t>(footer_.index.size)),
                       properties_.smallest_key, data_end, SearchOf(environment_.settings));
  if (!index.ok()) co_return AtOffset(*file_, footer_.index.offset, index.status());
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
  const FilterVariant* variant = environment_.filter_by_name == nullptr
                                     ? nullptr
                                     : environment_.filter_by_name(properties_.filter_variant);
  if (variant == nullptr) {
    co_return DamageAt(file_->path(), footer_.filter.offset, "a known filter",
                       "'" + properties_.filter_variant + "'");
  }
  LSMLAB_CO_TRY(co_await ReadRawBlock(footer_.filter, kMaxFilterBytes, "a filter", &filter_bytes_));
  Result<FilterProbe> probe =
      variant->open(Slice(filter_bytes_.data(), static_cast<size_t>(footer_.filter.size)));
  if (!probe.ok()) co_return AtOffset(*file_, footer_.filter.offset, probe.status());
  filter_ = probe.value();
  co_return Status();
}

Task<Status> FlatFile::Read(AlignedRange range, char* to, IoSite site) const {
  reads_.fetch_add(1, std::memory_order_relaxed);
  read_bytes_.fetch_add(range.length, std::memory_order_relaxed);
  return ReadExactly(io(), site, *file_, range.offset, to, range.length);
}

Result<BlockTrailer> FlatFile::CheckTrailer(uint32_t i, Slice stored) const {
  return CheckBlockTrailer(stored, table_seed_, index_.handle(i).offset, file_->path());
}

Status FlatFile::Decode(uint32_t i, Slice payload, BlockTrailer trailer, char* raw) const {
  const Codec* codec =
      environment_.codec_by_id == nullptr ? nullptr : environment_.codec_by_id(trailer.codec);
  if (codec == nullptr) {
    return DamageAt(file_->path(), index_.handle(i).offset, "a known codec",
                    std::to_string(trailer.codec));
  }
  const Status status = codec->Decompress(payload, raw, trailer.raw_size);
  return status.ok() ? Status() : AtOffset(*file_, index_.handle(i).offset, status);
}

Status FlatFile::CheckDecoded(uint32_t i, Slice block) const {
  const Status status = check_(block, index_.last_key(i), index_.last_tag(i));
  return status.ok() ? Status() : AtOffset(*file_, index_.handle(i).offset, status);
}

Result<BlockRef> FlatFile::Unpack(uint32_t i, Slice stored) const {
  const Result<BlockTrailer> trailer = CheckTrailer(i, stored);
  if (!trailer.ok()) return trailer.status();
  const Slice payload = stored.substr(0, stored.size() - kBlockTrailerBytes);
  BlockRef block = BlockRef::Adopt(AllocateBlock(trailer->raw_size));
  if (trailer->codec == 0) {
    std::memcpy(MutableData(block.get()), payload.data(), payload.size());
  } else {
    LSMLAB_TRY(Decode(i, payload, trailer.value(), MutableData(block.get())));
  }
  return block;
}

void FlatFile::Adopt(uint32_t i, BlockRef block) const {
  if (cache_ == nullptr || i >= index_.count()) return;
  const BlockId id = Id(i);
  block->id = id;
  (void)cache_->Insert(slots_[i], id, std::move(block));
}

Task<Result<BlockRef>> FlatFile::Load(uint32_t i, IoSite site) const {
  const BlockHandle handle = index_.handle(i);
  const size_t stored = static_cast<size_t>(handle.size) + kBlockTrailerBytes;
  const AlignedRange range(*file_, handle.offset, stored);
  BlockRef block;
  if (raw_blocks_ && file_->alignment() == 1) {
    // Straight into the frame; the trailer lands behind the block, where nobody looks again.
    block = BlockRef::Adopt(AllocateBlock(stored));
    LSMLAB_CO_TRY(co_await Read(range, MutableData(block.get()), site));
    const Result<BlockTrailer> trailer = CheckTrailer(i, Slice(block->data, stored));
    if (!trailer.ok()) co_return trailer.status();
    if (trailer->codec != 0) {
      Result<BlockRef> unpacked = Unpack(i, Slice(block->data, stored));
      if (!unpacked.ok()) co_return unpacked.status();
      block = std::move(unpacked).value();
    } else {
      block->size = static_cast<uint32_t>(handle.size);
    }
  } else {
    ReadBuffer buffer(io(), range.length);
    LSMLAB_CO_TRY(co_await Read(range, buffer.data(), site));
    Result<BlockRef> unpacked = Unpack(i, Slice(buffer.data() + range.skip, stored));
    if (!unpacked.ok()) co_return unpacked.status();
    block = std::move(unpacked).value();
  }
  LSMLAB_CO_TRY(CheckDecoded(i, block->bytes()));
  const BlockId id = Id(i);
  block->id = id;
  if (cache_ != nullptr) block = cache_->Insert(slots_[i], id, std::move(block));
  co_return block;
}

}  // namespace lsmlab::table_internal
