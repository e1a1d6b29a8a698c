#include "workloads/ycsb/key_format.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "engine/base/checksum.h"
#include "engine/base/random.h"
#include "workloads/distributions/fnv.h"

namespace lsmlab::workloads {
namespace {

constexpr uint64_t kMissingBit = uint64_t{1} << 63;
constexpr uint32_t kMaxDigits = 20;
constexpr uint32_t kPrefixBytes = 4;  // "user"

// Eight decimal digits of v < 10^8 as text, the first in the lowest byte: three steps that each
// split every part in two (4, 2, 1 digits), all parts of a step in one 64-bit word. The factors are
// the reciprocals of 100 and 10, exact for these ranges.
uint64_t EightDigits(uint32_t v) noexcept {
  uint64_t w = v / 10000 | uint64_t{v % 10000} << 32;
  uint64_t q = ((w * 10486) >> 20) & 0x0000007f0000007full;
  w = q | (w - q * 100) << 16;
  q = ((w * 103) >> 10) & 0x000f000f000f000full;
  w = q | (w - q * 10) << 8;
  return w + 0x3030303030303030ull;
}

constexpr auto kPowersOfTen = [] {
  std::array<uint64_t, kMaxDigits> powers{};
  uint64_t power = 1;
  for (uint64_t& p : powers) {
    p = power;
    power *= 10;
  }
  return powers;
}();

uint32_t DigitCount(uint64_t v) noexcept {
  const uint32_t guess = static_cast<uint32_t>(std::bit_width(v | 1)) * 1233 >> 12;
  return guess + (v >= kPowersOfTen[guess]) + (v == 0);
}

// A bijection of 64-bit numbers: the steps of splitmix64, each of them invertible.
uint64_t MixNumber(uint64_t number) noexcept { return Random::SplitMix(number); }

}  // namespace

KeyFormat::KeyFormat(const Settings& settings)
    : kind_(settings.key_format),
      hash_(settings.key_hash),
      ordered_(settings.ordered_inserts),
      zero_padding_(settings.zero_padding),
      buffer_(kPrefixBytes + std::max(kMaxDigits, zero_padding_), '0') {}

uint64_t KeyFormat::MaxBytes(const Settings& settings) {
  if (settings.key_format == KeyFormatKind::kBinary16) return 16;
  return kPrefixBytes + std::max(kMaxDigits, settings.zero_padding);
}

uint64_t KeyFormat::Fingerprint() const noexcept {
  const uint64_t choice = static_cast<uint64_t>(kind_) << 32 | static_cast<uint64_t>(hash_) << 16 |
                          static_cast<uint64_t>(ordered_);
  return MixSeed(choice, zero_padding_);
}

uint64_t KeyFormat::Hash(uint64_t number) const noexcept {
  if (ordered_) return number;
  switch (hash_) {
    case KeyHashKind::kYcsb:
      return YcsbHash(number);
    case KeyHashKind::kYcsbCpp:
      return Fnv1a64(number);
    case KeyHashKind::kGoYcsb:
      return GoYcsbHash(number);
  }
  return number;
}

// All 20 digits are written at the end of the buffer and "user" over the zeros that are too many:
// no branch on the length. A padding above 20 keeps the same place for every key, so the zeros put
// there by the constructor stay.
Slice KeyFormat::Decimal(uint64_t value) noexcept {
  char* const end = buffer_.data() + buffer_.size();
  const uint64_t low = value % 10'000'000'000'000'000ull;
  const uint32_t high = static_cast<uint32_t>(value / 10'000'000'000'000'000ull);
  const uint64_t middle_text = EightDigits(static_cast<uint32_t>(low / 100'000'000));
  const uint64_t low_text = EightDigits(static_cast<uint32_t>(low % 100'000'000));
  const uint32_t high_text = static_cast<uint32_t>(EightDigits(high) >> 32);
  std::memcpy(end - 20, &high_text, 4);
  std::memcpy(end - 16, &middle_text, 8);
  std::memcpy(end - 8, &low_text, 8);
  char* const start = end - std::max(DigitCount(value), zero_padding_) - kPrefixBytes;
  std::memcpy(start, "user", kPrefixBytes);
  return Slice(start, static_cast<size_t>(end - start));
}

Slice KeyFormat::Binary16(uint64_t number) noexcept {
  const uint64_t first = MixNumber(number);
  const uint64_t words[2] = {__builtin_bswap64(first), MixNumber(first)};
  std::memcpy(buffer_.data(), words, sizeof words);
  return Slice(buffer_.data(), sizeof words);
}

Slice KeyFormat::MissingKey(uint64_t number) noexcept {
  if (kind_ == KeyFormatKind::kBinary16) return Binary16(number | kMissingBit);
  const Slice key = Decimal(ordered_ ? number : Hash(number | kMissingBit));
  char& last = buffer_.back();
  last = static_cast<char>(last - '0' + 'a');
  return key;
}

}  // namespace lsmlab::workloads
