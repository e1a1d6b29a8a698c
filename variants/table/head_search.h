#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "engine/base/coding.h"
#include "engine/base/slice.h"

// Searches among key heads: the first 4 or 8 bytes of a key after a prefix that all keys share, as
// a big-endian number, so that numbers compare as the bytes do. A shorter key is filled up with
// zeros; equal heads say nothing yet. All variants count the same, whatever the instruction set.
// Heads are immutable while they are searched, so wide loads race with nobody.
namespace lsmlab::table_internal {

inline uint64_t HeadOf8(Slice key, size_t skip) noexcept {
  if (key.size() >= skip + 8) [[likely]] {
    return __builtin_bswap64(LoadLe<uint64_t>(key.data() + skip));
  }
  uint64_t word = 0;
  if (key.size() > skip) std::memcpy(&word, key.data() + skip, key.size() - skip);
  return __builtin_bswap64(word);
}

inline uint32_t HeadOf4(Slice key, size_t skip) noexcept {
  if (key.size() >= skip + 4) [[likely]] {
    return __builtin_bswap32(LoadLe<uint32_t>(key.data() + skip));
  }
  uint32_t word = 0;
  if (key.size() > skip) std::memcpy(&word, key.data() + skip, key.size() - skip);
  return __builtin_bswap32(word);
}

// How the first c bytes of the key compare with a prefix of c bytes: below, at or above 0. A
// shorter key compares as it is. REQUIRES: 8 readable bytes at `prefix`.
inline int CompareWithPrefix(Slice key, const char* prefix, size_t c) noexcept {
  if (c <= 8 && key.size() >= 8) [[likely]] {
    // A call of memcmp for two or three bytes would cost more than the search that follows.
    const uint64_t mask = c == 0 ? 0 : ~uint64_t{0} << (64 - 8 * c);
    const uint64_t a = __builtin_bswap64(LoadLe<uint64_t>(key.data())) & mask;
    const uint64_t b = __builtin_bswap64(LoadLe<uint64_t>(prefix)) & mask;
    return a < b ? -1 : a > b;
  }
  const size_t compared = c < key.size() ? c : key.size();
  return key.substr(0, compared).compare(Slice(prefix, compared));
}

// How many of the n rising heads at `heads` (any alignment) are below q. REQUIRES: 32 readable
// bytes after the last one.
inline size_t CountBelow4(const char* heads, size_t n, uint32_t q) noexcept {
  size_t base = 0;
  while (n > 64) {  // branchless halving down to what a few vectors cover
    const size_t half = n / 2;
    base += LoadLe<uint32_t>(heads + 4 * (base + half - 1)) < q ? half : 0;
    n -= half;
  }
  const char* p = heads + 4 * base;
  size_t below = base;
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  const __m512i wanted = _mm512_set1_epi32(static_cast<int>(q));
  for (size_t i = 0; i < n; i += 16) {
    const size_t left = n - i;
    const __mmask16 live = left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
    const __m512i v = _mm512_maskz_loadu_epi32(live, p + 4 * i);
    below += static_cast<size_t>(
        std::popcount(static_cast<uint32_t>(_mm512_mask_cmplt_epu32_mask(live, v, wanted))));
  }
#elif defined(__AVX2__)
  const __m256i wanted = _mm256_set1_epi32(static_cast<int>(q));
  for (size_t i = 0; i < n; i += 8) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 4 * i));
    const __m256i not_below = _mm256_cmpeq_epi32(_mm256_max_epu32(v, wanted), v);
    uint32_t bits = ~static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(not_below)));
    bits &= n - i >= 8 ? 0xff : (1u << (n - i)) - 1;
    below += static_cast<size_t>(std::popcount(bits));
  }
#else
  for (size_t i = 0; i < n; ++i) below += LoadLe<uint32_t>(p + 4 * i) < q;
#endif
  return below;
}

// As CountBelow4, for heads that rise evenly: guesses by the first and the last one where q stands,
// and widens from there by doubling steps.
inline size_t InterpolateBelow4(const char* heads, size_t n, uint32_t q) noexcept {
  const auto head = [heads](size_t i) { return LoadLe<uint32_t>(heads + 4 * i); };
  if (n == 0 || q <= head(0)) return 0;
  if (q > head(n - 1)) return n;
  const uint64_t span = head(n - 1) - head(0);
  const size_t guess = static_cast<size_t>(uint64_t{q - head(0)} * (n - 1) / span);
  size_t low = 0, high = n - 1;  // head(low) < q <= head(high)
  size_t step = 8;
  if (head(guess) < q) {
    low = guess;
    while (low + step < high && head(low + step) < q) {
      low += step;
      step *= 2;
    }
    if (low + step < high) high = low + step;
  } else {
    high = guess;
    while (low + step < high && head(high - step) >= q) {
      high -= step;
      step *= 2;
    }
    if (low + step < high) low = high - step;
  }
  return low + 1 + CountBelow4(heads + 4 * (low + 1), high - low - 1, q);
}

// How many of the 16 heads at `node` (64-aligned) are below q.
inline size_t CountBelow16x8(const uint64_t* node, uint64_t q) noexcept {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  const __m512i wanted = _mm512_set1_epi64(static_cast<long long>(q));
  const uint32_t low = _mm512_cmplt_epu64_mask(_mm512_load_si512(node), wanted);
  const uint32_t high = _mm512_cmplt_epu64_mask(_mm512_load_si512(node + 8), wanted);
  return static_cast<size_t>(std::popcount(low | high << 8));
#elif defined(__AVX2__)
  const __m256i flip = _mm256_set1_epi64x(INT64_MIN);
  const __m256i wanted = _mm256_xor_si256(_mm256_set1_epi64x(static_cast<long long>(q)), flip);
  size_t below = 0;
  for (size_t i = 0; i < 16; i += 4) {
    const __m256i v = _mm256_load_si256(reinterpret_cast<const __m256i*>(node + i));
    const __m256i is_below = _mm256_cmpgt_epi64(wanted, _mm256_xor_si256(v, flip));
    below += static_cast<size_t>(
        std::popcount(static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(is_below)))));
  }
  return below;
#else
  size_t below = 0;
  for (size_t i = 0; i < 16; ++i) below += node[i] < q;
  return below;
#endif
}

// The common prefix of a and b, in bytes.
inline size_t CommonPrefix(Slice a, Slice b) noexcept {
  const size_t n = a.size() < b.size() ? a.size() : b.size();
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const uint64_t x = LoadLe<uint64_t>(a.data() + i) ^ LoadLe<uint64_t>(b.data() + i);
    if (x != 0) return i + static_cast<size_t>(std::countr_zero(x)) / 8;
  }
  while (i < n && a[i] == b[i]) ++i;
  return i;
}

}  // namespace lsmlab::table_internal
