#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/filter_io.h"
#include "variants/io/simulated_io.h"

namespace lsmlab::test {

// A store with separated values on a simulated disk, which knows what it holds.
class SeparatedTest : public testing::Test {
 protected:
  static constexpr size_t kThreshold = 200;
  static constexpr size_t kRecordHead = 20;  // of a value file
  static std::string NumberedKey(int i) { return "key" + std::to_string(1000 + i); }

  void Open(const Settings& more = {}, const PartitionerVariant* partitioner = nullptr) {
    const Settings separated = {
        {"engine.values.variant", "separated"},
        {"engine.values.threshold", std::to_string(kThreshold)},
        {"engine.values.file_size", "16KiB"},
        {"engine.executor.variant", "inline"},
    };
    TestComposition composition{"separated", "", separated, partitioner};
    OpenComposition(composition, more);
  }
  void OpenComposition(const TestComposition& composition, const Settings& more) {
    store_.reset();
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall(composition, more);
    if (policy_ != nullptr) options.composition.compaction.variant = policy_;
    SimulatedOptions simulated;
    simulated.defer = defer_;
    simulated.direct = direct_;
    io_ = MakeSimulatedIo(disk_, simulated);
    options.io = io_;
    if (watch_) options.io = std::make_shared<FilterIo>(io_, watch_);
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }
  void Put(int i, uint64_t operation, size_t length) {
    const std::string key = NumberedKey(i);
    ASSERT_TRUE(store_->Put(key, CheckedValue(key, operation, length)).ok());
    newest_[i] = operation;
  }
  void Fill(int keys, size_t length) {
    for (int i = 0; i < keys; ++i) Put(i, ++operation_, length);
  }
  void Overwrite(int keys, int times, size_t length) {
    Random random(times);
    for (int i = 0; i < keys * times; ++i) {
      Put(static_cast<int>(random.Below(static_cast<uint64_t>(keys))), ++operation_, length);
    }
  }
  // Every key has its newest value, by Get, MultiGet, and scans both ways.
  void CheckAll() {
    std::vector<std::string> names, values;
    for (const auto& [i, operation] : newest_) {
      names.push_back(NumberedKey(i));
      std::string value;
      ASSERT_TRUE(store_->Get(names.back(), &value).ok());
      ASSERT_EQ(OperationOf(names.back(), value), operation);
    }
    const std::vector<Slice> keys(names.begin(), names.end());
    for (const Status& status : store_->MultiGet(keys, &values)) ASSERT_TRUE(status.ok());
    auto iterator = store_->NewIterator();
    ASSERT_TRUE(iterator->SeekToFirst().ok());
    size_t n = 0;
    for (const auto& [i, operation] : newest_) {
      ASSERT_EQ(OperationOf(names[n], values[n]), operation);
      ASSERT_TRUE(iterator->valid());
      ASSERT_EQ(iterator->key(), names[n++]);
      ASSERT_EQ(OperationOf(iterator->key(), iterator->Value().value()), operation);
      ASSERT_TRUE(iterator->Next().ok());
    }
    ASSERT_FALSE(iterator->valid());
    ASSERT_TRUE(iterator->SeekToLast().ok());
    for (auto at = newest_.rbegin(); at != newest_.rend(); ++at) {
      ASSERT_TRUE(iterator->valid());
      ASSERT_EQ(OperationOf(NumberedKey(at->first), iterator->Value().value()), at->second);
      ASSERT_TRUE(iterator->Prev().ok());
    }
    ASSERT_FALSE(iterator->valid());
  }
  // Damages the key's newest value where it lies, which is not compressed.
  void Damage(int i, size_t length) {
    const std::string value = CheckedValue(NumberedKey(i), newest_[i], length);
    for (const std::string& path : disk_->Files()) {
      if (!path.ends_with(".val")) continue;
      const size_t at = disk_->Contents(path).value().find(value);
      if (at == std::string::npos) continue;
      ASSERT_TRUE(disk_->FlipBit(path, 8 * (at + length / 2)).ok());
      return;
    }
    FAIL() << "the value is in no file";
  }
  static bool NamesPlace(const Status& status) {
    return status.IsCorruption() && status.message().find(".val offset ") != std::string_view::npos;
  }
  uint64_t FilesOnDisk() const {
    uint64_t files = 0;
    for (const std::string& path : disk_->Files()) files += path.ends_with(".val") ? 1 : 0;
    return files;
  }

  bool defer_ = false;
  Direct direct_ = Direct::kNone;
  const CompactionVariant* policy_ = nullptr;  // null: the composition's
  FilterIo::Answer watch_;
  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  std::shared_ptr<Io> io_;
  std::unique_ptr<Store> store_;
  std::map<int, uint64_t> newest_;
  uint64_t operation_ = 0;
};

}  // namespace lsmlab::test
