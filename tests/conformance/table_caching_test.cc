// How tables read through a cache, over every cache of the registry: what is loaded once, what is
// pinned, what a builder leaves there, and what an error leaves behind.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/registered.h"
#include "tests/support/table_fixture.h"

namespace lsmlab::test {
namespace {

class TableCaching : public testing::TestWithParam<const CacheVariant*> {
 protected:
  static void CheckKept(const TableVariant& variant);
};

TEST_P(TableCaching, TryGetFindsNothingUntilGetHasLoaded) {
  TableParts parts;
  parts.cache = GetParam();
  parts.layout = "slotted";
  TableHome home(parts);
  home.Build("t", RandomEntries(6, 500, "user", 10'000));
  auto table = std::move(home.Open("t")).value();
  auto it = table->NewIterator({});
  TableHome::Must(Finish(it->SeekToFirst()));
  const std::string first(it->key());
  it.reset();
  table.reset();
  table = std::move(home.Open("t")).value();  // under another number: nothing of it is cached

  const LookupKey lookup(first, kMaxSequence);
  TableReadCounters counters;
  {
    const ReadGuard guard;
    LookupFold fold(kMaxSequence);
    EXPECT_FALSE(table->TryGet(lookup, fold, guard, counters));
    EXPECT_EQ(counters.filter_probes, 0u) << "counted by the Get that follows";
  }
  LookupFold fold(kMaxSequence);
  TableHome::Must(Finish(table->Get(lookup, fold, counters)));
  EXPECT_EQ(counters.cache_misses, 1u);
  EXPECT_EQ(counters.filter_probes, 1u);
  EXPECT_EQ(table->block_reads(), 1u);
  EXPECT_TRUE(fold.done());
  const ReadGuard guard;
  LookupFold again(kMaxSequence);
  EXPECT_EQ(table->TryGet(lookup, again, guard, counters), GetParam() != &kNoCache);
  EXPECT_EQ(counters.cache_hits, GetParam() != &kNoCache ? 1u : 0u);
}

TEST_P(TableCaching, AnIteratorPastTheCacheReadsInLargePieces) {
  TableParts parts;
  parts.cache = GetParam();
  parts.block_bytes = 4096;
  TableHome home(parts);
  home.Build("t", RandomEntries(7, 20'000, "user", 1'000'000));
  auto table = std::move(home.Open("t")).value();
  Table::IteratorOptions options;
  options.fill_cache = false;
  options.site = IoSite::kCompactionRead;
  auto it = table->NewIterator(options);
  size_t entries = 0;
  for (TableHome::Must(Finish(it->SeekToFirst())); it->valid();
       TableHome::Must(Finish(it->Next()))) {
    ++entries;
  }
  EXPECT_EQ(entries, table->properties().entries);
  const IoCounters counters = home.io().Counters(IoSite::kCompactionRead);
  EXPECT_EQ(counters.read_bytes, table->properties().data_bytes);
  EXPECT_LE(counters.reads, counters.read_bytes / (200u << 10) + 1);
  EXPECT_EQ(home.cache().Counters().blocks, 0u);
}

TEST_P(TableCaching, WhatTheBuilderKeepsNeedsNoRead) {
  for (const TableVariant* table : TableVariants()) CheckKept(*table);
}

void TableCaching::CheckKept(const TableVariant& variant) {
  TableParts parts;
  parts.table = &variant;
  parts.cache = GetParam();
  parts.codec = &kLz4Codec;
  parts.layout = "slotted";
  TableHome home(parts);
  const EntryMap model = RandomEntries(11, 4000, "user", 1'000'000);
  home.Build("t", [&](TableBuilder& builder, FileWriter& writer) {
    size_t added = 0;
    for (const auto& [key, value] : model) {
      builder.KeepBlocks(added++ < model.size() / 2, 1u << 30);
      TableHome::Must(builder.Add(key.first, key.second, value));
      if (writer.NeedsFlush()) TableHome::Must(Finish(writer.Flush()));
    }
  });
  std::vector<KeptBlock> kept = home.TakeKept();
  EXPECT_GT(kept.size(), 10u);
  auto table = std::move(home.Open("t")).value();
  table->FillCache(std::move(kept));
  size_t cached = 0;
  for (const auto& [key, value] : model) {
    const ReadGuard guard;
    LookupFold fold(kMaxSequence);
    TableReadCounters counters;
    if (!table->TryGet(LookupKey(key.first, TagSequence(key.second)), fold, guard, counters)) {
      continue;
    }
    ++cached;
    ASSERT_EQ(fold.state(), TagKind(key.second) == EntryKind::kDelete ? LookupFold::State::kDeleted
                                                                      : LookupFold::State::kFound);
    if (fold.state() == LookupFold::State::kFound) {
      ASSERT_EQ(fold.value(), value);
    }
  }
  if (GetParam() == &kNoCache) {
    EXPECT_EQ(cached, 0u);
  } else {
    EXPECT_GT(cached, model.size() * 4 / 10);
    EXPECT_LT(cached, model.size() * 6 / 10) << "what was not kept is not there";
  }
  EXPECT_EQ(table->block_reads(), 0u);
}

// Blocks of level 0, and partitions wherever they are, need no second read; until the table leaves
// level 0 or goes away.
TEST_P(TableCaching, WhatIsPinnedFollowsTheLevel) {
  for (const TableVariant* variant : TableVariants()) {
    TableParts parts;
    parts.table = variant;
    parts.cache = GetParam();
    parts.cache_bytes = 256 << 10;
    parts.shards = 1;
    TableHome home(parts);
    home.environment().pins.metadata = true;
    home.environment().pins.level0_data = true;
    const EntryMap model = RandomEntries(15, 800, "user", 1'000'000);
    home.Build("t", model);
    const auto read_all = [&](const Table& table) {
      for (const auto& [key, value] : model) {
        LookupFold fold(kMaxSequence);
        TableReadCounters counters;
        TableHome::Must(Finish(table.Get(LookupKey(key.first, kMaxSequence), fold, counters)));
      }
    };
    const auto pinned = [&home] { return home.cache().Counters().pinned_bytes; };
    const bool keeps = GetParam() != &kNoCache;
    const uint64_t partitions = keeps && variant == &kPartitionedTable ? 1 : 0;
    auto deep = std::move(home.Open("t")).value();
    deep->SetLevel(3);
    read_all(*deep);
    const uint64_t metadata = pinned();
    EXPECT_EQ(metadata > 0, partitions > 0) << variant->name;
    auto top = std::move(home.Open("t")).value();
    top->SetLevel(0);
    read_all(*top);
    const uint64_t reads = top->block_reads();
    EXPECT_EQ(pinned() > 2 * metadata, keeps) << variant->name;
    for (int i = 0; i < 4; ++i) {
      auto other = std::move(home.Open("t")).value();
      read_all(*other);
    }
    read_all(*top);
    if (keeps) {
      EXPECT_EQ(top->block_reads(), reads) << variant->name;
    }
    top->SetLevel(1);
    EXPECT_EQ(pinned(), 2 * metadata) << variant->name;
    deep->SetLevel(4);
    top.reset();
    EXPECT_EQ(pinned(), metadata) << variant->name;
    deep.reset();
    EXPECT_EQ(pinned(), 0u) << variant->name;
    EXPECT_EQ(home.cache().Counters().pins_refused, 0u);
  }
}

// Full blocks of 4 KiB take a page of memory and no more, kept by the builder or read.
TEST_P(TableCaching, ABlockOfAPageTakesAPage) {
  for (const char* layout : {"restarts", "slotted"}) {
    TableParts parts;
    parts.cache = GetParam();
    parts.layout = layout;
    parts.block_bytes = 4096;
    TableHome home(parts);
    std::vector<KeptBlock> kept;
    home.Build("t", [&](TableBuilder& builder, FileWriter& writer) {
      builder.KeepBlocks(true, 1u << 30);
      for (const auto& [key, value] : RandomEntries(13, 6000, "user", 1'000'000)) {
        TableHome::Must(builder.Add(key.first, key.second, value));
        if (writer.NeedsFlush()) TableHome::Must(Finish(writer.Flush()));
      }
      kept = builder.TakeKeptBlocks();
    });
    ASSERT_GT(kept.size(), 20u);
    uint64_t full = 0;
    for (const KeptBlock& block : kept) {
      ASSERT_LE(block.block->charge, 4096u);
      full += block.block->charge > 4096 - 256;
    }
    EXPECT_GE(full + 1, kept.size());
    auto table = std::move(home.Open("t")).value();
    auto it = table->NewIterator({});
    for (TableHome::Must(Finish(it->SeekToFirst())); it->valid();) {
      TableHome::Must(Finish(it->Next()));
    }
    EXPECT_LE(home.cache().Counters().charge_bytes, 4096 * table->properties().data_blocks);
  }
}

TEST_P(TableCaching, TheBuilderKeepsNoMoreThanItsLimit) {
  TableParts parts;
  parts.cache = GetParam();
  TableHome home(parts);
  uint64_t bytes = 0;
  home.Build("t", [&](TableBuilder& builder, FileWriter&) {
    builder.KeepBlocks(true, 4096);
    for (const auto& [key, value] : RandomEntries(12, 2000, "user", 1'000'000)) {
      TableHome::Must(builder.Add(key.first, key.second, value));
    }
    for (const KeptBlock& kept : builder.TakeKeptBlocks()) bytes += kept.block->charge;
  });
  EXPECT_GT(bytes, 2048u);
  EXPECT_LE(bytes, 4096u + 1024);
}

TEST_P(TableCaching, AReadErrorIsReportedAndNotKept) {
  TableParts parts;
  parts.cache = GetParam();
  TableHome home(parts);
  const EntryMap model = RandomEntries(8, 500, "user", 10'000);
  home.Build("t", model);
  auto table = std::move(home.Open("t")).value();
  auto it = table->NewIterator({});
  home.io().FailReads(Status::IoError("no"));
  EXPECT_EQ(Finish(it->SeekToFirst()).code(), StatusCode::kIoError);
  EXPECT_FALSE(it->valid());
  home.io().FailReads(Status());
  TableHome::Must(Finish(it->SeekToFirst()));
  for (const auto& [key, value] : model) {
    ASSERT_TRUE(it->valid());
    ASSERT_EQ(it->key(), key.first);
    ASSERT_EQ(it->value(), value);
    TableHome::Must(Finish(it->Next()));
  }
  EXPECT_FALSE(it->valid());
}

TEST_P(TableCaching, AFailedReadAheadLeavesNothingBehind) {
  TableParts parts;
  parts.cache = GetParam();
  TableHome home(parts);
  const EntryMap model = RandomEntries(10, 20'000, "user", 1'000'000);
  home.Build("t", model);
  auto table = std::move(home.Open("t")).value();
  Table::IteratorOptions options;
  options.fill_cache = false;
  auto it = table->NewIterator(options);
  TableHome::Must(Finish(it->SeekToFirst()));
  home.io().FailReads(Status::IoError("no"));
  EXPECT_EQ(Finish(it->SeekToLast()).code(), StatusCode::kIoError);
  EXPECT_FALSE(it->valid());
  home.io().FailReads(Status());
  TableHome::Must(Finish(it->SeekToFirst()));
  ASSERT_TRUE(it->valid());
  EXPECT_EQ(it->key(), model.begin()->first.first);
}

TEST_P(TableCaching, ABlockOutlivesItsTableAndCacheEntry) {
  TableParts parts;
  parts.cache = GetParam();
  parts.cache_bytes = 2048;
  parts.shards = 1;
  TableHome home(parts);
  home.Build("t", RandomEntries(9, 500, "user", 10'000));
  auto table = std::move(home.Open("t")).value();
  auto it = table->NewIterator({});
  TableHome::Must(Finish(it->SeekToFirst()));
  LookupFold fold(kMaxSequence);
  const std::string key(it->key());
  TableReadCounters counters;
  TableHome::Must(Finish(table->Get(LookupKey(key, kMaxSequence), fold, counters)));
  for (int i = 0; i < 400; ++i) TableHome::Must(Finish(it->Next()));
  const std::string value(fold.value());
  it.reset();
  table.reset();
  EpochCollect();
  EXPECT_EQ(fold.value(), value);
  EXPECT_LE(home.cache().Counters().charge_bytes, 2048u);
}

INSTANTIATE_TEST_SUITE_P(Caches, TableCaching, Registered(CacheVariants()), ByVariant());

}  // namespace
}  // namespace lsmlab::test
