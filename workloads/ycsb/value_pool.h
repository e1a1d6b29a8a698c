#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/random.h"
#include "workloads/ycsb/length_chooser.h"
#include "workloads/ycsb/settings.h"

namespace lsmlab::workloads {

// About 1 MiB of bytes made once per workload, the same for every seed. Values are slices of it at
// pseudo-random places, so that a value costs one draw and no byte is generated while measuring.
// It is larger than the 64 KiB window of LZ4, so that slices seldom repeat within it.
//
// Contents: without an aim, printable characters with 6 bits of randomness each, as YCSB's (an LZ77
// codec finds nothing in them). With lsmlab.compressibility, units of random bytes followed by a
// run of one byte, sized so that LZ4 needs 1/ratio of the unit. Units fit fields of constant length
// from 64 bytes up; other fields are cut from them anywhere and compress somewhat less.
//
// Records with fields of constant length up to 64 KiB in all are sliced whole: the pool is a row of
// "slots", each an encoded field (length and bytes), and a record is `fieldcount` slots in a row.
// Bare values (rawvalue) are slots without a length when they have an aim, else any slice.
//
// Immutable after construction: any number of threads may read it.
class ValuePool {
 public:
  explicit ValuePool(const Settings& settings);

  bool slotted() const noexcept { return slot_bytes_ != 0; }
  // Any place of the pool, `length` bytes. REQUIRES: length <= the longest field of the settings.
  std::string_view Raw(Random& random, uint64_t length, uint64_t* place) const noexcept {
    *place = random.Below(bytes_.size() - length + 1);
    return std::string_view(bytes_.data() + *place, length);
  }
  // The bytes of one field and a whole record. REQUIRES: slotted().
  std::string_view SlotField(Random& random, uint64_t* place) const noexcept {
    *place = random.Below(slot_count_) * slot_bytes_ + slot_head_bytes_;
    return std::string_view(bytes_.data() + *place, slot_bytes_ - slot_head_bytes_);
  }
  std::string_view SlotRecord(Random& random, uint64_t* place) const noexcept {
    *place = random.Below(slot_count_ - record_slots_ + 1) * slot_bytes_;
    return std::string_view(bytes_.data() + *place, record_slots_ * slot_bytes_);
  }
  uint64_t Fingerprint() const noexcept { return fingerprint_; }

 private:
  void FillSlots(uint64_t field_bytes);

  std::string bytes_;
  uint64_t slot_bytes_ = 0;  // 0 = no slots.
  uint64_t slot_head_bytes_ = 0;
  uint64_t slot_count_ = 0;
  uint64_t record_slots_ = 0;
  uint64_t fingerprint_ = 0;
};

// One stream's values. One thread at a time; slices live until the next call.
class ValueSource {
 public:
  // `pool` and `settings` must outlive it.
  ValueSource(const Settings& settings, const ValuePool& pool, uint64_t seed)
      : settings_(settings),
        pool_(pool),
        lengths_(LengthChooser::ForFields(settings)),
        random_(seed) {}

  // The bytes of one field, and a whole record (encoded as in record.h, or bare with rawvalue).
  // `token` receives a number that says which bytes these are, for the digest.
  Slice Field(uint64_t* token);
  Slice Record(uint64_t* token);

 private:
  Slice Encoded(uint64_t* token);

  const Settings& settings_;
  const ValuePool& pool_;
  LengthChooser lengths_;
  Random random_;
  std::string buffer_;
};

}  // namespace lsmlab::workloads
