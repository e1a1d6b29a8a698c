#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/async/task.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/aligned_read.h"
#include "engine/format/file_writer.h"
#include "engine/format/value_reference.h"
#include "engine/format/version_edit.h"
#include "engine/parts/block.h"
#include "engine/parts/codec.h"
#include "engine/parts/io.h"

// Value files: values that were taken out of the tables, one record each, in the order in which a
// flush or compaction met them. Immutable once finished. Named NNNNNN.val; the grammar stands in
// value_file.cc. What is needed to read one never comes from settings.
namespace lsmlab {

// Appends records to a new file. Never touches a disk itself: bytes go into the FileWriter, which
// the job flushes between calls. One user at a time.
class ValueFileBuilder {
 public:
  // `file` and `id` name the file; `codec` null: values are stored raw. `codec` and `writer`
  // outlive the builder.
  ValueFileBuilder(uint64_t file, TableId id, int64_t now_ns, const Codec* codec, uint8_t codec_id,
                   FileWriter& writer);
  // REQUIRES: a key of at most 65,535 bytes and a value of at most 64 MiB.
  ValueReference Add(Slice key, Slice value);
  uint64_t bytes() const noexcept { return writer_.offset(); }
  // The footer, to be given to FileWriter::Finish, and the catalog's entry.
  std::string Finish(ValueFileEntry* entry);

 private:
  FileWriter& writer_;
  const Codec* codec_;
  const uint8_t codec_id_;
  ValueFileEntry entry_;
  uint64_t seed_;
  std::string head_, compressed_;
};

// A value, and what holds its bytes.
struct StoredValue {
  BlockRef block;
  Slice value;
};

// An open value file, direct or not. Thread safety: all methods from any thread at once.
class ValueFile {
 public:
  using CodecById = std::function<const Codec*(uint8_t id)>;  // null: unknown id

  // Checks header, footer and size against the catalog's entry. Any bytes; every error names file,
  // offset, expected and found. `io` and `codec_by_id` outlive the file.
  static Task<Result<std::unique_ptr<ValueFile>>> Open(Io& io, std::unique_ptr<IoFile> file,
                                                       const ValueFileEntry& entry,
                                                       const CodecById& codec_by_id);

  // The entry of NNNNNN.val with this number as its header and footer tell it, for a catalog that
  // keeps none. Any bytes. `io` and `file` outlive the task.
  static Task<Result<ValueFileEntry>> ReadEntry(Io& io, IoFile& file, uint64_t number);

  // The value that was added for `key`, in one read, verified: the checksum covers file, place, key
  // and value, and the record's key must be `key`, which outlives the task.
  Task<Result<BlockRef>> Read(ValueReference reference, Slice key) const;

  // The same for several records in one read. The bytes from the record `first` on, unverified:
  // `wanted` of them, at least that record, and none behind the last one.
  Task<Result<BlockRef>> ReadPiece(ValueReference first, size_t wanted,
                                   IoSite site = IoSite::kValueRead) const;
  // The value out of the piece that begins at `piece_offset` of the file, as Read gives it; one
  // that is stored raw stays in the piece. REQUIRES: the piece holds as much as the reference says.
  Result<StoredValue> Take(const BlockRef& piece, uint64_t piece_offset, ValueReference reference,
                           Slice key) const;
  // Bytes that a read of these takes from the file: whole pages where it is direct.
  uint64_t ReadBytes(uint64_t offset, uint64_t bytes) const noexcept {
    return AlignedRange(*file_, offset, bytes).length;
  }

  // Reads the whole file and checks every record.
  Task<Status> Verify() const;

 private:
  ValueFile(Io& io, std::unique_ptr<IoFile> file, const ValueFileEntry& entry,
            const CodecById& codec_by_id);
  struct Record;
  Task<Status> CheckEnds() const;
  Task<Status> CheckPadding() const;
  Status CheckReference(ValueReference reference) const;
  Status CheckRecord(Slice bytes, uint64_t offset, Record* record) const;
  Result<BlockRef> Decode(const Record& record, uint64_t offset) const;
  Task<Result<BlockRef>> ReadBlock(uint64_t offset, uint64_t length,
                                   IoSite site = IoSite::kValueRead) const;

  Io& io_;
  const std::unique_ptr<IoFile> file_;
  const ValueFileEntry entry_;
  const CodecById& codec_by_id_;
  const uint64_t seed_;
  const uint64_t records_end_;
};

}  // namespace lsmlab
