// What every filter must do (engine/parts/filter.h): no false negative, ever; false positives as
// often as theory says; untrusted bytes are refused or safe to probe.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/random.h"
#include "engine/format/aligned_bytes.h"
#include "tests/support/registered.h"
#include "variants/filter/blocked_bloom.h"
#include "variants/filter/filters.h"

namespace lsmlab {
namespace {

class OpenedFilter {
 public:
  OpenedFilter(const FilterVariant& variant, Slice encoded)
      : bytes_(encoded.size()), size_(encoded.size()) {
    std::memcpy(bytes_.data(), encoded.data(), size_);
    auto probe = variant.open(Slice(bytes_.data(), size_));
    status_ = probe.status();
    if (probe.ok()) probe_ = probe.value();
  }
  const Status& status() const { return status_; }
  bool MayContain(uint64_t hash) const {
    probe_.prefetch(bytes_.data(), size_, hash);
    return probe_.may_contain(bytes_.data(), size_, hash);
  }

 private:
  AlignedBytes bytes_;
  size_t size_;
  FilterProbe probe_;
  Status status_;
};

std::string Encode(const FilterVariant& variant, double bits, size_t count, uint64_t seed) {
  auto builder = variant.make_builder({}, bits, count);
  Random random(seed);
  for (size_t i = 0; i < count; ++i) builder->Add({}, random.Next());
  std::string out = "before";
  builder->Finish(out);
  EXPECT_EQ(out.substr(0, 6), "before");
  return out.substr(6);
}

class FilterConformance : public testing::TestWithParam<const FilterVariant*> {};

TEST_P(FilterConformance, NoFalseNegativeAtAnySize) {
  for (const size_t count : {0, 1, 2, 50, 51, 52, 1000, 100'000}) {
    for (const double bits : {1.0, 3.7, 10.0, 25.5}) {
      const OpenedFilter filter(*GetParam(), Encode(*GetParam(), bits, count, count + 1));
      ASSERT_TRUE(filter.status().ok()) << filter.status().ToString();
      Random random(count + 1);
      for (size_t i = 0; i < count; ++i) ASSERT_TRUE(filter.MayContain(random.Next())) << i;
    }
  }
}

// Probability that a blocked filter of 8 lanes errs: lines hold a Poisson number of keys.
double BlockedTheory(double bits) {
  const double mean = 512 / bits;
  double rate = 0;
  double p = std::exp(-mean);
  for (int keys = 0; keys < 400; ++keys) {
    rate += p * std::pow(1 - std::pow(1 - 1.0 / 64, keys), 8);
    p *= mean / (keys + 1);
  }
  return rate;
}

// 10 bits buy 10 / 1.05 columns; the part of the segments that has one less errs twice as often.
double RibbonTheory() {
  const double columns = 10 / 1.05, whole = std::floor(columns);
  return std::pow(2, -whole) * (1 - (columns - whole) / 2);
}

double Theory(const FilterVariant* variant) {
  if (variant == &kRibbonFilter) return RibbonTheory();
  return variant == &kBloomFilter ? std::pow(1 - std::exp(-0.7), 7) : BlockedTheory(10);
}

TEST_P(FilterConformance, FalsePositivesAsTheorySays) {
  constexpr size_t kKeys = 1'000'000, kProbes = 2'000'000;
  const double theory = Theory(GetParam());
  const OpenedFilter filter(*GetParam(), Encode(*GetParam(), 10, kKeys, 7));
  Random random(8);
  size_t positives = 0;
  for (size_t i = 0; i < kProbes; ++i) positives += filter.MayContain(random.Next());
  const double rate = static_cast<double>(positives) / kProbes;
  EXPECT_NEAR(rate, theory, 0.1 * theory);
  std::printf("%s: %.3f %%, theory %.3f %%\n", std::string(GetParam()->name).c_str(), 100 * rate,
              100 * theory);
}

TEST_P(FilterConformance, FalsePositivesOfRealKeysToo) {
  auto builder = GetParam()->make_builder({}, 10, 0);
  for (int i = 0; i < 200'000; ++i) {
    const std::string key = "user" + std::to_string(1'000'000 + i);
    builder->Add(key, KeyHash(key));
  }
  std::string encoded;
  builder->Finish(encoded);
  const OpenedFilter filter(*GetParam(), encoded);
  int positives = 0;
  for (int i = 0; i < 200'000; ++i) {
    positives += filter.MayContain(KeyHash("user" + std::to_string(5'000'000 + i)));
  }
  EXPECT_GT(positives, 0.75 * Theory(GetParam()) * 200'000);
  EXPECT_LT(positives, 1.25 * Theory(GetParam()) * 200'000 + 300);
}

TEST_P(FilterConformance, BitsPerKeyIsReal) {
  const size_t less = Encode(*GetParam(), 9.5, 100'000, 1).size();
  const size_t more = Encode(*GetParam(), 10.25, 100'000, 1).size();
  EXPECT_NEAR(static_cast<double>(less), 9.5 * 100'000 / 8, 80);
  EXPECT_NEAR(static_cast<double>(more), 10.25 * 100'000 / 8, 80);
}

TEST_P(FilterConformance, HostileBytesAreRefusedOrSafe) {
  const std::string good = Encode(*GetParam(), 10, 40, 1);
  Random random(2);
  for (size_t n = 0; n <= good.size() + 64; ++n) {
    std::string bytes = good;
    bytes.resize(n, '\x01');
    const OpenedFilter filter(*GetParam(), bytes);
    for (int i = 0; filter.status().ok() && i < 100; ++i) (void)filter.MayContain(random.Next());
  }
  for (size_t i = 0; i < good.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(value);
      const OpenedFilter filter(*GetParam(), bytes);
      for (int k = 0; filter.status().ok() && k < 4; ++k) (void)filter.MayContain(random.Next());
    }
  }
  EXPECT_FALSE(OpenedFilter(*GetParam(), "").status().ok());
}

INSTANTIATE_TEST_SUITE_P(Filters, FilterConformance, test::Registered(FilterVariants(), "none"),
                         test::ByVariant());

// A quarter of the bits saved, at the rate that Bloom has measured.
TEST(RibbonFilter, TakesThreeQuartersOfBloomsBits) {
  constexpr size_t kKeys = 1'000'000, kProbes = 1'000'000;
  const auto rate = [](const FilterVariant& variant, const std::string& encoded) {
    const OpenedFilter filter(variant, encoded);
    Random random(8);
    size_t positives = 0;
    for (size_t i = 0; i < kProbes; ++i) positives += filter.MayContain(random.Next());
    return static_cast<double>(positives) / kProbes;
  };
  const std::string bloom = Encode(kBloomFilter, 10, kKeys, 7);
  const std::string ribbon = Encode(kRibbonFilter, 7.45, kKeys, 7);
  EXPECT_LT(static_cast<double>(ribbon.size()), 0.75 * static_cast<double>(bloom.size()));
  const double bloom_rate = rate(kBloomFilter, bloom), ribbon_rate = rate(kRibbonFilter, ribbon);
  EXPECT_LE(ribbon_rate, bloom_rate);
  std::printf("bloom 10 bits %.3f %%, ribbon 7.45 bits %.3f %%\n", 100 * bloom_rate,
              100 * ribbon_rate);
}

TEST(RibbonFilter, GoldenBytes) {
  auto builder = kRibbonFilter.make_builder({}, 8, 0);
  for (uint64_t i = 1; i <= 3; ++i) builder->Add({}, i * 0x9e3779b97f4a7c15ull);
  std::string encoded;
  builder->Finish(encoded);
  // 8 bits for each of the 121 keys that would fill a segment are 7 words.
  ASSERT_EQ(encoded.size(), 7 * 16 + 11u);
  EXPECT_EQ(encoded.substr(7 * 16), std::string("\x01\0\0\0\x01\0\0\0\x08\0\x01", 11));
  EXPECT_EQ(KeyHash(encoded), 7166361180619803850u);
}

TEST(NoFilter, BuildsNothing) {
  EXPECT_EQ(kNoFilter.make_builder({}, 10, 5), nullptr);
  EXPECT_TRUE(kNoFilter.open("").ok());
  EXPECT_EQ(kNoFilter.open("").value().may_contain, nullptr);
  EXPECT_FALSE(kNoFilter.open("x").ok());
}

TEST(BlockedBloom, WideAndScalarProbesAgree) {
  Random random(1);
  alignas(64) uint64_t line[8] = {};
  for (int round = 0; round < 2000; ++round) {
    if (round % 100 == 0) std::memset(line, 0, sizeof line);
    blocked_bloom::AddToLine(line, random.Next());
    for (int i = 0; i < 200; ++i) {
      const uint64_t hash = random.Next();
      ASSERT_EQ(blocked_bloom::ProbeWide(line, hash), blocked_bloom::ProbeScalar(line, hash));
    }
  }
}

TEST(BlockedBloom, GoldenBits) {
  alignas(64) uint64_t line[8] = {};
  blocked_bloom::AddToLine(line, 0x0123456789abcdef);
  constexpr uint32_t kSalts[8] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                  0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};
  for (int lane = 0; lane < 8; ++lane) {
    EXPECT_EQ(line[lane], uint64_t{1} << (0x89abcdefu * kSalts[lane] >> 26)) << lane;
  }
  EXPECT_EQ(blocked_bloom::LineOf(0xffffffffffffffff, 1000), 999u);
  EXPECT_EQ(blocked_bloom::LineOf(0x80000000ffffffff, 1000), 500u);
}

}  // namespace
}  // namespace lsmlab
