// The bytes of a table's pieces: golden bytes, and decoders against damaged and hostile ones.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/coding.h"
#include "engine/base/random.h"
#include "engine/format/block_trailer.h"
#include "engine/format/file_writer.h"
#include "engine/format/table_footer.h"
#include "engine/format/table_properties.h"
#include "tests/support/memory_io.h"
#include "variants/table/block_index.h"
#include "variants/table/hashed_block.h"
#include "variants/table/restarts_block.h"
#include "variants/table/slotted_block.h"

namespace lsmlab {
namespace {

using namespace table_internal;  // NOLINT
using test::MemoryIo;

std::string Hex(Slice bytes) {
  std::string out;
  for (const char c : bytes) {
    char text[3];
    std::snprintf(text, sizeof text, "%02x", static_cast<unsigned char>(c));
    out += text;
  }
  return out;
}

constexpr TableId kId{0x0102030405060708, 0x1112131415161718};

TEST(BlockTrailer, GoldenBytes) {
  char trailer[kBlockTrailerBytes];
  EncodeBlockTrailer("payload", BlockTrailer{1, 9}, TableSeed(kId), 4096, trailer);
  EXPECT_EQ(Hex(Slice(trailer, 6)), "010009000000");
  EXPECT_EQ(Hex(Slice(trailer, sizeof trailer)),
            "010009000000"
            "b01ebf63d835ba63");
}

TEST(BlockTrailer, EveryFlippedBitAndEveryOtherPlaceFails) {
  std::string stored = "some payload of a block";
  char trailer[kBlockTrailerBytes];
  EncodeBlockTrailer(stored, BlockTrailer{0, static_cast<uint32_t>(stored.size())}, TableSeed(kId),
                     77, trailer);
  stored.append(trailer, sizeof trailer);
  ASSERT_TRUE(CheckBlockTrailer(stored, TableSeed(kId), 77, "f").ok());
  for (size_t bit = 0; bit < 8 * stored.size(); ++bit) {
    std::string damaged = stored;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    const auto result = CheckBlockTrailer(damaged, TableSeed(kId), 77, "f");
    ASSERT_TRUE(result.status().IsCorruption()) << bit;
  }
  const Status status = CheckBlockTrailer(stored, TableSeed(kId), 78, "dir/f").status();
  EXPECT_TRUE(status.IsCorruption());
  EXPECT_NE(status.ToString().find("dir/f offset 78: expected"), std::string::npos);
  EXPECT_NE(status.ToString().find(", found "), std::string::npos);
  TableId other = kId;
  ++other.low;
  EXPECT_FALSE(CheckBlockTrailer(stored, TableSeed(other), 77, "f").ok());
}

TEST(TableFooter, GoldenBytesAndRoundTrip) {
  TableFooter footer;
  footer.id = kId;
  footer.index = {100, 20};
  footer.filter = {60, 10};
  footer.properties = {140, 30};
  footer.file_size = 4096;
  char bytes[kTableFooterBytes];
  EncodeTableFooter(footer, bytes);
  EXPECT_EQ(Hex(Slice(bytes, 112)),
            "08070605040302011817161514131211"
            "64000000000000001400000000000000"
            "3c000000000000000a00000000000000"
            "8c000000000000001e00000000000000"
            "00100000000000000000000000000000"
            "01000000010000000000000000000000"
            "00000000000000000000000000000000");
  EXPECT_EQ(Slice(bytes + 120, 8), "lsmtable");
  const auto decoded = DecodeTableFooter(Slice(bytes, sizeof bytes), 4096, "f");
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(decoded->id, kId);
  EXPECT_EQ(decoded->properties.offset, 140u);
  for (size_t bit = 0; bit < 8 * sizeof bytes; ++bit) {
    std::string damaged(bytes, sizeof bytes);
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    ASSERT_TRUE(DecodeTableFooter(damaged, 4096, "f").status().IsCorruption()) << bit;
  }
  EXPECT_FALSE(DecodeTableFooter(Slice(bytes, sizeof bytes), 8192, "f").ok());
}

// Damage under a correct checksum: what a hostile writer can do.
TEST(TableFooter, HandlesOutsideTheFileAreRefused) {
  const uint64_t far[] = {3968, 4096, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 13};
  for (const uint64_t word : far) {
    for (int which = 0; which < 6; ++which) {
      TableFooter footer;
      footer.index = footer.filter = footer.properties = {100, 20};
      footer.file_size = 4096;
      BlockHandle* handles[] = {&footer.index, &footer.filter, &footer.properties};
      (which % 2 == 0 ? handles[which / 2]->offset : handles[which / 2]->size) = word;
      char bytes[kTableFooterBytes];
      EncodeTableFooter(footer, bytes);
      EXPECT_TRUE(DecodeTableFooter(Slice(bytes, sizeof bytes), 4096, "f").status().IsCorruption());
    }
  }
  TableFooter future;
  future.file_size = 4096;
  future.mandatory_features = 4;
  char bytes[kTableFooterBytes];
  EncodeTableFooter(future, bytes);
  EXPECT_FALSE(DecodeTableFooter(Slice(bytes, sizeof bytes), 4096, "f").ok());
  future.mandatory_features = 0;
  future.optional_features = 4;
  EncodeTableFooter(future, bytes);
  EXPECT_TRUE(DecodeTableFooter(Slice(bytes, sizeof bytes), 4096, "f").ok());
}

TEST(TableFooter, ADictionaryIsAFeatureThatReadersMustKnow) {
  TableFooter footer;
  footer.dictionary = {100, 20};
  footer.file_size = 4096;
  char bytes[kTableFooterBytes];
  EncodeTableFooter(footer, bytes);
  EXPECT_EQ(Hex(Slice(bytes + 72, 4)), "01000000") << "a mandatory feature";
  EXPECT_EQ(Hex(Slice(bytes + 88, 24)), "64000000000000001400000000000000" + std::string(16, '0'));
  const auto decoded = DecodeTableFooter(Slice(bytes, sizeof bytes), 4096, "f");
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(decoded->dictionary.offset, 100u);
  EXPECT_EQ(decoded->dictionary.size, 20u);
  footer.dictionary = {100, 0};
  footer.mandatory_features = kFeatureDictionary;
  EncodeTableFooter(footer, bytes);
  EXPECT_FALSE(DecodeTableFooter(Slice(bytes, sizeof bytes), 4096, "f").ok());
  footer.dictionary = {100, 4096};
  EncodeTableFooter(footer, bytes);
  EXPECT_FALSE(DecodeTableFooter(Slice(bytes, sizeof bytes), 4096, "f").ok());
}

TableProperties SomeProperties() {
  TableProperties p;
  p.id = kId;
  p.tree = 3;
  p.level = 6;
  p.last_level = true;
  p.entries = 1000;
  p.smallest_key = "a";
  p.largest_key = std::string("z\0z", 3);
  p.smallest_tag = kMaxTag;
  p.created_ns = 1'700'000'000'000'000'000;
  p.filter_variant = "bloom";
  p.filter_bits_per_key = 9.5;
  p.catalog_mark = "mark";
  return p;
}

TEST(TableProperties, RoundTripAndGoldenStart) {
  std::string bytes;
  EncodeTableProperties(SomeProperties(), bytes);
  EXPECT_EQ(Hex(Slice(bytes).substr(0, 23)), "0d0109888e98a8c0e0808101020998aed8a8c1e2848911");
  const auto p = DecodeTableProperties(bytes);
  ASSERT_TRUE(p.ok()) << p.status().ToString();
  EXPECT_EQ(p->id, kId);
  EXPECT_EQ(p->level, 6u);
  EXPECT_TRUE(p->last_level);
  EXPECT_EQ(p->largest_key, std::string("z\0z", 3));
  EXPECT_EQ(p->smallest_tag, kMaxTag);
  EXPECT_EQ(p->created_ns, 1'700'000'000'000'000'000);
  EXPECT_EQ(p->filter_bits_per_key, 9.5);
  std::string again;
  EncodeTableProperties(p.value(), again);
  EXPECT_EQ(again, bytes);
}

TEST(TableProperties, LostDeletesAreNothingThatAReaderMustKnow) {
  TableProperties p;
  p.lost_deletes = true;
  std::string bytes;
  EncodeTableProperties(p, bytes);
  EXPECT_EQ(Hex(bytes), "01ea070101");
  EXPECT_TRUE(DecodeTableProperties(bytes)->lost_deletes);
  p.first_lost_key = "a";
  p.last_lost_key = "b";
  bytes.clear();
  EncodeTableProperties(p, bytes);
  EXPECT_EQ(DecodeTableProperties(bytes)->first_lost_key, "a");
  EXPECT_EQ(DecodeTableProperties(bytes)->last_lost_key, "b");
}

TEST(TableProperties, UnknownFieldsAreIgnoredOnlyWhenOptional) {
  EXPECT_TRUE(DecodeTableProperties(std::string("\x01\xd0\x0f\x02xx", 6)).ok());     // 2000
  EXPECT_FALSE(DecodeTableProperties(std::string("\x01\xe7\x07\x02xx", 6)).ok());    // 999
  EXPECT_FALSE(DecodeTableProperties(std::string("\x01\x03\x02\x80\x00", 5)).ok());  // not shortest
  EXPECT_FALSE(DecodeTableProperties(std::string("\x01\x05\x01\x02", 4)).ok());      // bool of 2
  EXPECT_FALSE(
      DecodeTableProperties(std::string("\x02\x04\x01\x02\x03\x01\x02", 7)).ok());  // order
}

TEST(TableProperties, DamagedBytesGiveAnErrorOrOtherValues) {
  std::string bytes;
  EncodeTableProperties(SomeProperties(), bytes);
  for (size_t n = 0; n < bytes.size(); ++n) {
    ASSERT_FALSE(DecodeTableProperties(Slice(bytes).substr(0, n)).ok()) << n;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(value);
      (void)DecodeTableProperties(damaged).ok();
    }
  }
}

TEST(SlottedBlock, GoldenBytes) {
  SlottedBuilder builder(LayoutOptions{});
  builder.Add("user1", MakeTag(3, EntryKind::kPut), "one");
  builder.Add("user1", MakeTag(2, EntryKind::kDelete), "");
  builder.Add("user27", MakeTag(4, EntryKind::kPut), "two");
  EXPECT_EQ(Hex(builder.Finish()),
            "0300"
            "04"
            "00"
            "55000000"
            "7573657200000000"
            "00000031"
            "00000031"
            "00003732"
            "2400"
            "3500"
            "4300"
            "5500"
            "0103000000000000"
            "05"
            "7573657231"
            "6f6e65"
            "0202000000000000"
            "05"
            "7573657231"
            "0104000000000000"
            "06"
            "757365723237"
            "74776f");
}

TEST(RestartsBlock, GoldenBytes) {
  LayoutOptions options;
  options.restart_interval = 2;
  RestartsBuilder builder(options);
  builder.Add("user1", MakeTag(3, EntryKind::kPut), "one");
  builder.Add("user1", MakeTag(2, EntryKind::kDelete), "");
  builder.Add("user27", MakeTag(4, EntryKind::kPut), "two");
  EXPECT_EQ(Hex(builder.Finish()),
            "000503"
            "0103000000000000"
            "7573657231"
            "6f6e65"
            "050000"
            "0202000000000000"
            "000603"
            "0104000000000000"
            "757365723237"
            "74776f"
            "00000000"
            "1e000000"
            "02000000");
}

TEST(HashedBlock, GoldenBytes) {
  HashedBuilder<SlottedLayout> builder(LayoutOptions{});
  builder.Add("a", MakeTag(3, EntryKind::kPut), "one");
  builder.Add("a", MakeTag(2, EntryKind::kDelete), "");
  builder.Add("b", MakeTag(4, EntryKind::kPut), "two");
  const std::string block(builder.Finish());
  const size_t inner = WithoutHash(block).size();
  EXPECT_TRUE(SlottedLayout::Validate(Slice(block).substr(0, inner)).ok());
  std::string buckets(3, '\xff');
  const uint32_t a = BucketOf(KeyHash("a"), 3), b = BucketOf(KeyHash("b"), 3);
  buckets[a] = 0;
  buckets[b] = static_cast<char>(a == b ? kBucketOfMany : 2);
  EXPECT_EQ(Hex(Slice(block).substr(inner)), Hex(buckets) + "0300");
}

// A key whose versions lie behind several restart points has no place of its own.
TEST(HashedBlock, ManyKeysAndVersionsAreFoundAsWithoutIt) {
  for (const size_t keys : {1, 5, 200, 1000}) {
    HashedBuilder<RestartsLayout> restarts(LayoutOptions{1 << 20, 2});
    HashedBuilder<SlottedLayout> slotted(LayoutOptions{1 << 20, 2});
    for (size_t i = 0; i < 5 * keys; ++i) {
      const std::string key = "key" + std::to_string(1000 + i / 5);
      const Tag tag = MakeTag(10 - i % 5, EntryKind::kPut);
      restarts.Add(key, tag, std::to_string(i));
      slotted.Add(key, tag, std::to_string(i));
    }
    const std::string r(restarts.Finish()), s(slotted.Finish());
    const auto check = [&](const std::string& key, Sequence snapshot, const std::string& expected) {
      const LookupKey lookup(key, snapshot);
      LookupFold a(snapshot), b(snapshot);
      HashedLayout<RestartsLayout>::Search(r.data(), static_cast<uint32_t>(r.size()), lookup, a,
                                           nullptr);
      HashedLayout<SlottedLayout>::Search(s.data(), static_cast<uint32_t>(s.size()), lookup, b,
                                          nullptr);
      ASSERT_EQ(a.value(), expected) << key;
      ASSERT_EQ(b.value(), expected) << key;
    };
    for (size_t k = 0; k < keys; ++k) {
      const std::string key = "key" + std::to_string(1000 + k);
      for (Sequence snapshot = 5; snapshot < 12; ++snapshot) {
        const Sequence seen = std::min<Sequence>(snapshot, 10);
        check(key, snapshot, seen < 6 ? "" : std::to_string(5 * k + 10 - seen));
      }
      check(key + "x", 12, "");
    }
  }
}

template <typename Layout>
std::string SmallBlock(uint64_t seed) {
  Random random(seed);
  LayoutOptions options;
  options.restart_interval = 3;
  typename Layout::Builder builder(options);
  for (int i = 0; i < 12; ++i) {
    const std::string key = "key" + std::to_string(10 + i / 2);
    builder.Add(key, MakeTag(100 - static_cast<uint64_t>(i), EntryKind::kPut),
                std::string(random.Below(9), 'v'));
  }
  return std::string(builder.Finish());
}

// Everything that a reader can do with bytes that Validate has accepted.
template <typename Layout>
void UseBlock(Slice bytes) {
  typename Layout::Cursor cursor;
  cursor.Attach(bytes);
  Entry entry;
  size_t sum = 0;
  const auto touch = [&] {
    for (const char c : entry.key) sum += static_cast<unsigned char>(c);
    for (const char c : entry.value) sum += static_cast<unsigned char>(c);
  };
  for (bool more = cursor.First(entry); more; more = cursor.Next(entry)) touch();
  for (bool more = cursor.Last(entry); more; more = cursor.Prev(entry)) touch();
  for (const char* key : {"", "key10", "key12", "key13x", "zz"}) {
    if (cursor.Seek(key, 50 << 8, entry)) touch();
    if (cursor.SeekBefore(key, 97 << 8, entry)) touch();
    const LookupKey lookup(key, 95);
    LookupFold fold(95);
    Layout::Search(bytes.data(), static_cast<uint32_t>(bytes.size()), lookup, fold, nullptr);
    sum += fold.value().size();
  }
  EXPECT_NE(sum, 1u);
}

// In memory of its own with the 64 spare bytes, so that the sanitizer sees what goes beyond.
template <typename Layout>
void ValidateAndUse(const std::string& bytes) {
  std::unique_ptr<char[]> memory(new char[bytes.size() + 64]());
  std::memcpy(memory.get(), bytes.data(), bytes.size());
  const Slice block(memory.get(), bytes.size());
  if (Layout::Validate(block).ok()) UseBlock<Layout>(block);
}

template <typename Layout>
class HostileBlock : public testing::Test {};
using Layouts = testing::Types<RestartsLayout, SlottedLayout, HashedLayout<RestartsLayout>,
                               HashedLayout<SlottedLayout>>;
TYPED_TEST_SUITE(HostileBlock, Layouts);

TYPED_TEST(HostileBlock, EveryByteOfEveryValue) {
  const std::string block = SmallBlock<TypeParam>(1);
  ASSERT_TRUE(TypeParam::Validate(block).ok()) << TypeParam::Validate(block).ToString();
  for (size_t i = 0; i < block.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = block;
      damaged[i] = static_cast<char>(value);
      ValidateAndUse<TypeParam>(damaged);
    }
  }
}

TYPED_TEST(HostileBlock, EveryLengthAndRandomDamage) {
  const std::string block = SmallBlock<TypeParam>(2);
  for (size_t n = 0; n < block.size(); ++n) {
    ASSERT_FALSE(TypeParam::Validate(Slice(block).substr(0, n)).ok()) << n;
  }
  Random random(3);
  for (int round = 0; round < 50'000; ++round) {
    std::string damaged = block;
    for (uint64_t k = 1 + random.Below(4); k > 0; --k) {
      damaged[random.Below(damaged.size())] = static_cast<char>(random.Next());
    }
    ValidateAndUse<TypeParam>(damaged);
  }
}

TEST(SlottedBlock, BytesAfterTheLastEntryAreRefused) {
  std::string block = SmallBlock<SlottedLayout>(1);
  block.push_back('x');
  StoreLe<uint32_t>(block.data() + 4, static_cast<uint32_t>(block.size()));
  EXPECT_FALSE(SlottedLayout::Validate(block).ok());
}

TEST(RestartsBlock, AValueBeyondTheBlockIsRefused) {
  RestartsBuilder builder(LayoutOptions{});
  builder.Add("key", MakeTag(3, EntryKind::kPut), "value");
  std::string block(builder.Finish());
  block[2] = 6;  // one more than there is: the restart array begins there
  EXPECT_FALSE(RestartsLayout::Validate(block).ok());
}

TEST(BlockIndex, GoldenBytesAndHostileOnes) {
  IndexWriter writer;
  writer.Add(BlockHandle{0, 100}, true, "apple", MakeTag(7, EntryKind::kPut));
  writer.Add(BlockHandle{114, 200}, false, "apple", MakeTag(3, EntryKind::kPut));
  writer.Add(BlockHandle{330, 50}, false, "pear", MakeTag(5, EntryKind::kPut));
  const std::string bytes = writer.Finish();
  EXPECT_EQ(Hex(bytes),
            "03"
            "00"
            "64"
            "01"
            "05"
            "6170706c65"
            "0107000000000000"
            "00"
            "c801"
            "00"
            "05"
            "6170706c65"
            "0103000000000000"
            "02"
            "32"
            "00"
            "04"
            "70656172"
            "0105000000000000");
  const auto index = BlockIndex::Open(bytes, "aardvark", 394);
  ASSERT_TRUE(index.ok()) << index.status().ToString();
  EXPECT_EQ(index->count(), 3u);
  EXPECT_TRUE(index->continues(0));
  EXPECT_EQ(index->handle(1).size, 200u);
  EXPECT_EQ(index->Find("apple", SnapshotTag(8)), 0u);
  EXPECT_EQ(index->Find("apple", SnapshotTag(6)), 1u);
  EXPECT_EQ(index->Find("apple", SnapshotTag(2)), 2u);
  EXPECT_EQ(index->Find("pears", kMaxTag), 3u);
  EXPECT_FALSE(BlockIndex::Open(bytes, "aardvark", 393).ok()) << "a block beyond the data";
  EXPECT_FALSE(BlockIndex::Open(bytes, "b", 394).ok()) << "a separator before the smallest key";
  for (size_t n = 0; n < bytes.size(); ++n) {
    ASSERT_FALSE(BlockIndex::Open(Slice(bytes).substr(0, n), "", 394).ok()) << n;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(value);
      const auto opened = BlockIndex::Open(damaged, "", 394);
      if (!opened.ok()) continue;
      EXPECT_LE(opened->Find("apple", 5), opened->count());
    }
  }
}

TEST(BlockIndex, FindsAsBinarySearchDoesForEverySize) {
  Random random(4);
  for (const size_t count : {1, 2, 15, 16, 17, 31, 255, 256, 257, 300, 4096, 4097, 5000}) {
    for (const int alphabet : {2, 200}) {
      std::vector<std::pair<std::string, Tag>> separators;
      for (size_t i = 0; i < count; ++i) {
        std::string key = "prefix";
        for (uint64_t n = random.Below(14); n > 0; --n) {
          key.push_back(static_cast<char>(random.Below(static_cast<uint64_t>(alphabet)) * 255 /
                                          static_cast<uint64_t>(alphabet - 1)));
        }
        separators.emplace_back(key, MakeTag(random.Below(8), EntryKind::kPut));
      }
      const auto less = [](const auto& a, const auto& b) {
        return CompareEntry(a.first, a.second, b.first, b.second) < 0;
      };
      std::sort(separators.begin(), separators.end(), less);
      separators.erase(std::unique(separators.begin(), separators.end()), separators.end());
      IndexWriter writer;
      for (size_t i = 0; i < separators.size(); ++i) {
        writer.Add(BlockHandle{24 * i, 10}, false, separators[i].first, separators[i].second);
      }
      const auto index = BlockIndex::Open(writer.Finish(), separators[0].first, 1u << 30);
      ASSERT_TRUE(index.ok());
      const auto halved =
          BlockIndex::Open(writer.Finish(), separators[0].first, 1u << 30, IndexSearch::kBinary);
      ASSERT_TRUE(halved.ok());
      for (int probe = 0; probe < 2000; ++probe) {
        auto target = separators[random.Below(separators.size())];
        if (random.OneIn(2)) target.second = MakeTag(random.Below(9), EntryKind::kPut);
        if (random.OneIn(3)) target.first.push_back(static_cast<char>(random.Next()));
        if (random.OneIn(5)) target.first.resize(random.Below(target.first.size() + 1));
        if (random.OneIn(50)) target.first = "zzz";
        const auto expected = std::lower_bound(separators.begin(), separators.end(), target, less);
        ASSERT_EQ(index->Find(target.first, target.second), expected - separators.begin());
        ASSERT_EQ(halved->Find(target.first, target.second), expected - separators.begin());
      }
    }
  }
}

TEST(HeadSearch, CountsAsALoopDoes) {
  Random random(5);
  for (size_t n = 0; n < 300; ++n) {
    std::vector<uint32_t> heads(n + 16);
    for (size_t i = 0; i < n; ++i)
      heads[i] = static_cast<uint32_t>(random.Below(n) << 28 | random.Below(4));
    std::sort(heads.begin(), heads.begin() + static_cast<ptrdiff_t>(n));
    for (int probe = 0; probe < 50; ++probe) {
      const uint32_t q =
          n == 0 || random.OneIn(5) ? static_cast<uint32_t>(random.Next()) : heads[random.Below(n)];
      const auto expected =
          std::lower_bound(heads.begin(), heads.begin() + static_cast<ptrdiff_t>(n), q);
      ASSERT_EQ(CountBelow4(reinterpret_cast<const char*>(heads.data()), n, q),
                static_cast<size_t>(expected - heads.begin()));
      ASSERT_EQ(InterpolateBelow4(reinterpret_cast<const char*>(heads.data()), n, q),
                static_cast<size_t>(expected - heads.begin()));
    }
  }
}

TEST(HeadSearch, ComparesWithAPrefixAsMemcmpDoes) {
  Random random(9);
  for (int round = 0; round < 20'000; ++round) {
    std::string prefix(random.Below(20), '\0'), key(random.Below(20), '\0');
    for (char& c : prefix) c = "\0a\xff"[random.Below(3)];
    for (char& c : key) c = "\0a\xff"[random.Below(3)];
    if (random.OneIn(2)) key.replace(0, std::min(key.size(), prefix.size()), prefix, 0, key.size());
    const size_t compared = std::min(key.size(), prefix.size());
    const int expected = std::memcmp(key.data(), prefix.data(), compared);
    // What follows the prefix must not matter, and 8 bytes of it may be read.
    const std::string memory = prefix + std::string(8, random.OneIn(2) ? '\0' : '\x7f');
    const int found = CompareWithPrefix(key, memory.data(), prefix.size());
    ASSERT_EQ(found < 0, expected < 0) << round;
    ASSERT_EQ(found > 0, expected > 0) << round;
  }
}

class FileWriterTest : public ::testing::TestWithParam<WritePace> {};
INSTANTIATE_TEST_SUITE_P(All, FileWriterTest,
                         ::testing::Values(WritePace::kFast, WritePace::kBesideSyncs));

TEST_P(FileWriterTest, PadsADirectFileBeforeItsTail) {
  MemoryIo io(4096);
  auto file = Finish(OpenFile(io, IoSite::kFlush, OpenMode::kCreate, "f"));
  FileWriter writer(io, IoSite::kFlush, std::move(file).value(), GetParam());
  std::string expected;
  for (int i = 0; i < 30; ++i) {
    const std::string piece(50'000, static_cast<char>('a' + i));
    writer.Append(piece);
    expected += piece;
    const size_t unit = FileWriter::PieceBytes(GetParam());
    EXPECT_EQ(writer.NeedsFlush(), expected.size() / unit > io.Contents("f").size() / unit);
    if (!writer.NeedsFlush()) continue;
    ASSERT_TRUE(Finish(writer.Flush()).ok());
  }
  EXPECT_EQ(writer.offset(), expected.size());
  const uint64_t tail_offset = writer.TailOffset(4);
  ASSERT_TRUE(Finish(writer.Finish("tail")).ok());
  EXPECT_EQ(io.Contents("f").size() % 4096, 0u);
  EXPECT_EQ(tail_offset + 4, io.Contents("f").size());
  expected.resize(tail_offset, '\0');
  EXPECT_TRUE(io.Contents("f") == expected + "tail");
  EXPECT_EQ(io.Counters().syncs, 1u);
  // Of 1.5 MB: pieces of 512 KiB, beside syncs halves of them.
  const size_t unit = FileWriter::PieceBytes(GetParam());
  EXPECT_EQ(io.Counters().writes, (io.Contents("f").size() + unit - 1) / unit);
}

}  // namespace
}  // namespace lsmlab
