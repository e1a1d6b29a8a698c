#include <gtest/gtest.h>

#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "variants/io/simulated_io.h"
#include "variants/registry.h"

// A store goes from one catalog to another.
namespace lsmlab::test {
namespace {

constexpr int kKeysPerRound = 600;

class StoreCatalogTest : public testing::Test {
 protected:
  Result<std::unique_ptr<Store>> Open(std::string_view catalog, bool read_only) {
    TestComposition composition = SeparatedCompositions().front();
    composition.changes.emplace_back("engine.catalog.variant", catalog);
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall(composition, {{"engine.executor.variant", "inline"}});
    options.io = MakeSimulatedIo(disk_);
    options.seed = 3;
    options.read_only = read_only;
    return Store::Open(std::move(options));
  }
  static std::string KeyOf(int i) { return "key" + std::to_string(i * 7919 % 10'007); }
  static void ExpectAll(Store& store, int keys) {
    for (int i = 0; i < keys; ++i) {
      std::string value;
      ASSERT_TRUE(store.Get(KeyOf(i), &value).ok()) << i;
      ASSERT_EQ(value, CheckedValue(KeyOf(i), i, 60 + i % 200));
    }
    const Status verified = store.Verify();
    ASSERT_TRUE(verified.ok()) << verified.ToString();
  }

  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
};

TEST_F(StoreCatalogTest, EachTakesOverFromTheOther) {
  int keys = 0;
  for (int round = 0; round < 5; ++round) {
    const std::string_view catalog = round % 2 == 0 ? "manifest" : "footers";
    {
      auto store = Open(catalog, false);
      ASSERT_TRUE(store.ok()) << store.status().ToString();
      ExpectAll(*store.value(), keys);
      for (const int end = keys + kKeysPerRound; keys < end; ++keys) {
        const std::string value = CheckedValue(KeyOf(keys), keys, 60 + keys % 200);
        ASSERT_TRUE(store.value()->Put(KeyOf(keys), value).ok());
      }
      if (round == 2) {
        ASSERT_TRUE(store.value()->CompactRange({}, {}).ok());
      }
      ExpectAll(*store.value(), keys);
      if (round % 3 != 0) disk_ = disk_->Crash(CrashMode::kAll, round);
      ASSERT_TRUE(store.value()->Close().ok());
    }
    for (const CatalogVariant* reader : CatalogVariants()) {
      const IoCounters before = disk_->counters();
      auto store = Open(reader->name, true);
      ASSERT_TRUE(store.ok()) << reader->name << ": " << store.status().ToString();
      ExpectAll(*store.value(), keys);
      EXPECT_EQ(disk_->counters().write_bytes, before.write_bytes);
      EXPECT_EQ(disk_->counters().syncs, before.syncs);
    }
    bool has_manifest = false;
    for (const std::string& path : disk_->Files()) {
      has_manifest |= path.find("MANIFEST") != std::string::npos || path.ends_with("CURRENT");
    }
    EXPECT_EQ(has_manifest, catalog == "manifest");
  }
}

}  // namespace
}  // namespace lsmlab::test
