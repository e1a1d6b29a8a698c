#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "engine/base/coding.h"
#include "variants/filter/filters.h"

// Bloom's filter (Bloom 1970) with k probes from one hash by double hashing (Kirsch, Mitzenmacher
// 2006). Positions are computed with 64 bits, so that filters of tens of millions of keys do not
// saturate.
//
//   filter := bit array u8{n}, k u8, version u8 (1)        n >= 8
//
// Bit p is bit p % 8 of byte p / 8.
namespace lsmlab {
namespace {

constexpr size_t kTailBytes = 2;
constexpr uint8_t kVersion = 1;
constexpr int kMaxProbes = 30;
constexpr size_t kMinBytes = 8;

struct Positions {
  Positions(uint64_t hash, uint64_t bits) noexcept
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

class BloomBuilder final : public FilterBuilder {
 public:
  BloomBuilder(double bits_per_key, uint64_t expected_keys) : bits_per_key_(bits_per_key) {
    hashes_.reserve(std::min<uint64_t>(expected_keys, 1u << 24));
  }
  void Add(Slice, uint64_t hash) final { hashes_.push_back(hash); }
  void Finish(std::string& out) final {
    const auto wanted =
        static_cast<uint64_t>(std::ceil(bits_per_key_ * static_cast<double>(hashes_.size()) / 8));
    const size_t bytes = std::max<size_t>(wanted, kMinBytes);
    const int probes =
        std::clamp(static_cast<int>(std::lround(bits_per_key_ * std::log(2.0))), 1, kMaxProbes);
    const size_t start = out.size();
    out.resize(start + bytes + kTailBytes);
    char* bits = out.data() + start;
    for (uint64_t hash : hashes_) {
      Positions positions(hash, 8 * bytes);
      for (int i = 0; i < probes; ++i) {
        const uint64_t p = positions.Next();
        bits[p >> 3] = static_cast<char>(bits[p >> 3] | 1 << (p & 7));
      }
    }
    bits[bytes] = static_cast<char>(probes);
    bits[bytes + 1] = kVersion;
    hashes_.clear();
  }

 private:
  const double bits_per_key_;
  std::vector<uint64_t> hashes_;
};

bool MayContain(const char* data, size_t size, uint64_t hash) {
  const size_t bytes = size - kTailBytes;
  Positions positions(hash, 8 * bytes);
  for (int i = static_cast<uint8_t>(data[bytes]); i > 0; --i) {
    const uint64_t p = positions.Next();
    if ((data[p >> 3] >> (p & 7) & 1) == 0) return false;
  }
  return true;
}

void Prefetch(const char* data, size_t size, uint64_t hash) {
  Positions positions(hash, 8 * (size - kTailBytes));
  __builtin_prefetch(data + (positions.Next() >> 3));
  __builtin_prefetch(data + (positions.Next() >> 3));
}

std::unique_ptr<FilterBuilder> MakeBloom(const SettingBag&, double bits_per_key,
                                         uint64_t expected_keys) {
  return std::make_unique<BloomBuilder>(bits_per_key, expected_keys);
}

Result<FilterProbe> OpenBloom(Slice encoded) {
  if (encoded.size() < kMinBytes + kTailBytes) {
    return Status::Corruption("a bloom filter of at least 10 bytes, found " +
                              std::to_string(encoded.size()));
  }
  const int probes = static_cast<uint8_t>(encoded[encoded.size() - 2]);
  const int version = static_cast<uint8_t>(encoded[encoded.size() - 1]);
  if (version != kVersion || probes < 1 || probes > kMaxProbes) {
    return Status::Corruption("bloom version 1 with 1 to 30 probes, found version " +
                              std::to_string(version) + " with " + std::to_string(probes));
  }
  return FilterProbe{MayContain, Prefetch};
}

}  // namespace

const FilterVariant kBloomFilter = {
    "bloom", "Bloom filter: fewest bits for its kind, k lines per probe", {}, MakeBloom, OpenBloom};

}  // namespace lsmlab
