// What every codec must do (engine/parts/codec.h).

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/random.h"
#include "tests/support/registered.h"
#include "variants/codec/codecs.h"

namespace lsmlab {
namespace {

std::string Compressible(size_t size, uint64_t seed) {
  Random random(seed);
  std::string out;
  while (out.size() < size) {
    out += "some words that come again " + std::to_string(random.Below(1000));
  }
  out.resize(size);
  return out;
}

std::string Noise(size_t size, uint64_t seed) {
  Random random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random.Next());
  return out;
}

class CodecConformance : public testing::TestWithParam<const CodecVariant*> {
 protected:
  CodecConformance() {
    SettingBag bag;
    bag.Set("level", int64_t{1});
    codec_ = GetParam()->make(bag);
  }
  std::unique_ptr<Codec> codec_;
};

TEST_P(CodecConformance, RoundTripAppendsAndIsSmaller) {
  EXPECT_EQ(codec_->name(), GetParam()->name);
  for (const size_t size : {300, 1000, 4096, 65'536, 1 << 20}) {
    const std::string raw = Compressible(size, size);
    std::string out = "kept";
    ASSERT_TRUE(codec_->Compress(raw, out)) << size;
    EXPECT_EQ(out.substr(0, 4), "kept");
    EXPECT_LE(out.size() - 4, size - size / 8);
    std::string back(size + 1, '#');
    const Status status = codec_->Decompress(Slice(out).substr(4), back.data(), size);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(back, raw + '#') << "exactly raw_size bytes are written";
  }
}

TEST_P(CodecConformance, WhatDoesNotShrinkIsLeftAlone) {
  for (const size_t size : {0, 1, 7, 100, 4096, 70'000}) {
    std::string out = "kept";
    EXPECT_FALSE(codec_->Compress(Noise(size, size), out)) << size;
    EXPECT_EQ(out, "kept");
  }
}

TEST_P(CodecConformance, AWrongSizeIsCorruption) {
  const std::string raw = Compressible(4096, 1);
  std::string out;
  ASSERT_TRUE(codec_->Compress(raw, out));
  for (const size_t size : {0, 1, 4095, 4097, 10'000}) {
    std::string back(size, '\0');
    EXPECT_TRUE(codec_->Decompress(out, back.data(), size).IsCorruption()) << size;
  }
}

TEST_P(CodecConformance, DamagedBytesNeverOverrun) {
  const std::string raw = Compressible(1000, 2);
  std::string out;
  ASSERT_TRUE(codec_->Compress(raw, out));
  // Of exactly the size, so that the sanitizer sees a byte too many.
  const std::unique_ptr<char[]> back(new char[raw.size()]);
  for (size_t n = 0; n < out.size(); ++n) {
    EXPECT_FALSE(codec_->Decompress(Slice(out).substr(0, n), back.get(), raw.size()).ok()) << n;
  }
  Random random(3);
  for (int round = 0; round < 20'000; ++round) {
    const size_t size = out.size();
    const std::unique_ptr<char[]> damaged(new char[size]);
    std::memcpy(damaged.get(), out.data(), size);
    damaged[random.Below(size)] = static_cast<char>(random.Next());
    (void)codec_->Decompress(Slice(damaged.get(), size), back.get(), raw.size()).ok();
  }
}

std::string DictionaryBlock(uint64_t i) {
  return "{\"name\":\"person " + std::to_string(i * 7919 % 100'000) +
         "\",\"mail\":\"nobody@example.com\",\"city\":\"Lyon\",\"number\":" +
         std::to_string(i * i % 1'000'000) + "}";
}

TEST_P(CodecConformance, DictionariesMakeSmallBlocksSmaller) {
  if (!codec_->takes_dictionaries()) {
    EXPECT_TRUE(codec_->WithDictionary("any").status().IsCorruption());
    return;
  }
  std::vector<std::string> blocks;
  for (uint64_t i = 0; i < 500; ++i) blocks.push_back(DictionaryBlock(i));
  const std::vector<Slice> samples(blocks.begin(), blocks.end());
  const std::string dictionary = codec_->TrainDictionary(samples, 1024);
  EXPECT_GE(dictionary.size(), 256u);
  EXPECT_LE(dictionary.size(), 1024u);
  EXPECT_EQ(codec_->TrainDictionary(samples, 1024), dictionary);
  EXPECT_EQ(codec_->TrainDictionary({}, 1024), "");
  EXPECT_EQ(codec_->TrainDictionary(std::span(samples).first(2), 1024), "");

  auto with = codec_->WithDictionary(dictionary);
  ASSERT_TRUE(with.ok()) << with.status().ToString();
  EXPECT_GE(with.value()->memory_bytes(), dictionary.size());
  size_t plain = 0, smaller = 0;
  for (uint64_t i = 1000; i < 1200; ++i) {
    const std::string raw = DictionaryBlock(i);
    std::string out, alone, back(raw.size(), '\0');
    ASSERT_TRUE(with.value()->Compress(raw, out));
    smaller += out.size();
    plain += codec_->Compress(raw, alone) ? alone.size() : raw.size();
    ASSERT_TRUE(with.value()->Decompress(out, back.data(), raw.size()).ok());
    ASSERT_EQ(back, raw);
    // Whoever lacks the dictionary says so.
    EXPECT_TRUE(codec_->Decompress(out, back.data(), raw.size()).IsCorruption());
  }
  EXPECT_LT(smaller, plain / 2);
}

TEST_P(CodecConformance, OtherBytesAreNoDictionary) {
  if (!codec_->takes_dictionaries()) return;
  std::vector<std::string> blocks;
  for (uint64_t i = 0; i < 500; ++i) blocks.push_back(DictionaryBlock(i));
  const std::vector<Slice> samples(blocks.begin(), blocks.end());
  const std::string dictionary = codec_->TrainDictionary(samples, 1024);
  for (const size_t size : {0, 1, 7, 100, 5000}) {
    EXPECT_TRUE(codec_->WithDictionary(Noise(size, size)).status().IsCorruption()) << size;
  }
  std::string out;
  ASSERT_TRUE(codec_->WithDictionary(dictionary).value()->Compress(blocks[0], out));
  Random random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = dictionary;
    damaged[random.Below(round % 2 == 0 ? 200 : damaged.size())] = static_cast<char>(random.Next());
    if (round % 5 == 0) damaged.resize(random.Below(damaged.size()));
    auto with = codec_->WithDictionary(damaged);
    std::string back(blocks[0].size(), '\0');
    if (with.ok()) (void)with.value()->Decompress(out, back.data(), back.size()).ok();
  }
}

TEST_P(CodecConformance, ManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 200; ++i) {
        const std::string raw = Compressible(2000, 100 * t + i);
        std::string out, back(raw.size(), '\0');
        ASSERT_TRUE(codec_->Compress(raw, out));
        ASSERT_TRUE(codec_->Decompress(out, back.data(), raw.size()).ok());
        ASSERT_EQ(back, raw);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(Codecs, CodecConformance, test::Registered(CodecVariants(), "none"),
                         test::ByVariant());

TEST(CodecIds, AreWhatFilesSay) {
  EXPECT_EQ(kNoCodec.id, 0);
  EXPECT_EQ(kLz4Codec.id, 1);
  EXPECT_EQ(kZstdCodec.id, 2);
  EXPECT_EQ(kNoCodec.make({}), nullptr);
}

}  // namespace
}  // namespace lsmlab
