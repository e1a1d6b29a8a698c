// A table file damaged byte by byte: an error that names the place, or the same answers. Never a
// crash, never another answer.

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "engine/base/coding.h"
#include "engine/base/random.h"
#include "engine/format/block_trailer.h"
#include "engine/format/table_footer.h"
#include "engine/format/table_properties.h"
#include "tests/support/table_fixture.h"
#include "tests/support/test_scale.h"
#include "variants/table/block_index.h"

namespace lsmlab::test {
namespace {

EntryMap SmallEntries() {
  EntryMap entries;
  for (Sequence i = 0; i < 24; ++i) {
    entries.emplace(EntryKey("key" + std::to_string(100 + i / 2), MakeTag(1 + i, EntryKind::kPut)),
                    std::string(i % 7, static_cast<char>('a' + i)));
  }
  return entries;
}

TableParts SmallParts(std::string layout, const CodecVariant& codec) {
  TableParts parts;
  if (layout == "partitioned") parts.table = &kPartitionedTable;
  parts.layout = layout == "partitioned" ? "slotted" : layout;
  parts.codec = &codec;
  parts.cache = &kSwizzledCache;
  parts.filter = &kBlockedBloomFilter;
  parts.block_bytes = 160;
  return parts;
}

// Reads all there is in every way. Returns the first error; any answer that is not an error must be
// the right one.
Status ReadAll(TableHome& home, const EntryMap& model) {
  auto opened = home.Open("t");
  if (!opened.ok()) return opened.status();
  const std::unique_ptr<Table> table = std::move(opened).value();
  Status failure;
  for (const auto& [key, value] : model) {
    const LookupKey lookup(key.first, TagSequence(key.second));
    LookupFold fold(lookup.snapshot);
    TableReadCounters counters;
    const Status status = Finish(table->Get(lookup, fold, counters));
    if (!status.ok()) {
      failure = status;
      continue;
    }
    EXPECT_EQ(fold.state(), LookupFold::State::kFound);
    EXPECT_EQ(fold.value(), value);
  }
  for (const bool fill_cache : {true, false}) {
    Table::IteratorOptions options;
    options.fill_cache = fill_cache;
    auto it = table->NewIterator(options);
    Status status = Finish(it->SeekToFirst());
    for (auto at = model.begin(); status.ok() && at != model.end(); ++at) {
      EXPECT_TRUE(it->valid() && it->key() == at->first.first && it->value() == at->second);
      if (!it->valid()) break;
      status = Finish(it->Next());
    }
    if (!status.ok()) failure = status;
  }
  const Status verified = Finish(table->Verify());
  return failure.ok() ? verified : failure;
}

class HostileTable : public testing::TestWithParam<std::tuple<const char*, const CodecVariant*>> {
 protected:
  HostileTable() : home_(SmallParts(std::get<0>(GetParam()), *std::get<1>(GetParam()))) {
    home_.Build("t", model_);
    bytes_ = home_.io().Contents("t");
  }
  Status ReadDamaged(std::string damaged) {
    home_.io().Put("t", std::move(damaged));
    return ReadAll(home_, model_);
  }

  // Of the filter, or of the one partition.
  BlockHandle FilterHandle(const TableFooter& footer) const {
    if (footer.format == TableFormat::kFlat) return footer.filter;
    const Slice encoded = Slice(bytes_).substr(footer.index.offset, footer.index.size);
    return table_internal::BlockIndex::Open(encoded, "", footer.index.offset)->handle(0);
  }

  const EntryMap model_ = SmallEntries();
  TableHome home_;
  std::string bytes_;
};

TEST_P(HostileTable, EveryFlippedByteIsFoundAndNamed) {
  ASSERT_TRUE(ReadDamaged(bytes_).ok());
  for (size_t i = 0; i < bytes_.size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      std::string damaged = bytes_;
      damaged[i] = static_cast<char>(damaged[i] ^ mask);
      const Status status = ReadDamaged(std::move(damaged));
      ASSERT_TRUE(status.IsCorruption()) << "byte " << i << ": " << status.ToString();
      const std::string text = status.ToString();
      ASSERT_NE(text.find("t offset "), std::string::npos) << text;
      ASSERT_NE(text.find("expected "), std::string::npos) << text;
      ASSERT_NE(text.find("found "), std::string::npos) << text;
    }
  }
}

TEST_P(HostileTable, EveryTruncationAndExtensionIsFound) {
  for (size_t n = 0; n < bytes_.size(); ++n) {
    ASSERT_TRUE(ReadDamaged(bytes_.substr(0, n)).IsCorruption()) << n;
  }
  for (const size_t n : {1, 14, 128, 4096}) {
    ASSERT_TRUE(ReadDamaged(bytes_ + std::string(n, '\0')).IsCorruption()) << n;
  }
}

TEST_P(HostileTable, AnotherTableIsRefused) {
  auto table = home_.Open("t", TableId{1, 2});
  ASSERT_TRUE(table.status().IsCorruption());
  EXPECT_NE(table.status().ToString().find("table id"), std::string::npos);
  EXPECT_TRUE(home_.Open("t", TableId{}).ok()) << "an id of zeros accepts any";
}

// Which keys a table has, its properties say to the tree, and its index to itself.
TEST_P(HostileTable, PropertiesThatTheIndexContradictsAreRefused) {
  const auto footer = DecodeTableFooter(Slice(bytes_).substr(bytes_.size() - kTableFooterBytes),
                                        bytes_.size(), "t");
  ASSERT_TRUE(footer.ok());
  const BlockHandle handle = footer->properties;
  const auto original = DecodeTableProperties(Slice(bytes_).substr(handle.offset, handle.size));
  ASSERT_TRUE(original.ok());
  const auto open_with = [&](auto change) {
    TableProperties properties = original.value();
    change(properties);
    std::string encoded;
    EncodeTableProperties(properties, encoded);
    EXPECT_EQ(encoded.size(), handle.size) << "the footer says where it ends";
    std::string damaged = bytes_;
    damaged.replace(handle.offset, handle.size, encoded);
    EncodeBlockTrailer(encoded, {0, static_cast<uint32_t>(handle.size)}, TableSeed(TableHome::kId),
                       handle.offset, damaged.data() + handle.offset + handle.size);
    home_.io().Put("t", std::move(damaged));
    return home_.Open("t").status();
  };
  EXPECT_TRUE(open_with([](TableProperties&) {}).ok());
  const Status later = open_with([](TableProperties& p) { ++p.largest_key.back(); });
  EXPECT_TRUE(later.IsCorruption()) << later.ToString();
  EXPECT_NE(later.ToString().find("t offset "), std::string::npos) << later.ToString();
  EXPECT_TRUE(open_with([](TableProperties& p) { --p.largest_key.back(); }).IsCorruption());
  EXPECT_TRUE(open_with([](TableProperties& p) { p.largest_tag -= 1u << 8; }).IsCorruption());
  EXPECT_TRUE(open_with([](TableProperties& p) { p.smallest_key.front() = 'z'; }).IsCorruption());
  // The table's first key stands in no index: its block tells.
  for (const char* smallest : {"key000", "key101"}) {
    ASSERT_TRUE(open_with([&](TableProperties& p) { p.smallest_key = smallest; }).ok());
    const std::unique_ptr<Table> table = std::move(home_.Open("t")).value();
    const Status walked = Finish(table->NewIterator({})->SeekToFirst());
    EXPECT_TRUE(walked.IsCorruption()) << walked.ToString();
    EXPECT_NE(walked.ToString().find("t offset 0: expected "), std::string::npos);
  }
}

// Blocks changed under a correct checksum: beyond what chance does.
TEST_P(HostileTable, HostileBlocksWithGoodChecksumsNeverCrash) {
  Random random(1);
  const auto footer = DecodeTableFooter(Slice(bytes_).substr(bytes_.size() - kTableFooterBytes),
                                        bytes_.size(), "t");
  ASSERT_TRUE(footer.ok());
  // The first data block ends where its trailer's checksum verifies.
  const uint64_t seed = TableSeed(TableHome::kId);
  size_t end = kBlockTrailerBytes;
  while (!CheckBlockTrailer(Slice(bytes_).substr(0, end), seed, 0, "t").ok()) ++end;
  const int rounds = TestScale() < 1 ? 1000 : 3000;
  for (int round = 0; round < rounds; ++round) {
    std::string damaged = bytes_;
    const BlockHandle all[] = {BlockHandle{0, end - kBlockTrailerBytes}, footer->index,
                               FilterHandle(footer.value()), footer->properties};
    const BlockHandle handle = all[random.Below(4)];
    char* payload = damaged.data() + handle.offset;
    for (uint64_t k = 1 + random.Below(3); k > 0; --k) {
      payload[random.Below(handle.size)] = static_cast<char>(random.Next());
    }
    BlockTrailer trailer;
    trailer.codec = static_cast<uint8_t>(payload[handle.size]);
    trailer.raw_size = LoadLe<uint32_t>(payload + handle.size + 2);
    EncodeBlockTrailer(Slice(payload, handle.size), trailer, seed, handle.offset,
                       payload + handle.size);
    home_.io().Put("t", std::move(damaged));
    auto opened = home_.Open("t");
    if (!opened.ok()) continue;
    const std::unique_ptr<Table> table = std::move(opened).value();
    (void)Finish(table->Verify()).ok();
    for (const auto& [key, value] : model_) {
      const LookupKey lookup(key.first, TagSequence(key.second));
      LookupFold fold(lookup.snapshot);
      TableReadCounters counters;
      (void)Finish(table->Get(lookup, fold, counters)).ok();
    }
    auto it = table->NewIterator({});
    Status status = Finish(it->SeekToLast());
    for (int steps = 0; status.ok() && it->valid() && steps < 1000; ++steps) {
      status = Finish(it->Prev());
    }
  }
}

// The zeros before the footer are checked too.
TEST(HostileDirectTable, EveryDamagedByteIsFound) {
  TableParts parts = SmallParts("slotted", kNoCodec);
  parts.alignment = 4096;
  TableHome home(parts);
  const EntryMap model = SmallEntries();
  home.Build("t", model);
  const std::string bytes = home.io().Contents("t");
  ASSERT_EQ(bytes.size() % 4096, 0u);
  ASSERT_TRUE(ReadAll(home, model).ok());
  for (size_t i = 0; i < bytes.size(); i += 7) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    home.io().Put("t", std::move(damaged));
    ASSERT_TRUE(ReadAll(home, model).IsCorruption()) << i;
  }
}

// Many partitions, each on a page of its own.
TEST(HostilePartitionedTable, EveryDamagedByteIsFound) {
  TableParts parts = SmallParts("partitioned", kNoCodec);
  parts.block_search = "hash";
  parts.block_alignment = "page";
  parts.block_bytes = 4096;
  TableHome home(parts);
  EntryMap model;
  for (Sequence i = 0; i < 24; ++i) {
    model.emplace(EntryKey(std::string(1500, 'k') + std::to_string(100 + i / 2),
                           MakeTag(1 + i, EntryKind::kPut)),
                  std::string(1500, 'v'));
  }
  home.Build("t", model);
  const std::string bytes = home.io().Contents("t");
  ASSERT_TRUE(ReadAll(home, model).ok());
  ASSERT_GT(bytes.size(), size_t{36} * 4096) << "a page for each of 24 blocks, 12 partitions";
  for (size_t i = 0; i < bytes.size(); i += 509) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    home.io().Put("t", std::move(damaged));
    ASSERT_TRUE(ReadAll(home, model).IsCorruption()) << i;
  }
}

// A table whose blocks refer to a dictionary.
class HostileDictionary : public testing::Test {
 protected:
  HostileDictionary() : home_(Parts()) {
    EXPECT_GT(home_.Build("t", model_).dictionary_bytes, 0u);
    bytes_ = home_.io().Contents("t");
    dictionary_ = DecodeTableFooter(Slice(bytes_).substr(bytes_.size() - kTableFooterBytes),
                                    bytes_.size(), "t")
                      ->dictionary;
  }
  static TableParts Parts() {
    TableParts parts = SmallParts("slotted", kZstdCodec);
    parts.dictionary_bytes = 512;
    return parts;
  }

  const EntryMap model_ = PeopleRecords(150);
  TableHome home_;
  std::string bytes_;
  BlockHandle dictionary_;
};

TEST_F(HostileDictionary, EveryDamagedByteIsFound) {
  ASSERT_TRUE(ReadAll(home_, model_).ok());
  const size_t begin = dictionary_.offset;
  const size_t end = begin + dictionary_.size + kBlockTrailerBytes;
  for (size_t i = 0; i < bytes_.size(); i += i >= begin && i < end ? 1 : 29) {
    std::string damaged = bytes_;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    home_.io().Put("t", std::move(damaged));
    const Status status = ReadAll(home_, model_);
    ASSERT_TRUE(status.IsCorruption()) << i;
    ASSERT_NE(status.ToString().find("t offset "), std::string::npos) << status.ToString();
  }
}

TEST_F(HostileDictionary, ChangedUnderAGoodChecksumItNeverCrashes) {
  Random random(1);
  for (int round = 0; round < 300; ++round) {
    std::string damaged = bytes_;
    char* payload = damaged.data() + dictionary_.offset;
    for (uint64_t k = 1 + random.Below(3); k > 0; --k) {
      payload[random.Below(round % 2 == 0 ? 16 : dictionary_.size)] =
          static_cast<char>(random.Next());
    }
    EncodeBlockTrailer(Slice(payload, dictionary_.size),
                       {0, static_cast<uint32_t>(dictionary_.size)}, TableSeed(TableHome::kId),
                       dictionary_.offset, payload + dictionary_.size);
    home_.io().Put("t", std::move(damaged));
    auto opened = home_.Open("t");
    if (opened.ok()) (void)Finish(opened.value()->Verify()).ok();
  }
  // Another codec's, none at all, and nothing but the codec's number.
  for (const int codec : {0, 1, 77}) {
    std::string damaged = bytes_;
    char* payload = damaged.data() + dictionary_.offset;
    payload[0] = static_cast<char>(codec);
    EncodeBlockTrailer(Slice(payload, dictionary_.size),
                       {0, static_cast<uint32_t>(dictionary_.size)}, TableSeed(TableHome::kId),
                       dictionary_.offset, payload + dictionary_.size);
    home_.io().Put("t", std::move(damaged));
    EXPECT_TRUE(home_.Open("t").status().IsCorruption()) << codec;
  }
}

INSTANTIATE_TEST_SUITE_P(Partitioned, HostileTable,
                         testing::Values(std::make_tuple("partitioned", &kLz4Codec)),
                         [](const auto&) { return std::string("lz4"); });
INSTANTIATE_TEST_SUITE_P(Parts, HostileTable,
                         testing::Combine(testing::Values("restarts", "slotted"),
                                          testing::Values(&kNoCodec, &kLz4Codec, &kZstdCodec)),
                         [](const auto& parts) {
                           return std::string(std::get<0>(parts.param)) + "_" +
                                  std::string(std::get<1>(parts.param)->name);
                         });

}  // namespace
}  // namespace lsmlab::test
