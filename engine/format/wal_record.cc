#include "engine/format/wal_record.h"

#include <algorithm>
#include <cstring>

#include "engine/base/assert.h"
#include "engine/base/checksum.h"
#include "engine/base/coding.h"

// Grammar (integers little-endian):
//   segment        := segment_header (record | sync_mark | pad)* end_mark? rest
//   rest           := zero*, or anything where the file held other segments before
//   record         := whole | first middle* last
//   fragment       := checksum:u64 bytes:u32 type:u8 transform:u8 index:u16 dense:u64 sequence:u64
//                     synced:u64 payload:u8[bytes]
//   type           := whole(1) first(2) middle(3) last(4) segment_header(5) sync_mark(6)
//                     end_mark(7) pad(8)
//   segment_header := fragment with payload version:u32 zero:u32 previous_log:u64
//                     previous_end:u64 previous_synced:u64
//   sync_mark, end_mark := fragment without payload; pad := fragment whose payload says nothing
// checksum covers everything of the fragment behind it, under a seed of store id, shard, log
// number and, in slots that are used again, incarnation. `index` counts the fragments of a record
// from 0; all of them carry the record's dense number and first sequence. `synced` is the offset in
// this segment below which everything was durable when the fragment was encoded; above 0 it also
// says that all that the segment goes on from (previous_end) was durable. `transform` is 0; other
// values are reserved for encryption. Type 0 is never written: zeros are the end.
namespace lsmlab {
namespace {

enum FragmentType : uint8_t {
  kWhole = 1,
  kFirst = 2,
  kMiddle = 3,
  kLast = 4,
  kSegmentHeaderType = 5,
  kSyncMark = 6,
  kEndMarkType = 7,
  kPad = 8,
};

constexpr size_t kHead = kWalFragmentHeaderBytes;
constexpr uint32_t kVersion = 1;
constexpr size_t kSegmentHeaderPayload = kWalSegmentHeaderBytes - kHead;

uint64_t IdentitySeed(const WalIdentity& identity) noexcept {
  const uint64_t seed = MixSeed(MixSeed(identity.store_id, identity.log_number), identity.shard);
  return identity.incarnation == 0 ? seed : MixSeed(seed, identity.incarnation);
}

bool AllZero(Slice bytes) noexcept {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

void WalRecordEncoder::Begin(const WalIdentity& identity, uint64_t synced_offset) {
  buffer_.clear();
  seed_ = IdentitySeed(identity);
  synced_offset_ = synced_offset;
}

void WalRecordEncoder::BeginRecord(Sequence first_sequence, uint64_t dense_number) {
  record_start_ = buffer_.size();
  first_sequence_ = first_sequence;
  dense_number_ = dense_number;
  buffer_.append(kHead, '\0');
}

void WalRecordEncoder::EndRecord() {
  const size_t payload_bytes = buffer_.size() - record_start_ - kHead;
  if (payload_bytes <= kWalFragmentBytes) [[likely]] {
    Seal(record_start_, payload_bytes, kWhole, 0);
  } else {
    CutRecord(payload_bytes);
  }
}

void WalRecordEncoder::Seal(size_t start, size_t payload_bytes, uint8_t type,
                            uint16_t index) noexcept {
  char* head = buffer_.data() + start;
  StoreLe<uint32_t>(head + 8, static_cast<uint32_t>(payload_bytes));
  head[12] = static_cast<char>(type);
  head[13] = 0;
  StoreLe<uint16_t>(head + 14, index);
  StoreLe<uint64_t>(head + 16, dense_number_);
  StoreLe<uint64_t>(head + 24, first_sequence_);
  StoreLe<uint64_t>(head + 32, synced_offset_);
  StoreLe<uint64_t>(head, Checksum(head + 8, kHead - 8 + payload_bytes, seed_));
}

// Moves the payload apart, last piece first, to make room for the headers between.
void WalRecordEncoder::CutRecord(size_t payload_bytes) {
  LSMLAB_ASSERT(payload_bytes <= kWalRecordBytesMax);
  const size_t count = (payload_bytes + kWalFragmentBytes - 1) / kWalFragmentBytes;
  buffer_.append((count - 1) * kHead, '\0');
  char* payload = buffer_.data() + record_start_ + kHead;
  for (size_t i = count; i-- > 0;) {
    const size_t from = i * kWalFragmentBytes;
    const size_t bytes = std::min(kWalFragmentBytes, payload_bytes - from);
    std::memmove(payload + from + i * kHead, payload + from, bytes);
    Seal(record_start_ + from + i * kHead, bytes,
         i == 0 ? kFirst : (i + 1 == count ? kLast : kMiddle), static_cast<uint16_t>(i));
  }
}

void WalRecordEncoder::AppendMark(uint8_t type, size_t payload_bytes) {
  first_sequence_ = 0;
  dense_number_ = 0;
  Seal(buffer_.size() - payload_bytes - kHead, payload_bytes, type, 0);
}

void WalRecordEncoder::AppendSegmentHeader(const WalSegmentHeader& header) {
  buffer_.append(kHead, '\0');
  PutFixed32(buffer_, kVersion);
  PutFixed32(buffer_, 0);
  PutFixed64(buffer_, header.previous_log);
  PutFixed64(buffer_, header.previous_end);
  PutFixed64(buffer_, header.previous_synced);
  AppendMark(kSegmentHeaderType, kSegmentHeaderPayload);
}

void WalRecordEncoder::AppendSyncMark() {
  buffer_.append(kHead, '\0');
  AppendMark(kSyncMark, 0);
}

void WalRecordEncoder::AppendEndMark() {
  buffer_.append(kHead, '\0');
  AppendMark(kEndMarkType, 0);
}

void WalRecordEncoder::AppendPad(size_t bytes) {
  LSMLAB_ASSERT(bytes >= kHead && bytes - kHead <= kWalFragmentBytes);
  buffer_.append(bytes, '\0');
  AppendMark(kPad, bytes - kHead);
}

WalRecordReader::WalRecordReader(const WalIdentity& identity, Slice segment, bool reused) noexcept
    : segment_(segment), seed_(IdentitySeed(identity)), reused_(reused) {}

WalRecordReader::Outcome WalRecordReader::Damaged(std::string detail) {
  detail_ = std::move(detail);
  damaged_ = true;
  payload_ = Slice();
  return Outcome::kDamaged;
}

bool WalRecordReader::OnlyZerosFollow() const noexcept { return AllZero(segment_.substr(offset_)); }

bool WalRecordReader::ReadFragment(Fragment* fragment) {
  const Slice rest = segment_.substr(offset_);
  if (rest.size() < kHead) {
    detail_ = "expected a fragment header of 40 bytes, found " + std::to_string(rest.size());
    return false;
  }
  const char* head = rest.data();
  fragment->bytes = LoadLe<uint32_t>(head + 8);
  fragment->type = static_cast<uint8_t>(head[12]);
  fragment->transform = static_cast<uint8_t>(head[13]);
  fragment->index = LoadLe<uint16_t>(head + 14);
  fragment->dense_number = LoadLe<uint64_t>(head + 16);
  fragment->first_sequence = LoadLe<uint64_t>(head + 24);
  fragment->synced_offset = LoadLe<uint64_t>(head + 32);
  if (fragment->bytes > kWalFragmentBytes || fragment->bytes > rest.size() - kHead) {
    detail_ = "expected a fragment of at most " +
              std::to_string(std::min(kWalFragmentBytes, rest.size() - kHead)) + " bytes, found " +
              std::to_string(fragment->bytes);
    return false;
  }
  const uint64_t found = LoadLe<uint64_t>(head);
  const uint64_t expected = Checksum(head + 8, kHead - 8 + fragment->bytes, seed_);
  if (found != expected) {
    detail_ = "expected checksum " + std::to_string(expected) + ", found " + std::to_string(found);
    return false;
  }
  if (fragment->transform != 0 || fragment->synced_offset > offset_ ||
      fragment->first_sequence > kMaxSequence ||
      ((fragment->type == kSyncMark || fragment->type == kEndMarkType) && fragment->bytes != 0)) {
    detail_ = "expected a fragment of this format, found transform " +
              std::to_string(fragment->transform) + ", synced offset " +
              std::to_string(fragment->synced_offset) + ", sequence " +
              std::to_string(fragment->first_sequence);
    return false;
  }
  fragment->payload = rest.substr(kHead, fragment->bytes);
  return true;
}

WalRecordReader::Outcome WalRecordReader::Next() {
  if (damaged_) return Outcome::kDamaged;
  Fragment fragment;
  do {
    if ((ended_ && reused_) || OnlyZerosFollow()) return Outcome::kEnd;
    if (ended_) return Damaged("expected zeros after the end mark, found data");
    if (!ReadFragment(&fragment)) return Damaged(detail_);
    if ((offset_ == 0) != (fragment.type == kSegmentHeaderType)) {
      return Damaged("expected a segment header at the start and only there, found type " +
                     std::to_string(fragment.type));
    }
    synced_offset_ = std::max(synced_offset_, fragment.synced_offset);
    if (fragment.type == kSyncMark || fragment.type == kPad) {
      offset_ += kHead + fragment.bytes;
      intact_end_ = offset_;
    }
  } while (fragment.type == kSyncMark || fragment.type == kPad);
  return Take(fragment);
}

WalRecordReader::Outcome WalRecordReader::Take(const Fragment& first) {
  switch (first.type) {
    case kWhole:
      if (first.index != 0) return Damaged("expected fragment 0, found a later one");
      payload_ = first.payload;
      offset_ += kHead + first.bytes;
      break;
    case kFirst: {
      const Outcome joined = JoinFragments(first);
      if (joined != Outcome::kRecord) return joined;
      break;
    }
    case kSegmentHeaderType:
      return TakeSegmentHeader(first);
    case kEndMarkType:
      offset_ += kHead + first.bytes;
      intact_end_ = offset_;
      ended_ = true;
      return Outcome::kEndMark;
    default:
      return Damaged("expected the start of a record, found fragment type " +
                     std::to_string(first.type));
  }
  first_sequence_ = first.first_sequence;
  dense_number_ = first.dense_number;
  intact_end_ = offset_;
  return Outcome::kRecord;
}

WalRecordReader::Outcome WalRecordReader::JoinFragments(const Fragment& first) {
  if (first.index != 0) return Damaged("expected fragment 0, found a later one");
  joined_.assign(first.payload);
  offset_ += kHead + first.bytes;
  for (uint16_t index = 1;; ++index) {
    Fragment next;
    if (!ReadFragment(&next)) return Damaged(detail_);
    if ((next.type != kMiddle && next.type != kLast) || next.index != index ||
        next.dense_number != first.dense_number || next.first_sequence != first.first_sequence) {
      return Damaged("expected fragment " + std::to_string(index) + " of record " +
                     std::to_string(first.dense_number) + ", found type " +
                     std::to_string(next.type) + " of record " + std::to_string(next.dense_number));
    }
    if (joined_.size() + next.bytes > kWalRecordBytesMax) {
      return Damaged("expected a record of at most 68 MiB, found more");
    }
    joined_.append(next.payload);
    synced_offset_ = std::max(synced_offset_, next.synced_offset);
    offset_ += kHead + next.bytes;
    if (next.type == kLast) break;
  }
  payload_ = joined_;
  return Outcome::kRecord;
}

WalRecordReader::Outcome WalRecordReader::TakeSegmentHeader(const Fragment& fragment) {
  Decoder in(fragment.payload);
  uint32_t version = 0, zero = 0;
  in.GetFixed(&version);
  in.GetFixed(&zero);
  in.GetFixed(&segment_header_.previous_log);
  in.GetFixed(&segment_header_.previous_end);
  in.GetFixed(&segment_header_.previous_synced);
  if (!in.ok() || in.remaining() != 0 || version != kVersion || zero != 0 ||
      segment_header_.previous_synced > segment_header_.previous_end) {
    return Damaged("expected a segment header of version 1, found version " +
                   std::to_string(version));
  }
  offset_ += kHead + fragment.bytes;
  intact_end_ = offset_;
  return Outcome::kSegmentHeader;
}

uint64_t WalRecordReader::FindSyncBehindDamage() const {
  // The cheap checks let a chance candidate through about once in 2^60 bytes, so the budget of
  // checksummed bytes is only ever used up by a file made for it.
  size_t budget = 2 * segment_.size() + kWalFragmentBytes;
  for (size_t at = intact_end_ + 1; at + kHead <= segment_.size(); ++at) {
    const char* head = segment_.data() + at;
    const uint64_t synced = LoadLe<uint64_t>(head + 32);
    if (synced <= intact_end_ || synced > at) continue;
    const uint32_t bytes = LoadLe<uint32_t>(head + 8);
    const uint8_t type = static_cast<uint8_t>(head[12]);
    if (type < kWhole || type > kPad || head[13] != 0) continue;
    if (bytes > kWalFragmentBytes || bytes > segment_.size() - at - kHead) continue;
    if (bytes + kHead > budget) return synced;
    budget -= bytes + kHead;
    if (LoadLe<uint64_t>(head) == Checksum(head + 8, kHead - 8 + bytes, seed_)) return synced;
  }
  return 0;
}

}  // namespace lsmlab
