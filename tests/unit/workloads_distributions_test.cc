#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "workloads/distributions/acknowledged_counter.h"
#include "workloads/distributions/exponential.h"
#include "workloads/distributions/fnv.h"
#include "workloads/distributions/histogram.h"
#include "workloads/distributions/hotspot.h"
#include "workloads/distributions/latest.h"
#include "workloads/distributions/scrambled_zipfian.h"
#include "workloads/distributions/sequential.h"
#include "workloads/distributions/uniform.h"
#include "workloads/distributions/zeta.h"
#include "workloads/distributions/zipfian.h"

namespace lsmlab::workloads {
namespace {

// Sum of (observed - expected)^2 / expected. For k degrees of freedom its mean is k and its
// deviation sqrt(2k); five deviations above mean that something is wrong.
double ChiSquare(const std::vector<uint64_t>& seen, const std::vector<double>& shares,
                 uint64_t draws) {
  double sum = 0;
  for (size_t i = 0; i < seen.size(); ++i) {
    const double expected = shares[i] * static_cast<double>(draws);
    sum += std::pow(static_cast<double>(seen[i]) - expected, 2) / expected;
  }
  return sum;
}
double ChiSquareLimit(size_t cells) {
  const double k = static_cast<double>(cells) - 1;
  return k + 5 * std::sqrt(2 * k);
}

TEST(Fnv, GivesTheNumbersOfTheThreeDialects) {
  EXPECT_EQ(YcsbHash(0), 6284781860667377211u);
  EXPECT_EQ(YcsbHash(1), 8517097267634966620u);
  EXPECT_EQ(YcsbHash(2), 1820151046732198393u);
  EXPECT_EQ(Fnv1a64(0), 12161962213042174405u);
  EXPECT_EQ(Fnv1a64(1), 9929646806074584996u);
  EXPECT_EQ(Fnv1a64(2), 16626593026977353223u);
  EXPECT_EQ(GoYcsbHash(0), 6284781860667377211u);
  EXPECT_EQ(GoYcsbHash(1), 6284782960179005422u);
  EXPECT_EQ(GoYcsbHash(2), 6284784059690633633u);
}

TEST(Zeta, AgreesWithThePlainSum) {
  for (const double theta : {0.2, 0.5, 0.99, 0.999}) {
    double sum = 0;
    for (uint64_t i = 1; i <= 300'000; ++i) {
      sum += std::pow(static_cast<double>(i), -theta);
      if (i == 1 || i == 8 || i == 9 || i == 1000 || i == 1001 || i == 1020 || i == 300'000) {
        EXPECT_NEAR(Zeta(i, theta) / sum, 1, 1e-12) << i << " " << theta;
      }
    }
    EXPECT_NEAR(Zeta(200'000, theta) + ZetaBetween(200'000, 300'000, theta), sum, 1e-9 * sum);
    EXPECT_NEAR(ZetaBetween(299'997, 300'000, theta), 3 * std::pow(299'999.0, -theta), 1e-9);
  }
}

TEST(Zeta, GivesTheConstantThatYcsbWritesDown) {
  EXPECT_NEAR(Zeta(ScrambledZipfianGenerator::kItems, 0.99),
              ScrambledZipfianGenerator::kZetaOfItems, 1e-6);
}

TEST(Zipfian, SharesFollowTheFormula) {
  constexpr uint64_t kItems = 1000, kDraws = 2'000'000;
  for (const double theta : {0.5, 0.99}) {  // A real and an integer power.
    // Inversion: a rank's share is the length of the interval of u that leads to it.
    const double zeta = Zeta(kItems, theta), two = 1 + std::pow(0.5, theta);
    const double eta = (1 - std::pow(2.0 / kItems, 1 - theta)) / (1 - two / zeta);
    const auto start_of = [&](double rank) {
      return (std::pow(rank / kItems, 1 - theta) - 1 + eta) / eta;
    };
    std::vector<double> shares = {1 / zeta, (two - 1) / zeta};
    for (uint64_t r = 2; r < kItems; ++r) {
      const double from = r == 2 ? two / zeta : start_of(static_cast<double>(r));
      shares.push_back(start_of(static_cast<double>(r) + 1) - from);
    }
    Random random(5);
    ZipfianGenerator zipfian(kItems, theta);
    std::vector<uint64_t> seen(kItems, 0);
    for (uint64_t i = 0; i < kDraws; ++i) ++seen.at(zipfian.Next(random));
    EXPECT_LT(ChiSquare(seen, shares, kDraws), ChiSquareLimit(kItems)) << theta;
  }
}

TEST(Zipfian, RanksAreThoseOfTheLibrarysPower) {
  constexpr uint64_t kItems = ScrambledZipfianGenerator::kItems + 1;
  const double zeta = ScrambledZipfianGenerator::kZetaOfItems;
  ZipfianGenerator zipfian(kItems, 0.99, zeta);
  Random random(6), same(6);
  const double alpha = 1 / (1 - 0.99), two = 1 + std::pow(0.5, 0.99);
  const double eta = (1 - std::pow(2.0 / static_cast<double>(kItems), 1 - 0.99)) / (1 - two / zeta);
  for (int i = 0; i < 100'000; ++i) {
    const double u = same.NextDouble();
    const uint64_t rank = zipfian.Next(random);
    if (u * zeta < two) continue;
    const double expected = static_cast<double>(kItems) * std::pow(eta * u - eta + 1, alpha);
    EXPECT_NEAR(static_cast<double>(rank), std::floor(expected), 1 + expected * 1e-12);
  }
}

TEST(Zipfian, GrowsWithItsItems) {
  Random random(7);
  ZipfianGenerator grown(1000, 0.99);
  uint64_t largest = 0, zeros = 0;
  constexpr uint64_t kDraws = 300'000;
  for (uint64_t items = 1000; items <= 2000; ++items) EXPECT_LT(grown.Next(random, items), items);
  for (uint64_t i = 0; i < kDraws; ++i) {
    const uint64_t rank = grown.Next(random, 2000);
    largest = std::max(largest, rank);
    zeros += rank == 0;
  }
  EXPECT_GT(largest, 1900u);
  EXPECT_LT(largest, 2000u);
  EXPECT_NEAR(static_cast<double>(zeros) / kDraws, 1 / Zeta(2000, 0.99), 0.002);
}

TEST(Zipfian, WorksForOneAndTwoItems) {
  Random random(8);
  ZipfianGenerator one(1, 0.99), two(2, 0.5);
  uint64_t ones = 0;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(one.Next(random), 0u);
    ones += two.Next(random);
  }
  EXPECT_GT(ones, 300u);
  EXPECT_LT(ones, 600u);
}

TEST(ScrambledZipfian, HottestNumberGetsYcsbsShareAtEverySize) {
  for (const uint64_t count : {1000ull, 1'000'000ull, 1'000'000'000ull}) {
    Random random(9);
    ScrambledZipfianGenerator scrambled(0, count, 0.99);
    const uint64_t hottest = YcsbHash(0) % count;
    constexpr uint64_t kDraws = 1'000'000;
    uint64_t hits = 0;
    for (uint64_t i = 0; i < kDraws; ++i) hits += scrambled.Next(random) == hottest;
    EXPECT_NEAR(static_cast<double>(hits) / kDraws, 0.0378, 0.0012) << count;
  }
}

TEST(ScrambledZipfian, HottestHundredthGetsTwoFifths) {
  Random random(10);
  constexpr uint64_t kCount = 1'000'000, kDraws = 4'000'000;
  ScrambledZipfianGenerator scrambled(0, kCount, 0.99);
  // The hottest numbers are those of the first ranks; counting observed ones would favour luck.
  std::vector<bool> hot(kCount, false);
  for (uint64_t rank = 0; rank < kCount / 100; ++rank) hot[YcsbHash(rank) % kCount] = true;
  uint64_t hits = 0;
  for (uint64_t i = 0; i < kDraws; ++i) hits += hot[scrambled.Next(random)];
  EXPECT_NEAR(static_cast<double>(hits) / kDraws, 0.39, 0.01);
}

TEST(Uniform, IsFlat) {
  Random random(11);
  UniformGenerator uniform(100, 50);
  std::vector<uint64_t> seen(50, 0);
  for (int i = 0; i < 500'000; ++i) ++seen.at(uniform.Next(random) - 100);
  EXPECT_LT(ChiSquare(seen, std::vector<double>(50, 0.02), 500'000), ChiSquareLimit(50));
}

TEST(Hotspot, HotSetGetsItsShare) {
  Random random(12);
  HotspotGenerator hotspot(1000, 100, 0.2, 0.8);
  std::vector<uint64_t> seen(100, 0);
  std::vector<double> shares(100, 0.2 / 80);
  std::fill_n(shares.begin(), 20, 0.8 / 20);
  for (int i = 0; i < 1'000'000; ++i) ++seen.at(hotspot.Next(random) - 1000);
  EXPECT_LT(ChiSquare(seen, shares, 1'000'000), ChiSquareLimit(100));
}

TEST(Hotspot, AnEmptySetGetsNothing) {
  Random random(13);
  HotspotGenerator no_hot(0, 3, 0.1, 0.8), no_cold(0, 3, 1.0, 0.5);
  for (int i = 0; i < 100; ++i) {
    EXPECT_LT(no_hot.Next(random), 3u);
    EXPECT_LT(no_cold.Next(random), 3u);
  }
}

TEST(Exponential, PercentileFallsInTheRange) {
  Random random(14);
  ExponentialGenerator exponential(95, 1000);
  constexpr int kDraws = 500'000;
  int inside = 0, half = 0;
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t distance = exponential.Next(random);
    inside += distance < 1000;
    half += distance < 500;
  }
  EXPECT_NEAR(static_cast<double>(inside) / kDraws, 0.95, 0.002);
  EXPECT_NEAR(static_cast<double>(half) / kDraws, 1 - std::sqrt(0.05), 0.003);
}

TEST(Latest, PrefersTheNewestAndNeverPicksZero) {
  Random random(15);
  LatestGenerator latest(999, 0.99);
  uint64_t newest = 0, lowest = UINT64_MAX;
  constexpr uint64_t kDraws = 1'000'000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const uint64_t number = latest.Next(random, 999);
    ASSERT_LE(number, 999u);
    newest += number == 999;
    lowest = std::min(lowest, number);
  }
  EXPECT_EQ(lowest, 1u);
  EXPECT_NEAR(static_cast<double>(newest) / kDraws, 1 / Zeta(999, 0.99), 0.002);
}

TEST(Sequential, ThreadsTogetherCoverTheRangeInTurn) {
  Random unused(0);
  SequentialGenerator alone(10, 3, 0, 1);
  for (const uint64_t expected : {10, 11, 12, 10, 11}) EXPECT_EQ(alone.Next(unused), expected);
  std::map<uint64_t, int> seen;
  for (uint64_t t = 0; t < 4; ++t) {
    SequentialGenerator one(0, 10, t, 4);
    for (int i = 0; i < 5; ++i) ++seen[one.Next(unused)];
  }
  EXPECT_EQ(seen.size(), 10u);
  for (const auto& [number, times] : seen) EXPECT_EQ(times, 2) << number;
  SequentialGenerator more_threads(0, 3, 7, 8);
  EXPECT_EQ(more_threads.Next(unused), 1u);
  EXPECT_EQ(more_threads.Next(unused), 0u);
}

TEST(HistogramFile, DrawsAsYcsbDoes) {
  const auto parsed = HistogramGenerator::Parse("BlockSize\t10\n0\t100\n1\t300\n2\t600\n", "h");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value().max(), 20u);
  Random random(16);
  std::map<uint64_t, uint64_t> seen;
  constexpr uint64_t kDraws = 500'000;
  for (uint64_t i = 0; i < kDraws; ++i) ++seen[parsed.value().Next(random)];
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_NEAR(static_cast<double>(seen[10]) / kDraws, 0.101, 0.003);
  EXPECT_NEAR(static_cast<double>(seen[20]) / kDraws, 0.899, 0.003);
}

TEST(HistogramFile, MistakesAreNamed) {
  const auto message = [](const char* text) {
    return std::string(HistogramGenerator::Parse(text, "h.txt").status().message());
  };
  EXPECT_NE(message("Block\t10\n").find("h.txt:1: found \"Block?10\""), std::string::npos);
  EXPECT_NE(message("BlockSize\t10\n1\t5\n").find("h.txt:2:"), std::string::npos);
  EXPECT_NE(message("BlockSize\t10\n0\t5x\n").find("allowed: bucket 0"), std::string::npos);
  EXPECT_NE(message("BlockSize\t10\n0\t0\n").find("at least one bucket"), std::string::npos);
  EXPECT_NE(message("").find("BlockSize"), std::string::npos);
  EXPECT_EQ(HistogramGenerator::Open("no/such/file").status().code(), StatusCode::kIoError);
}

TEST(AcknowledgedCounter, CountsTheUnbrokenHead) {
  AcknowledgedCounter counter(64);
  for (uint64_t i = 0; i < 200; ++i) EXPECT_EQ(counter.Next(), i);
  EXPECT_TRUE(counter.Acknowledge(1));
  EXPECT_EQ(counter.acknowledged(), 0u);
  EXPECT_FALSE(counter.Acknowledge(1));
  EXPECT_TRUE(counter.Acknowledge(0));
  EXPECT_EQ(counter.acknowledged(), 2u);
  EXPECT_FALSE(counter.Acknowledge(0));
  EXPECT_FALSE(counter.Acknowledge(66));  // Beyond the window.
  EXPECT_TRUE(counter.Acknowledge(65));
  EXPECT_FALSE(counter.Acknowledge(200));  // Never handed out.
  for (uint64_t i = 2; i < 65; ++i) EXPECT_TRUE(counter.Acknowledge(i));
  EXPECT_EQ(counter.acknowledged(), 66u);
}

}  // namespace
}  // namespace lsmlab::workloads
