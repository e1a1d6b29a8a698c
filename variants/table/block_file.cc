#include "variants/table/block_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/base/shown.h"

namespace lsmlab::table_internal {
namespace {

constexpr uint64_t kMaxDictionaryBytes = 4u << 20;

IndexSearch SearchOf(const SettingBag& settings) {
  return settings.Choice("index.search") == "binary" ? IndexSearch::kBinary : IndexSearch::kBtree;
}

}  // namespace

uint32_t BlockFile::ReadAheadOf(const TableEnvironment& environment) noexcept {
  if (!environment.io->defers() || !environment.settings.Has("read_ahead")) return 1;
  return static_cast<uint32_t>(environment.settings.Integer("read_ahead"));
}

Status BlockFile::AtOffset(uint64_t offset, const Status& status) const {
  std::string message = file_->path() + " offset " + std::to_string(offset) + ": expected ";
  message += status.message();
  return Status(status.code(), std::move(message));
}

Task<Status> BlockFile::ReadRawBlock(BlockHandle handle, uint64_t limit, const char* what,
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
      CheckTrailer(handle.offset, Slice(out->data(), stored), limit);
  if (!trailer.ok()) co_return trailer.status();
  if (trailer->codec != 0) {
    co_return DamageAt(file_->path(), handle.offset, std::string(what) + " stored raw",
                       "codec " + std::to_string(trailer->codec));
  }
  co_return Status();
}

Task<Status> BlockFile::LoadDictionary() {
  const BlockHandle handle = footer_.dictionary;
  if (handle.size == 0) co_return Status();
  AlignedBytes bytes;
  LSMLAB_CO_TRY(co_await ReadRawBlock(handle, kMaxDictionaryBytes, "a dictionary", &bytes));
  dictionary_codec_ = static_cast<uint8_t>(bytes.data()[0]);
  const Codec* codec = environment_.codec_by_id == nullptr || dictionary_codec_ == 0
                           ? nullptr
                           : environment_.codec_by_id(dictionary_codec_);
  if (codec == nullptr) {
    co_return DamageAt(file_->path(), handle.offset, "a dictionary of a known codec",
                       std::to_string(dictionary_codec_));
  }
  Result<std::unique_ptr<const Codec>> with =
      codec->WithDictionary(Slice(bytes.data() + 1, static_cast<size_t>(handle.size) - 1));
  if (!with.ok()) co_return AtOffset(handle.offset, with.status());
  dictionary_ = std::move(with).value();
  co_return Status();
}

Task<Result<BlockIndex>> BlockFile::ReadIndex(uint64_t data_end) const {
  AlignedBytes encoded;
  const Status read = co_await ReadRawBlock(footer_.index, kMaxIndexBytes, "an index", &encoded);
  if (!read.ok()) co_return read;
  Result<BlockIndex> index =
      BlockIndex::Open(Slice(encoded.data(), static_cast<size_t>(footer_.index.size)),
                       properties_.smallest_key, data_end, SearchOf(environment_.settings));
  if (!index.ok()) co_return AtOffset(footer_.index.offset, index.status());
  // Whether a key is looked for here at all is decided by the properties.
  const TableProperties& p = properties_;
  const uint32_t blocks = index->count();
  const bool same_end = blocks == 0
                            ? p.entries == 0
                            : p.entries > 0 && index->last_key(blocks - 1) == p.largest_key &&
                                  index->last_tag(blocks - 1) == p.largest_tag;
  if (same_end) co_return index;
  co_return DamageAt(file_->path(), footer_.index.offset,
                     "an index that ends with the properties' largest entry, '" +
                         Shown(p.largest_key) + "' (" + std::to_string(p.largest_tag) + ")",
                     blocks == 0 ? "no block"
                                 : "'" + Shown(index->last_key(blocks - 1)) + "' (" +
                                       std::to_string(index->last_tag(blocks - 1)) + ")");
}

Result<const FilterVariant*> BlockFile::FindFilter(uint64_t offset) const {
  const FilterVariant* variant = environment_.filter_by_name == nullptr
                                     ? nullptr
                                     : environment_.filter_by_name(properties_.filter_variant);
  if (variant != nullptr) return variant;
  return DamageAt(file_->path(), offset, "a known filter", "'" + properties_.filter_variant + "'");
}

Task<Status> BlockFile::Read(AlignedRange range, char* to, IoSite site) const {
  reads_.fetch_add(1, std::memory_order_relaxed);
  read_bytes_.fetch_add(range.length, std::memory_order_relaxed);
  return ReadAtLeast(io(), site, *file_, range.offset, to, range.length, range.needed);
}

Result<BlockTrailer> BlockFile::CheckTrailer(uint64_t offset, Slice stored, uint64_t most) const {
  return CheckBlockTrailer(stored, table_seed_, offset, file_->path(), most);
}

Status BlockFile::Decode(uint64_t offset, Slice payload, BlockTrailer trailer, char* raw) const {
  const Codec* codec = dictionary_.get();
  if (codec == nullptr || trailer.codec != dictionary_codec_) {
    codec = environment_.codec_by_id == nullptr ? nullptr : environment_.codec_by_id(trailer.codec);
  }
  if (codec == nullptr) {
    return DamageAt(file_->path(), offset, "a known codec", std::to_string(trailer.codec));
  }
  const Status status = codec->Decompress(payload, raw, trailer.raw_size);
  return status.ok() ? Status() : AtOffset(offset, status);
}

Status BlockFile::CheckDecoded(const ExpectedBlock& expected, Slice block) const {
  const Status status =
      expected.check(expected.context, block, expected.last_key, expected.last_tag);
  return status.ok() ? Status() : AtOffset(expected.handle.offset, status);
}

Result<BlockRef> BlockFile::Unpack(uint64_t offset, Slice stored) const {
  const Result<BlockTrailer> trailer = CheckTrailer(offset, stored);
  if (!trailer.ok()) return trailer.status();
  const Slice payload = stored.substr(0, stored.size() - kBlockTrailerBytes);
  BlockRef block = BlockRef::Adopt(AllocateBlock(trailer->raw_size));
  if (trailer->codec == 0) {
    std::memcpy(MutableData(block.get()), payload.data(), payload.size());
  } else {
    LSMLAB_TRY(Decode(offset, payload, trailer.value(), MutableData(block.get())));
  }
  return block;
}

Task<Result<BlockRef>> BlockFile::LoadBlock(ExpectedBlock expected, BlockSlot* slot,
                                            IoSite site) const {
  const BlockHandle handle = expected.handle;
  const size_t stored = static_cast<size_t>(handle.size) + kBlockTrailerBytes;
  const AlignedRange range(*file_, handle.offset, stored);
  BlockRef block;
  if (expected.raw && file_->alignment() == 1) {
    // Straight into the frame; the trailer lands behind the block, where nobody looks again.
    block = BlockRef::Adopt(AllocateBlock(stored));
    LSMLAB_CO_TRY(co_await Read(range, MutableData(block.get()), site));
    const Result<BlockTrailer> trailer = CheckTrailer(handle.offset, Slice(block->data, stored));
    if (!trailer.ok()) co_return trailer.status();
    if (trailer->codec != 0) {
      Result<BlockRef> unpacked = Unpack(handle.offset, Slice(block->data, stored));
      if (!unpacked.ok()) co_return unpacked.status();
      block = std::move(unpacked).value();
    } else {
      block->size = static_cast<uint32_t>(handle.size);
    }
  } else {
    ReadBuffer buffer(io(), range.length);
    LSMLAB_CO_TRY(co_await Read(range, buffer.data(), site));
    Result<BlockRef> unpacked = Unpack(handle.offset, Slice(buffer.data() + range.skip, stored));
    if (!unpacked.ok()) co_return unpacked.status();
    block = std::move(unpacked).value();
  }
  LSMLAB_CO_TRY(CheckDecoded(expected, block->bytes()));
  const BlockId id = IdAt(handle.offset);
  block->id = id;
  if (cache_ != nullptr && slot != nullptr) {
    block = Offer(*slot, id, std::move(block), expected.metadata);
  }
  co_return block;
}

bool BlockFile::PinsSomething() const noexcept {
  const TablePins& pins = environment_.pins;
  return pins.metadata || pins.level0_metadata || pins.level0_data;
}

bool BlockFile::InLevel0() const noexcept {
  std::lock_guard guard(level_mutex_);
  return in_level0_;
}

// Not under the lock: an insert may evict, and what that retires may run the deleters of any other
// object. So the table may leave level 0 meanwhile, and whoever moves it may have looked at the
// slot before the block came: then it is let go of here.
BlockRef BlockFile::Offer(BlockSlot& slot, const BlockId& id, BlockRef block, bool metadata) const {
  block->id = id;
  block->priority = metadata ? kMetadataPriority : 0;
  if (!PinsSomething()) return cache_->Insert(slot, id, std::move(block));
  const TablePins& pins = environment_.pins;
  const bool always = metadata && pins.metadata;
  const bool while_in_level0 =
      !always && (metadata ? pins.level0_metadata : pins.level0_data) && InLevel0();
  block->pin = always || while_in_level0;
  BlockRef cached = cache_->Insert(slot, id, std::move(block));
  if (while_in_level0 && !InLevel0()) cache_->Unpin(std::span(&slot, 1), file_number_);
  return cached;
}

void BlockFile::MoveToLevel(uint32_t level, std::span<BlockSlot> data,
                            std::span<BlockSlot> metadata) const noexcept {
  if (cache_ == nullptr || !PinsSomething()) return;
  {
    std::lock_guard guard(level_mutex_);
    const bool was = std::exchange(in_level0_, level == 0);
    if (!was || in_level0_) return;
  }
  const TablePins& pins = environment_.pins;
  if (pins.level0_data) cache_->Unpin(data, file_number_);
  if (pins.level0_metadata && !pins.metadata) cache_->Unpin(metadata, file_number_);
}

}  // namespace lsmlab::table_internal
