#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/base/slice.h"

namespace lsmlab {

// XXH3-64 of the bytes under a seed. Formats seed with the identity and place of what they protect
// (table id and offset, log number), so that a misplaced but intact piece fails its check.
uint64_t Checksum(Slice bytes, uint64_t seed) noexcept;
uint64_t Checksum(const void* data, size_t size, uint64_t seed) noexcept;

// The one hash of a user key: memtable filters, table filters and hash indexes all use it, so a
// Get hashes once. Part of the filter format: never change it.
uint64_t KeyHash(Slice user_key) noexcept;

// Mixes two words into a seed.
inline uint64_t MixSeed(uint64_t a, uint64_t b) noexcept {
  a ^= b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2);
  a *= 0xff51afd7ed558ccdull;
  return a ^ (a >> 32);
}

}  // namespace lsmlab
