// The hash index over a table's entries: what it finds, what it costs, and what it leaves to the
// ordinary search.

#include "variants/table/entry_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "tests/support/registered.h"
#include "tests/support/table_fixture.h"

namespace lsmlab::test {
namespace {

using table_internal::EntryIndex;

TEST(EntryIndex, FindsEveryKeyOrSaysThatItIsNotAll) {
  constexpr uint64_t kKeys = 200'000;
  constexpr uint32_t kBlocks = 6'000;
  EntryIndex index(kKeys, kBlocks);
  Random random(1);
  std::vector<std::pair<uint64_t, EntryIndex::Place>> keys;
  for (uint64_t i = 0; i < kKeys; ++i) {
    const uint64_t hash = random.Next();
    const EntryIndex::Place place = {static_cast<uint32_t>(random.Below(kBlocks)),
                                     static_cast<uint32_t>(random.Below(1 << 19))};
    ASSERT_TRUE(index.Add(hash, place));
    keys.emplace_back(hash, place);
  }
  const FilterProbe probe = EntryIndex::Probe();
  uint64_t missed = 0, others = 0;
  for (const auto& [hash, place] : keys) {
    ASSERT_TRUE(probe.may_contain(index.data(), index.size(), hash));
    EntryIndex::Matches matches = index.Find(hash);
    bool found = false;
    while (!matches.empty()) {
      const EntryIndex::Place at = matches.Take();
      const bool same = at.block == place.block && at.offset == place.offset;
      found |= same;
      others += !same;
    }
    ASSERT_TRUE(found || !matches.complete());
    missed += !found;
  }
  EXPECT_LT(missed, kKeys * 4 / 100);
  EXPECT_LT(others, kKeys / 1000);
  uint64_t positives = 0, incomplete = 0;
  for (uint64_t i = 0; i < kKeys; ++i) {
    const uint64_t hash = random.Next();
    EntryIndex::Matches matches = index.Find(hash);
    incomplete += !matches.complete();
    positives += !matches.empty();
    ASSERT_EQ(probe.may_contain(index.data(), index.size(), hash),
              !matches.empty() || !matches.complete());
  }
  EXPECT_LT(positives, kKeys / 1000) << "fingerprints of 16 bits";
  EXPECT_LT(incomplete, kKeys * 12 / 100);
  EXPECT_LT(index.size(), kKeys * 92 / 10 + 64) << "bytes per key";
}

// All slots of a bucket, whatever stands in the others.
TEST(EntryIndex, ComparesEveryFingerprint) {
  Random random(2);
  for (int round = 0; round < 2'000; ++round) {
    EntryIndex index(1, 1 << 16);  // one bucket
    std::vector<uint16_t> prints;
    const auto n = static_cast<uint32_t>(random.Below(11));
    for (uint32_t i = 0; i < n; ++i) {
      // Neighbours differ in one bit, at the borders of lanes too.
      const auto print = static_cast<uint16_t>(1u << random.Below(17) >> 1);
      ASSERT_TRUE(index.Add(print | random.Next() << 32, {i, i}));
      prints.push_back(print);
    }
    for (uint32_t bit = 0; bit <= 16; ++bit) {
      const auto wanted = static_cast<uint16_t>(1u << bit >> 1);
      EntryIndex::Matches matches = index.Find(wanted);
      for (uint32_t i = 0; i < n; ++i) {
        if (prints[i] != wanted) continue;
        ASSERT_FALSE(matches.empty());
        const EntryIndex::Place place = matches.Take();
        ASSERT_EQ(place.block, i);
        ASSERT_EQ(place.offset, i);
      }
      ASSERT_TRUE(matches.empty());
      ASSERT_TRUE(matches.complete());
    }
  }
}

TEST(EntryIndex, TakesPlacesThatFitIntoTheirBits) {
  for (const uint32_t blocks : {1u, 2u, 3u, 1024u, 1025u, 1u << 20, 1u << 31}) {
    EntryIndex index(100, blocks);
    const auto most = static_cast<uint32_t>((uint64_t{1} << 32) / std::bit_ceil(uint64_t{blocks}));
    EXPECT_TRUE(index.Add(7, {blocks - 1, most - 1}));
    if (most != 0) {
      EXPECT_FALSE(index.Add(7, {0, most}));
    }
    EntryIndex::Matches matches = index.Find(7);
    const EntryIndex::Place place = matches.Take();
    EXPECT_EQ(place.block, blocks - 1);
    EXPECT_EQ(place.offset, most - 1);
    EXPECT_TRUE(matches.empty());
  }
}

EntryMap IndexedEntries(uint64_t count) {
  EntryMap entries;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string key = "user" + std::to_string(1'000'000 + 2 * i);
    entries.emplace(EntryKey(key, MakeTag(10 + i, EntryKind::kPut)), key + std::string(80, 'v'));
  }
  return entries;
}

TableParts IndexedParts() {
  TableParts parts;
  parts.layout = "slotted";
  parts.cache = &kSwizzledCache;
  parts.entry_index = "hash";
  parts.block_bytes = 4096;
  return parts;
}

// By what is counted: no block but the entry's is touched, and what is absent touches none.
TEST(EntryIndexedTable, ReadsGoStraightToTheEntry) {
  for (const FilterVariant* filter : {&kBloomFilter, &kNoFilter}) {
    TableParts parts = IndexedParts();
    parts.filter = filter;
    TableHome home(parts);
    const EntryMap model = IndexedEntries(20'000);
    home.Build("t", model);
    auto table = std::move(home.Open("t")).value();
    TableReadCounters counters;
    for (const auto& [key, value] : model) {
      const LookupKey lookup(key.first, kMaxSequence);
      ASSERT_TRUE(table->filter().MayContain(lookup, counters));
      LookupFold fold(kMaxSequence);
      TableHome::Must(Finish(table->Get(lookup, fold, counters)));
      ASSERT_EQ(fold.value(), value);
    }
    EXPECT_EQ(counters.filter_negatives, 0u);
    const uint64_t blocks = counters.cache_hits + counters.cache_misses;
    EXPECT_LT(blocks, model.size() + model.size() / 500);
    counters = {};
    uint64_t passed = 0;
    for (uint64_t i = 0; i < model.size(); ++i) {
      const std::string key = "user" + std::to_string(1'000'001 + 2 * i);
      const LookupKey lookup(key, kMaxSequence);
      if (!table->filter().MayContain(lookup, counters)) continue;
      ++passed;
      const ReadGuard guard;
      LookupFold fold(kMaxSequence);
      ASSERT_TRUE(table->TryGet(lookup, fold, guard, counters));
      ASSERT_FALSE(fold.done());
    }
    EXPECT_GE(counters.filter_probes, model.size() * 85 / 100);
    EXPECT_LT(passed, model.size() * 12 / 100) << "keys of buckets that overflow";
    if (filter == &kBloomFilter) {
      EXPECT_LT(counters.cache_hits, model.size() / 200) << "the filter answers for those";
      EXPECT_EQ(counters.filter_probes, model.size());
    }
  }
}

TEST(EntryIndexedTable, MemoryIsCountedBoundedAndGivenBack) {
  TableParts parts = IndexedParts();
  const EntryMap model = IndexedEntries(10'000);
  const uint64_t bytes = EntryIndex::BytesFor(model.size());
  parts.entry_index_bytes = 2 * bytes;
  TableHome home(parts);
  home.Build("t", model);
  const MemoryBudget& budget = *home.environment().optional_memory;
  auto first = std::move(home.Open("t")).value();
  EXPECT_EQ(budget.used(), bytes);
  auto second = std::move(home.Open("t")).value();
  EXPECT_EQ(budget.used(), 2 * bytes);
  auto third = std::move(home.Open("t")).value();
  EXPECT_EQ(budget.used(), 2 * bytes) << "no memory left";
  EXPECT_GE(first->pinned_bytes(), third->pinned_bytes() + bytes);
  const std::string key = model.begin()->first.first;
  for (const Table* table : {first.get(), third.get()}) {
    LookupFold fold(kMaxSequence);
    TableReadCounters counters;
    TableHome::Must(Finish(table->Get(LookupKey(key, kMaxSequence), fold, counters)));
    EXPECT_EQ(fold.value(), model.begin()->second);
  }
  first.reset();
  third = std::move(home.Open("t")).value();
  EXPECT_EQ(budget.used(), 2 * bytes) << "the place of the first";
  second.reset();
  third.reset();
  EXPECT_EQ(budget.used(), 0u);
}

// It is opened all the same, and the error comes when that block is read, as without the index.
TEST(EntryIndexedTable, ADamagedBlockLeavesTheTableWithoutIndex) {
  TableHome home(IndexedParts());
  const EntryMap model = IndexedEntries(2'000);
  const TableProperties p = home.Build("t", model);
  home.io().Contents("t")[p.data_bytes / 2] ^= 1;
  auto opened = home.Open("t");
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  const auto table = std::move(opened).value();
  EXPECT_EQ(home.environment().optional_memory->used(), 0u);
  uint64_t damaged = 0;
  for (const auto& [key, value] : model) {
    LookupFold fold(kMaxSequence);
    TableReadCounters counters;
    const Status status = Finish(table->Get(LookupKey(key.first, kMaxSequence), fold, counters));
    damaged += !status.ok();
    if (status.ok()) {
      ASSERT_EQ(fold.value(), value);
    } else {
      ASSERT_EQ(status.code(), StatusCode::kCorruption);
    }
  }
  EXPECT_GT(damaged, 0u);
  EXPECT_LT(damaged, 100u);
}

TEST(EntryIndexedTable, TablesOfOtherLayoutsAndVariantsGoWithout) {
  for (const TableVariant* variant : TableVariants()) {
    for (const std::string layout : {"restarts", "slotted"}) {
      TableParts parts = IndexedParts();
      parts.table = variant;
      parts.layout = layout;
      TableHome home(parts);
      home.Build("t", IndexedEntries(500));
      const auto table = std::move(home.Open("t")).value();
      const bool indexed = home.environment().optional_memory->used() > 0;
      EXPECT_EQ(indexed, variant == &kFlatTable && layout == "slotted");
      EXPECT_TRUE(Finish(table->Verify()).ok());
    }
  }
}

}  // namespace
}  // namespace lsmlab::test
