#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/registered.h"
#include "tests/support/test_scale.h"
#include "variants/io/simulated_io.h"

// What every value store must do (engine/parts/value_store.h): by itself, over drawn files, and in
// a store whose garbage it has to find.
namespace lsmlab::test {
namespace {

using Files = std::vector<ValueFileShape>;
using Numbers = std::vector<uint64_t>;

class ValuesConformance : public testing::TestWithParam<const ValuesVariant*> {
 protected:
  ValuesConformance() : values_(GetParam()->make(DefaultSettings(GetParam()->settings))) {}
  const std::unique_ptr<ValueStore> values_;
};

Files DrawFiles(Random& random) {
  Files files;
  uint64_t file = 0;
  for (uint64_t n = random.Below(12); n > 0; --n) {
    const uint64_t bytes = 1 + random.Below(random.OneIn(3) ? 100 : 1'000'000);
    const uint64_t live = random.OneIn(3) ? bytes : random.OneIn(3) ? 0 : random.Below(bytes + 1);
    files.push_back({file += 1 + random.Below(5), bytes, live});
  }
  return files;
}

bool Rises(const Numbers& numbers) {
  return std::adjacent_find(numbers.begin(), numbers.end(), std::greater_equal<>()) ==
         numbers.end();
}

TEST_P(ValuesConformance, SaysTheSameOfItselfEveryTime) {
  const auto again = GetParam()->make(DefaultSettings(GetParam()->settings));
  EXPECT_EQ(values_->threshold_bytes(), again->threshold_bytes());
  EXPECT_EQ(values_->file_bytes(), again->file_bytes());
  EXPECT_EQ(values_->codec(), again->codec());
  EXPECT_GE(values_->threshold_bytes(), 1u);
  EXPECT_GE(values_->read_ahead(), 1u);
  if (values_->threshold_bytes() != SIZE_MAX) {
    EXPECT_GT(values_->file_bytes(), 0u);
  }
  const auto codecs = CodecVariants();
  EXPECT_TRUE(std::any_of(codecs.begin(), codecs.end(), [&](const CodecVariant* row) {
    return row->name == values_->codec();
  })) << values_->codec();
}

TEST_P(ValuesConformance, ChoosesByWhatItIsShownAlone) {
  Random random(TestSeed(1));
  const auto again = GetParam()->make(DefaultSettings(GetParam()->settings));
  for (uint64_t round = Scaled(3000); round > 0; --round) {
    const Files files = DrawFiles(random);
    const Numbers collectable = values_->Collectable(files), overdue = values_->Overdue(files);
    EXPECT_EQ(again->Collectable(files), collectable);
    EXPECT_EQ(again->Overdue(files), overdue);
    EXPECT_EQ(again->DebtBytes(files), values_->DebtBytes(files));
    ASSERT_TRUE(Rises(collectable) && Rises(overdue));
    ASSERT_TRUE(
        std::includes(collectable.begin(), collectable.end(), overdue.begin(), overdue.end()))
        << "what is overdue can be collected";
    ASSERT_EQ(values_->DebtBytes(files) == 0, overdue.empty());
    uint64_t there = 0, with_garbage = 0;
    for (const ValueFileShape& file : files) {
      there += std::binary_search(collectable.begin(), collectable.end(), file.file);
      with_garbage +=
          std::binary_search(overdue.begin(), overdue.end(), file.file) && file.garbage_bytes() > 0;
    }
    ASSERT_EQ(there, collectable.size()) << "no number but those of the files";
    ASSERT_EQ(with_garbage, overdue.size()) << "collecting comes to an end";
  }
}

// In a store that is opened again and again, with values of every size.
class StoreOfValues {
 public:
  explicit StoreOfValues(const ValuesVariant* variant) : variant_(variant) {}

  // With another variant in the last place, or other files past the page cache.
  void Open(std::string_view variant, Direct direct = Direct::kNone) {
    store_.reset();
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall({"values", "", {{"engine.executor.variant", "inline"}}},
                                       {{"engine.values.variant", std::string(variant)},
                                        {"engine.values.threshold", "100"},
                                        {"engine.values.file_size", "8KiB"}});
    SimulatedOptions simulated;
    simulated.direct = direct;
    io_ = MakeSimulatedIo(disk_, simulated);
    options.io = io_;
    auto opened = Store::Open(std::move(options));
    ASSERT_TRUE(opened.ok()) << variant << ": " << opened.status().ToString();
    store_ = std::move(opened).value();
    const SettingBag defaults = DefaultSettings(variant_->settings);
    values_ = variant_->make(defaults);
  }
  void Write(Random& random, uint64_t writes) {
    for (; writes > 0; --writes) {
      const std::string key = "key" + std::to_string(100 + random.Below(60));
      if (random.OneIn(8)) {
        ASSERT_TRUE(store_->Delete(key).ok());
        newest_.erase(key);
        continue;
      }
      const size_t length = kCheckedValueHeader + random.Below(random.OneIn(4) ? 5000 : 200);
      ASSERT_TRUE(store_->Put(key, CheckedValue(key, ++operation_, length)).ok());
      newest_[key] = operation_;
    }
  }
  // Each key by itself and in a walk.
  void Check() {
    auto iterator = store_->NewIterator();
    ASSERT_TRUE(iterator->SeekToFirst().ok());
    for (const auto& [key, operation] : newest_) {
      std::string value;
      ASSERT_TRUE(store_->Get(key, &value).ok()) << key;
      ASSERT_EQ(OperationOf(key, value), operation);
      ASSERT_TRUE(iterator->valid());
      ASSERT_EQ(iterator->key(), key);
      ASSERT_EQ(OperationOf(key, iterator->Value().value()), operation);
      ASSERT_TRUE(iterator->Next().ok());
    }
    ASSERT_FALSE(iterator->valid());
  }
  // A store at rest owes no collecting, and its files are those that it knows.
  void CheckAtRest() {
    ASSERT_TRUE(store_->Drain().ok());
    ASSERT_TRUE(store_->Verify().ok());
    const Files files = store_->Shapes()[0].value_files;
    EXPECT_EQ(values_->Overdue(files), Numbers{});
    uint64_t on_disk = 0;
    for (const std::string& path : disk_->Files()) on_disk += path.ends_with(".val");
    EXPECT_EQ(on_disk, files.size());
  }

 private:
  const ValuesVariant* const variant_;
  const std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  std::shared_ptr<Io> io_;
  std::unique_ptr<ValueStore> values_;
  std::unique_ptr<Store> store_;
  std::map<std::string, uint64_t> newest_;
  uint64_t operation_ = 0;
};

TEST_P(ValuesConformance, AStoreFindsEveryValueAndComesToRest) {
  StoreOfValues store(GetParam());
  Random random(TestSeed(2));
  for (const Direct direct : {Direct::kNone, Direct::kAll, Direct::kWrites, Direct::kAll}) {
    ASSERT_NO_FATAL_FAILURE(store.Open(GetParam()->name, direct));
    ASSERT_NO_FATAL_FAILURE(store.Check());
    ASSERT_NO_FATAL_FAILURE(store.Write(random, Scaled(400)));
    ASSERT_NO_FATAL_FAILURE(store.Check());
    ASSERT_NO_FATAL_FAILURE(store.CheckAtRest());
    ASSERT_NO_FATAL_FAILURE(store.Check());
  }
}

// Whichever variant wrote before, and whichever comes after.
TEST_P(ValuesConformance, ReadsAndLeavesWhatOthersRead) {
  StoreOfValues store(GetParam());
  Random random(TestSeed(3));
  for (const ValuesVariant* other : ValuesVariants()) {
    for (const ValuesVariant* next : {other, GetParam()}) {
      ASSERT_NO_FATAL_FAILURE(store.Open(next->name));
      ASSERT_NO_FATAL_FAILURE(store.Check());
      ASSERT_NO_FATAL_FAILURE(store.Write(random, Scaled(200)));
      ASSERT_NO_FATAL_FAILURE(store.Check());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ValuesConformance, Registered(ValuesVariants()), ByVariant());

}  // namespace
}  // namespace lsmlab::test
