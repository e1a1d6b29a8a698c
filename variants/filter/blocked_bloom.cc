#include "variants/filter/blocked_bloom.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "variants/filter/filters.h"

// Blocked Bloom filter (Putze, Sanders, Singler 2007) in the split form of Impala and Parquet: each
// key sets one bit in each of the eight 64-bit lanes of one cache line, so a probe is one miss and
// one wide test.
//
//   filter := line{n}, version u8 (1)      n = 1 .. 2^32-1
//   line   := lane u64{8}
//
// line = ((hash >> 32) * n) >> 32; the bit of lane j is (low half of the hash * salt j mod 2^32)
// >> 26. The bits are the same whichever code sets or probes them.
namespace lsmlab {
namespace blocked_bloom {
namespace {

constexpr uint32_t kSalts[8] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};

inline uint64_t LaneBit(uint64_t hash, int lane) noexcept {
  return uint64_t{1} << (static_cast<uint32_t>(hash) * kSalts[lane] >> 26);
}

#if defined(__AVX512F__)
// Vector types of the compiler: GCC 12 warns about its own headers when the intrinsics are used.
using Words [[gnu::vector_size(32)]] = uint32_t;
using Lanes [[gnu::vector_size(64)]] = uint64_t;

inline bool Probe512(const uint64_t* line, uint64_t hash) noexcept {
  Words salts;
  Lanes lanes;
  std::memcpy(&salts, kSalts, sizeof salts);
  std::memcpy(&lanes, line, sizeof lanes);
  const Words shifts = salts * static_cast<uint32_t>(hash) >> 26;
  const Lanes bits = (Lanes{} + 1) << __builtin_convertvector(shifts, Lanes);
  const auto missing = reinterpret_cast<__m512i>(bits & ~lanes);
  return _mm512_test_epi64_mask(missing, missing) == 0;
}
#endif

}  // namespace

void AddToLine(uint64_t* line, uint64_t hash) noexcept {
  for (int lane = 0; lane < 8; ++lane) line[lane] |= LaneBit(hash, lane);
}

bool ProbeScalar(const uint64_t* line, uint64_t hash) noexcept {
  for (int lane = 0; lane < 8; ++lane) {
    if ((line[lane] & LaneBit(hash, lane)) == 0) return false;
  }
  return true;
}

bool ProbeWide(const uint64_t* line, uint64_t hash) noexcept {
#if defined(__AVX512F__)
  return Probe512(line, hash);
#else
  return ProbeScalar(line, hash);
#endif
}

}  // namespace blocked_bloom

namespace {

using namespace blocked_bloom;  // NOLINT: the variant's own namespace

constexpr size_t kBlockedTailBytes = 1;
constexpr char kBlockedVersion = 1;
constexpr uint64_t kMaxLines = (uint64_t{1} << 32) - 1;

class BlockedBuilder final : public FilterBuilder {
 public:
  BlockedBuilder(double bits_per_key, uint64_t expected_keys) : bits_per_key_(bits_per_key) {
    hashes_.reserve(std::min<uint64_t>(expected_keys, 1u << 24));
  }
  void Add(Slice, uint64_t hash) final { hashes_.push_back(hash); }
  void Finish(std::string& out) final {
    const double wanted = std::ceil(static_cast<double>(hashes_.size()) * bits_per_key_ / 512);
    const uint64_t n = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, kMaxLines);
    std::vector<uint64_t> lines(n * 8);
    constexpr size_t kAhead = 16;  // lines fetched before they are written
    for (size_t i = 0; i < hashes_.size(); ++i) {
      if (i + kAhead < hashes_.size()) {
        __builtin_prefetch(&lines[8 * LineOf(hashes_[i + kAhead], n)], 1);
      }
      AddToLine(&lines[8 * LineOf(hashes_[i], n)], hashes_[i]);
    }
    out.append(reinterpret_cast<const char*>(lines.data()), lines.size() * 8);
    out.push_back(kBlockedVersion);
    hashes_.clear();
  }

 private:
  const double bits_per_key_;
  std::vector<uint64_t> hashes_;
};

inline const uint64_t* Line(const char* data, size_t size, uint64_t hash) noexcept {
  return reinterpret_cast<const uint64_t*>(data + kLineBytes * LineOf(hash, size / kLineBytes));
}

bool MayContainBlocked(const char* data, size_t size, uint64_t hash) {
  return ProbeWide(Line(data, size, hash), hash);
}

void PrefetchBlocked(const char* data, size_t size, uint64_t hash) {
  __builtin_prefetch(Line(data, size, hash));
}

std::unique_ptr<FilterBuilder> MakeBlocked(const SettingBag&, double bits_per_key,
                                           uint64_t expected_keys) {
  return std::make_unique<BlockedBuilder>(bits_per_key, expected_keys);
}

Result<FilterProbe> OpenBlocked(Slice encoded) {
  const uint64_t lines = encoded.size() / kLineBytes;
  if (encoded.size() % kLineBytes != kBlockedTailBytes || lines == 0 || lines > kMaxLines) {
    return Status::Corruption("a blocked bloom filter of 64 n + 1 bytes, found " +
                              std::to_string(encoded.size()));
  }
  if (encoded.back() != kBlockedVersion) {
    return Status::Corruption("blocked bloom version 1, found " +
                              std::to_string(static_cast<uint8_t>(encoded.back())));
  }
  return FilterProbe{MayContainBlocked, PrefetchBlocked};
}

}  // namespace

const FilterVariant kBlockedBloomFilter = {"blocked-bloom",
                                           "one cache line per key, eight lanes tested at once",
                                           {},
                                           MakeBlocked,
                                           OpenBlocked};

}  // namespace lsmlab
