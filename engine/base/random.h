#pragma once

#include <cstdint>

namespace lsmlab {

// The one pseudo-random generator of the project: xoshiro256** (Blackman, Vigna 2018), seeded
// through splitmix64. The same seed gives the same stream on every machine. Not thread-safe.
class Random {
 public:
  explicit Random(uint64_t seed) noexcept {
    for (uint64_t& word : state_) word = SplitMix(seed);
  }
  uint64_t Next() noexcept {
    const uint64_t result = Rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = Rotl(state_[3], 45);
    return result;
  }
  // Uniform in [0, n) by multiplication (Lemire); REQUIRES n > 0. Bias below n / 2^64.
  uint64_t Below(uint64_t n) noexcept {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * n) >> 64);
  }
  // Uniform in [0, 1) with 53 bits.
  double NextDouble() noexcept { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  bool OneIn(uint64_t n) noexcept { return Below(n) == 0; }

  static uint64_t SplitMix(uint64_t& state) noexcept {
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }

 private:
  static uint64_t Rotl(uint64_t x, int k) noexcept { return (x << k) | (x >> (64 - k)); }
  uint64_t state_[4];
};

}  // namespace lsmlab
