// Tables under several threads, and the promise of the hot path: a cached read allocates nothing.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/random.h"
#include "tests/support/count_allocations.h"
#include "tests/support/table_fixture.h"

namespace lsmlab::test {
namespace {

std::string KeyAt(uint64_t i) { return "user" + std::to_string(1'000'000 + i); }
std::string ValueAt(uint64_t i) { return std::to_string(i) + std::string(80, 'v'); }

constexpr uint64_t kEntries = 5000;

struct Choice {
  const char* name;
  const TableVariant* table;
  const char* layout;
  const FilterVariant* filter;
  const CacheVariant* cache;
  const char* entry_index = "none";
};

class TableThreads : public testing::TestWithParam<Choice> {
 protected:
  static TableParts Parts(uint64_t cache_bytes) {
    TableParts parts;
    parts.table = GetParam().table;
    parts.layout = GetParam().layout;
    parts.filter = GetParam().filter;
    parts.cache = GetParam().cache;
    parts.codec = &kLz4Codec;
    parts.entry_index = GetParam().entry_index;
    parts.block_bytes = 1024;
    parts.cache_bytes = cache_bytes;
    return parts;
  }
  static std::unique_ptr<Table> Make(TableHome& home, const std::string& path) {
    if (!home.io().Exists(path)) {
      EntryMap entries;
      for (uint64_t i = 0; i < kEntries; ++i) {
        entries.emplace(EntryKey(KeyAt(i), MakeTag(1 + i, EntryKind::kPut)), ValueAt(i));
      }
      home.Build(path, entries);
    }
    return std::move(home.Open(path)).value();
  }
};

// What the tree does: TryGet under a guard, and Get when a block is missing.
void ReadOne(const Table& table, uint64_t i, bool present) {
  const std::string key = present ? KeyAt(i) : KeyAt(i) + "x";
  const LookupKey lookup(key, kMaxSequence);
  TableReadCounters counters;
  {
    const ReadGuard guard;
    LookupFold fold(kMaxSequence);
    if (table.TryGet(lookup, fold, guard, counters)) {
      ASSERT_EQ(fold.done(), present);
      ASSERT_TRUE(!present || fold.value() == ValueAt(i));
      return;
    }
  }
  LookupFold fold(kMaxSequence);
  TableHome::Must(Finish(table.Get(lookup, fold, counters)));
  ASSERT_EQ(fold.done(), present);
  ASSERT_TRUE(!present || fold.value() == ValueAt(i));
}

TEST_P(TableThreads, ReadersIteratorsAndEvictionAtOnce) {
  TableHome home(Parts(96u << 10));  // a fifth of the table
  const std::unique_ptr<Table> table = Make(home, "t");
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Random random(t);
      auto it = table->NewIterator({});
      for (int round = 0; round < 1500; ++round) {
        uint64_t i = random.Below(kEntries);
        if (t % 2 == 0) {
          ReadOne(*table, i, !random.OneIn(5));
          continue;
        }
        TableHome::Must(Finish(it->Seek(KeyAt(i), kMaxTag)));
        for (int steps = 0; steps < 10 && it->valid(); ++steps, ++i) {
          ASSERT_EQ(it->key(), KeyAt(i));
          ASSERT_EQ(it->value(), ValueAt(i));
          TableHome::Must(Finish(it->Next()));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(home.cache().Counters().charge_bytes, 96u << 10);
}

TEST_P(TableThreads, TablesComeAndGoWhileOthersAreRead) {
  TableHome home(Parts(256u << 10));
  const std::unique_ptr<Table> table = Make(home, "t");
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    Random random(1);
    while (!stop.load()) ReadOne(*table, random.Below(kEntries), true);
  });
  Random random(2);
  for (int round = 0; round < 20; ++round) {
    const std::unique_ptr<Table> other = Make(home, "t");
    for (int i = 0; i < 200; ++i) ReadOne(*other, random.Below(kEntries), true);
  }
  stop = true;
  reader.join();
}

TEST_P(TableThreads, ACachedReadAllocatesNothing) {
  TableHome home(Parts(64u << 20));
  const std::unique_ptr<Table> table = Make(home, "t");
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < kEntries; ++i) {
    ReadOne(*table, i, true);
    keys.push_back(KeyAt(i));
  }
  auto it = table->NewIterator({});
  for (TableHome::Must(Finish(it->SeekToFirst())); it->valid();)
    TableHome::Must(Finish(it->Next()));
  const uint64_t before = ThreadAllocations();
  TableReadCounters counters;
  for (const std::string& key : keys) {
    const LookupKey lookup(key, kMaxSequence);
    const ReadGuard guard;
    LookupFold fold(kMaxSequence);
    ASSERT_TRUE(table->TryGet(lookup, fold, guard, counters));
    auto sought = it->Seek(key, kMaxTag);
    ASSERT_TRUE(sought.ready());
  }
  EXPECT_EQ(ThreadAllocations() - before, 0u);
  const bool partitioned = GetParam().table == &kPartitionedTable;
  EXPECT_EQ(counters.cache_hits, partitioned ? 2 * kEntries : kEntries);
}

INSTANTIATE_TEST_SUITE_P(Parts, TableThreads,
                         testing::Values(Choice{"slotted", &kFlatTable, "slotted",
                                                &kBlockedBloomFilter, &kSwizzledCache},
                                         Choice{"restarts", &kFlatTable, "restarts", &kBloomFilter,
                                                &kLruCache},
                                         Choice{"entry_index", &kFlatTable, "slotted",
                                                &kBlockedBloomFilter, &kSwizzledCache, "hash"},
                                         Choice{"partitioned", &kPartitionedTable, "slotted",
                                                &kBlockedBloomFilter, &kSwizzledCache}),
                         [](const auto& choice) { return std::string(choice.param.name); });

}  // namespace
}  // namespace lsmlab::test
