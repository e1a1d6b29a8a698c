#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/base/assert.h"
#include "engine/base/checksum.h"
#include "engine/base/coding.h"
#include "variants/filter/filters.h"

// Ribbon filter (Dillinger and Walzer, "Ribbon filter: practically smaller than Bloom and Xor",
// 2021): a key stands for a linear equation over GF(2), 128 coefficients from a start row on and a
// fingerprint on the right; the filter is a solution, and a key may be contained when its equation
// holds. About 1.05 log2(1/rate) bits per key where Bloom takes 1.44, for a slower build and probe.
//
// The solution has a row per slot and a column per fingerprint bit. It is stored in segments of 128
// rows, a column at a time, so that a probe is one AND and one parity per column and segment. A
// number of columns that is not whole is met by giving the first segments one column less.
//
//   filter  := segment{n}, narrow u32, n u32, columns u8, seed u8, version u8 (1)
//   segment := word u128{columns - 1 in the first `narrow` segments, columns in the others}
//
// Bit i of a word belongs to row i of its segment; stored with the low bytes first.
namespace lsmlab {
namespace {

using Word = unsigned __int128;

constexpr uint64_t kRows = 128;  // of a segment, and coefficients of an equation
constexpr size_t kWordBytes = 16;
constexpr size_t kRibbonTailBytes = 11;
constexpr uint8_t kRibbonVersion = 1;
constexpr uint64_t kMostColumns = 32;
// Rows per key: with fewer, equations of this width contradict each other too often.
constexpr double kRowsPerKey = 1.05;
constexpr int kTriesPerSize = 8;
constexpr uint64_t kFewSegments = 16;

struct RibbonShape {
  uint64_t segments = 0, narrow = 0;
  uint32_t columns = 1;
  uint8_t seed = 0;

  uint64_t starts() const noexcept { return (segments - 1) * kRows + 1; }
  uint32_t ColumnsAt(uint64_t segment) const noexcept { return columns - (segment < narrow); }
  // Words before the segment.
  uint64_t WordAt(uint64_t segment) const noexcept {
    return segment * columns - std::min(segment, narrow);
  }
  uint64_t words() const noexcept { return WordAt(segments); }
};

// A key's equation. REQUIRES: there are segments.
struct Equation {
  Equation(uint64_t hash, const RibbonShape& shape) noexcept {
    const uint64_t mixed = MixSeed(hash, shape.seed);
    start = static_cast<uint64_t>((static_cast<Word>(mixed) * shape.starts()) >> 64);
    const uint64_t low = MixSeed(mixed, 0x5851f42d4c957f2dull);
    const uint64_t high = MixSeed(low, mixed);
    coefficients = (static_cast<Word>(high) << 64 | low) | 1;
    fingerprint = static_cast<uint32_t>(MixSeed(high, low) >> 16);
  }
  uint64_t start;
  Word coefficients;
  uint32_t fingerprint;
};

bool Parity(Word word) noexcept {
  return std::popcount(static_cast<uint64_t>(word) ^ static_cast<uint64_t>(word >> 64)) & 1;
}
int LowestBit(Word word) noexcept {
  const auto low = static_cast<uint64_t>(word);
  return low != 0 ? std::countr_zero(low)
                  : 64 + std::countr_zero(static_cast<uint64_t>(word >> 64));
}
Word LoadWord(const char* data) noexcept {
  Word word;
  std::memcpy(&word, data, kWordBytes);
  return word;
}

// Equations in triangular form: row i has one whose lowest coefficient belongs to row i, or none.
class Band {
 public:
  explicit Band(uint64_t rows) : coefficients_(rows), fingerprints_(rows) {}
  // False: the equation contradicts those before.
  bool Add(const Equation& equation) noexcept {
    uint64_t row = equation.start;
    Word c = equation.coefficients;
    uint32_t f = equation.fingerprint;
    while (c != 0) {
      const int skip = LowestBit(c);
      row += static_cast<uint64_t>(skip);
      c >>= skip;
      if (coefficients_[row] == 0) {
        coefficients_[row] = c;
        fingerprints_[row] = f;
        return true;
      }
      c ^= coefficients_[row];
      f ^= fingerprints_[row];
    }
    return f == 0;
  }
  // Solves from the last row to the first and stores the solution.
  void Solve(const RibbonShape& shape, char* out) const {
    Word columns[kMostColumns] = {};  // the solution's next 128 rows, the nearest in bit 0
    for (uint64_t row = coefficients_.size(); row-- > 0;) {
      for (uint32_t j = 0; j < shape.columns; ++j) {
        const Word below = columns[j] << 1;
        // A row without an equation may be anything: 0.
        const bool bit = coefficients_[row] != 0 &&
                         Parity(below & coefficients_[row]) != ((fingerprints_[row] >> j & 1) != 0);
        columns[j] = below | bit;
      }
      if (row % kRows != 0) continue;
      const uint64_t segment = row / kRows;
      char* at = out + kWordBytes * shape.WordAt(segment);
      for (uint32_t j = 0; j < shape.ColumnsAt(segment); ++j, at += kWordBytes) {
        std::memcpy(at, &columns[j], kWordBytes);
      }
    }
  }

 private:
  std::vector<Word> coefficients_;
  std::vector<uint32_t> fingerprints_;
};

class RibbonBuilder final : public FilterBuilder {
 public:
  RibbonBuilder(double bits_per_key, uint64_t expected_keys) : bits_per_key_(bits_per_key) {
    hashes_.reserve(std::min<uint64_t>(expected_keys, 1u << 24));
  }
  void Add(Slice, uint64_t hash) final { hashes_.push_back(hash); }
  void Finish(std::string& out) final {
    RibbonShape shape;
    const size_t start = out.size();
    if (!hashes_.empty()) {
      const double rows = kRowsPerKey * static_cast<double>(hashes_.size());
      shape.segments = static_cast<uint64_t>(std::ceil(rows / kRows));
      for (int tries = 1; !TrySeed(&shape, out); ++tries) {
        ++shape.seed;
        if (tries % kTriesPerSize == 0) shape.segments += shape.segments / 100 + 1;
      }
    }
    PutFixed32(out, static_cast<uint32_t>(shape.narrow));
    PutFixed32(out, static_cast<uint32_t>(shape.segments));
    out.push_back(static_cast<char>(shape.columns));
    out.push_back(static_cast<char>(shape.seed));
    out.push_back(static_cast<char>(kRibbonVersion));
    LSMLAB_ASSERT(out.size() - start == kWordBytes * shape.words() + kRibbonTailBytes);
    hashes_.clear();
  }

 private:
  // As many columns as the bits pay for. Few keys leave much of their segments empty; they are
  // paid for as if they filled them.
  void ChooseColumns(RibbonShape* shape) const {
    const double keys = shape->segments < kFewSegments
                            ? static_cast<double>(shape->segments * kRows) / kRowsPerKey
                            : static_cast<double>(hashes_.size());
    const auto words = static_cast<uint64_t>(bits_per_key_ * keys / kRows);
    shape->columns = static_cast<uint32_t>(std::min(words / shape->segments + 1, kMostColumns));
    const uint64_t most = shape->columns * shape->segments;
    shape->narrow = most - std::min(words, most);
  }
  bool TrySeed(RibbonShape* shape, std::string& out) const {
    ChooseColumns(shape);
    Band band(shape->segments * kRows);
    for (const uint64_t hash : hashes_) {
      if (!band.Add(Equation(hash, *shape))) return false;
    }
    const size_t start = out.size();
    out.resize(start + kWordBytes * shape->words());
    band.Solve(*shape, out.data() + start);
    return true;
  }

  const double bits_per_key_;
  std::vector<uint64_t> hashes_;
};

RibbonShape ShapeOf(const char* data, size_t size) noexcept {
  const char* tail = data + size - kRibbonTailBytes;
  RibbonShape shape;
  shape.narrow = LoadLe<uint32_t>(tail);
  shape.segments = LoadLe<uint32_t>(tail + 4);
  shape.columns = static_cast<uint8_t>(tail[8]);
  shape.seed = static_cast<uint8_t>(tail[9]);
  return shape;
}

bool MayContainRibbon(const char* data, size_t size, uint64_t hash) {
  const RibbonShape shape = ShapeOf(data, size);
  if (shape.segments == 0) return false;
  const Equation equation(hash, shape);
  const uint64_t segment = equation.start / kRows;
  const auto shift = static_cast<int>(equation.start % kRows);
  const uint32_t columns = shape.ColumnsAt(segment);
  const char* here = data + kWordBytes * shape.WordAt(segment);
  const char* next = data + kWordBytes * shape.WordAt(segment + 1);
  const Word low = equation.coefficients << shift;
  // Starts lie so that a second segment is there wherever the equation reaches into it.
  const Word high = shift == 0 ? 0 : equation.coefficients >> (static_cast<int>(kRows) - shift);
  for (uint32_t j = 0; j < columns; ++j) {
    Word sum = LoadWord(here + kWordBytes * j) & low;
    if (shift != 0) sum ^= LoadWord(next + kWordBytes * j) & high;
    if (Parity(sum) != ((equation.fingerprint >> j & 1) != 0)) return false;
  }
  return true;
}

void PrefetchRibbon(const char* data, size_t size, uint64_t hash) {
  const RibbonShape shape = ShapeOf(data, size);
  if (shape.segments == 0) return;
  const uint64_t segment = Equation(hash, shape).start / kRows;
  const char* from = data + kWordBytes * shape.WordAt(segment);
  // The first columns of both segments decide most probes.
  __builtin_prefetch(from);
  __builtin_prefetch(from + kWordBytes * shape.ColumnsAt(segment));
}

std::unique_ptr<FilterBuilder> MakeRibbon(const SettingBag&, double bits_per_key,
                                          uint64_t expected_keys) {
  return std::make_unique<RibbonBuilder>(bits_per_key, expected_keys);
}

Result<FilterProbe> OpenRibbon(Slice encoded) {
  if (encoded.size() < kRibbonTailBytes) {
    return Status::Corruption("a ribbon filter of at least 11 bytes, found " +
                              std::to_string(encoded.size()));
  }
  const RibbonShape shape = ShapeOf(encoded.data(), encoded.size());
  const auto version = static_cast<uint8_t>(encoded.back());
  if (version != kRibbonVersion || shape.columns < 1 || shape.columns > kMostColumns ||
      shape.narrow > shape.segments) {
    return Status::Corruption("ribbon version 1 with 1 to 32 columns, found version " +
                              std::to_string(version) + " with " + std::to_string(shape.columns));
  }
  if (encoded.size() - kRibbonTailBytes != kWordBytes * shape.words()) {
    return Status::Corruption("a ribbon filter of " + std::to_string(shape.words()) +
                              " words, found " + std::to_string(encoded.size()) + " bytes");
  }
  return FilterProbe{MayContainRibbon, PrefetchRibbon};
}

}  // namespace

const FilterVariant kRibbonFilter = {
    "ribbon",
    "Ribbon filter: a quarter fewer bits than Bloom at the same rate, slower to build and probe",
    {},
    MakeRibbon,
    OpenRibbon};

}  // namespace lsmlab
