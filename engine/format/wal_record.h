#pragma once

#include <cstdint>
#include <string>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"

// Log records; grammar at the encoder (wal_record.cc). A record is cut into fragments of at most
// 1 MiB; each fragment carries a checksum over its header and bytes, seeded with (store id, log
// number, shard), the segment's synced offset when it was written, and the dense record number, so
// that stale, foreign, reordered and torn bytes are told from the end of the log.
namespace lsmlab {

struct WalIdentity {
  uint64_t store_id = 0;
  uint32_t shard = 0;
  uint64_t log_number = 0;
};

inline constexpr size_t kWalFragmentBytes = 1u << 20;
inline constexpr size_t kWalRecordBytesMax = 68u << 20;

// Builds the bytes of a group of records in a reusable buffer.
class WalRecordEncoder {
 public:
  // Clears the buffer, keeps its memory.
  void Begin(const WalIdentity& identity, uint64_t synced_offset);
  // Starts a record; the caller appends the payload to buffer() and calls EndRecord.
  void BeginRecord(Sequence first_sequence, uint64_t dense_number);
  std::string& buffer() noexcept { return buffer_; }
  void EndRecord();
  // The mark that a cleanly closed segment ends with.
  void AppendEndMark(uint64_t dense_number);
  Slice bytes() const noexcept { return buffer_; }

 private:
  std::string buffer_;
  WalIdentity identity_;
  uint64_t synced_offset_ = 0;
  size_t record_start_ = 0;
  Sequence first_sequence_ = 0;
  uint64_t dense_number_ = 0;
};

// Reads a segment's bytes from the start. `segment` lives as long as the reader.
class WalRecordReader {
 public:
  enum class Outcome : uint8_t {
    kRecord,
    kEndMark,   // clean end; nothing but zeros may follow
    kEnd,       // end of the bytes at a fragment boundary, or zeros
    kDamaged,   // the fragment at offset() fails its check; detail() says how
  };
  WalRecordReader(const WalIdentity& identity, Slice segment) noexcept
      : identity_(identity), segment_(segment) {}
  Outcome Next();
  // Of the last kRecord. The payload lives until the next call.
  Sequence first_sequence() const noexcept { return first_sequence_; }
  uint64_t dense_number() const noexcept { return dense_number_; }
  Slice payload() const noexcept { return payload_; }
  // Largest synced offset that any record read so far has told.
  uint64_t synced_offset() const noexcept { return synced_offset_; }
  uint64_t offset() const noexcept { return offset_; }
  const std::string& detail() const noexcept { return detail_; }

 private:
  WalIdentity identity_;
  Slice segment_;
  uint64_t offset_ = 0;
  uint64_t synced_offset_ = 0;
  Sequence first_sequence_ = 0;
  uint64_t dense_number_ = 0;
  Slice payload_;
  std::string joined_;
  std::string detail_;
};

}  // namespace lsmlab
