#include <gtest/gtest.h>

#include <string>

#include "engine/store.h"
#include "tests/support/compositions.h"
#include "variants/io/simulated_io.h"

// Compactions that the caller starts.
namespace lsmlab::test {
namespace {

class SignalledTest : public testing::Test {
 protected:
  void Open(Settings settings) {
    settings.emplace_back("engine.executor.variant", "inline");
    settings.emplace_back("engine.compaction.start", "signalled");
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall({"signalled", "", {}}, settings);
    options.io = MakeSimulatedIo(SimDisk::Make());
    options.on_compaction_owed = [this] { ++told_; };
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }
  // A few memtables' worth, each its own table of level 0.
  void WriteTables(int tables) {
    for (int t = 0; t < tables; ++t) {
      for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(store_->Put(std::to_string(i), std::string(100, 'a' + t % 26)).ok());
      }
      ASSERT_TRUE(store_->Flush().ok());
    }
  }
  size_t RunsOfLevel0() const { return store_->Shapes().front().levels[0].runs.size(); }

  int told_ = 0;
  std::unique_ptr<Store> store_;
};

TEST_F(SignalledTest, WaitForTheSignalAndAskOnce) {
  Open({});
  WriteTables(8);
  EXPECT_EQ(store_->Stats().compactions, 0u);
  EXPECT_EQ(RunsOfLevel0(), 8u);
  EXPECT_EQ(told_, 1);
  ASSERT_TRUE(store_->StartCompactions().ok());
  for (int i = 0; i < 10'000 && RunsOfLevel0() > 0; ++i) {  // every call runs a little of the job
    std::string value;
    ASSERT_TRUE(store_->Get("1", &value).ok());
    ASSERT_TRUE(store_->Put("x", "y").ok());
  }
  EXPECT_EQ(RunsOfLevel0(), 0u);
  EXPECT_GT(store_->Stats().compactions, 0u);
  const uint64_t compactions = store_->Stats().compactions;
  WriteTables(8);
  EXPECT_EQ(store_->Stats().compactions, compactions) << "the next debt waits for another signal";
  EXPECT_EQ(told_, 2);
  ASSERT_TRUE(store_->Drain().ok());
  EXPECT_EQ(RunsOfLevel0(), 0u);
}

TEST_F(SignalledTest, StartByThemselvesWhereWritersWouldStop) {
  Open({{"engine.compaction.l0_slowdown", "6"}, {"engine.compaction.l0_stop", "8"}});
  WriteTables(30);
  EXPECT_LE(RunsOfLevel0(), 8u);
  EXPECT_GT(store_->Stats().compactions, 0u);
}

}  // namespace
}  // namespace lsmlab::test
