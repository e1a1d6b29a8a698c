#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/base/base64.h"
#include "engine/base/histogram.h"
#include "engine/base/random.h"

namespace lsmlab {
namespace {

// Latencies over nine decades, evenly on a logarithmic scale.
std::vector<uint64_t> Samples(uint64_t seed, size_t count) {
  Random random(seed);
  std::vector<uint64_t> samples(count);
  for (uint64_t& s : samples) {
    s = static_cast<uint64_t>(std::pow(10.0, 9 * random.NextDouble()));
  }
  return samples;
}

Histogram Of(const std::vector<uint64_t>& samples) {
  Histogram h;
  for (const uint64_t s : samples) h.Record(s);
  return h;
}

TEST(Histogram, PercentilesAreWithinItsErrorOfTheSortedSamples) {
  std::vector<uint64_t> samples = Samples(1, 200'000);
  const Histogram h = Of(samples);
  std::sort(samples.begin(), samples.end());
  for (const double percent : {0.0, 0.1, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    const double wanted = std::ceil(percent / 100 * static_cast<double>(samples.size()));
    const uint64_t exact = samples[static_cast<size_t>(std::max(wanted, 1.0)) - 1];
    EXPECT_GE(h.Percentile(percent), exact) << percent;
    EXPECT_LE(static_cast<double>(h.Percentile(percent)), static_cast<double>(exact) * 1.008)
        << percent;
  }
  double sum = 0;
  for (const uint64_t s : samples) sum += static_cast<double>(s);
  EXPECT_NEAR(h.mean() / (sum / static_cast<double>(samples.size())), 1, 1e-9);
  EXPECT_EQ(h.min(), samples.front());
  EXPECT_EQ(h.max(), samples.back());
  EXPECT_EQ(h.count(), samples.size());
}

TEST(Histogram, BucketsCoverTheRangeWithoutGaps) {
  Histogram h;
  for (uint64_t v = 1; v < Histogram::kMaxNanos; v += 1 + v / 400) h.Record(v);
  h.Record(Histogram::kMaxNanos);
  uint64_t next = 1, total = 0;
  h.ForEachBucket([&](uint64_t low, uint64_t high, uint64_t count) {
    EXPECT_EQ(low, next);
    EXPECT_LE(high - low, low / 128);
    next = high + 1;
    total += count;
  });
  EXPECT_GT(next, Histogram::kMaxNanos);
  EXPECT_EQ(total, h.count());
}

TEST(Histogram, ValuesOutsideTheRangeAreClamped) {
  Histogram h;
  h.Record(0);
  h.Record(UINT64_MAX);
  EXPECT_EQ(h.min(), Histogram::kMinNanos);
  EXPECT_EQ(h.max(), Histogram::kMaxNanos);
  EXPECT_EQ(h.Percentile(100), Histogram::kMaxNanos);
}

TEST(Histogram, EmptyHasNoFigures) {
  const Histogram h;
  EXPECT_EQ(h.min(), 0u);
  EXPECT_EQ(h.max(), 0u);
  EXPECT_EQ(h.mean(), 0);
  EXPECT_EQ(h.Percentile(99), 0u);
  const auto back = Histogram::Deserialize(h.Serialize());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value(), h);
}

TEST(Histogram, MergingEqualsRecordingTogether) {
  const auto a = Samples(2, 5000), b = Samples(3, 7000);
  std::vector<uint64_t> both = a;
  both.insert(both.end(), b.begin(), b.end());
  Histogram merged = Of(a);
  merged.Merge(Of(b));
  EXPECT_EQ(merged, Of(both));
  merged.Clear();
  EXPECT_EQ(merged, Histogram());
}

TEST(Histogram, SurvivesSerialisation) {
  const Histogram h = Of(Samples(4, 10'000));
  const std::string bytes = h.Serialize();
  const auto back = Histogram::Deserialize(bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value(), h);
}

TEST(Histogram, RefusesDamagedBytes) {
  Histogram small;
  for (const uint64_t v : {5, 5, 700, 90'000}) small.Record(v);
  const std::string good = small.Serialize();
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_FALSE(Histogram::Deserialize(good.substr(0, n)).ok()) << n;
  }
  EXPECT_FALSE(Histogram::Deserialize(good + '\0').ok());
  // Any change of one byte is refused or leads to a histogram that is whole in itself.
  for (size_t i = 0; i < good.size(); ++i) {
    for (int v = 0; v < 256; ++v) {
      std::string bad = good;
      bad[i] = static_cast<char>(v);
      const auto h = Histogram::Deserialize(bad);
      if (!h.ok()) continue;
      uint64_t total = 0;
      h.value().ForEachBucket([&](uint64_t, uint64_t, uint64_t count) { total += count; });
      EXPECT_EQ(total, h.value().count());
    }
  }
}

TEST(Base64, AgreesWithTheStandardsExamples) {
  const std::pair<Slice, Slice> examples[] = {
      {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
      {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : examples) {
    EXPECT_EQ(Base64Encode(bytes), text);
    const auto back = Base64Decode(text);
    ASSERT_TRUE(back.ok()) << text;
    EXPECT_EQ(back.value(), bytes);
  }
}

TEST(Base64, RefusesOtherTexts) {
  for (const Slice text :
       {"Z", "Zg=", "Zg==Zg==", "Z===", "====", "Zh==", "Zm9=", "Zm-v", "Z g="}) {
    EXPECT_FALSE(Base64Decode(text).ok()) << text;
  }
}

TEST(Base64, KeepsEveryByte) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes.push_back(static_cast<char>(i * 7));
  const auto back = Base64Decode(Base64Encode(bytes));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value(), bytes);
}

}  // namespace
}  // namespace lsmlab
