#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/base/checksum.h"
#include "engine/base/slice.h"

namespace lsmlab {

// The hash of a key's prefix in a filter, where whole keys have their KeyHash: another one, or a
// short key would be taken for the prefix. Part of the filter format: never change it.
inline uint64_t PrefixHash(Slice prefix) noexcept {
  return KeyHash(prefix) * 0xd6e8feb86659fd93ull ^ 0x2545f4914f6cdd1dull;
}

// Whether every key in [lower, upper) begins with the first `bytes` bytes of `lower`. Empty
// `upper`: unbounded, so false. Any thread; does not allocate.
inline bool ShareKeyPrefix(Slice lower, Slice upper, size_t bytes) noexcept {
  if (bytes == 0 || lower.size() < bytes || upper.empty()) return false;
  const Slice prefix = lower.substr(0, bytes);
  if (upper.starts_with(prefix)) return true;
  // Or `upper` is the first string behind all that begin with the prefix: 0xff at its end dropped,
  // and the byte before one larger.
  size_t n = bytes;
  while (n > 0 && static_cast<uint8_t>(prefix[n - 1]) == 0xff) --n;
  return n > 0 && upper.size() == n && upper.starts_with(prefix.substr(0, n - 1)) &&
         static_cast<uint8_t>(upper[n - 1]) == static_cast<uint8_t>(prefix[n - 1]) + 1;
}

}  // namespace lsmlab
