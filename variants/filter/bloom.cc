#include <vector>

#include "variants/filter/bloom_bits.h"
#include "variants/filter/filters.h"

// Bloom's filter; see bloom_bits.h.
//
//   filter := bit array u8{n}, k u8, version u8 (1)        n >= 8
namespace lsmlab {
namespace {

constexpr size_t kTailBytes = 2;
constexpr uint8_t kVersion = 1;

class BloomBuilder final : public FilterBuilder {
 public:
  BloomBuilder(double bits_per_key, uint64_t expected_keys) : bits_per_key_(bits_per_key) {
    hashes_.reserve(std::min<uint64_t>(expected_keys, 1u << 24));
  }
  void Add(Slice, uint64_t hash) final { hashes_.push_back(hash); }
  void Finish(std::string& out) final {
    const auto wanted =
        static_cast<uint64_t>(std::ceil(bits_per_key_ * static_cast<double>(hashes_.size()) / 8));
    const size_t bytes = std::max<size_t>(wanted, kMinBloomBytes);
    const int probes = BloomProbes(bits_per_key_);
    const size_t start = out.size();
    out.resize(start + bytes + kTailBytes);
    char* bits = out.data() + start;
    SetBloomBits(bits, bytes, probes, hashes_);
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
  return TestBloomBits(data, bytes, static_cast<uint8_t>(data[bytes]), hash);
}

void Prefetch(const char* data, size_t size, uint64_t hash) {
  PrefetchBloomBits(data, size - kTailBytes, hash);
}

std::unique_ptr<FilterBuilder> MakeBloom(const SettingBag&, double bits_per_key,
                                         uint64_t expected_keys) {
  return std::make_unique<BloomBuilder>(bits_per_key, expected_keys);
}

Result<FilterProbe> OpenBloom(Slice encoded) {
  if (encoded.size() < kMinBloomBytes + kTailBytes) {
    return Status::Corruption("a bloom filter of at least 10 bytes, found " +
                              std::to_string(encoded.size()));
  }
  const int probes = static_cast<uint8_t>(encoded[encoded.size() - 2]);
  const int version = static_cast<uint8_t>(encoded[encoded.size() - 1]);
  if (version != kVersion || probes < 1 || probes > kMaxBloomProbes) {
    return Status::Corruption("bloom version 1 with 1 to 30 probes, found version " +
                              std::to_string(version) + " with " + std::to_string(probes));
  }
  return FilterProbe{MayContain, Prefetch};
}

}  // namespace

const FilterVariant kBloomFilter = {
    "bloom", "Bloom filter: fewest bits for its kind, k lines per probe", {}, MakeBloom, OpenBloom};

}  // namespace lsmlab
