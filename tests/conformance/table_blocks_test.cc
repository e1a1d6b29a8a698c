// What the settings of blocks do to a table (variants/table/table_settings.h): where blocks end,
// and how many pages a read of one touches.

#include <gtest/gtest.h>

#include <string>

#include "tests/support/table_fixture.h"
#include "variants/registry.h"

namespace lsmlab::test {
namespace {

// Blocks small enough that nothing else parts them would hide what the setting does.
TEST(TableLargeValues, LieAloneAndLeaveSmallEntriesTogether) {
  for (const TableVariant* table : TableVariants()) {
    if (!DefaultSettings(table->settings).Has("block.large_values")) continue;
    for (const char* layout : {"restarts", "slotted"}) {
      TableParts parts;
      parts.table = table;
      parts.layout = layout;
      parts.block_bytes = 64 << 10;
      parts.large_values = 1000;
      TableHome home(parts);
      const auto data_blocks = [&](const EntryMap& entries) {
        return home.Build("t" + std::to_string(entries.size()), entries).data_blocks;
      };
      EntryMap entries;
      const auto add = [&](const std::string& key, Sequence sequence, size_t bytes) {
        entries.emplace(EntryKey(key, MakeTag(sequence, EntryKind::kPut)), std::string(bytes, 'v'));
      };
      for (int i = 0; i < 20; ++i) add("b" + std::to_string(10 + i), 1, 999);
      EXPECT_EQ(data_blocks(entries), 1u);
      add("a", 1, 1000);  // first
      EXPECT_EQ(data_blocks(entries), 2u);
      add("c", 1, 5000);  // last
      EXPECT_EQ(data_blocks(entries), 3u);
      add("b15", 2, 1000);  // parts the small ones, and two versions of its key
      EXPECT_EQ(data_blocks(entries), 5u);
      add("b15", 3, 1000);  // two in a row
      EXPECT_EQ(data_blocks(entries), 6u);
      const auto opened = std::move(home.Open("t24")).value();
      for (const auto& [key, value] : entries) {
        const LookupKey lookup(key.first, TagSequence(key.second));
        LookupFold fold(TagSequence(key.second));
        TableReadCounters counters;
        TableHome::Must(Finish(opened->Get(lookup, fold, counters)));
        EXPECT_EQ(fold.value(), value);
      }
      TableHome::Must(Finish(opened->Verify()));
    }
  }
}

// However large the blocks are; and they are compressed only where that saves a page.
TEST(TablePages, AReadTouchesNoPageMoreThanItMust) {
  const EntryMap model = RandomEntries(14, 4000, "user", 1'000'000);
  for (const uint64_t block_bytes : {4096, 16384, 262144}) {
    uint64_t pages[2] = {0, 0};
    for (const CodecVariant* codec : {&kNoCodec, &kLz4Codec}) {
      TableParts parts;
      parts.layout = "slotted";
      parts.codec = codec;
      parts.cache = &kNoCache;
      parts.block_bytes = block_bytes;
      parts.alignment = 4096;  // the bytes of a read are then those of its pages
      parts.block_alignment = "page";
      TableHome home(parts);
      home.Build("t", model);
      auto table = std::move(home.Open("t")).value();
      EXPECT_EQ(table->properties().block_alignment, 4096u);
      auto it = table->NewIterator({});
      for (TableHome::Must(Finish(it->SeekToFirst())); it->valid();) {
        TableHome::Must(Finish(it->Next()));
      }
      const uint64_t blocks = table->properties().data_blocks;
      EXPECT_EQ(table->block_reads(), blocks);
      EXPECT_EQ(table->block_read_bytes(), (table->properties().data_bytes + 4095) / 4096 * 4096);
      EXPECT_LE(table->block_read_bytes(), blocks * block_bytes);
      pages[codec == &kLz4Codec] = table->block_read_bytes() / 4096;
      EXPECT_TRUE(Finish(table->Verify()).ok());
    }
    if (block_bytes == 4096) {
      EXPECT_EQ(pages[0], pages[1]) << "a page is the least that can be read";
    } else {
      EXPECT_LT(pages[1], pages[0]);
    }
  }
}

}  // namespace
}  // namespace lsmlab::test
