#include <vector>

#include "engine/base/coding.h"
#include "engine/format/key_prefix.h"
#include "variants/filter/bloom_bits.h"
#include "variants/filter/filters.h"

// A Bloom filter of whole keys and of their first `prefix_bytes` bytes, in one bit array: point
// reads probe the key, iterators whose bounds lie within one prefix probe that. What RocksDB calls
// a prefix filter with whole-key filtering.
//
//   filter := bit array u8{n}, prefix_bytes u16, k u8, version u8 (1)        n >= 8
//
// The bits are shared out per key, so every prefix takes from the rate of the keys; with few keys
// per prefix as many bits as for that many more keys are the fair comparison to `bloom`.
namespace lsmlab {
namespace {

constexpr size_t kPrefixTailBytes = 4;
constexpr uint8_t kPrefixVersion = 1;

class PrefixBloomBuilder final : public FilterBuilder {
 public:
  PrefixBloomBuilder(double bits_per_key, uint64_t expected_keys, size_t prefix_bytes)
      : bits_per_key_(bits_per_key), prefix_bytes_(prefix_bytes) {
    hashes_.reserve(std::min<uint64_t>(expected_keys, 1u << 24));
  }
  void Add(Slice user_key, uint64_t hash) final {
    ++keys_;
    hashes_.push_back(hash);
    if (prefix_bytes_ == 0 || user_key.size() < prefix_bytes_) return;
    const Slice prefix = user_key.substr(0, prefix_bytes_);
    if (has_prefix_ && prefix == Slice(last_prefix_)) return;
    has_prefix_ = true;
    last_prefix_.assign(prefix);
    hashes_.push_back(PrefixHash(prefix));
  }
  void Finish(std::string& out) final {
    const double wanted = std::ceil(bits_per_key_ * static_cast<double>(keys_) / 8);
    const size_t bytes = std::max(static_cast<size_t>(wanted), kMinBloomBytes);
    const size_t hashes = std::max<size_t>(hashes_.size(), 1);
    const int probes =
        BloomProbes(bits_per_key_ * static_cast<double>(keys_) / static_cast<double>(hashes));
    const size_t start = out.size();
    out.resize(start + bytes + kPrefixTailBytes);
    char* bits = out.data() + start;
    SetBloomBits(bits, bytes, probes, hashes_);
    StoreLe<uint16_t>(bits + bytes, static_cast<uint16_t>(prefix_bytes_));
    bits[bytes + 2] = static_cast<char>(probes);
    bits[bytes + 3] = kPrefixVersion;
    hashes_.clear();
    keys_ = 0;
    has_prefix_ = false;
  }

 private:
  const double bits_per_key_;
  const size_t prefix_bytes_;
  uint64_t keys_ = 0;
  bool has_prefix_ = false;
  std::string last_prefix_;
  std::vector<uint64_t> hashes_;
};

bool MayContainKeyOrPrefix(const char* data, size_t size, uint64_t hash) {
  const size_t bytes = size - kPrefixTailBytes;
  return TestBloomBits(data, bytes, static_cast<uint8_t>(data[bytes + 2]), hash);
}

void PrefetchKeyOrPrefix(const char* data, size_t size, uint64_t hash) {
  PrefetchBloomBits(data, size - kPrefixTailBytes, hash);
}

std::unique_ptr<FilterBuilder> MakePrefixBloom(const SettingBag& bag, double bits_per_key,
                                               uint64_t expected_keys) {
  return std::make_unique<PrefixBloomBuilder>(bits_per_key, expected_keys,
                                              static_cast<size_t>(bag.Integer("prefix_bytes")));
}

Result<FilterProbe> OpenPrefixBloom(Slice encoded) {
  if (encoded.size() < kMinBloomBytes + kPrefixTailBytes) {
    return Status::Corruption("a prefix-bloom filter of at least 12 bytes, found " +
                              std::to_string(encoded.size()));
  }
  const int probes = static_cast<uint8_t>(encoded[encoded.size() - 2]);
  const int version = static_cast<uint8_t>(encoded[encoded.size() - 1]);
  if (version != kPrefixVersion || probes < 1 || probes > kMaxBloomProbes) {
    return Status::Corruption("prefix-bloom version 1 with 1 to 30 probes, found version " +
                              std::to_string(version) + " with " + std::to_string(probes));
  }
  return FilterProbe{MayContainKeyOrPrefix, PrefetchKeyOrPrefix};
}

uint32_t PrefixBytesOf(Slice encoded) {
  return LoadLe<uint16_t>(encoded.data() + encoded.size() - kPrefixTailBytes);
}

constexpr SettingSpec kPrefixRows[] = {
    {"prefix_bytes", SettingType::kInteger, "0", 0, 256, "",
     "bytes of a key's prefix, 1 to 256; 0: none is set, which is refused. A walk whose bounds lie "
     "within one prefix skips tables without it; shorter keys are found, but help no walk"},
};

}  // namespace

const FilterVariant kPrefixBloomFilter = {
    "prefix-bloom",  "Bloom filter of keys and of their prefixes, for iterators with bounds",
    kPrefixRows,     MakePrefixBloom,
    OpenPrefixBloom, PrefixBytesOf};

}  // namespace lsmlab
