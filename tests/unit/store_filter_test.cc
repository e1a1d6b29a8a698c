#include <gtest/gtest.h>

#include <map>
#include <string>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/support/compositions.h"
#include "variants/io/simulated_io.h"

// What filters do for a whole store: the bits of each level, and iterators that skip tables.
namespace lsmlab::test {
namespace {

class StoreFilterTest : public testing::Test {
 protected:
  std::unique_ptr<Store> Open(Settings settings) {
    StoreOptions options;
    options.path = "/store";
    settings.emplace_back("engine.executor.variant", "inline");
    options.composition = ComposeSmall({"filter", "", {}}, settings);
    options.io = MakeSimulatedIo(SimDisk::Make());
    auto store = Store::Open(std::move(options));
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return std::move(store).value();
  }
};

// Reads of missing keys that search a table in vain.
uint64_t VainReads(Store& store) {
  Random random(1);
  for (int i = 0; i < 12'000; ++i) {
    EXPECT_TRUE(store.Put(std::to_string(random.Below(1'000'000) * 2), std::string(100, 'v')).ok());
  }
  EXPECT_TRUE(store.Drain().ok());
  size_t levels = 0;
  const TreeShape shape = store.Shapes().front();
  for (const LevelShape& level : shape.levels) levels += level.bytes > 0;
  EXPECT_GE(levels, 3u);
  std::string value;
  for (int i = 0; i < 20'000; ++i) {
    EXPECT_TRUE(store.Get(std::to_string(random.Below(1'000'000) * 2 + 1), &value).IsNotFound());
  }
  return store.Stats().filter_false_positives;
}

TEST_F(StoreFilterTest, MonkeySearchesFewerTablesInVain) {
  const Settings five = {{"engine.filter.bits_per_key", "5"}};
  Settings spread = five;
  spread.emplace_back("engine.filter.allocation", "monkey");
  const uint64_t uniform = VainReads(*Open(five));
  const uint64_t monkey = VainReads(*Open(spread));
  EXPECT_GT(monkey, 0u);
  EXPECT_LT(static_cast<double>(monkey) * 1.3, static_cast<double>(uniform));
  std::printf("tables searched in vain: uniform %llu, monkey %llu\n",
              static_cast<unsigned long long>(uniform), static_cast<unsigned long long>(monkey));
}

TEST_F(StoreFilterTest, IteratorsWithinAPrefixSkipTablesAndMissNothing) {
  const auto store =
      Open({{"engine.filter.variant", "prefix-bloom"}, {"engine.filter.prefix_bytes", "4"}});
  std::map<std::string, std::string> model;
  Random random(2);
  for (int i = 0; i < 8000; ++i) {
    const std::string key = std::to_string(100'000 + random.Below(9000) * 100 + i % 3);
    if (random.OneIn(10)) {
      model.erase(key);
      ASSERT_TRUE(store->Delete(key).ok());
    } else {
      model[key] = std::to_string(i);
      ASSERT_TRUE(store->Put(key, model[key]).ok());
    }
  }
  ASSERT_TRUE(store->Put("12", "shorter than a prefix").ok());
  model["12"] = "shorter than a prefix";
  ASSERT_TRUE(store->Drain().ok());
  const uint64_t negatives = store->Stats().filter_negatives;
  for (int i = 0; i < 2000; ++i) {
    std::string lower = std::to_string(1000 + random.Below(9000)), upper = lower;
    if (random.OneIn(2)) lower += std::to_string(random.Below(100));
    ++upper.back();  // "9" becomes ":", which ends the prefix as well
    ReadOptions options;
    options.lower_bound = lower;
    options.upper_bound = upper;
    const auto it = store->NewIterator(options);
    auto expected = model.lower_bound(lower);
    ASSERT_TRUE(it->SeekToFirst().ok());
    for (; expected != model.end() && expected->first < upper; ++expected) {
      ASSERT_TRUE(it->valid()) << lower;
      ASSERT_EQ(it->key(), expected->first);
      ASSERT_EQ(it->Value().value(), expected->second);
      ASSERT_TRUE(it->Next().ok());
    }
    ASSERT_FALSE(it->valid()) << it->key();
  }
  EXPECT_GT(store->Stats().filter_negatives, negatives + 1000);
}

}  // namespace
}  // namespace lsmlab::test
