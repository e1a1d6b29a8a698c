#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

// The bit array of a Bloom filter (Bloom 1970) with k probes from one hash by double hashing
// (Kirsch, Mitzenmacher 2006), as `bloom` and `prefix-bloom` write it. Part of their formats. Bit p
// is bit p % 8 of byte p / 8.
namespace lsmlab {

inline constexpr int kMaxBloomProbes = 30;
inline constexpr size_t kMinBloomBytes = 8;

// Positions are computed with 64 bits, so that filters of tens of millions of keys do not saturate.
class BloomPositions {
 public:
  BloomPositions(uint64_t hash, uint64_t bits) noexcept
      : bits_(bits), at_(hash), step_((hash * 0x9e3779b97f4a7c15ull ^ std::rotr(hash, 29)) | 1) {}
  uint64_t Next() noexcept {
    const uint64_t position =
        static_cast<uint64_t>((static_cast<unsigned __int128>(at_) * bits_) >> 64);
    at_ += step_;
    return position;
  }

 private:
  uint64_t bits_, at_, step_;
};

// How many probes err least often.
inline int BloomProbes(double bits_per_hash) noexcept {
  return std::clamp(static_cast<int>(std::lround(bits_per_hash * std::log(2.0))), 1,
                    kMaxBloomProbes);
}

inline void SetBloomBits(char* bits, size_t bytes, int probes, std::span<const uint64_t> hashes) {
  for (const uint64_t hash : hashes) {
    BloomPositions positions(hash, 8 * bytes);
    for (int i = 0; i < probes; ++i) {
      const uint64_t p = positions.Next();
      bits[p >> 3] = static_cast<char>(bits[p >> 3] | 1 << (p & 7));
    }
  }
}

inline bool TestBloomBits(const char* bits, size_t bytes, int probes, uint64_t hash) noexcept {
  BloomPositions positions(hash, 8 * bytes);
  for (int i = probes; i > 0; --i) {
    const uint64_t p = positions.Next();
    if ((bits[p >> 3] >> (p & 7) & 1) == 0) return false;
  }
  return true;
}

// The lines of the first two probes: most missing keys need no other.
inline void PrefetchBloomBits(const char* bits, size_t bytes, uint64_t hash) noexcept {
  BloomPositions positions(hash, 8 * bytes);
  __builtin_prefetch(bits + (positions.Next() >> 3));
  __builtin_prefetch(bits + (positions.Next() >> 3));
}

}  // namespace lsmlab
