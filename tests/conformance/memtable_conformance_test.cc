// What every memtable must do (engine/parts/memtable.h), against a std::map, for one thread.
// With several threads: memtable_concurrency_test.cc.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/conformance/memtable_fixture.h"

namespace lsmlab {
namespace {

using ModelKey = std::pair<std::string, Tag>;
struct EntryOrder {
  bool operator()(const ModelKey& a, const ModelKey& b) const {
    return CompareEntry(a.first, a.second, b.first, b.second) < 0;
  }
};
using Model = std::map<ModelKey, std::string, EntryOrder>;

class MemtableConformance : public MemtableTest {
 protected:
  void Add(std::string key, Tag tag, std::string value) {
    memtable_->Add(key, tag, value);
    ASSERT_TRUE(model_.emplace(ModelKey(std::move(key), tag), std::move(value)).second);
  }
  // Adds `count` entries: of new keys, and one in four a further version of a key already there.
  void AddRandom(KeyShape shape, int count, Random& random) {
    for (int i = 0; i < count; ++i) {
      const Sequence sequence = ++sequence_;
      std::string key = ShapedKey(shape, random.OneIn(4) ? 1 + random.Below(sequence) : sequence);
      const auto kind = static_cast<EntryKind>(random.OneIn(3) ? 1 + random.Below(3) : 1);
      Add(std::move(key), MakeTag(sequence, kind), std::string(random.Below(40), 'a' + i % 26));
    }
  }
  void CheckAt(const InternalIterator& it, Model::const_iterator expected) {
    ASSERT_EQ(it.valid(), expected != model_.end());
    if (!it.valid()) return;
    ASSERT_EQ(it.key(), expected->first.first);
    ASSERT_EQ(it.tag(), expected->first.second);
    ASSERT_EQ(it.value(), expected->second);
  }
  Model::const_iterator ModelBefore(const ModelKey& target) {
    auto at = model_.lower_bound(target);
    return at == model_.begin() ? model_.end() : std::prev(at);
  }
  void CheckWholeWalks() {
    auto it = memtable_->NewIterator();
    Must(it->SeekToFirst());
    for (auto at = model_.cbegin(); at != model_.cend(); ++at, Must(it->Next())) {
      ASSERT_NO_FATAL_FAILURE(CheckAt(*it, at));
    }
    ASSERT_FALSE(it->valid());
    Must(it->SeekToLast());
    for (auto at = model_.crbegin(); at != model_.crend(); ++at, Must(it->Prev())) {
      ASSERT_NO_FATAL_FAILURE(CheckAt(*it, std::prev(at.base())));
    }
    ASSERT_FALSE(it->valid());
    ASSERT_EQ(memtable_->entries(), model_.size());
  }
  void CheckSeeks(KeyShape shape, int count, Random& random) {
    auto it = memtable_->NewIterator();
    for (int i = 0; i < count; ++i) {
      const Tag tag = random.OneIn(3) ? kMaxTag : SnapshotTag(random.Below(sequence_ + 2));
      const ModelKey target(ShapedKey(shape, random.Below(sequence_ + sequence_ / 4 + 1)), tag);
      it->PrepareSeek(target.first);
      Model::const_iterator at;
      if (random.OneIn(2)) {
        Must(it->Seek(target.first, target.second));
        at = model_.lower_bound(target);
      } else {
        Must(it->SeekBefore(target.first, target.second));
        at = ModelBefore(target);
      }
      ASSERT_NO_FATAL_FAILURE(CheckAt(*it, at));
      for (int step = 0; step < 8 && it->valid(); ++step) {
        if (random.OneIn(2)) {
          Must(it->Next());
          ++at;
        } else {
          Must(it->Prev());
          at = at == model_.begin() ? model_.end() : std::prev(at);
        }
        ASSERT_NO_FATAL_FAILURE(CheckAt(*it, at));
      }
    }
  }
  void CheckGets(KeyShape shape, int count, Random& random) {
    for (int i = 0; i < count; ++i) {
      const Sequence key = random.Below(sequence_ + sequence_ / 4 + 1);
      const Sequence snapshot = random.OneIn(2) ? kMaxSequence : random.Below(sequence_ + 2);
      ASSERT_NO_FATAL_FAILURE(CheckGet(ShapedKey(shape, key), snapshot));
    }
  }
  void CheckGet(const std::string& key, Sequence snapshot) {
    const LookupKey lookup(key, snapshot);
    LookupFold found(snapshot);
    memtable_->PrefetchGet(lookup);
    memtable_->Get(lookup, found);
    LookupFold expected(snapshot);
    for (auto at = model_.lower_bound({key, SnapshotTag(snapshot)});
         at != model_.end() && at->first.first == key; ++at) {
      if (expected.Feed(at->first.second, at->second)) break;
    }
    ASSERT_EQ(found.state(), expected.state());
    ASSERT_EQ(found.value(), expected.value());
    ASSERT_EQ(found.operands(), expected.operands());
  }

  Model model_;
  Sequence sequence_ = 0;
};

TEST_P(MemtableConformance, EmptyOneHasNothing) {
  CheckWholeWalks();
  auto it = memtable_->NewIterator();
  Must(it->Seek("", kMaxTag));
  EXPECT_FALSE(it->valid());
  Must(it->SeekBefore("z", kMaxTag));
  EXPECT_FALSE(it->valid());
  CheckGet("", kMaxSequence);
  memtable_->Seal();
  CheckWholeWalks();
}

TEST_P(MemtableConformance, AgreesWithAModelForEveryShapeOfKey) {
  for (KeyShape shape : kAllShapes) {
    SCOPED_TRACE(testing::Message() << "shape " << static_cast<int>(shape));
    MakeMemtable();
    model_.clear();
    sequence_ = 0;
    Random random(17 + static_cast<uint64_t>(shape));
    for (int round = 0; round < 3; ++round) {
      AddRandom(shape, Scaled(6000), random);
      ASSERT_NO_FATAL_FAILURE(CheckWholeWalks());
      ASSERT_NO_FATAL_FAILURE(CheckSeeks(shape, Scaled(2000), random));
      ASSERT_NO_FATAL_FAILURE(CheckGets(shape, Scaled(6000), random));
    }
    memtable_->Seal();
    memtable_->Seal();
    ASSERT_NO_FATAL_FAILURE(CheckWholeWalks());
    // Readers go on until its table is there.
    ASSERT_NO_FATAL_FAILURE(CheckSeeks(shape, Scaled(2000), random));
    ASSERT_NO_FATAL_FAILURE(CheckGets(shape, Scaled(2000), random));
  }
}

TEST_P(MemtableConformance, TakesKeysAndValuesOfAllSizes) {
  const std::string zero(1, '\0');
  const std::string ones(1, '\xff');
  std::vector<std::string> keys = {"", zero, zero + zero, zero + ones, ones, ones + zero};
  for (int length : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 39, 40, 41, 64, 300, 65'534, 65'535}) {
    for (char last : {'\0', 'a', '\xff'}) {
      keys.push_back(std::string(static_cast<size_t>(length) - 1, 'a') + last);
      keys.push_back(std::string(static_cast<size_t>(length), last));
    }
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  Random random(3);
  const size_t sizes[] = {0, 1, 7, 100, 4096, 1u << 20};
  for (int round = 0; round < 4; ++round) {
    for (size_t i = keys.size(); i > 1; --i) std::swap(keys[i - 1], keys[random.Below(i)]);
    for (const std::string& key : keys) {
      const Sequence sequence = ++sequence_;
      const size_t size = sequence % 50 == 0 ? sizes[5] : sizes[sequence % 5];
      Add(key, MakeTag(sequence, EntryKind::kPut), std::string(size, 'v'));
    }
  }
  CheckWholeWalks();
  for (const std::string& key : keys) {
    for (Sequence snapshot = 0; snapshot <= sequence_; snapshot += 20) {
      ASSERT_NO_FATAL_FAILURE(CheckGet(key, snapshot));
    }
    ASSERT_NO_FATAL_FAILURE(CheckGet(key + zero, kMaxSequence));
    ASSERT_NO_FATAL_FAILURE(CheckGet(key + ones, kMaxSequence));
  }
}

// Entries at the ends of the tag's range, and neighbours that differ by a zero byte only.
TEST_P(MemtableConformance, OrdersByTagWithinAKey) {
  const std::string key = "k";
  for (const std::string& k : {key, key + '\0', key + std::string(40, '\0')}) {
    for (Sequence sequence : {Sequence{1}, Sequence{5}, kMaxSequence, Sequence{0}}) {
      for (EntryKind kind : {EntryKind::kMerge, EntryKind::kPutWithExpiry, EntryKind::kPut}) {
        Add(k, MakeTag(sequence, kind), "v");
      }
    }
  }
  CheckWholeWalks();
}

TEST_P(MemtableConformance, HoldsTenThousandVersionsOfOneKey) {
  const int kVersions = std::max(Scaled(10'000), 2000);
  for (const bool newest_first : {false, true}) {
    MakeMemtable();
    model_.clear();
    Add("hot", MakeTag(1, EntryKind::kPut), "base");
    for (int i = 0; i < kVersions; ++i) {
      const Sequence sequence = 2 + static_cast<Sequence>(newest_first ? kVersions - i : i + 1);
      Add("hot", MakeTag(sequence, EntryKind::kMerge), std::to_string(sequence));
      // Neighbours, so that the versions straddle nodes at changing places.
      if (i % 7 == 0) Add("hos" + std::to_string(i), MakeTag(sequence, EntryKind::kPut), "below");
      if (i % 5 == 0) Add("hot" + std::to_string(i), MakeTag(sequence, EntryKind::kPut), "above");
    }
    CheckWholeWalks();
    for (Sequence snapshot : {0, 1, 2, 3, 64, 65, 1000, 5000, 10'001, 10'002, 10'003}) {
      ASSERT_NO_FATAL_FAILURE(CheckGet("hot", snapshot));
    }
    LookupFold fold(kMaxSequence);
    memtable_->Get(LookupKey("hot", kMaxSequence), fold);
    EXPECT_EQ(fold.operands().size(), static_cast<size_t>(kVersions));
    EXPECT_EQ(fold.value(), "base");
    ASSERT_NO_FATAL_FAILURE(CheckGet("ho", kMaxSequence));
    auto it = memtable_->NewIterator();
    for (Sequence sequence = 3; sequence <= static_cast<Sequence>(kVersions) + 2; sequence += 37) {
      const ModelKey target("hot", MakeTag(sequence, EntryKind::kMerge));
      Must(it->Seek(target.first, target.second));
      ASSERT_NO_FATAL_FAILURE(CheckAt(*it, model_.find(target)));
      Must(it->SeekBefore(target.first, target.second));
      ASSERT_NO_FATAL_FAILURE(CheckAt(*it, ModelBefore(target)));
    }
  }
}

// An iterator moves on while entries arrive around it: what was there when it was positioned comes,
// in order and once; what arrived later may.
TEST_P(MemtableConformance, IteratorsSurviveAddsAndSeal) {
  const int first = std::max(Scaled(2000), 500);
  for (const bool forward : {true, false}) {
    for (KeyShape shape : {KeyShape::kRandom, KeyShape::kYcsb, KeyShape::kSequential}) {
      MakeMemtable();
      model_.clear();
      sequence_ = 0;
      Random random(5);
      AddRandom(shape, first, random);
      const Model before = model_;
      auto it = memtable_->NewIterator();
      Must(forward ? it->SeekToFirst() : it->SeekToLast());
      std::vector<ModelKey> seen;
      for (int step = 0; it->valid(); ++step) {
        if (it->tag() < SnapshotTag(static_cast<Sequence>(first)))
          seen.emplace_back(it->key(), it->tag());
        const ModelKey last(it->key(), it->tag());
        ASSERT_EQ(model_.at(last), it->value());
        if (step < 3 * first) AddRandom(shape, 3, random);
        if (step == 3 * first) memtable_->Seal();
        Must(forward ? it->Next() : it->Prev());
        if (!it->valid()) break;
        ASSERT_EQ(CompareEntry(last.first, last.second, it->key(), it->tag()), forward ? -1 : 1);
      }
      if (!forward) std::reverse(seen.begin(), seen.end());
      ASSERT_EQ(seen.size(), before.size());
      EXPECT_TRUE(std::equal(seen.begin(), seen.end(), before.begin(),
                             [](const ModelKey& a, const auto& b) { return a == b.first; }));
      memtable_->Seal();
      CheckWholeWalks();
    }
  }
}

TEST_P(MemtableConformance, CountsItsMemoryInTheArena) {
  Random random(9);
  const size_t before = arena_->used_bytes();
  for (int i = 1; i <= 1000; ++i) {
    Add(ShapedKey(KeyShape::kRandom, static_cast<Sequence>(i)), MakeTag(i, EntryKind::kPut),
        std::string(1000, 'v'));
  }
  EXPECT_GT(arena_->used_bytes() - before, 1'016'000u);
  EXPECT_LT(arena_->used_bytes() - before, 1'300'000u);
}

INSTANTIATE_TEST_SUITE_P(All, MemtableConformance, test::Registered(MemtableVariants()),
                         test::ByVariant());

}  // namespace
}  // namespace lsmlab
