// The searches inside the memtables: vector forms against plain ones, and the filter.

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/random.h"
#include "tests/support/test_scale.h"
#include "variants/memtable/art_node.h"
#include "variants/memtable/btree_search.h"
#include "variants/memtable/memtable_filter.h"

namespace lsmlab::memtable_parts {
namespace {

TEST(CountLess, AgreesWithLowerBoundInEveryForm) {
  Random random(1);
  alignas(64) uint64_t heads[64];
  for (int round = 0; round < 3000; ++round) {
    // Narrow ranges for equal heads; the top bit for signed comparisons gone wrong.
    const int shift = static_cast<int>(random.Below(64));
    for (uint64_t& head : heads) head = random.OneIn(9) ? ~uint64_t{0} : random.Next() >> shift;
    const auto n = static_cast<uint32_t>(round % 65);
    std::sort(heads, heads + n);
    for (int probe = 0; probe < 20; ++probe) {
      uint64_t wanted = random.Next() >> shift;
      if (probe == 0) wanted = 0;
      if (probe == 1) wanted = ~uint64_t{0};
      if (probe >= 10) wanted = heads[random.Below(64)];
      const auto expected =
          static_cast<uint32_t>(std::lower_bound(heads, heads + n, wanted) - heads);
      ASSERT_EQ(CountLessScalar(heads, n, wanted), expected);
      ASSERT_EQ(CountLess(heads, n, wanted), expected);
#if defined(LSMLAB_MEMTABLE_SIMD) && defined(__AVX2__)
      ASSERT_EQ(CountLessAvx2(heads, n, wanted), expected);
#endif
#if defined(LSMLAB_MEMTABLE_AVX512)
      ASSERT_EQ(CountLessAvx512(heads, n, wanted), expected);
#endif
    }
  }
}

TEST(CountLess, StaysInRangeWithoutOrder) {
  Random random(2);
  alignas(64) uint64_t heads[64];
  for (int round = 0; round < 1000; ++round) {
    for (uint64_t& head : heads) head = random.Next();
    for (uint32_t n = 0; n <= 64; ++n) {
      ASSERT_LE(CountLessScalar(heads, n, random.Next()), n);
      ASSERT_LE(CountLess(heads, n, random.Next()), n);
    }
  }
}

TEST(KeyHead, IsTheNextEightBytesPaddedWithZeros) {
  Random random(3);
  for (size_t length = 0; length < 50; ++length) {
    std::string key(length, '\0');
    for (char& byte : key) byte = static_cast<char>(random.Next());
    for (size_t skip = 0; skip < 45; ++skip) {
      uint64_t expected = 0;
      for (size_t i = skip; i < skip + 8; ++i) {
        expected = expected << 8 | (i < length ? static_cast<unsigned char>(key[i]) : 0);
      }
      // A copy without slack, so that the address sanitizer sees a byte too far.
      const std::unique_ptr<char[]> exact(new char[length]);
      std::copy(key.begin(), key.end(), exact.get());
      ASSERT_EQ(KeyHead(Slice(exact.get(), length), skip), expected) << length << " " << skip;
    }
  }
}

TEST(ComparePrefix, ComparesTheFirstBytesPaddedWithZeros) {
  Random random(4);
  for (int round = 0; round < 100'000; ++round) {
    alignas(32) unsigned char prefix[kPrefixBytes];
    for (unsigned char& byte : prefix) byte = static_cast<unsigned char>(random.Below(3) * 127);
    std::string key(reinterpret_cast<char*>(prefix), kPrefixBytes);
    key.resize(random.Below(50), '\x7f');
    if (!key.empty() && random.OneIn(2)) key[random.Below(key.size())] ^= '\x80';
    const auto skip = static_cast<uint32_t>(random.Below(kPrefixBytes + 1));
    std::string padded = key;
    padded.resize(kPrefixBytes, '\0');
    const int expected =
        padded.substr(0, skip).compare(Slice(reinterpret_cast<const char*>(prefix), skip));
    const int got = Target(key, 0).ComparePrefix(prefix, skip);
    ASSERT_EQ(got < 0, expected < 0);
    ASSERT_EQ(got > 0, expected > 0);
    unsigned char other[kPrefixBytes];
    alignas(32) unsigned char start[kPrefixBytes];
    std::copy_n(reinterpret_cast<const unsigned char*>(padded.data()), kPrefixBytes, start);
    std::copy_n(prefix, kPrefixBytes, other);
    ASSERT_EQ(Target::DifferingBytes(start, prefix), Target::DifferingBytesScalar(start, other));
  }
}

TEST(MemtableFilter, NeverTurnsAwayAKeyAlsoWhenItOutgrowsItsFirstSize) {
  for (uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 20, uint64_t{1} << 24}) {
    Arena arena;
    MemtableFilter filter(bytes, arena);
    constexpr uint64_t kKeys = 100'000;
    const auto hash_of = [](uint64_t i) { return KeyHash(Slice(reinterpret_cast<char*>(&i), 8)); };
    for (uint64_t i = 0; i < kKeys; ++i) {
      filter.Add(hash_of(i));
      ASSERT_TRUE(filter.MayContain(hash_of(i)));
    }
    for (uint64_t i = 0; i < kKeys; ++i) ASSERT_TRUE(filter.MayContain(hash_of(i)));
    uint64_t false_positives = 0;
    for (uint64_t i = kKeys; i < 2 * kKeys; ++i) false_positives += filter.MayContain(hash_of(i));
    EXPECT_LT(false_positives, kKeys / 50) << "first sized for " << bytes << " bytes";
  }
}

// A hot key must not push the filter to its next segment.
TEST(MemtableFilter, DoesNotGrowWithVersionsOfOneKey) {
  Arena arena;
  MemtableFilter filter(1, arena);
  const size_t before = arena.used_bytes();
  for (int i = 0; i < 100'000; ++i) filter.Add(KeyHash("hot"));
  EXPECT_EQ(arena.used_bytes(), before);
}

TEST(ArtBytesTest, FindsABytesPlaceAmongThoseThatCount) {
  Random random(test::TestSeed(3));
  for (int round = 0; round < 200; ++round) {
    ArtBytes<32> bytes;
    std::vector<uint8_t> all(256);
    std::iota(all.begin(), all.end(), uint8_t{0});
    for (size_t i = 0; i < 32; ++i) std::swap(all[i], all[i + random.Below(256 - i)]);
    if (round % 2 == 0) std::swap(all[0], *std::find(all.begin(), all.end(), 0));
    for (uint32_t count = 0; count <= 32; ++count) {
      for (uint32_t byte = 0; byte < 256; ++byte) {
        const auto found = static_cast<size_t>(
            std::find(all.begin(), all.begin() + count, static_cast<uint8_t>(byte)) - all.begin());
        ASSERT_EQ(bytes.Matches(static_cast<uint8_t>(byte), count),
                  found < count ? uint32_t{1} << found : 0u)
            << "byte " << byte << " of " << count;
      }
      if (count == 32) break;
      bytes.Set(count, all[count]);
      ASSERT_EQ(bytes.at(count), all[count]);
    }
  }
}

}  // namespace
}  // namespace lsmlab::memtable_parts
