#include "engine/format/value_file.h"

#include <algorithm>

#include "engine/format/block_trailer.h"
#include "engine/parts/block_cache.h"

// Grammar (numbers little-endian):
//
//   file    := header record* padding footer
//   header  := "lsmlvals", version u32 (1), reserved u32 (0), id high u64, id low u64,
//              file number u64, created u64 (ns since 1970), checksum u64
//   record  := checksum u64, codec u8, transform u8 (0: none; 1.. reserved for encryption),
//              key bytes u16, raw bytes u32 (of the value after decoding), stored bytes u32,
//              key, stored value
//   padding := zeros, fewer than 4096: a file that was written directly ends with a page
//   footer  := "lsmlvend", records u64, record bytes u64, checksum u64
//
// Checksums are XXH3-64. That of header and footer is over what stands before it, under a seed that
// mixes the file's id and the offset, for the footer that of the records' end. That of a record is
// over head (from the codec on) and key, under a seed that is the checksum of the stored value
// under such a seed. So a record that is intact but lies in another file or place fails like a
// damaged one. The catalog knows size, records and record bytes of every live file, so that no end
// has to be found.
namespace lsmlab {
namespace {

constexpr char kValueMagic[] = "lsmlvals";
constexpr char kValueEndMagic[] = "lsmlvend";
constexpr uint32_t kValueVersion = 1;
constexpr size_t kValueHeaderBytes = 56;
constexpr size_t kValueFooterBytes = 32;
constexpr size_t kEndsBytes = kValueHeaderBytes + kValueFooterBytes;
constexpr size_t kMostPaddingBytes = 4095;
constexpr size_t kRecordHeadBytes = 20;
constexpr size_t kMostRecordBytes = kRecordHeadBytes + kMaxKeyBytes + kMaxValueBytes;
constexpr size_t kVerifyPieceBytes = 256u << 10;

uint64_t PlaceSeed(uint64_t file_seed, uint64_t offset) noexcept {
  return MixSeed(file_seed, offset);
}

// Whether header, records, footer and padding make up a file of the entry's size.
bool SizesFit(const ValueFileEntry& entry) noexcept {
  if (entry.bytes < kEndsBytes || entry.record_bytes > entry.bytes - kEndsBytes) return false;
  return entry.bytes - kEndsBytes - entry.record_bytes <= kMostPaddingBytes;
}

std::string EncodeHeader(const ValueFileEntry& entry, uint64_t seed) {
  std::string header(kValueMagic, 8);
  PutFixed32(header, kValueVersion);
  PutFixed32(header, 0);
  PutFixed64(header, entry.id.high);
  PutFixed64(header, entry.id.low);
  PutFixed64(header, entry.file);
  PutFixed64(header, static_cast<uint64_t>(entry.created_ns));
  PutFixed64(header, Checksum(header, PlaceSeed(seed, 0)));
  return header;
}

std::string EncodeFooter(const ValueFileEntry& entry, uint64_t seed) {
  std::string footer(kValueEndMagic, 8);
  PutFixed64(footer, entry.records);
  PutFixed64(footer, entry.record_bytes);
  PutFixed64(footer, Checksum(footer, PlaceSeed(seed, kValueHeaderBytes + entry.record_bytes)));
  return footer;
}

}  // namespace

ValueFileBuilder::ValueFileBuilder(uint64_t file, TableId id, int64_t now_ns, const Codec* codec,
                                   uint8_t codec_id, FileWriter& writer)
    : writer_(writer), codec_(codec), codec_id_(codec_id), seed_(TableSeed(id)) {
  entry_.file = file;
  entry_.id = id;
  entry_.created_ns = now_ns;
  writer_.Append(EncodeHeader(entry_, seed_));
}

ValueReference ValueFileBuilder::Add(Slice key, Slice value) {
  LSMLAB_ASSERT(key.size() <= kMaxKeyBytes && value.size() <= kMaxValueBytes);
  ValueReference reference;
  reference.file = entry_.file;
  reference.offset = writer_.offset();
  Slice stored = value;
  uint8_t codec = 0;
  compressed_.clear();
  if (codec_ != nullptr && codec_->Compress(value, compressed_)) {
    stored = compressed_;
    codec = codec_id_;
  }
  head_.assign(8, '\0');
  head_.push_back(static_cast<char>(codec));
  head_.push_back(0);
  PutFixed16(head_, static_cast<uint16_t>(key.size()));
  PutFixed32(head_, static_cast<uint32_t>(value.size()));
  PutFixed32(head_, static_cast<uint32_t>(stored.size()));
  head_.append(key);
  // The value is not copied beside the head for the sake of one checksum: its own seeds the head's.
  const uint64_t of_value = Checksum(stored, PlaceSeed(seed_, reference.offset));
  StoreLe<uint64_t>(head_.data(), Checksum(Slice(head_).substr(8), of_value));
  writer_.Append(head_);
  writer_.Append(stored);
  reference.size = static_cast<uint32_t>(head_.size() + stored.size());
  ++entry_.records;
  entry_.record_bytes += reference.size;
  return reference;
}

std::string ValueFileBuilder::Finish(ValueFileEntry* entry) {
  entry_.bytes = writer_.TailOffset(kValueFooterBytes) + kValueFooterBytes;
  *entry = entry_;
  return EncodeFooter(entry_, seed_);
}

struct ValueFile::Record {
  uint8_t codec = 0;
  uint32_t raw_bytes = 0;
  Slice key, stored;
  size_t bytes = 0;  // of the whole record
};

ValueFile::ValueFile(Io& io, std::unique_ptr<IoFile> file, const ValueFileEntry& entry,
                     const CodecById& codec_by_id)
    : io_(io),
      file_(std::move(file)),
      entry_(entry),
      codec_by_id_(codec_by_id),
      seed_(TableSeed(entry.id)),
      records_end_(kValueHeaderBytes + entry.record_bytes) {}

Task<Result<std::unique_ptr<ValueFile>>> ValueFile::Open(Io& io, std::unique_ptr<IoFile> file,
                                                         const ValueFileEntry& entry,
                                                         const CodecById& codec_by_id) {
  if (file->size() != entry.bytes || !SizesFit(entry)) {
    co_return Status::Corruption(
        file->path() + " offset 0: expected " + std::to_string(entry.bytes) + " bytes, " +
        std::to_string(entry.record_bytes) + " of them records, as the catalog says, found " +
        std::to_string(file->size()));
  }
  std::unique_ptr<ValueFile> opened(new ValueFile(io, std::move(file), entry, codec_by_id));
  LSMLAB_CO_TRY(co_await opened->CheckEnds());
  co_return std::move(opened);
}

// What stands there is compared with what the entry made of it would write.
Task<Result<ValueFileEntry>> ValueFile::ReadEntry(Io& io, IoFile& file, uint64_t number) {
  ValueFileEntry entry;
  entry.file = number;
  entry.bytes = file.size();
  if (entry.bytes < kEndsBytes) {
    co_return DamageAt(file.path(), 0, "a value file of at least 88 bytes",
                       std::to_string(entry.bytes));
  }
  const uint64_t footer_at = entry.bytes - kValueFooterBytes;
  std::string header(kValueHeaderBytes, '\0'), footer(kValueFooterBytes, '\0');
  LSMLAB_CO_TRY(co_await ReadInto(io, IoSite::kTableOpen, file, 0, header.size(), header.data()));
  LSMLAB_CO_TRY(
      co_await ReadInto(io, IoSite::kTableOpen, file, footer_at, footer.size(), footer.data()));
  entry.id.high = LoadLe<uint64_t>(header.data() + 16);
  entry.id.low = LoadLe<uint64_t>(header.data() + 24);
  entry.created_ns = LoadLe<int64_t>(header.data() + 40);
  entry.records = LoadLe<uint64_t>(footer.data() + 8);
  entry.record_bytes = LoadLe<uint64_t>(footer.data() + 16);
  const uint64_t seed = TableSeed(entry.id);
  if (header != EncodeHeader(entry, seed)) {
    co_return DamageAt(file.path(), 0, "the intact header of value file " + std::to_string(number),
                       "another");
  }
  if (footer != EncodeFooter(entry, seed)) {
    co_return DamageAt(file.path(), footer_at, "the intact footer of its header's file", "another");
  }
  if (!SizesFit(entry)) {
    co_return DamageAt(file.path(), footer_at,
                       std::to_string(entry.record_bytes) + " bytes of records",
                       "a file of " + std::to_string(entry.bytes) + " bytes");
  }
  co_return entry;
}

// Header and footer, byte by byte what the catalog's entry makes of them.
Task<Status> ValueFile::CheckEnds() const {
  const std::pair<uint64_t, std::string> ends[] = {
      {0, EncodeHeader(entry_, seed_)},
      {entry_.bytes - kValueFooterBytes, EncodeFooter(entry_, seed_)}};
  std::string found;
  for (const auto& [offset, expected] : ends) {
    found.assign(expected.size(), '\0');
    LSMLAB_CO_TRY(
        co_await ReadInto(io_, IoSite::kTableOpen, *file_, offset, found.size(), found.data()));
    if (found == expected) continue;
    size_t at = 0;
    while (found[at] == expected[at]) ++at;
    at = std::min(at, found.size() - 8);
    co_return DamageAt(file_->path(), offset + at,
                       (offset == 0 ? "a value file's header " : "a value file's footer ") +
                           HexWord(LoadLe<uint64_t>(expected.data() + at)),
                       HexWord(LoadLe<uint64_t>(found.data() + at)));
  }
  co_return Status();
}

// `bytes` begin with a record and may go on behind it. REQUIRES: at least a record's head.
Status ValueFile::CheckRecord(Slice bytes, uint64_t offset, Record* record) const {
  const char* head = bytes.data();
  const size_t key_bytes = LoadLe<uint16_t>(head + 10);
  const size_t stored_bytes = LoadLe<uint32_t>(head + 16);
  record->codec = static_cast<uint8_t>(head[8]);
  record->raw_bytes = LoadLe<uint32_t>(head + 12);
  record->bytes = kRecordHeadBytes + key_bytes + stored_bytes;
  if (record->bytes > bytes.size()) {
    return DamageAt(file_->path(), offset,
                    "a record of at most " + std::to_string(bytes.size()) + " bytes",
                    std::to_string(record->bytes));
  }
  record->key = bytes.substr(kRecordHeadBytes, key_bytes);
  record->stored = bytes.substr(kRecordHeadBytes + key_bytes, stored_bytes);
  const uint64_t found = LoadLe<uint64_t>(head);
  const uint64_t of_value = Checksum(record->stored, PlaceSeed(seed_, offset));
  const uint64_t expected = Checksum(bytes.substr(8, kRecordHeadBytes - 8 + key_bytes), of_value);
  if (found != expected) {
    return DamageAt(file_->path(), offset, "record checksum " + HexWord(expected), HexWord(found));
  }
  if (head[9] != 0) {
    return DamageAt(file_->path(), offset, "transform 0",
                    std::to_string(static_cast<uint8_t>(head[9])));
  }
  const bool bad_raw = record->codec == 0 && record->raw_bytes != stored_bytes;
  if (bad_raw || record->raw_bytes > kMaxValueBytes) {
    return DamageAt(file_->path(), offset, "a raw size of " + std::to_string(stored_bytes),
                    std::to_string(record->raw_bytes));
  }
  return Status();
}

Result<BlockRef> ValueFile::Decode(const Record& record, uint64_t offset) const {
  const Codec* codec = codec_by_id_(record.codec);
  if (codec == nullptr) {
    return DamageAt(file_->path(), offset, "a known codec", std::to_string(record.codec));
  }
  BlockRef block = BlockRef::Adopt(AllocateBlock(record.raw_bytes));
  const Status status =
      codec->Decompress(record.stored, MutableData(block.get()), record.raw_bytes);
  if (status.ok()) return block;
  return Status(status.code(), file_->path() + " offset " + std::to_string(offset) + ": expected " +
                                   std::string(status.message()));
}

Status ValueFile::CheckReference(ValueReference reference) const {
  if (reference.offset >= kValueHeaderBytes && reference.offset <= records_end_ &&
      reference.size <= records_end_ - reference.offset && reference.size >= kRecordHeadBytes &&
      reference.size <= kMostRecordBytes) {
    return Status();
  }
  return DamageAt(file_->path(), reference.offset,
                  "a reference to a record before " + std::to_string(records_end_),
                  std::to_string(reference.size) + " bytes");
}

Task<Result<BlockRef>> ValueFile::ReadBlock(uint64_t offset, uint64_t length, IoSite site) const {
  BlockRef block = BlockRef::Adopt(AllocateBlock(static_cast<size_t>(length)));
  LSMLAB_CO_TRY(co_await ReadInto(io_, site, *file_, offset, length, MutableData(block.get())));
  co_return block;
}

Task<Result<BlockRef>> ValueFile::ReadPiece(ValueReference first, size_t wanted,
                                            IoSite site) const {
  LSMLAB_CO_TRY(CheckReference(first));
  const uint64_t length = std::max<uint64_t>(first.size, wanted);
  co_return co_await ReadBlock(first.offset, std::min(length, records_end_ - first.offset), site);
}

Result<StoredValue> ValueFile::Take(const BlockRef& piece, uint64_t piece_offset,
                                    ValueReference reference, Slice key) const {
  LSMLAB_TRY(CheckReference(reference));
  LSMLAB_ASSERT(reference.offset >= piece_offset &&
                reference.offset - piece_offset + reference.size <= piece->size);
  const Slice bytes = piece->bytes().substr(reference.offset - piece_offset, reference.size);
  Record record;
  LSMLAB_TRY(CheckRecord(bytes, reference.offset, &record));
  if (record.key != key || record.bytes != reference.size) {
    return DamageAt(file_->path(), reference.offset,
                    "a record of " + std::to_string(reference.size) + " bytes with the key asked",
                    std::to_string(record.bytes) + " bytes with " +
                        (record.key == key ? "this" : "another") + " key");
  }
  if (record.codec == 0) return StoredValue{piece, record.stored};
  Result<BlockRef> decoded = Decode(record, reference.offset);
  if (!decoded.ok()) return decoded.status();
  const Slice value = decoded.value()->bytes();
  return StoredValue{std::move(decoded).value(), value};
}

Task<Result<BlockRef>> ValueFile::Read(ValueReference reference, Slice key) const {
  Result<BlockRef> piece = co_await ReadPiece(reference, 0);
  if (!piece.ok()) co_return piece.status();
  Result<StoredValue> found = Take(piece.value(), reference.offset, reference, key);
  if (!found.ok()) co_return found.status();
  // Nobody else has the block: a record is shown without what stands before the value.
  BlockRef block = std::move(found->block);
  block->data = found->value.data();
  block->size = static_cast<uint32_t>(found->value.size());
  co_return block;
}

Task<Status> ValueFile::CheckPadding() const {
  const uint64_t length = entry_.bytes - kValueFooterBytes - records_end_;
  if (length == 0) co_return Status();
  Result<BlockRef> padding = co_await ReadBlock(records_end_, length);
  if (!padding.ok()) co_return padding.status();
  const size_t at = padding.value()->bytes().find_first_not_of('\0');
  if (at == Slice::npos) co_return Status();
  co_return DamageAt(file_->path(), records_end_ + at, "zeros behind the records",
                     std::to_string(static_cast<uint8_t>(padding.value()->bytes()[at])));
}

Task<Status> ValueFile::Verify() const {
  LSMLAB_CO_TRY(co_await CheckEnds());
  LSMLAB_CO_TRY(co_await CheckPadding());
  BlockRef piece;
  uint64_t at = kValueHeaderBytes, piece_at = at, piece_end = at, records = 0;
  while (at < records_end_) {
    size_t need = kRecordHeadBytes;
    // The head first, then what it says follows.
    for (int look = 0; look < 2; ++look) {
      const uint64_t most = std::min<uint64_t>(records_end_ - at, kMostRecordBytes);
      if (need > most) {
        co_return DamageAt(file_->path(), at,
                           "a record of at most " + std::to_string(most) + " bytes",
                           std::to_string(need));
      }
      if (at + need > piece_end) {
        const uint64_t length = std::max<uint64_t>(need, kVerifyPieceBytes);
        auto read = co_await ReadBlock(at, std::min(length, records_end_ - at));
        if (!read.ok()) co_return read.status();
        piece = std::move(read).value();
        piece_at = at;
        piece_end = at + piece->size;
      }
      const char* head = piece->data + (at - piece_at);
      need = kRecordHeadBytes + LoadLe<uint16_t>(head + 10) + size_t{LoadLe<uint32_t>(head + 16)};
    }
    Record record;
    LSMLAB_CO_TRY(CheckRecord(piece->bytes().substr(at - piece_at), at, &record));
    if (record.codec != 0) {
      Result<BlockRef> value = Decode(record, at);
      if (!value.ok()) co_return value.status();
    }
    at += record.bytes;
    ++records;
  }
  if (records == entry_.records) co_return Status();
  co_return DamageAt(file_->path(), at, std::to_string(entry_.records) + " records",
                     std::to_string(records));
}

}  // namespace lsmlab
