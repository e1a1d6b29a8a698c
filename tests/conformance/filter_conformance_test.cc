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
#include "engine/format/key_prefix.h"
#include "tests/support/registered.h"
#include "tests/support/test_scale.h"
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
  auto builder = variant.make_builder(DefaultSettings(variant.settings), bits, count);
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

double BloomTheory(double bits) {
  const double probes = std::round(bits * std::log(2.0));
  return std::pow(1 - std::exp(-probes / bits), probes);
}

// At 10 bits; 0: of a variant that these tests do not know.
double Theory(const FilterVariant* variant) {
  if (variant == &kRibbonFilter) return RibbonTheory();
  if (variant == &kBlockedBloomFilter) return BlockedTheory(10);
  return variant == &kBloomFilter || variant == &kPrefixBloomFilter ? BloomTheory(10) : 0;
}

// How often a filter of a million keys errs.
double MeasuredRate(const FilterVariant& variant, double bits, uint64_t probes) {
  const OpenedFilter filter(variant, Encode(variant, bits, 1'000'000, 7));
  Random random(8);
  uint64_t positives = 0;
  for (uint64_t i = 0; i < probes; ++i) positives += filter.MayContain(random.Next());
  return static_cast<double>(positives) / static_cast<double>(probes);
}

TEST_P(FilterConformance, FalsePositivesAsTheorySays) {
  const double theory = Theory(GetParam());
  const double rate = MeasuredRate(*GetParam(), 10, 2'000'000);
  EXPECT_LT(rate, 0.5);
  if (theory == 0) return;
  EXPECT_NEAR(rate, theory, 0.1 * theory);
  std::printf("%s: %.3f %%, theory %.3f %%\n", std::string(GetParam()->name).c_str(), 100 * rate,
              100 * theory);
}

// Within 5 % of what the very structure gives; LSMLAB_TEST_SCALE=10 asks 1e8 times at 16 and 20
// bits, where chance no longer counts.
TEST(FilterRates, OfBloomAndBlockedBloomAreThoseOfTheirStructure) {
  for (const double bits : {5.0, 10.0, 16.0, 20.0}) {
    const uint64_t probes = test::Scaled(10'000'000);
    for (const FilterVariant* variant : {&kBloomFilter, &kBlockedBloomFilter}) {
      const double theory = variant == &kBloomFilter ? BloomTheory(bits) : BlockedTheory(bits);
      const double rate = MeasuredRate(*variant, bits, probes);
      const double noise = 4 * std::sqrt(theory / static_cast<double>(probes));
      EXPECT_NEAR(rate, theory, 0.05 * theory + (test::TestScale() < 10 ? noise : 0));
      std::printf("%s, %g bits: %.5f %%, exact %.5f %% (%+.2f %%)\n",
                  std::string(variant->name).c_str(), bits, 100 * rate, 100 * theory,
                  100 * (rate / theory - 1));
    }
  }
}

TEST_P(FilterConformance, FalsePositivesOfRealKeysToo) {
  auto builder = GetParam()->make_builder(DefaultSettings(GetParam()->settings), 10, 0);
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
  if (Theory(GetParam()) == 0) return;
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
  const std::string bloom = Encode(kBloomFilter, 10, kKeys, 7);
  const std::string ribbon = Encode(kRibbonFilter, 7.45, kKeys, 7);
  EXPECT_LT(static_cast<double>(ribbon.size()), 0.75 * static_cast<double>(bloom.size()));
  const double bloom_rate = MeasuredRate(kBloomFilter, 10, kProbes);
  const double ribbon_rate = MeasuredRate(kRibbonFilter, 7.45, kProbes);
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

TEST(PrefixBloom, KnowsKeysAndPrefixesButTakesNoneForTheOther) {
  SettingBag bag = DefaultSettings(kPrefixBloomFilter.settings);
  bag.Set("prefix_bytes", int64_t{4});
  auto builder = kPrefixBloomFilter.make_builder(bag, 14, 0);
  const auto key = [](int i) { return std::to_string(100'000 + i); };
  builder->Add("abc", KeyHash("abc"));  // too short for a prefix
  for (int i = 0; i < 10'000; ++i) builder->Add(key(i), KeyHash(key(i)));
  std::string encoded;
  builder->Finish(encoded);
  const OpenedFilter filter(kPrefixBloomFilter, encoded);
  ASSERT_TRUE(filter.status().ok());
  ASSERT_EQ(kPrefixBloomFilter.prefix_bytes(encoded), 4u);
  EXPECT_TRUE(filter.MayContain(KeyHash("abc")));
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(filter.MayContain(KeyHash(key(i))));
    ASSERT_TRUE(filter.MayContain(PrefixHash(key(i).substr(0, 4))));
  }
  int wrong = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string other = std::to_string(2000 + i);
    wrong += filter.MayContain(PrefixHash(other));
    wrong += filter.MayContain(KeyHash(std::to_string(1000 + i)));  // a prefix, but not a key
  }
  EXPECT_LT(wrong, 20);
}

TEST(KeyPrefix, SharedByEveryKeyOfARangeOrNot) {
  // All strings of up to three of four bytes, the largest among them: every range, every length.
  std::vector<std::string> all = {""};
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].size() == 3) continue;
    for (const char c : {'\0', 'a', 'b', '\xff'}) all.push_back(all[i] + c);
  }
  const auto shared = [&](const std::string& lower, const std::string& upper, size_t n) {
    for (const std::string& key : all) {
      if (key >= lower && key < upper && key.substr(0, n) != lower.substr(0, n)) return false;
    }
    return true;
  };
  size_t yes = 0;
  for (const std::string& lower : all) {
    EXPECT_FALSE(ShareKeyPrefix(lower, "", 1));
    for (const std::string& upper : all) {
      for (const size_t n : {1, 2}) {
        if (upper <= lower || !ShareKeyPrefix(lower, upper, n)) continue;
        ASSERT_GE(lower.size(), n);
        ASSERT_TRUE(shared(lower, upper, n)) << lower << ' ' << upper << ' ' << n;
        ++yes;
      }
    }
  }
  EXPECT_TRUE(ShareKeyPrefix("a\xff", "b", 2));
  EXPECT_TRUE(ShareKeyPrefix("ab", "ac", 2));
  EXPECT_FALSE(ShareKeyPrefix("ab", "ad", 2));
  EXPECT_FALSE(ShareKeyPrefix("\xff", "\xff", 2));
  EXPECT_GT(yes, 1000u);
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
