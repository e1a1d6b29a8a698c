#include "tests/support/checked_value.h"

#include <cstring>

#include "engine/base/checksum.h"
#include "engine/base/coding.h"
#include "engine/base/random.h"

namespace lsmlab::test {
namespace {

constexpr size_t kChecksumOffset = 20;

uint64_t ChecksumOf(Slice value) {
  const uint64_t head = Checksum(value.substr(0, kChecksumOffset), 0);
  return Checksum(value.substr(kCheckedValueHeader), head);
}

}  // namespace

std::string CheckedValue(Slice key, uint64_t operation, size_t length) {
  std::string value(std::max(length, kCheckedValueHeader), '\0');
  StoreLe<uint64_t>(value.data(), operation);
  StoreLe<uint64_t>(value.data() + 8, Checksum(key, 1));
  StoreLe<uint32_t>(value.data() + 16, static_cast<uint32_t>(length));
  uint64_t state = operation;
  // The second half of a compressible value stays zero.
  const size_t filled = operation % 3 == 0 ? value.size() : value.size() / 2;
  for (size_t i = kCheckedValueHeader; i < filled; i += 8) {
    const uint64_t word = Random::SplitMix(state);
    std::memcpy(value.data() + i, &word, std::min<size_t>(8, filled - i));
  }
  StoreLe<uint64_t>(value.data() + kChecksumOffset, ChecksumOf(value));
  value.resize(length);
  return value;
}

std::optional<uint64_t> OperationOf(Slice key, Slice value) {
  if (value.size() < kCheckedValueHeader) return std::nullopt;
  if (LoadLe<uint64_t>(value.data() + 8) != Checksum(key, 1)) return std::nullopt;
  if (LoadLe<uint32_t>(value.data() + 16) != value.size()) return std::nullopt;
  if (LoadLe<uint64_t>(value.data() + kChecksumOffset) != ChecksumOf(value)) return std::nullopt;
  return LoadLe<uint64_t>(value.data());
}

}  // namespace lsmlab::test
