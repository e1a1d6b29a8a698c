#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/filter_io.h"
#include "variants/io/simulated_io.h"

// Walks, and Gets of many keys, over tables whose blocks the cache lacks: what they have under way
// at the device at a time, on an I/O part that completes later.
namespace lsmlab::test {
namespace {

constexpr int kRuns = 4;
constexpr int kKeysInRun = 200;
constexpr size_t kValue = 400;  // one entry in a block of 512 bytes
constexpr uint64_t kReadsOfMultiGet = 32;

std::string KeyNumber(int i) { return "key" + std::to_string(10000 + i); }

class ReadAheadTest : public testing::TestWithParam<const char*> {
 protected:
  // Key i lies in run i % runs, in a block of its own.
  void Open(const std::string& blocks, int runs) {
    runs_ = runs;
    SimulatedOptions simulated;
    simulated.defer = true;
    io_ = MakeSimulatedIo(disk_, simulated);
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall({"ahead",
                                        "",
                                        {{"engine.table.variant", GetParam()},
                                         {"engine.table.read_ahead", blocks},
                                         {"engine.table.block.size", "512"},
                                         {"engine.codec.per_level", codec_},
                                         {"engine.memtable.size", "1MiB"},
                                         {"engine.compaction.variant", "none"},
                                         {"engine.cache.variant", "lru"},
                                         {"engine.cache.bytes", "8MiB"},
                                         {"engine.executor.variant", "inline"}}});
    options.io = std::make_shared<FilterIo>(io_, [this](IoOp& op) {
      if (op.kind == IoKind::kRead && op.site == IoSite::kBlockRead) {
        ++started_;
        most_together_ = std::max(most_together_, started_ - Completed());
        if (started_ == kReadsOfMultiGet + 1) completed_then_ = Completed();
      }
      return false;
    });
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }
  void Fill() {
    for (int run = 0; run < runs_; ++run) {
      for (int i = run; i < runs_ * kKeysInRun; i += runs_) {
        const std::string key = KeyNumber(i);
        ASSERT_TRUE(store_->Put(key, CheckedValue(key, 1, kValue)).ok());
      }
      ASSERT_TRUE(store_->Flush().ok());
    }
    ASSERT_EQ(store_->Stats().tables, static_cast<uint64_t>(runs_));
  }
  // A new process: nothing is in the cache.
  void Reopen(const std::string& blocks, int runs = kRuns) {
    store_.reset();
    Open(blocks, runs);
    StartCounting();
  }
  // At the first key of what was written, in one run that the cache has nothing of.
  std::unique_ptr<Iterator> FlushedFromTheStart() {
    EXPECT_TRUE(store_->Flush().ok());
    Reopen("8", 1);
    std::unique_ptr<Iterator> iterator = store_->NewIterator();
    EXPECT_TRUE(iterator->SeekToFirst().ok());
    return iterator;
  }
  uint64_t Completed() const { return io_->Counters(IoSite::kBlockRead).reads - before_; }
  void StartCounting() {
    before_ = io_->Counters(IoSite::kBlockRead).reads;
    started_ = most_together_ = 0;
  }
  // Steps on, `count` times, from key i, and checks what is there.
  void Walk(Iterator& iterator, int i, int count, int step) {
    for (int n = 0; n < count; ++n, i += step) {
      ASSERT_TRUE(iterator.valid());
      ASSERT_EQ(iterator.key(), KeyNumber(i));
      ASSERT_TRUE(OperationOf(iterator.key(), iterator.Value().value()).has_value());
      ASSERT_TRUE((step > 0 ? iterator.Next() : iterator.Prev()).ok());
    }
  }

  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  std::shared_ptr<Io> io_;
  std::unique_ptr<Store> store_;
  std::string codec_ = "none";
  int runs_ = kRuns;
  uint64_t before_ = 0, started_ = 0, most_together_ = 0;
  uint64_t completed_then_ = 0;  // when one more was started than a MultiGet has under way
};

TEST_P(ReadAheadTest, APositioningReadsItsSourcesSideBySide) {
  Open("1", kRuns);
  Fill();
  const auto move = [](Iterator& iterator, int how) {
    switch (how) {
      case 0:
        return iterator.Seek(KeyNumber(40));
      case 1:
        return iterator.SeekForPrev(KeyNumber(40));
      case 2:
        return iterator.SeekToFirst();
      default:
        return iterator.SeekToLast();
    }
  };
  for (int how = 0; how < 4; ++how) {
    Reopen("1");
    const auto iterator = store_->NewIterator();
    ASSERT_TRUE(move(*iterator, how).ok());
    ASSERT_TRUE(iterator->valid());
    // Metadata, which partitioned tables read as they read blocks, come before.
    EXPECT_EQ(most_together_, static_cast<uint64_t>(kRuns)) << how;
    Walk(*iterator,
         how == 0 || how == 1 ? 40
         : how == 2           ? 0
                              : kRuns * kKeysInRun - 1,
         20, how % 2 == 0 ? 1 : -1);
  }
}

TEST_P(ReadAheadTest, AWalkForwardReadsAheadInGrowingWindows) {
  Open("8", 1);
  Fill();
  Reopen("8", 1);
  auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->Seek(KeyNumber(20)).ok());
  Walk(*iterator, 20, 1, 1);  // the second block, and one behind it
  EXPECT_EQ(most_together_, 2u);
  EXPECT_LE(started_, 4u);  // with a partition
  Walk(*iterator, 21, 150, 1);
  EXPECT_EQ(most_together_, 8u);
  EXPECT_LE(started_, 151 + 8 + 20u);
  // What was read stays: the way back and a second walk read nothing.
  StartCounting();
  Walk(*iterator, 171, 140, -1);
  iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->Seek(KeyNumber(30)).ok());
  Walk(*iterator, 30, 100, 1);
  EXPECT_EQ(started_, 0u);
}

TEST_P(ReadAheadTest, OneBlockMeansNone) {
  Open("1", 1);
  Fill();
  Reopen("1", 1);
  const auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  Walk(*iterator, 0, kKeysInRun, 1);
  EXPECT_FALSE(iterator->valid());
  EXPECT_EQ(most_together_, 1u);
}

TEST_P(ReadAheadTest, LargeBlocksAreNotReadAhead) {
  Open("8", 1);
  constexpr int kLarge = 20;
  constexpr size_t kLargeValue = 100'000;  // two of them are read together, not three
  for (int i = 0; i < kLarge; ++i) {
    ASSERT_TRUE(store_->Put(KeyNumber(i), CheckedValue(KeyNumber(i), 1, kLargeValue)).ok());
  }
  const auto iterator = FlushedFromTheStart();
  Walk(*iterator, 0, kLarge, 1);
  EXPECT_FALSE(iterator->valid());
  EXPECT_EQ(most_together_, 2u);
}

// What is bounded is the memory that the blocks take, not their size on disk.
TEST_P(ReadAheadTest, BlocksThatAreLargeOnceDecodedAreNotReadAhead) {
  codec_ = "lz4";
  Open("8", 1);
  constexpr int kLarge = 20;
  const std::string value(100'000, 'v');
  for (int i = 0; i < kLarge; ++i) ASSERT_TRUE(store_->Put(KeyNumber(i), value).ok());
  const auto iterator = FlushedFromTheStart();
  for (; iterator->valid(); iterator->Next().ok()) ASSERT_EQ(iterator->Value().value(), value);
  EXPECT_EQ(most_together_, 2u);
}

// Nor does one of them spoil the rest of the walk.
TEST_P(ReadAheadTest, ALargeBlockHoldsBackOnlyTheNextWindow) {
  Open("8", 1);
  ASSERT_TRUE(store_->Put(KeyNumber(0), std::string(300'000, 'v')).ok());
  for (int i = 1; i < kKeysInRun; ++i) {
    ASSERT_TRUE(store_->Put(KeyNumber(i), CheckedValue(KeyNumber(i), 1, kValue)).ok());
  }
  const auto iterator = FlushedFromTheStart();
  while (iterator->valid()) ASSERT_TRUE(iterator->Next().ok());
  EXPECT_EQ(most_together_, 8u);
}

TEST_P(ReadAheadTest, SkipsWhatTheCacheHas) {
  Open("8", 1);
  Fill();
  Reopen("8", 1);
  for (int i = 0; i < kKeysInRun; i += 2) {
    std::string value;
    ASSERT_TRUE(store_->Get(KeyNumber(i), &value).ok());
  }
  StartCounting();
  const auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  Walk(*iterator, 0, kKeysInRun, 1);
  EXPECT_LE(started_, kKeysInRun / 2u);
}

// A read that takes long holds up nothing but itself: the next one begins with the first that has
// ended, not with the last.
TEST_P(ReadAheadTest, AMultiGetKeepsSoManyUnderWay) {
  Open("1", 1);
  Fill();
  Reopen("1", 1);
  // With every second key what leads to blocks is there.
  for (const int first : {0, 1}) {
    std::vector<std::string> names;
    for (int i = first; i < kKeysInRun; i += 2) names.push_back(KeyNumber(i));
    const std::vector<Slice> keys(names.begin(), names.end());
    std::vector<std::string> values;
    StartCounting();
    const std::vector<Status> statuses = store_->MultiGet(keys, &values);
    for (size_t i = 0; i < keys.size(); ++i) {
      ASSERT_TRUE(statuses[i].ok()) << statuses[i].ToString();
      ASSERT_TRUE(OperationOf(names[i], values[i]).has_value());
    }
  }
  EXPECT_EQ(started_, kKeysInRun / 2u);
  EXPECT_EQ(most_together_, kReadsOfMultiGet);
  EXPECT_GT(completed_then_, 0u);
  EXPECT_LT(completed_then_, kReadsOfMultiGet);
}

INSTANTIATE_TEST_SUITE_P(Tables, ReadAheadTest, testing::Values("flat", "partitioned"),
                         [](const auto& table) { return std::string(table.param); });

}  // namespace
}  // namespace lsmlab::test
