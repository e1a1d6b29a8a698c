#include "engine/format/value_file.h"

#include <algorithm>

#include "engine/format/block_trailer.h"
#include "engine/parts/block_cache.h"

// Grammar (numbers little-endian):
//
//   file    := header record* footer
//   header  := "lsmlvals", version u32 (1), reserved u32 (0), id high u64, id low u64,
//              file number u64, created u64 (ns since 1970), checksum u64
//   record  := checksum u64, codec u8, transform u8 (0: none; 1.. reserved for encryption),
//              key bytes u16, raw bytes u32 (of the value after decoding), stored bytes u32,
//              key, stored value
//   footer  := "lsmlvend", records u64, record bytes u64, checksum u64
//
// Checksums are XXH3-64. That of header and footer is over what stands before it, under a seed that
// mixes the file's id and the offset. That of a record is over head (from the codec on) and key,
// under a seed that is the checksum of the stored value under such a seed. So a record that is
// intact but lies in another file or place fails like a damaged one. The catalog knows size,
// records and record bytes of every live file, so that no end has to be found.
namespace lsmlab {
namespace {

constexpr char kValueMagic[] = "lsmlvals";
constexpr char kValueEndMagic[] = "lsmlvend";
constexpr uint32_t kValueVersion = 1;
constexpr size_t kValueHeaderBytes = 56;
constexpr size_t kValueFooterBytes = 32;
constexpr size_t kRecordHeadBytes = 20;
constexpr size_t kMostRecordBytes = kRecordHeadBytes + kMaxKeyBytes + kMaxValueBytes;
constexpr size_t kVerifyPieceBytes = 256u << 10;

uint64_t PlaceSeed(uint64_t file_seed, uint64_t offset) noexcept {
  return MixSeed(file_seed, offset);
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
  entry_.bytes = kValueHeaderBytes + entry_.record_bytes + kValueFooterBytes;
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
  if (file->alignment() != 1) {
    co_return Status::NotSupported(file->path() + ": value files are not read directly");
  }
  const uint64_t expected = kValueHeaderBytes + entry.record_bytes + kValueFooterBytes;
  if (file->size() != entry.bytes || entry.bytes != expected) {
    co_return Status::Corruption(
        file->path() + " offset 0: expected " + std::to_string(entry.bytes) +
        " bytes as the catalog says, found " + std::to_string(file->size()));
  }
  std::unique_ptr<ValueFile> opened(new ValueFile(io, std::move(file), entry, codec_by_id));
  LSMLAB_CO_TRY(co_await opened->CheckEnds());
  co_return std::move(opened);
}

// What stands there is compared with what the entry made of it would write.
Task<Result<ValueFileEntry>> ValueFile::ReadEntry(Io& io, IoFile& file, uint64_t number) {
  if (file.alignment() != 1) {
    co_return Status::NotSupported(file.path() + ": value files are not read directly");
  }
  ValueFileEntry entry;
  entry.file = number;
  entry.bytes = file.size();
  if (entry.bytes < kValueHeaderBytes + kValueFooterBytes) {
    co_return DamageAt(file.path(), 0, "a value file of at least 88 bytes",
                       std::to_string(entry.bytes));
  }
  entry.record_bytes = entry.bytes - kValueHeaderBytes - kValueFooterBytes;
  const uint64_t footer_at = kValueHeaderBytes + entry.record_bytes;
  std::string header(kValueHeaderBytes, '\0'), footer(kValueFooterBytes, '\0');
  LSMLAB_CO_TRY(
      co_await ReadExactly(io, IoSite::kTableOpen, file, 0, header.data(), header.size()));
  LSMLAB_CO_TRY(
      co_await ReadExactly(io, IoSite::kTableOpen, file, footer_at, footer.data(), footer.size()));
  entry.id.high = LoadLe<uint64_t>(header.data() + 16);
  entry.id.low = LoadLe<uint64_t>(header.data() + 24);
  entry.created_ns = LoadLe<int64_t>(header.data() + 40);
  entry.records = LoadLe<uint64_t>(footer.data() + 8);
  const uint64_t seed = TableSeed(entry.id);
  if (header != EncodeHeader(entry, seed)) {
    co_return DamageAt(file.path(), 0, "the intact header of value file " + std::to_string(number),
                       "another");
  }
  if (footer != EncodeFooter(entry, seed)) {
    co_return DamageAt(file.path(), footer_at, "the intact footer of its header's file", "another");
  }
  co_return entry;
}

// Header and footer, byte by byte what the catalog's entry makes of them.
Task<Status> ValueFile::CheckEnds() const {
  const std::pair<uint64_t, std::string> ends[] = {{0, EncodeHeader(entry_, seed_)},
                                                   {records_end_, EncodeFooter(entry_, seed_)}};
  std::string found;
  for (const auto& [offset, expected] : ends) {
    found.assign(expected.size(), '\0');
    LSMLAB_CO_TRY(
        co_await ReadExactly(io_, IoSite::kTableOpen, *file_, offset, found.data(), found.size()));
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

Task<Result<BlockRef>> ValueFile::Read(ValueReference reference, Slice key) const {
  if (reference.offset < kValueHeaderBytes || reference.offset > records_end_ ||
      reference.size > records_end_ - reference.offset || reference.size < kRecordHeadBytes ||
      reference.size > kMostRecordBytes) {
    co_return DamageAt(file_->path(), reference.offset,
                       "a reference to a record before " + std::to_string(records_end_),
                       std::to_string(reference.size) + " bytes");
  }
  BlockRef block = BlockRef::Adopt(AllocateBlock(reference.size));
  LSMLAB_CO_TRY(co_await ReadExactly(io_, IoSite::kValueFile, *file_, reference.offset,
                                     MutableData(block.get()), reference.size));
  Record record;
  LSMLAB_CO_TRY(CheckRecord(block->bytes(), reference.offset, &record));
  if (record.key != key || record.bytes != reference.size) {
    co_return DamageAt(
        file_->path(), reference.offset,
        "a record of " + std::to_string(reference.size) + " bytes with the key asked",
        std::to_string(record.bytes) + " bytes with " + (record.key == key ? "this" : "another") +
            " key");
  }
  if (record.codec != 0) co_return Decode(record, reference.offset);
  // The record is shown without what stands before the value.
  block->data = record.stored.data();
  block->size = static_cast<uint32_t>(record.stored.size());
  co_return block;
}

// Makes `piece` hold the bytes from `offset` on: at least `least` of them, more if there are.
Task<Status> ValueFile::ReadPiece(uint64_t offset, size_t least, std::string* piece) const {
  const uint64_t left = records_end_ - offset;
  const size_t length =
      static_cast<size_t>(std::min<uint64_t>(left, std::max<size_t>(least, kVerifyPieceBytes)));
  piece->resize(length);
  co_return co_await ReadExactly(io_, IoSite::kValueFile, *file_, offset, piece->data(), length);
}

Task<Status> ValueFile::Verify() const {
  LSMLAB_CO_TRY(co_await CheckEnds());
  std::string piece;
  uint64_t at = kValueHeaderBytes, piece_at = at, records = 0;
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
      if (at + need > piece_at + piece.size()) {
        LSMLAB_CO_TRY(co_await ReadPiece(at, need, &piece));
        piece_at = at;
      }
      const char* head = piece.data() + (at - piece_at);
      need = kRecordHeadBytes + LoadLe<uint16_t>(head + 10) + size_t{LoadLe<uint32_t>(head + 16)};
    }
    Record record;
    LSMLAB_CO_TRY(CheckRecord(Slice(piece).substr(at - piece_at), at, &record));
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
