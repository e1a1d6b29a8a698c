#pragma once

#include <cstdint>

namespace lsmlab::workloads {

constexpr uint64_t kFnvOffset = 0xCBF29CE484222325ull;
constexpr uint64_t kFnvPrime = 1099511628211ull;

// FNV-1a, 64 bit (Fowler, Noll, Vo), over the eight bytes of `v`, lowest byte first. The
// multiplications depend on each other; four zero bytes at the end, which most numbers have, are
// one multiplication by the fourth power of the prime.
inline uint64_t Fnv1a64(uint64_t v) noexcept {
  constexpr uint64_t kPrime4 = kFnvPrime * kFnvPrime * kFnvPrime * kFnvPrime;
  const auto four_bytes = [](uint64_t hash, uint64_t bytes) {
    for (int i = 0; i < 4; ++i) {
      hash = (hash ^ (bytes & 0xff)) * kFnvPrime;
      bytes >>= 8;
    }
    return hash;
  };
  const uint64_t hash = four_bytes(kFnvOffset, v);
  return v >> 32 == 0 ? hash * kPrime4 : four_bytes(hash, v >> 32);
}

// YCSB's hash of a number: FNV-1a taken as a signed integer, then its absolute value. The one
// value without an absolute value (-2^63) stays 2^63 here, where Java keeps it negative.
inline uint64_t YcsbHash(uint64_t v) noexcept {
  const uint64_t hash = Fnv1a64(v);
  return static_cast<int64_t>(hash) < 0 ? 0 - hash : hash;
}

// go-ycsb's: as YCSB's, but the bytes are taken highest first.
inline uint64_t GoYcsbHash(uint64_t v) noexcept { return YcsbHash(__builtin_bswap64(v)); }

}  // namespace lsmlab::workloads
