#pragma once

#include <cstdint>
#include <string>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"

// Log records; grammar at the encoder (wal_record.cc). A record is cut into fragments of at most
// 1 MiB; each fragment carries a checksum over its header and bytes, seeded with (store id, log
// number, shard, incarnation), the segment's synced offset when it was written, and the dense
// record number, so that stale, foreign, reordered and torn bytes are told from the end of the log.
namespace lsmlab {

struct WalIdentity {
  uint64_t store_id = 0;
  uint32_t shard = 0;
  uint64_t log_number = 0;
  uint64_t incarnation = 0;  // see WalPosition
};

inline constexpr size_t kWalFragmentBytes = 1u << 20;  // of payload
inline constexpr size_t kWalRecordBytesMax = 68u << 20;
inline constexpr size_t kWalFragmentHeaderBytes = 40;
inline constexpr size_t kWalSegmentHeaderBytes = 72;  // where the first record of a segment starts

// First thing in a segment: where it goes on from. With it, recovery tells a tail that may be
// missing from a synced part that may not, also across segments.
struct WalSegmentHeader {
  uint64_t previous_log = 0;     // 0: nothing before this segment belongs to it
  uint64_t previous_end = 0;     // bytes of that segment that come before this one
  uint64_t previous_synced = 0;  // of them known to be durable when this segment began
};

// Builds the bytes of a group of records in a reusable buffer.
class WalRecordEncoder {
 public:
  // Clears the buffer, keeps its memory.
  void Begin(const WalIdentity& identity, uint64_t synced_offset);
  // Starts a record; the caller appends the payload to buffer() and calls EndRecord.
  void BeginRecord(Sequence first_sequence, uint64_t dense_number);
  std::string& buffer() noexcept { return buffer_; }
  // REQUIRES: a payload of at most kWalRecordBytesMax.
  void EndRecord();

  // REQUIRES for these three: no record is begun and not ended.
  void AppendSegmentHeader(const WalSegmentHeader& header);
  // Tells the synced offset and nothing else. Readers pass over it.
  void AppendSyncMark();
  // The mark that a cleanly closed segment ends with.
  void AppendEndMark();
  // Fills `bytes` of the segment, header included, where the next record is to begin further on.
  // Readers pass over it. REQUIRES: at least kWalFragmentHeaderBytes.
  void AppendPad(size_t bytes);
  Slice bytes() const noexcept { return buffer_; }

 private:
  void Seal(size_t start, size_t payload_bytes, uint8_t type, uint16_t index) noexcept;
  void CutRecord(size_t payload_bytes);
  void AppendMark(uint8_t type, size_t payload_bytes);

  std::string buffer_;
  uint64_t seed_ = 0;
  uint64_t synced_offset_ = 0;
  size_t record_start_ = 0;
  Sequence first_sequence_ = 0;
  uint64_t dense_number_ = 0;
};

// Reads a segment's bytes from the start. `segment` lives as long as the reader. `reused`: the
// file held other segments before, so anything may stand behind the end, also behind an end mark.
// Safe on hostile bytes: memory is bounded by the larger of a record's limit and the segment.
class WalRecordReader {
 public:
  enum class Outcome : uint8_t {
    kSegmentHeader,  // always first in an undamaged segment, and only there
    kRecord,
    kEndMark,  // clean end; unless `reused`, zeros alone may follow (Next: kEnd or kDamaged)
    kEnd,      // end of the bytes at a record boundary, or only zeros follow
    kDamaged,  // the fragment at offset() fails its check; detail() says how
  };
  WalRecordReader(const WalIdentity& identity, Slice segment, bool reused = false) noexcept;
  // After kEnd and kDamaged the same again.
  Outcome Next();
  const WalSegmentHeader& segment_header() const noexcept { return segment_header_; }
  // Of the last kRecord. The payload lives until the next call.
  Sequence first_sequence() const noexcept { return first_sequence_; }
  uint64_t dense_number() const noexcept { return dense_number_; }
  Slice payload() const noexcept { return payload_; }
  // Largest synced offset that any fragment read so far has told.
  uint64_t synced_offset() const noexcept { return synced_offset_; }
  // Of the next fragment; after kDamaged of the damaged one.
  uint64_t offset() const noexcept { return offset_; }
  // Where the last whole record or mark ended: what counts as the log when the rest is dropped.
  uint64_t intact_end() const noexcept { return intact_end_; }
  const std::string& detail() const noexcept { return detail_; }

  // After kDamaged: looks for an intact fragment behind the damage that tells a synced offset above
  // intact_end(), and returns that offset: then the damage is no torn tail. 0 when there is none.
  // Linear in the segment; a segment made to look like many fragments counts as damaged.
  uint64_t FindSyncBehindDamage() const;

 private:
  struct Fragment {
    uint32_t bytes = 0;
    uint8_t type = 0;
    uint8_t transform = 0;
    uint16_t index = 0;
    uint64_t dense_number = 0;
    Sequence first_sequence = 0;
    uint64_t synced_offset = 0;
    Slice payload;
  };
  Outcome Damaged(std::string detail);
  bool OnlyZerosFollow() const noexcept;
  // False: detail_ says why.
  bool ReadFragment(Fragment* fragment);
  Outcome Take(const Fragment& first);
  Outcome JoinFragments(const Fragment& first);
  Outcome TakeSegmentHeader(const Fragment& fragment);

  Slice segment_;
  uint64_t seed_;
  bool reused_;
  uint64_t offset_ = 0;
  uint64_t intact_end_ = 0;
  uint64_t synced_offset_ = 0;
  bool ended_ = false;  // an end mark was read
  bool damaged_ = false;
  WalSegmentHeader segment_header_;
  Sequence first_sequence_ = 0;
  uint64_t dense_number_ = 0;
  Slice payload_;
  std::string joined_;
  std::string detail_;
};

}  // namespace lsmlab
