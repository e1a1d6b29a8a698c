#include "engine/base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lsmlab {

uint64_t Checksum(Slice bytes, uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}
uint64_t Checksum(const void* data, size_t size, uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(data, size, seed);
}
uint64_t KeyHash(Slice user_key) noexcept { return XXH3_64bits(user_key.data(), user_key.size()); }

}  // namespace lsmlab
