#include "variants/memtable/memtable_filter.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "variants/memtable/btree_search.h"

namespace lsmlab::memtable_parts {
namespace {

alignas(32) constexpr uint32_t kMultipliers[8] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                                  0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};

// Keys that a first segment is sized for; at 2 M there are 4 MiB to clear.
constexpr uint64_t kFirstKeysMin = 256;
constexpr uint64_t kFirstKeysMax = 2u << 20;
constexpr uint64_t kFirstKeysUnknown = 64u << 10;

#if defined(LSMLAB_MEMTABLE_AVX512)
__m512i BitsOf(uint64_t hash) noexcept {
  const __m256i product =
      _mm256_mullo_epi32(_mm256_set1_epi32(static_cast<int>(hash)),
                         _mm256_load_si256(reinterpret_cast<const __m256i*>(kMultipliers)));
  const __m512i shift = _mm512_maskz_cvtepu32_epi64(0xff, _mm256_srli_epi32(product, 26));
  return _mm512_maskz_sllv_epi64(0xff, _mm512_set1_epi64(1), shift);
}
#else
uint64_t LaneBit(uint64_t hash, int lane) noexcept {
  return uint64_t{1} << ((static_cast<uint32_t>(hash) * kMultipliers[lane]) >> 26);
}
#endif

}  // namespace

MemtableFilter::MemtableFilter(uint64_t memtable_bytes, Arena& arena)
    : arena_(arena),
      newest_(NewSegment(memtable_bytes == 0 ? kFirstKeysUnknown
                                             : std::clamp(memtable_bytes / kAssumedEntryBytes,
                                                          kFirstKeysMin, kFirstKeysMax),
                         nullptr, arena)) {}

MemtableFilter::Segment* MemtableFilter::NewSegment(uint64_t keys, const Segment* older,
                                                    Arena& arena) {
  const uint64_t line_count = (keys * kBitsPerKey + 511) / 512;
  char* lines = arena.Allocate(line_count * sizeof(Line), alignof(Line));
  std::memset(lines, 0, line_count * sizeof(Line));
  return new (arena.Allocate(sizeof(Segment)))
      Segment{older, reinterpret_cast<Line*>(lines), line_count, keys};
}

void MemtableFilter::Add(uint64_t hash) {
  Segment* segment = newest_.load(std::memory_order_relaxed);
  // Another version of a key is not another key.
  if (Probe(*segment, hash)) return;
  if (segment->keys_left == 0) [[unlikely]] {
    const uint64_t keys = segment->line_count * 512 / kBitsPerKey;
    segment = NewSegment(2 * keys, segment, arena_);
    newest_.store(segment, std::memory_order_release);
  }
  --segment->keys_left;
  uint64_t* lanes = segment->lines[LineOf(*segment, hash)].lanes;
#if defined(LSMLAB_MEMTABLE_AVX512)
  // Readers may see some lanes and not others: then they miss a key not yet in the tree.
  _mm512_store_si512(lanes, _mm512_or_si512(_mm512_load_si512(lanes), BitsOf(hash)));
#else
  for (int i = 0; i < 8; ++i) {
    StoreRelaxed(lanes[i], lanes[i] | LaneBit(hash, i));
  }
#endif
}

bool MemtableFilter::Probe(const Segment& segment, uint64_t hash) noexcept {
  const uint64_t* lanes = segment.lines[LineOf(segment, hash)].lanes;
#if defined(LSMLAB_MEMTABLE_AVX512)
  const __m512i bits = BitsOf(hash);
  return _mm512_cmpneq_epi64_mask(_mm512_and_si512(_mm512_load_si512(lanes), bits), bits) == 0;
#else
  for (int i = 0; i < 8; ++i) {
    if ((LoadRelaxed(lanes[i]) & LaneBit(hash, i)) == 0) return false;
  }
  return true;
#endif
}

}  // namespace lsmlab::memtable_parts
