#include "workloads/ycsb/value_pool.h"

#include <algorithm>
#include <cmath>

#include "engine/base/checksum.h"
#include "engine/base/coding.h"

namespace lsmlab::workloads {
namespace {

constexpr uint64_t kPoolBytes = 1 << 20;
constexpr uint64_t kMaxSlicedRecord = 64 << 10;  // Above it, copying fields costs as writing does.
constexpr uint64_t kPoolSeed =
    0x6c736d6c61622d76;  // The pool is part of the workload, not the run.

// Bytes LZ4's block format spends beside the literals on one literal run and one match: token,
// offset, and length bytes of runs that do not fit the token.
uint64_t Lz4Overhead(uint64_t literals, uint64_t match) {
  uint64_t bytes = 3;
  if (literals >= 15) bytes += 1 + (literals - 15) / 255;
  if (match >= 19) bytes += 1 + (match - 19) / 255;
  return bytes;
}

// Makes the bytes of a span of the pool: a slot, or the whole of it. With an aim, the span is cut
// into equal units of random bytes and a run of one byte. Each unit has a byte of its own: with the
// same one LZ4 would match a run against the one before, which a slice may have cut short, and
// need two matches for every run from there on.
class Filler {
 public:
  Filler(double compressibility, uint64_t span_bytes)
      : random_(kPoolSeed), printable_(compressibility == 0), unit_bytes_(span_bytes) {
    literal_bytes_ = unit_bytes_;
    if (compressibility <= 1) return;
    const double wanted = std::max(64.0, 16 * compressibility);
    const double units = std::max(1.0, std::floor(static_cast<double>(span_bytes) / wanted));
    unit_bytes_ = static_cast<uint64_t>(std::ceil(static_cast<double>(span_bytes) / units));
    literal_bytes_ = unit_bytes_;
    const double aim = static_cast<double>(unit_bytes_) / compressibility;
    while (literal_bytes_ > 0 && CompressedBytes() > aim) --literal_bytes_;
  }

  // `at` is the position in the span. REQUIRES: called for rising positions of each span.
  char Next(uint64_t at) {
    at %= unit_bytes_;
    const uint64_t draw = at <= literal_bytes_ ? random_.Next() >> 32 : run_byte_;
    if (at == literal_bytes_) run_byte_ = draw;
    return static_cast<char>(printable_ ? ' ' + (draw & 63) : draw);
  }

 private:
  // The first byte of a run is a literal too: the match repeats it.
  double CompressedBytes() const {
    const uint64_t run = unit_bytes_ - literal_bytes_;
    if (run < 5) return static_cast<double>(unit_bytes_);  // The shortest match is 4 bytes.
    return static_cast<double>(literal_bytes_ + 1 + Lz4Overhead(literal_bytes_ + 1, run - 1));
  }

  Random random_;
  bool printable_;
  uint64_t unit_bytes_;
  uint64_t literal_bytes_;
  uint64_t run_byte_ = 0;
};

}  // namespace

ValuePool::ValuePool(const Settings& settings) {
  const bool constant = settings.field_length_distribution == LengthDistribution::kConstant;
  const bool has_slots = !settings.raw_value || settings.compressibility > 1;
  if (constant && has_slots && settings.max_record_bytes() > 0 &&
      settings.max_record_bytes() <= kMaxSlicedRecord) {
    record_slots_ = settings.field_count;
    slot_head_bytes_ =
        settings.raw_value ? 0 : static_cast<uint64_t>(VarintLength(settings.field_length));
    FillSlots(settings.field_length);
  } else {
    bytes_.resize(kPoolBytes + settings.max_field_bytes());
  }
  const uint64_t span_bytes = slotted() ? slot_bytes_ : bytes_.size();
  Filler filler(settings.compressibility, span_bytes);
  for (uint64_t i = 0; i < bytes_.size(); ++i) {
    const uint64_t at = i % span_bytes;
    const char byte = filler.Next(at);
    if (at >= slot_head_bytes_) bytes_[i] = byte;
  }
  fingerprint_ = Checksum(bytes_, slot_bytes_);
}

// Lays out the lengths of all slots; the bytes between them are filled afterwards.
void ValuePool::FillSlots(uint64_t field_bytes) {
  slot_bytes_ = slot_head_bytes_ + field_bytes;
  slot_count_ = kPoolBytes / slot_bytes_ + record_slots_;
  bytes_.resize(slot_count_ * slot_bytes_);
  for (uint64_t slot = 0; slot_head_bytes_ > 0 && slot < slot_count_; ++slot) {
    EncodeVarint64(bytes_.data() + slot * slot_bytes_, field_bytes);
  }
}

Slice ValueSource::Field(uint64_t* token) {
  if (pool_.slotted()) return pool_.SlotField(random_, token);
  return pool_.Raw(random_, lengths_.Next(random_), token);
}

Slice ValueSource::Record(uint64_t* token) {
  if (pool_.slotted()) return pool_.SlotRecord(random_, token);
  return settings_.raw_value ? Field(token) : Encoded(token);
}

Slice ValueSource::Encoded(uint64_t* token) {
  buffer_.clear();
  *token = 0;
  for (uint32_t i = 0; i < settings_.field_count; ++i) {
    uint64_t place;
    const Slice field = pool_.Raw(random_, lengths_.Next(random_), &place);
    PutLengthPrefixed(buffer_, field);
    *token = MixSeed(*token, MixSeed(place, field.size()));
  }
  return buffer_;
}

}  // namespace lsmlab::workloads
