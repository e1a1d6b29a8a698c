#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/part_doubles.h"
#include "tests/support/separated_fixture.h"

// Separated values that are read together: by scans and MultiGet, on an I/O part that completes
// later.
namespace lsmlab::test {
namespace {

// Knows how many reads of values are under way at the same time.
class DeferredTest : public SeparatedTest {
 protected:
  // Each value has a file of its own, so that no read brings two.
  void OpenDeferred(const PartitionerVariant* partitioner = nullptr) {
    defer_ = true;
    watch_ = [this](IoOp& op) {
      if (op.kind == IoKind::kRead && op.site == IoSite::kValueRead) {
        ++started_;
        most_together_ = std::max(most_together_, started_ - Completed());
      }
      return false;
    };
    Open({{"engine.values.read_ahead", "8"},
          {"engine.values.file_size", "4096"},
          {"engine.memtable.size", "1MiB"}},
         partitioner);
    Fill(100, 4096);
    ASSERT_TRUE(store_->Flush().ok());
  }
  uint64_t Completed() const { return io_->Counters(IoSite::kValueRead).reads - before_; }
  void StartCounting() {
    before_ = io_->Counters(IoSite::kValueRead).reads;
    started_ = most_together_ = 0;
  }
  uint64_t before_ = 0, started_ = 0, most_together_ = 0;
};

TEST_F(DeferredTest, AScanReadsAheadInBothDirections) {
  OpenDeferred();
  auto iterator = store_->NewIterator();
  const auto expect = [&](int i) {
    ASSERT_TRUE(iterator->valid());
    ASSERT_EQ(iterator->key(), NumberedKey(i));
    ASSERT_EQ(OperationOf(iterator->key(), iterator->Value().value()), newest_[i]);
  };
  StartCounting();
  ASSERT_TRUE(iterator->Seek(NumberedKey(10)).ok());
  expect(10);
  EXPECT_EQ(started_, 1u) << "one value asked for";
  ASSERT_TRUE(iterator->Next().ok());
  expect(11);
  EXPECT_EQ(started_, 5u);
  for (int i = 12; i < 40; ++i) {
    ASSERT_TRUE(iterator->Next().ok());
    expect(i);
  }
  EXPECT_LE(started_, 30 + 8u);
  EXPECT_EQ(most_together_, 8u);
  for (int i = 38; i >= 20; --i) {
    ASSERT_TRUE(iterator->Prev().ok());
    expect(i);
  }
  for (int i = 21; i < 100; ++i) {
    ASSERT_TRUE(iterator->Next().ok());
    if (i % 3 == 0) expect(i);
  }
  ASSERT_TRUE(iterator->Next().ok());
  EXPECT_FALSE(iterator->valid());
  CheckAll();
}

// Entries whose values nobody asks for cost no read.
TEST_F(DeferredTest, AWalkThatAsksNowAndThenReadsNothingElse) {
  OpenDeferred();
  for (const int step : {1, -1}) {
    auto iterator = store_->NewIterator();
    ASSERT_TRUE((step > 0 ? iterator->SeekToFirst() : iterator->SeekToLast()).ok());
    StartCounting();
    uint64_t asked = 0;
    for (int n = 0; iterator->valid(); ++n) {
      if (n % 5 == 0) {
        ++asked;
        ASSERT_TRUE(iterator->Value().ok());
      }
      ASSERT_TRUE((step > 0 ? iterator->Next() : iterator->Prev()).ok());
    }
    EXPECT_EQ(asked, 20u);
    EXPECT_EQ(started_, asked);
  }
}

// Nor does a window of them: it stays short while most of it is passed over.
TEST_F(DeferredTest, WindowsGrowWhereMostValuesAreAskedFor) {
  OpenDeferred();
  auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  StartCounting();
  for (int n = 0; iterator->valid(); ++n) {
    if (n % 3 != 2) {
      ASSERT_TRUE(iterator->Value().ok());
    }
    ASSERT_TRUE(iterator->Next().ok());
  }
  EXPECT_EQ(most_together_, 8u);
  iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  StartCounting();
  for (int n = 0; iterator->valid(); ++n) {
    if (n % 3 == 0) {
      ASSERT_TRUE(iterator->Value().ok());
    }
    ASSERT_TRUE(iterator->Next().ok());
  }
  EXPECT_LE(most_together_, 4u);
}

// A fault of the moment in which a value was read ahead is not the scan's.
TEST_F(DeferredTest, AFailedReadAheadIsReadAgain) {
  OpenDeferred();
  uint64_t to_fail = 4;  // the third of the first window
  watch_ = [&](IoOp& op) {
    if (op.kind != IoKind::kRead || op.site != IoSite::kValueRead || --to_fail != 0) return false;
    op.status = Status::IoError("read: injected");
    return true;
  };
  Open({{"engine.values.read_ahead", "8"}});
  auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  for (const auto& [i, operation] : newest_) {
    const Result<Slice> value = iterator->Value();
    ASSERT_TRUE(value.ok()) << i << ": " << value.status().ToString();
    ASSERT_EQ(OperationOf(NumberedKey(i), value.value()), operation);
    ASSERT_TRUE(iterator->Next().ok());
  }
  EXPECT_GT(to_fail, uint64_t{1} << 60) << "nothing has failed";
  iterator.reset();
  store_.reset();
}

// A window is bounded by the memory that its values take, not by what they take on disk.
TEST_F(DeferredTest, CompressedValuesAreBoundedByWhatTheyHold) {
  defer_ = true;
  Open({{"engine.values.read_ahead", "64"},
        {"engine.values.codec", "zstd"},
        {"engine.memtable.size", "64MiB"}});
  constexpr size_t kLength = 1 << 20;
  const std::string value(kLength, 'v');
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(store_->Put(NumberedKey(i), value).ok());
  ASSERT_TRUE(store_->Flush().ok());
  ASSERT_LT(store_->Stats().value_bytes, kLength);
  const uint64_t before = BlockFrameBytes();
  auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  uint64_t most = 0;
  for (; iterator->valid(); iterator->Next().ok()) {
    ASSERT_TRUE(iterator->Value().ok());
    most = std::max(most, BlockFrameBytes() - before);
  }
  EXPECT_GT(most, 3 * kLength) << "nothing was read ahead";
  EXPECT_LT(most, 6 * kLength);
}

// What was said of a key stays true until the next positioning, also where values are read ahead.
TEST_F(DeferredTest, AKeyIsShownAcrossItsValue) {
  OpenDeferred();
  for (const int step : {1, -1}) {
    auto iterator = store_->NewIterator();
    ASSERT_TRUE((step > 0 ? iterator->SeekToFirst() : iterator->SeekToLast()).ok());
    for (int i = step > 0 ? 0 : 99; iterator->valid(); i += step) {
      const Slice key = iterator->key();
      const std::string first(iterator->Value().value());
      ASSERT_EQ(OperationOf(key, first), newest_[i]);
      ASSERT_EQ(iterator->Value().value(), first) << "asked for twice";
      ASSERT_EQ(key, NumberedKey(i));
      ASSERT_TRUE((step > 0 ? iterator->Next() : iterator->Prev()).ok());
    }
  }
}

TEST_F(DeferredTest, AMultiGetReadsSideBySide) {
  OpenDeferred();
  std::vector<std::string> names, values;
  for (int i = 0; i < 20; ++i) names.push_back(NumberedKey(i * 3));
  const std::vector<Slice> keys(names.begin(), names.end());
  (void)store_->MultiGet(keys, &values);  // from here on only values are not in memory
  StartCounting();
  const std::vector<Status> statuses = store_->MultiGet(keys, &values);
  for (size_t i = 0; i < keys.size(); ++i) {
    ASSERT_TRUE(statuses[i].ok());
    EXPECT_EQ(OperationOf(keys[i], values[i]), newest_[static_cast<int>(i) * 3]);
  }
  EXPECT_EQ(most_together_, 20u);
}

// Values that lie close together in a file come with one read.
TEST_F(DeferredTest, AScanReadsNeighboursAtOnce) {
  defer_ = true;
  watch_ = [this](IoOp& op) {
    started_ += op.kind == IoKind::kRead && op.site == IoSite::kValueRead;
    return false;
  };
  for (const Direct direct : {Direct::kNone, Direct::kAll}) {
    direct_ = direct;
    Open({{"engine.values.read_ahead", "16"}, {"engine.memtable.size", "1MiB"}});
    Fill(200, 400);
    ASSERT_TRUE(store_->Flush().ok());
    CheckAll();
    for (const int step : {1, -1}) {
      const StoreStats before = store_->Stats();
      const uint64_t bytes_before = io_->Counters(IoSite::kValueRead).read_bytes;
      started_ = 0;
      auto iterator = store_->NewIterator();
      ASSERT_TRUE((step > 0 ? iterator->SeekToFirst() : iterator->SeekToLast()).ok());
      for (int i = step > 0 ? 0 : 199; iterator->valid(); i += step) {
        ASSERT_EQ(OperationOf(NumberedKey(i), iterator->Value().value()), newest_[i]);
        ASSERT_TRUE((step > 0 ? iterator->Next() : iterator->Prev()).ok());
      }
      EXPECT_LT(started_, 40u);
      EXPECT_EQ(store_->Stats().value_reads - before.value_reads, started_);
      EXPECT_EQ(store_->Stats().value_read_bytes - before.value_read_bytes,
                io_->Counters(IoSite::kValueRead).read_bytes - bytes_before);
    }
    store_.reset();
  }
}

// What one read brings is good or bad by itself.
TEST_F(DeferredTest, ADamagedValueIsReportedAlone) {
  defer_ = true;
  Open({{"engine.values.read_ahead", "16"}});
  Fill(100, 400);
  ASSERT_TRUE(store_->Flush().ok());
  ASSERT_NO_FATAL_FAILURE(Damage(51, 400));
  auto iterator = store_->NewIterator();
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  for (const auto& [i, operation] : newest_) {
    const Result<Slice> value = iterator->Value();
    if (i == 51) {
      EXPECT_TRUE(NamesPlace(value.status())) << value.status().ToString();
    } else {
      ASSERT_TRUE(value.ok()) << i << ": " << value.status().ToString();
      ASSERT_EQ(OperationOf(NumberedKey(i), value.value()), operation);
    }
    ASSERT_TRUE(iterator->Next().ok());
  }
}

TEST_F(DeferredTest, ShardsMergeWithReadAhead) {
  OpenDeferred(&kThreeShards);
  CheckAll();
}

}  // namespace
}  // namespace lsmlab::test
