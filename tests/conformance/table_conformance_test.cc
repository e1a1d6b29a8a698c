// What every table must do (engine/parts/table.h), against a std::map, over block layouts, filters,
// codecs, caches and file alignments, with blocks so small that versions of a key straddle them.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/random.h"
#include "tests/support/table_fixture.h"
#include "tests/support/test_scale.h"
#include "variants/registry.h"

namespace lsmlab::test {
namespace {

TableParts Parts(std::string layout, const FilterVariant& filter, const CodecVariant& codec,
                 const CacheVariant& cache, uint64_t block_bytes, size_t alignment) {
  TableParts parts;
  parts.layout = std::move(layout);
  parts.filter = &filter;
  parts.codec = &codec;
  parts.cache = &cache;
  parts.block_bytes = block_bytes;
  parts.alignment = alignment;
  return parts;
}

// How many of what a test runs over in every combination: a third where the tests are scaled down.
int Fewer(int count) { return TestScale() < 1 ? count / 3 : count; }

// Every combination; where the tests are scaled down a quarter of them, in which every two variants
// of different parts still meet.
std::vector<TableParts> AllParts() {
  std::vector<TableParts> all;
  size_t turn = 0;
  for (size_t layout = 0; layout < 2; ++layout) {
    for (size_t f = 0; f < FilterVariants().size(); ++f) {
      for (size_t c = 0; c < CodecVariants().size(); ++c) {
        for (size_t cache = 0; cache < CacheVariants().size(); ++cache, ++turn) {
          if (TestScale() < 1 && (layout + f + 2 * c + 3 * cache) % 4 != 0) continue;
          const uint64_t blocks[] = {64, 130, 512, 4096, 200'000};
          all.push_back(Parts(layout == 0 ? "restarts" : "slotted", *FilterVariants()[f],
                              *CodecVariants()[c], *CacheVariants()[cache], blocks[turn % 5],
                              turn % 2 == 0 ? 4096 : 1));
          all.back().table = TableVariants()[turn % 13 % TableVariants().size()];
          if (turn % 3 == 0) all.back().index_search = "binary";
          if (turn % 10 == 4 || turn % 10 == 8) all.back().block_alignment = "page";
          if (turn % 4 == 1) all.back().block_search = "hash";
          if (turn % 5 > 1 && turn % 3 == 1) all.back().large_values = 30;
          if (turn % 2 == 1) all.back().dictionary_bytes = 256;
          if (turn % 4 == 3 && layout == 1) all.back().block_search = "interpolation";
          if (turn % 2 == 0 && layout == 1) all.back().entry_index = "hash";
        }
      }
    }
  }
  return all;
}

std::string PartsName(const testing::TestParamInfo<TableParts>& info) {
  const TableParts& p = info.param;
  std::string name = std::string(p.table->name) + "_" + p.layout + "_" +
                     std::string(p.filter->name) + "_" + std::string(p.codec->name) + "_" +
                     std::string(p.cache->name) + "_" + std::to_string(p.block_bytes) + "_" +
                     std::to_string(p.alignment);
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

class TableConformance : public testing::TestWithParam<TableParts> {
 protected:
  TableConformance() : home_(GetParam()) {}

  void Open(const EntryMap& model) {
    model_ = model;
    properties_ = home_.Build("t", model_);
    auto table = home_.Open("t");
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    table_ = std::move(table).value();
  }

  // The newest version at the snapshot by the model: found, deleted or not there.
  std::string ModelGet(const std::string& key, Sequence snapshot) const {
    auto at = model_.lower_bound(EntryKey(key, SnapshotTag(snapshot)));
    if (at == model_.end() || at->first.first != key) return "absent";
    return TagKind(at->first.second) == EntryKind::kDelete ? "deleted" : "value " + at->second;
  }
  static std::string Outcome(const LookupFold& fold) {
    switch (fold.state()) {
      case LookupFold::State::kSearching:
        return "absent";
      case LookupFold::State::kFound:
        return "value " + std::string(fold.value());
      case LookupFold::State::kDeleted:
        return "deleted";
      case LookupFold::State::kFailed:
        return fold.status().ToString();
    }
    return "";
  }
  void CheckGet(const std::string& key, Sequence snapshot) {
    const LookupKey lookup(key, snapshot);
    TableReadCounters counters;
    if (!table_->filter().MayContain(lookup, counters)) {
      ASSERT_EQ(ModelGet(key, kMaxSequence), "absent") << "ruled out by the filter";
      ASSERT_EQ(counters.filter_negatives, 1u);
      ++ruled_out_;
      return;
    }
    {
      LookupFold fold(snapshot);
      const Status status = Finish(table_->Get(lookup, fold, counters));
      ASSERT_TRUE(status.ok()) << status.ToString();
      ASSERT_EQ(Outcome(fold), ModelGet(key, snapshot));
      ruled_out_ += counters.filter_negatives;  // where the filter lies in pieces
    }
    const ReadGuard guard;
    LookupFold fold(snapshot);
    if (table_->TryGet(lookup, fold, guard, counters)) {
      ASSERT_EQ(Outcome(fold), ModelGet(key, snapshot));
    } else {
      // Only a cache that keeps nothing may have lost the blocks just loaded.
      ASSERT_EQ(home_.cache().capacity_bytes(), 0u);
    }
  }
  void CheckAt(const InternalIterator& it, EntryMap::const_iterator expected) {
    ASSERT_EQ(it.valid(), expected != model_.end());
    if (!it.valid()) return;
    ASSERT_EQ(it.key(), expected->first.first);
    ASSERT_EQ(it.tag(), expected->first.second);
    ASSERT_EQ(it.value(), expected->second);
  }
  EntryMap::const_iterator Before(EntryMap::const_iterator at) const {
    return at == model_.begin() ? model_.end() : std::prev(at);
  }
  // What a prepared seek says of its entry without touching it: never wrong, whatever the key.
  void CheckPrepared(const InternalIterator& it, const std::string& key,
                     EntryMap::const_iterator at) {
    const auto check = [&](const std::string& other) {
      const bool after = it.PreparedAfter(other);
      told_after_ += after;
      if (after && at != model_.end()) {
        ASSERT_GT(at->first.first, other) << "target " << key;
      }
    };
    ASSERT_NO_FATAL_FAILURE(check(key));
    ASSERT_NO_FATAL_FAILURE(check(key.substr(0, key.size() / 2)));
    auto other = at;
    for (int i = 0; i < 6 && other != model_.begin(); ++i) --other;
    for (int i = 0; i < 12 && other != model_.end(); ++i, ++other) {
      ASSERT_NO_FATAL_FAILURE(check(other->first.first));
      ASSERT_NO_FATAL_FAILURE(check(other->first.first + '\0'));
      ASSERT_NO_FATAL_FAILURE(check(other->first.first.substr(0, other->first.first.size() / 2)));
    }
  }
  void CheckSeek(InternalIterator& it, const std::string& key, Tag tag) {
    const auto at = model_.lower_bound(EntryKey(key, tag));
    if (tag % 5 == 0) {
      // What is prepared for another key and not used leaves no trace.
      const std::string& other = model_.begin()->first.first;
      it.PrepareSeek(other);
      if (tag % 3 != 0) it.PrepareBlock(other);
      if (tag % 4 != 0) it.PrepareEntry(other);
      TableHome::Must(Finish(tag % 2 == 0 ? it.SeekToLast() : it.SeekBefore(key, tag)));
      TableHome::Must(Finish(it.Seek(key, tag)));
      ASSERT_NO_FATAL_FAILURE(CheckAt(it, at));
    }
    it.PrepareSeek(key);
    if (tag % 3 != 0) it.PrepareBlock(key);
    if (tag % 4 != 0) it.PrepareEntry(key);
    ASSERT_NO_FATAL_FAILURE(CheckPrepared(it, key, at));
    TableHome::Must(Finish(it.Seek(key, tag)));
    ASSERT_NO_FATAL_FAILURE(CheckAt(it, at));
    if (it.valid()) {
      TableHome::Must(Finish(it.Next()));
      ASSERT_NO_FATAL_FAILURE(CheckAt(it, std::next(at)));
    }
    TableHome::Must(Finish(it.SeekBefore(key, tag)));
    const auto before = Before(at);
    ASSERT_NO_FATAL_FAILURE(CheckAt(it, before));
    if (it.valid()) {
      TableHome::Must(Finish(it.Prev()));
      ASSERT_NO_FATAL_FAILURE(CheckAt(it, Before(before)));
    }
  }
  void CheckWalks(InternalIterator& it) {
    TableHome::Must(Finish(it.SeekToFirst()));
    for (auto at = model_.cbegin(); at != model_.cend(); ++at) {
      ASSERT_NO_FATAL_FAILURE(CheckAt(it, at));
      TableHome::Must(Finish(it.Next()));
    }
    ASSERT_FALSE(it.valid());
    TableHome::Must(Finish(it.SeekToLast()));
    for (auto at = model_.cend(); at != model_.cbegin();) {
      ASSERT_NO_FATAL_FAILURE(CheckAt(it, --at));
      TableHome::Must(Finish(it.Prev()));
    }
    ASSERT_FALSE(it.valid());
  }
  void CheckEverything() {
    // Through the cache; past it where a block is not there; past it altogether.
    for (const int way : {0, 1, 2}) {
      Table::IteratorOptions options;
      options.fill_cache = way == 0;
      options.use_cache = way != 2;
      auto it = table_->NewIterator(options);
      ASSERT_NO_FATAL_FAILURE(CheckWalks(*it));
      for (const auto& [key, value] : model_) {
        ASSERT_NO_FATAL_FAILURE(CheckSeek(*it, key.first, key.second));
        ASSERT_NO_FATAL_FAILURE(CheckSeek(*it, key.first, kMaxTag));
        ASSERT_NO_FATAL_FAILURE(CheckSeek(*it, key.first, 0));
        ASSERT_NO_FATAL_FAILURE(CheckSeek(*it, key.first + '\0', kMaxTag));
      }
      ASSERT_NO_FATAL_FAILURE(CheckSeek(*it, "", kMaxTag));
      ASSERT_NO_FATAL_FAILURE(CheckSeek(*it, "\xff\xff\xff", kMaxTag));
    }
    for (const auto& [key, value] : model_) {
      const Sequence sequence = TagSequence(key.second);
      ASSERT_NO_FATAL_FAILURE(CheckGet(key.first, sequence));
      ASSERT_NO_FATAL_FAILURE(CheckGet(key.first, kMaxSequence));
      ASSERT_NO_FATAL_FAILURE(CheckGet(key.first, sequence - 1));
      ASSERT_NO_FATAL_FAILURE(CheckGet(key.first + "x", kMaxSequence));
      if (!key.first.empty()) {
        ASSERT_NO_FATAL_FAILURE(CheckGet(key.first.substr(0, key.first.size() - 1), kMaxSequence));
      }
    }
    const Status verified = Finish(table_->Verify());
    ASSERT_TRUE(verified.ok()) << verified.ToString();
  }

  uint64_t told_after_ = 0;  // how often PreparedAfter said yes
  uint64_t ruled_out_ = 0;   // how often the filter spared a read
  TableHome home_;
  EntryMap model_;
  TableProperties properties_;
  std::unique_ptr<Table> table_;
};

TEST_P(TableConformance, ManyVersionsStraddleBlocks) {
  Open(RandomEntries(1, Fewer(400), "user", 40));
  CheckEverything();
  // Without a cache it is luck whether a seek's block is the one at hand.
  if (GetParam().table == &kFlatTable && GetParam().layout == "slotted" &&
      home_.cache().capacity_bytes() > 0) {
    EXPECT_GT(told_after_, 0u);
  }
  // An index of entries rules keys out, too.
  EXPECT_TRUE(ruled_out_ > 0 || GetParam().filter == &kNoFilter);
}

TEST_P(TableConformance, SparseKeysWithALongCommonPrefix) {
  Open(RandomEntries(2, Fewer(300), std::string(300, 'p'), 100'000));
  CheckEverything();
}

TEST_P(TableConformance, BinaryKeysOfAllLengths) {
  Random random(3);
  EntryMap entries;
  for (int i = 0; i < 300; ++i) {
    std::string key(random.Below(7), '\0');
    for (char& c : key) c = random.OneIn(2) ? '\0' : static_cast<char>(random.Below(3) * 127);
    entries.emplace(EntryKey(key, MakeTag(1 + random.Below(5), EntryKind::kPut)),
                    std::to_string(i));
  }
  Open(entries);
  CheckEverything();
}

TEST_P(TableConformance, HeadsThatTieOverManyBlocks) {
  EntryMap entries = RandomEntries(8, Fewer(300), "tied for longer than a head", 2000);
  entries.emplace(EntryKey("a", MakeTag(1, EntryKind::kPut)), "no prefix is common");
  entries.emplace(EntryKey("z", MakeTag(1, EntryKind::kPut)), "last");
  Open(entries);
  CheckEverything();
}

TEST_P(TableConformance, OneKeyWithThousandsOfVersions) {
  EntryMap entries;
  entries.emplace(EntryKey("a", MakeTag(1, EntryKind::kPut)), "first");
  for (Sequence s = 1; s <= 2000; ++s) {
    entries.emplace(EntryKey("key", MakeTag(s, EntryKind::kPut)), std::to_string(s));
  }
  entries.emplace(EntryKey("z", MakeTag(1, EntryKind::kPut)), "last");
  Open(entries);
  for (Sequence s = 1; s <= 2000; s += 13) ASSERT_NO_FATAL_FAILURE(CheckGet("key", s));
  ASSERT_NO_FATAL_FAILURE(CheckGet("key", 0));
  auto it = table_->NewIterator({});
  ASSERT_NO_FATAL_FAILURE(CheckWalks(*it));
}

TEST_P(TableConformance, MergeOperandsAreFedFromOneBlockToTheNext) {
  EntryMap entries;
  for (Sequence s = 2; s <= 60; ++s) {
    entries.emplace(EntryKey("sum", MakeTag(s, EntryKind::kMerge)), std::to_string(s));
  }
  entries.emplace(EntryKey("sum", MakeTag(1, EntryKind::kPut)), "base");
  Open(entries);
  const LookupKey lookup("sum", 50);
  LookupFold fold(50);
  TableReadCounters counters;
  TableHome::Must(Finish(table_->Get(lookup, fold, counters)));
  EXPECT_EQ(Outcome(fold), "value base");
  EXPECT_EQ(fold.operands().size(), 49u);
  EXPECT_EQ(fold.operands().front(), "50");
  EXPECT_EQ(fold.operands().back(), "2");
  const ReadGuard guard;
  LookupFold again(50);
  if (table_->TryGet(lookup, again, guard, counters)) {
    EXPECT_EQ(Outcome(again), "value base");
    EXPECT_EQ(again.operands(), fold.operands());
  } else {
    EXPECT_EQ(home_.cache().capacity_bytes(), 0u);
  }
}

TEST_P(TableConformance, LargeKeysAndValues) {
  EntryMap entries;
  Random random(4);
  for (int i = 0; i < 6; ++i) {
    std::string key(i % 2 == 0 ? kMaxKeyBytes : 100, 'k');
    key.back() = static_cast<char>('a' + i);
    // Two blocks of one Get fit into a shard of the cache.
    std::string value(i % 3 == 0 ? Scaled(1u << 19) : Fewer(40'000), '\0');
    for (char& c : value) c = static_cast<char>(random.Below(16));
    entries.emplace(EntryKey(key, MakeTag(7, EntryKind::kPut)), value);
    entries.emplace(EntryKey("small" + std::to_string(i), MakeTag(9, EntryKind::kPut)), "v");
  }
  Open(entries);
  CheckEverything();
}

TEST_P(TableConformance, AnEmptyTable) {
  Open({});
  EXPECT_EQ(table_->properties().entries, 0u);
  auto it = table_->NewIterator({});
  TableHome::Must(Finish(it->SeekToFirst()));
  EXPECT_FALSE(it->valid());
  TableHome::Must(Finish(it->SeekToLast()));
  EXPECT_FALSE(it->valid());
  ASSERT_NO_FATAL_FAILURE(CheckSeek(*it, "k", 5));
  ASSERT_NO_FATAL_FAILURE(CheckGet("k", 5));
  EXPECT_TRUE(Finish(table_->Verify()).ok());
}

TEST_P(TableConformance, PropertiesSayWhatIsInside) {
  Open(RandomEntries(5, 500, "user", 100));
  const TableProperties& p = table_->properties();
  EXPECT_EQ(p.id, TableHome::kId);
  EXPECT_EQ(p.entries, model_.size());
  EXPECT_EQ(p.smallest_key, model_.begin()->first.first);
  EXPECT_EQ(p.largest_tag, model_.rbegin()->first.second);
  EXPECT_EQ(p.table_variant, GetParam().table->name);
  const SettingBag of_table = DefaultSettings(GetParam().table->settings);
  if (of_table.Has("block.layout") && of_table.Has("block.search")) {
    const bool hashed = GetParam().block_search == "hash";
    EXPECT_EQ(p.block_layout, GetParam().layout + (hashed ? "-hash" : ""));
  }
  EXPECT_EQ(p.filter_variant, GetParam().filter->name);
  EXPECT_EQ(p.codec, GetParam().codec->name);
  EXPECT_EQ(p.catalog_mark, "mark");
  uint64_t tombstones = 0;
  for (const auto& [key, value] : model_) {
    tombstones += TagKind(key.second) == EntryKind::kDelete;
  }
  EXPECT_EQ(p.tombstones, tombstones);
  EXPECT_EQ(p.data_blocks, properties_.data_blocks);
  EXPECT_EQ(table_->file_bytes(), home_.io().Contents("t").size());
  EXPECT_EQ(table_->file_bytes() % GetParam().alignment, 0u);
}

TEST_P(TableConformance, EntriesOutOfOrderAreRefused) {
  home_.Build("u", [](TableBuilder& builder, FileWriter&) {
    TableHome::Must(builder.Add("b", MakeTag(5, EntryKind::kPut), "v"));
    EXPECT_FALSE(builder.Add("a", MakeTag(9, EntryKind::kPut), "v").ok());
    EXPECT_FALSE(builder.Add("b", MakeTag(5, EntryKind::kPut), "v").ok());
    EXPECT_FALSE(builder.Add("b", MakeTag(6, EntryKind::kPut), "v").ok());
    EXPECT_FALSE(builder.Add("c", MakeTag(6, EntryKind::kInvalid), "v").ok());
    EXPECT_FALSE(builder.Add(std::string(kMaxKeyBytes + 1, 'k'), 257, "v").ok());
    TableHome::Must(builder.Add("b", MakeTag(4, EntryKind::kPut), "v"));
    EXPECT_EQ(builder.entries(), 2u);
  });
}

INSTANTIATE_TEST_SUITE_P(Parts, TableConformance, testing::ValuesIn(AllParts()), PartsName);

}  // namespace
}  // namespace lsmlab::test
