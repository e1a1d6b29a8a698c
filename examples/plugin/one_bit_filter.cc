// A filter as somebody outside the repository would write it: one bit per key in an array of
// bits_per_key bits per key. One probe, one cache line, and many false positives: at 10 bits one in
// ten, where Bloom's filter with its seven probes errs once in 120. It shows the interface.
//
//   filter := bit array u8{n}, version u8 (1)        n >= 1
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "engine/parts/plugin.h"
#include "lsmlab_contract_hash.h"

namespace {

using lsmlab::Slice;
using lsmlab::Status;

constexpr char kVersion = 1;

// Maps the hash onto [0, bits) by its upper half, without a division.
uint64_t BitOf(uint64_t hash, uint64_t bits) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(hash) * bits >> 64);
}

class Builder final : public lsmlab::FilterBuilder {
 public:
  explicit Builder(double bits_per_key) : bits_per_key_(bits_per_key) {}
  void Add(Slice, uint64_t hash) final { hashes_.push_back(hash); }
  void Finish(std::string& out) final {
    const double wanted = std::ceil(bits_per_key_ * static_cast<double>(hashes_.size()) / 8);
    const auto bytes = std::max<size_t>(static_cast<size_t>(wanted), 1);
    const size_t start = out.size();
    out.resize(start + bytes);
    for (const uint64_t hash : hashes_) {
      const uint64_t bit = BitOf(hash, 8 * bytes);
      out[start + bit / 8] = static_cast<char>(out[start + bit / 8] | 1 << bit % 8);
    }
    out.push_back(kVersion);
    hashes_.clear();
  }

 private:
  const double bits_per_key_;
  std::vector<uint64_t> hashes_;
};

// `data` has passed Open.
bool MayContain(const char* data, size_t size, uint64_t hash) {
  const uint64_t bit = BitOf(hash, 8 * (size - 1));
  return (data[bit / 8] >> bit % 8 & 1) != 0;
}

void Prefetch(const char* data, size_t size, uint64_t hash) {
  __builtin_prefetch(data + BitOf(hash, 8 * (size - 1)) / 8);
}

// Any bytes may come: a damaged file must give an error, never a crash.
lsmlab::Result<lsmlab::FilterProbe> Open(Slice encoded) {
  if (encoded.size() < 2 || encoded.back() != kVersion) {
    return Status::Corruption("a one-bit filter of version 1, found " +
                              std::to_string(encoded.size()) + " other bytes");
  }
  return lsmlab::FilterProbe{MayContain, Prefetch};
}

std::unique_ptr<lsmlab::FilterBuilder> Make(const lsmlab::SettingBag&, double bits_per_key,
                                            uint64_t) {
  return std::make_unique<Builder>(bits_per_key);
}

constexpr lsmlab::FilterVariant kOneBit = {
    "one-bit", "one bit per key: one probe, one line", {}, Make, Open};
constexpr const lsmlab::FilterVariant* kFilters[] = {&kOneBit};

const lsmlab::Plugin kPlugin = {
    .identity = lsmlab::CompiledIdentity(LSMLAB_CONTRACT_HASH),
    .name = "one-bit filter",
    .filters = kFilters,
};

}  // namespace

LSMLAB_EXPORT_PLUGIN(kPlugin)
