// What a partitioned table promises beyond the conformance suite: partitions of a page, and few
// device reads with little memory.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/format/table_footer.h"
#include "tests/support/registered.h"
#include "tests/support/table_fixture.h"
#include "variants/table/block_index.h"
#include "variants/table/partition.h"

namespace lsmlab::test {
namespace {

using table_internal::BlockIndex;
using table_internal::kPartitionBytes;

EntryMap NumberedEntries(uint64_t count, size_t value_bytes, const std::string& prefix = "user") {
  EntryMap entries;
  for (uint64_t i = 0; i < count; ++i) {
    entries.emplace(
        EntryKey(prefix + std::to_string(1'000'000 + 2 * i), MakeTag(1 + i, EntryKind::kPut)),
        std::string(value_bytes, static_cast<char>('a' + i % 26)));
  }
  return entries;
}

// The top index as the file has it.
BlockIndex TopIndex(TableHome& home) {
  const std::string& bytes = home.io().Contents("t");
  const auto footer =
      DecodeTableFooter(Slice(bytes).substr(bytes.size() - kTableFooterBytes), bytes.size(), "t");
  EXPECT_TRUE(footer.ok());
  EXPECT_EQ(footer->format, TableFormat::kPartitioned);
  auto index = BlockIndex::Open(Slice(bytes).substr(footer->index.offset, footer->index.size), "",
                                footer->index.offset);
  EXPECT_TRUE(index.ok());
  return std::move(index).value();
}

class Partitions : public testing::TestWithParam<const FilterVariant*> {};

TEST_P(Partitions, FillAPageAndNoMore) {
  for (const bool aligned : {false, true}) {
    TableParts parts;
    parts.table = &kPartitionedTable;
    parts.filter = GetParam();
    parts.block_bytes = aligned ? 4096 : 512;
    parts.block_alignment = aligned ? "page" : "packed";
    TableHome home(parts);
    home.Build("t", NumberedEntries(20'000, aligned ? 60 : 20));
    const BlockIndex top = TopIndex(home);
    ASSERT_GT(top.count(), 3u);
    uint64_t bytes = 0;
    for (uint32_t p = 0; p < top.count(); ++p) {
      ASSERT_LE(top.handle(p).size, kPartitionBytes);
      bytes += top.handle(p).size;
      if (aligned) {
        ASSERT_EQ(top.handle(p).offset % 4096, 0u);
      }
    }
    EXPECT_GT(bytes, (top.count() - 1) * kPartitionBytes * 9 / 10) << "and not much less";
  }
}
INSTANTIATE_TEST_SUITE_P(Filters, Partitions, Registered(FilterVariants()), ByVariant());

TEST(PartitionedTable, AnEntryLargerThanAPageGetsAPartitionOfItsOwn) {
  TableParts parts;
  parts.table = &kPartitionedTable;
  parts.block_bytes = 4096;
  TableHome home(parts);
  home.Build("t", NumberedEntries(10, 10, std::string(6000, 'k')));
  EXPECT_EQ(TopIndex(home).count(), 10u);
  auto table = std::move(home.Open("t")).value();
  EXPECT_TRUE(Finish(table->Verify()).ok());
}

class PartitionedReads : public testing::TestWithParam<const CacheVariant*> {};

// Metadata of ten times the cache: a partition and a data block for a key that is there, the
// partition for one that is not.
TEST_P(PartitionedReads, TwoDeviceReadsForAKeyAndOneForAnAbsentOne) {
  TableParts parts;
  parts.table = &kPartitionedTable;
  parts.layout = "slotted";
  parts.cache = GetParam();
  parts.cache_bytes = 16 << 10;
  parts.shards = 1;
  parts.block_bytes = 4096;
  parts.alignment = 4096;
  parts.block_alignment = "page";
  TableHome home(parts);
  constexpr uint64_t kKeys = 60'000;
  const TableProperties p = home.Build("t", NumberedEntries(kKeys, 120));
  ASSERT_GT(p.filter_bytes + p.index_bytes, 10 * parts.cache_bytes);
  auto table = std::move(home.Open("t")).value();
  // 8 bytes per block and the top index stay.
  EXPECT_LT(table->pinned_bytes(), (p.filter_bytes + p.index_bytes) / 5);
  EXPECT_EQ(table->block_reads(), 0u);
  Random random(1);
  uint64_t positives = 0, pages = 0;
  for (int i = 0; i < 1500; ++i) {
    const bool present = random.OneIn(2);
    const uint64_t number = 1'000'000 + 2 * random.Below(kKeys) + (present ? 0 : 1);
    const std::string key = "user" + std::to_string(number);
    const LookupKey lookup(key, kMaxSequence);
    LookupFold fold(kMaxSequence);
    TableReadCounters counters;
    const uint64_t before = table->block_reads(), bytes = table->block_read_bytes();
    TableHome::Must(Finish(table->Get(lookup, fold, counters)));
    ASSERT_EQ(fold.done(), present);
    ASSERT_EQ(counters.filter_probes, 1u);
    positives += counters.filter_false_positives;
    ASSERT_LE(table->block_reads() - before,
              present || counters.filter_false_positives > 0 ? 2u : 1u);
    pages = std::max(pages, (table->block_read_bytes() - bytes) / 4096);
  }
  EXPECT_LT(positives, 40u);
  EXPECT_LE(pages, 2u);
}
INSTANTIATE_TEST_SUITE_P(Caches, PartitionedReads, Registered(CacheVariants()), ByVariant());

// A table says itself what has written it.
TEST(PartitionedTable, EveryVariantOpensTheTablesOfTheOthers) {
  for (const TableVariant* writer : TableVariants()) {
    for (const TableVariant* reader : TableVariants()) {
      TableParts parts;
      parts.table = writer;
      TableHome home(parts);
      home.Build("t", NumberedEntries(500, 10));
      home.Use(*reader);
      auto table = home.Open("t");
      ASSERT_TRUE(table.ok()) << table.status().ToString();
      EXPECT_EQ(table.value()->properties().table_variant, writer->name);
      EXPECT_TRUE(Finish(table.value()->Verify()).ok());
    }
  }
}

std::string SmallPartition() {
  std::string out(8, '\0');
  auto filter = kBloomFilter.make_builder({}, 10, 2);
  filter->Add("a", KeyHash("a"));
  filter->Add("b", KeyHash("b"));
  filter->Finish(out);
  StoreLe<uint32_t>(out.data(), static_cast<uint32_t>(out.size() - 8));
  StoreLe<uint32_t>(out.data() + 4, 3);
  table_internal::SlottedBuilder index(table_internal::LayoutOptions{});
  char value[13];
  table_internal::PartitionPlace{{100, 50}, true}.Encode(value);
  index.Add("a", MakeTag(9, EntryKind::kPut), Slice(value, 13));
  table_internal::PartitionPlace{{200, 60}, false}.Encode(value);
  index.Add("b", MakeTag(7, EntryKind::kPut), Slice(value, 13));
  out += index.Finish();
  return out;
}

TEST(Partition, HostileBytesAreRefusedOrHarmless) {
  const std::string good = SmallPartition();
  table_internal::PartitionLimits limits{274, 5, &kBloomFilter};
  FilterProbe probe;
  const auto check = [&](const std::string& bytes) {
    const BlockRef block = BlockRef::Adopt(AllocateBlock(bytes.size()));
    std::memcpy(MutableData(block.get()), bytes.data(), bytes.size());
    const Status status = table_internal::CheckPartition(
        block->bytes(), "b", MakeTag(7, EntryKind::kPut), limits, &probe);
    if (!status.ok()) return false;
    const table_internal::PartitionView view(block->data);
    EXPECT_LE(view.first_block + view.blocks(), 5u);
    (void)probe.may_contain(view.filter, view.filter_bytes, KeyHash("x"));
    EXPECT_LE(view.index.LowerBound("aa", 5), view.blocks());
    for (uint32_t i = 0; i < view.blocks(); ++i) {
      const BlockHandle handle = view.Place(i).handle;
      EXPECT_LE(handle.offset + handle.size + kBlockTrailerBytes, limits.data_end);
    }
    return true;
  };
  ASSERT_TRUE(check(good));
  for (size_t i = 0; i < good.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = good;
      damaged[i] = static_cast<char>(value);
      (void)check(damaged);
    }
  }
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(check(good.substr(0, n))) << n;
  limits.data_end = 273;
  EXPECT_FALSE(check(good)) << "a block beyond the data";
  limits.data_end = 274;
  limits.data_blocks = 4;
  EXPECT_FALSE(check(good)) << "more blocks than there are";
  limits.data_blocks = 5;
  limits.filter = nullptr;
  EXPECT_FALSE(check(good)) << "a filter that nobody expects";
}

}  // namespace
}  // namespace lsmlab::test
