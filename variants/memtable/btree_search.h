#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>

#include "engine/base/coding.h"
#include "variants/memtable/record.h"

// Under sanitizers every read of memory that the writer may be changing is a relaxed atomic one, so
// that they see no race; elsewhere such memory is read with SIMD and validated by a version.
#if !defined(LSMLAB_SANITIZED) && defined(__x86_64__)
#include <immintrin.h>
#define LSMLAB_MEMTABLE_SIMD 1
#endif

namespace lsmlab::memtable_parts {

inline constexpr uint32_t kPrefixBytes = 32;

template <typename T>
inline T LoadRelaxed(const T& from) noexcept {
  return std::atomic_ref<T>(const_cast<T&>(from)).load(std::memory_order_relaxed);
}
template <typename T>
inline void StoreRelaxed(T& to, T value) noexcept {
  std::atomic_ref<T>(to).store(value, std::memory_order_relaxed);
}

// CountLess*: how many of the `n` ascending heads are below `head`. For any contents (they may be
// changing) the result is in [0, n]. The vector forms read all 64 slots.
inline uint32_t CountLessScalar(const uint64_t* heads, uint32_t n, uint64_t head) noexcept {
  if (n == 0) return 0;
  const uint64_t* at = heads;
  while (n > 1) {
    const uint32_t half = n / 2;
    at += (LoadRelaxed(at[half - 1]) < head) * half;  // no branch: a coin flip for the predictor
    n -= half;
  }
  return static_cast<uint32_t>(at - heads) + (LoadRelaxed(*at) < head);
}

#if defined(LSMLAB_MEMTABLE_SIMD) && defined(__AVX2__)
inline uint32_t CountLessAvx2(const uint64_t* heads, uint32_t n, uint64_t head) noexcept {
  if (n == 0) return 0;
  // The comparison is signed: flip the top bits of both sides.
  const __m256i flip = _mm256_set1_epi64x(INT64_MIN);
  const __m256i wanted = _mm256_set1_epi64x(static_cast<int64_t>(head ^ (uint64_t{1} << 63)));
  uint64_t less = 0;
  for (int i = 0; i < 16; ++i) {
    const __m256i four = _mm256_load_si256(reinterpret_cast<const __m256i*>(heads) + i);
    const __m256i below = _mm256_cmpgt_epi64(wanted, _mm256_xor_si256(four, flip));
    less |= static_cast<uint64_t>(_mm256_movemask_pd(_mm256_castsi256_pd(below))) << (4 * i);
  }
  return static_cast<uint32_t>(std::popcount(less & (~uint64_t{0} >> (64 - n))));
}
#endif

#if defined(LSMLAB_MEMTABLE_SIMD) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define LSMLAB_MEMTABLE_AVX512 1
inline uint32_t CountLessAvx512(const uint64_t* heads, uint32_t n, uint64_t head) noexcept {
  if (n == 0) return 0;
  const __m512i wanted = _mm512_set1_epi64(static_cast<int64_t>(head));
  uint64_t less = 0;
  for (int i = 0; i < 8; ++i) {
    less |= uint64_t{_mm512_cmplt_epu64_mask(_mm512_load_si512(heads + 8 * i), wanted)} << (8 * i);
  }
  return static_cast<uint32_t>(std::popcount(less & (~uint64_t{0} >> (64 - n))));
}
#endif

inline uint32_t CountLess(const uint64_t* heads, uint32_t n, uint64_t head) noexcept {
#if defined(LSMLAB_MEMTABLE_AVX512)
  return CountLessAvx512(heads, n, head);
#elif defined(LSMLAB_MEMTABLE_SIMD) && defined(__AVX2__)
  return CountLessAvx2(heads, n, head);
#else
  return CountLessScalar(heads, n, head);
#endif
}

// What a search looks for: the place of (key, tag). Borrows the key.
class Target {
 public:
  Target(Slice key, Tag tag) noexcept : key_(key), tag_(tag) {
#if defined(LSMLAB_MEMTABLE_AVX512)
    const size_t n = key.size() < kPrefixBytes ? key.size() : kPrefixBytes;
    const auto mask = static_cast<__mmask32>((uint64_t{1} << n) - 1);
    _mm256_store_si256(reinterpret_cast<__m256i*>(start_),
                       _mm256_maskz_loadu_epi8(mask, key.data()));
#else
    CopyStart();
#endif
  }
  Slice key() const noexcept { return key_; }
  Tag tag() const noexcept { return tag_; }
  uint64_t Head(uint32_t skip) const noexcept { return KeyHead(key_, skip); }

  // The key against the first `skip` bytes of `prefix` (32 bytes, aligned): negative, 0 or
  // positive. A key shorter than `skip` counts as zero-padded, like its head.
  int ComparePrefix(const unsigned char* prefix, uint32_t skip) const noexcept {
    const uint32_t differ =
        DifferingBytes(start_, prefix) & static_cast<uint32_t>((uint64_t{1} << skip) - 1);
    if (differ == 0) [[likely]]
      return 0;
    const int at = std::countr_zero(differ);
    return start_[at] - LoadRelaxed(prefix[at]);
  }
  // Bit i: byte i differs. Plain form of the vector ones below.
  static uint32_t DifferingBytesScalar(const unsigned char* a, const unsigned char* b) noexcept {
    uint32_t differ = 0;
    for (uint32_t i = 0; i < kPrefixBytes; ++i) differ |= uint32_t{a[i] != LoadRelaxed(b[i])} << i;
    return differ;
  }
  static uint32_t DifferingBytes(const unsigned char* a, const unsigned char* b) noexcept {
#if defined(LSMLAB_MEMTABLE_AVX512)
    return _mm256_cmpneq_epi8_mask(_mm256_load_si256(reinterpret_cast<const __m256i*>(a)),
                                   _mm256_load_si256(reinterpret_cast<const __m256i*>(b)));
#elif defined(LSMLAB_MEMTABLE_SIMD)
    const auto* x = reinterpret_cast<const __m128i*>(a);
    const auto* y = reinterpret_cast<const __m128i*>(b);
    const auto low = static_cast<uint32_t>(
        _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128(x), _mm_load_si128(y))));
    const auto high = static_cast<uint32_t>(
        _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128(x + 1), _mm_load_si128(y + 1))));
    return ~(low | high << 16);
#else
    return DifferingBytesScalar(a, b);
#endif
  }

 private:
  // First 32 bytes, zero-padded; pairs of overlapping fixed-size copies instead of a memcpy call.
  void CopyStart() noexcept {
    const size_t n = key_.size();
    const char* from = key_.data();
    if (n >= kPrefixBytes) {
      std::memcpy(start_, from, kPrefixBytes);
      return;
    }
    std::memset(start_, 0, kPrefixBytes);
    if (n >= 16) {
      std::memcpy(start_, from, 16);
      std::memcpy(start_ + n - 16, from + n - 16, 16);
    } else if (n >= 8) {
      std::memcpy(start_, from, 8);
      std::memcpy(start_ + n - 8, from + n - 8, 8);
    } else {
      for (size_t i = 0; i < n; ++i) start_[i] = static_cast<unsigned char>(from[i]);
    }
  }

  alignas(32) unsigned char start_[kPrefixBytes];
  Slice key_;
  Tag tag_;
};

}  // namespace lsmlab::memtable_parts
