#include "engine/tree/merging_iterator.h"

#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "engine/base/random.h"
#include "tests/support/finish.h"
#include "tests/support/table_fixture.h"

namespace lsmlab::test {
namespace {

// A source whose moves answer at once or as tasks, fail when told to, and which knows of some keys
// only that its prepared entry comes later.
class FakeSource final : public InternalIterator {
 public:
  struct Shared {
    Random random{1};
    uint64_t tasks_in = 0;  // one move in so many is a task; 0: none
    bool fail = false;      // the next seeks fail
    int seeks = 0;
  };
  FakeSource(const EntryMap& entries, Shared& shared) : entries_(entries), shared_(shared) {}

  void PrepareEntry(Slice key) noexcept override { prepared_ = key; }
  bool PreparedAfter(Slice other) const noexcept override {
    const auto at = entries_.lower_bound(EntryKey(prepared_, kMaxTag));
    // By the first byte alone, as heads do.
    return !prepared_.empty() && at != entries_.end() && !other.empty() &&
           at->first.first[0] > other[0];
  }
  ValueOrTask<Status> Seek(Slice key, Tag tag) override {
    EXPECT_TRUE(prepared_.empty() || prepared_ == key) << "another seek than the prepared one";
    ++shared_.seeks;
    if (shared_.fail) return Answer(entries_.end(), Status::IoError("told to fail"));
    return Answer(entries_.lower_bound(EntryKey(key, tag)));
  }
  ValueOrTask<Status> SeekBefore(Slice key, Tag tag) override {
    const auto at = entries_.lower_bound(EntryKey(key, tag));
    return Answer(at == entries_.begin() ? entries_.end() : std::prev(at));
  }
  ValueOrTask<Status> SeekToFirst() override { return Answer(entries_.begin()); }
  ValueOrTask<Status> SeekToLast() override {
    return Answer(entries_.empty() ? entries_.end() : std::prev(entries_.end()));
  }
  ValueOrTask<Status> Next() override { return Answer(std::next(at_)); }
  ValueOrTask<Status> Prev() override {
    return Answer(at_ == entries_.begin() ? entries_.end() : std::prev(at_));
  }

 private:
  using At = EntryMap::const_iterator;
  bool StepInMemory() noexcept override {
    if (std::next(at_) == entries_.end() || shared_.random.OneIn(4)) return false;
    Go(std::next(at_));
    return true;
  }
  ValueOrTask<Status> Answer(At at, Status status = Status()) {
    prepared_.clear();
    if (shared_.tasks_in != 0 && shared_.random.OneIn(shared_.tasks_in)) {
      return Later(at, std::move(status));
    }
    Go(at);
    return status;
  }
  Task<Status> Later(At at, Status status) {
    Go(at);
    co_return status;
  }
  void Go(At at) {
    at_ = at;
    valid_ = at != entries_.end();
    if (valid_) entry_ = {at->first.first, at->first.second, at->second};
  }

  const EntryMap& entries_;
  Shared& shared_;
  At at_;
  std::string prepared_;
};

class MergingIteratorTest : public testing::Test {
 protected:
  void Make(uint64_t seed, size_t sources) {
    shared_.random = Random(seed);
    for (int i = 0; i < 300; ++i) {
      std::string key(1, static_cast<char>('a' + shared_.random.Below(20)));
      key += std::to_string(shared_.random.Below(20));
      const EntryKey entry(key, MakeTag(static_cast<Sequence>(i + 1), EntryKind::kPut));
      // Sizes that differ as those of levels.
      size_t source = sources - 1;
      while (source > 0 && shared_.random.OneIn(3)) --source;
      parts_[source].emplace(entry, std::to_string(i));
      model_.emplace(entry, std::to_string(i));
    }
    MergeSources list;
    for (size_t i = 0; i < sources; ++i) {
      list.push_back(std::make_unique<FakeSource>(parts_[i], shared_));
    }
    merged_ = NewMergingIterator(std::move(list));
  }
  void Check(const Status& status, EntryMap::const_iterator expected) {
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(merged_->valid(), expected != model_.end());
    if (!merged_->valid()) return;
    ASSERT_EQ(merged_->key(), expected->first.first);
    ASSERT_EQ(merged_->tag(), expected->first.second);
    ASSERT_EQ(merged_->value(), expected->second);
  }
  // One random move from `at`, which it changes alike.
  void Move(EntryMap::const_iterator& at) {
    Random& random = shared_.random;
    std::string key(1, static_cast<char>('a' + random.Below(21)));
    if (random.OneIn(2)) key += std::to_string(random.Below(20));
    switch (at == model_.end() ? random.Below(2) : random.Below(9)) {
      case 0:
        at = model_.lower_bound(EntryKey(key, kMaxTag));
        ASSERT_NO_FATAL_FAILURE(Check(Finish(merged_->Seek(key, kMaxTag)), at));
        break;
      case 1:
        at = model_.lower_bound(EntryKey(key, 0));
        at = at == model_.begin() ? model_.end() : std::prev(at);
        ASSERT_NO_FATAL_FAILURE(Check(Finish(merged_->SeekBefore(key, 0)), at));
        break;
      case 2:
      case 3:
        at = at == model_.begin() ? model_.end() : std::prev(at);
        ASSERT_NO_FATAL_FAILURE(Check(Finish(merged_->Prev()), at));
        break;
      case 4:
      case 5:
        if (merged_->TryNext()) {
          ASSERT_NO_FATAL_FAILURE(Check(Status(), ++at));
          break;
        }
        [[fallthrough]];
      default:
        ASSERT_NO_FATAL_FAILURE(Check(Finish(merged_->Next()), ++at));
    }
  }

  FakeSource::Shared shared_;
  std::map<size_t, EntryMap> parts_;
  EntryMap model_;
  std::unique_ptr<InternalIterator> merged_;
};

class MergingIteratorWalk : public MergingIteratorTest,
                            public testing::WithParamInterface<std::pair<size_t, uint64_t>> {};

TEST_P(MergingIteratorWalk, FollowsTheModelWhateverWaits) {
  Make(/*seed=*/11 + GetParam().first, GetParam().first);
  shared_.tasks_in = GetParam().second;
  EntryMap::const_iterator at = model_.end();
  for (int i = 0; i < 20'000; ++i) ASSERT_NO_FATAL_FAILURE(Move(at)) << "move " << i;
}

INSTANTIATE_TEST_SUITE_P(SourcesAndTasks, MergingIteratorWalk,
                         testing::Values(std::pair(2, 0), std::pair(2, 3), std::pair(5, 0),
                                         std::pair(5, 2), std::pair(5, 30), std::pair(9, 0),
                                         std::pair(9, 5)));

TEST_F(MergingIteratorTest, ASeekTouchesOnlyWhatMayComeFirst) {
  Make(3, 6);
  ASSERT_NO_FATAL_FAILURE(Check(Finish(merged_->SeekToLast()), std::prev(model_.end())));
  const auto at = model_.lower_bound(EntryKey("c", kMaxTag));
  shared_.seeks = 0;
  ASSERT_NO_FATAL_FAILURE(Check(Finish(merged_->Seek("c", kMaxTag)), at));
  EXPECT_LT(shared_.seeks, 6);
  ASSERT_NO_FATAL_FAILURE(Check(Finish(merged_->Next()), std::next(at)));
  EXPECT_EQ(shared_.seeks, 6);
}

TEST_F(MergingIteratorTest, TheErrorOfASourceThatWaitedIsTheNextStepsError) {
  Make(3, 6);
  const auto at = model_.lower_bound(EntryKey("c", kMaxTag));
  for (const uint64_t tasks_in : {0, 1}) {
    ASSERT_NO_FATAL_FAILURE(Check(Finish(merged_->Seek("c", kMaxTag)), at));
    shared_.tasks_in = tasks_in;  // the seek itself as a task would leave none waiting
    shared_.fail = true;
    EXPECT_FALSE(Finish(merged_->Next()).ok());
    EXPECT_FALSE(merged_->valid());
    shared_ = {};
  }
}

}  // namespace
}  // namespace lsmlab::test
