#pragma once

#include <cstdint>
#include <string>

#include "engine/base/slice.h"
#include "workloads/ycsb/settings.h"

namespace lsmlab::workloads {

// Turns key numbers into keys.
//
// "ycsb": "user" and a decimal number, padded with zeros to `zeropadding` digits; the number is the
// key number itself (ordered) or its hash in one of three dialects (hashed): Java YCSB, YCSB-cpp
// (no absolute value) and go-ycsb (bytes highest first). Mostly 23 bytes.
// "binary16": 16 bytes, an invertible hash of the number highest byte first and a second hash; key
// order is unrelated to number order, and numbers never collide.
//
// Missing keys have the format, length and range of the others but cannot exist: the hashed ones
// belong to numbers with bit 63 set, which no insert reaches, and in the ycsb format the last digit
// becomes a letter (0 is 'a'), since a hash alone might hit an existing key.
//
// One thread at a time: the key lives in the object until the next call.
class KeyFormat {
 public:
  explicit KeyFormat(const Settings& settings);

  Slice Key(uint64_t number) noexcept {
    return kind_ == KeyFormatKind::kBinary16 ? Binary16(number) : Decimal(Hash(number));
  }
  Slice MissingKey(uint64_t number) noexcept;

  static uint64_t MaxBytes(const Settings& settings);
  // Stands for everything that decides how numbers become keys; for digests.
  uint64_t Fingerprint() const noexcept;

 private:
  uint64_t Hash(uint64_t number) const noexcept;
  Slice Decimal(uint64_t value) noexcept;
  Slice Binary16(uint64_t number) noexcept;

  KeyFormatKind kind_;
  KeyHashKind hash_;
  bool ordered_;
  uint32_t zero_padding_;
  std::string buffer_;
};

}  // namespace lsmlab::workloads
