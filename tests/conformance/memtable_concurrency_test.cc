// One writer and two readers on every memtable; the thread sanitizer's build runs it too.

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/conformance/memtable_fixture.h"

namespace lsmlab {
namespace {

// Entry number s has sequence s, the shape's key number s, and a value made from both, so that a
// reader can check an entry by itself.
std::string ValueOf(Sequence sequence, Slice key) {
  return std::to_string(KeyHash(key) ^ sequence) + std::string(sequence % 90, 'v');
}

class MemtableConcurrency : public MemtableTest {
 protected:
  static Tag TagOf(Sequence sequence) { return MakeTag(sequence, EntryKind::kPut); }

  void Write(KeyShape shape, Sequence count) {
    for (Sequence sequence = 1; sequence <= count; ++sequence) {
      const std::string key = ShapedKey(shape, sequence);
      memtable_->Add(key, TagOf(sequence), ValueOf(sequence, key));
      published_.store(sequence, std::memory_order_release);
    }
    written_.store(true, std::memory_order_release);
  }

  // Point reads and seeks of published entries, each at its own snapshot.
  void ReadPoints(KeyShape shape, Random random) {
    auto it = memtable_->NewIterator();
    for (bool last = false; !last;) {
      last = written_.load(std::memory_order_acquire);
      for (int i = 0; i < 100; ++i) {
        const Sequence newest = published_.load(std::memory_order_acquire);
        if (newest == 0) break;
        // Half of them the newest, whose surroundings are changing.
        const Sequence sequence = random.OneIn(2) ? newest : 1 + random.Below(newest);
        const std::string key = ShapedKey(shape, sequence);
        LookupFold fold(sequence);
        memtable_->Get(LookupKey(key, sequence), fold);
        ASSERT_EQ(fold.state(), LookupFold::State::kFound) << sequence;
        ASSERT_EQ(fold.value(), ValueOf(sequence, key));
        LookupFold missing(kMaxSequence);
        memtable_->Get(LookupKey(key + "?", kMaxSequence), missing);
        ASSERT_EQ(missing.state(), LookupFold::State::kSearching);
        Must(it->Seek(key, TagOf(sequence)));
        ASSERT_TRUE(it->valid());
        ASSERT_EQ(it->key(), key);
        ASSERT_EQ(it->tag(), TagOf(sequence));
        ASSERT_NO_FATAL_FAILURE(CheckStepsFromBefore(*it, key, TagOf(sequence)));
      }
    }
  }
  // From the entry before a published one the walk meets it.
  void CheckStepsFromBefore(InternalIterator& it, const std::string& key, Tag tag) {
    Must(it.SeekBefore(key, tag));
    if (!it.valid()) {
      Must(it.SeekToFirst());
    } else {
      ASSERT_LT(CompareEntry(it.key(), it.tag(), key, tag), 0);
    }
    while (it.valid() && CompareEntry(it.key(), it.tag(), key, tag) < 0) Must(it.Next());
    ASSERT_TRUE(it.valid());
    ASSERT_EQ(CompareEntry(it.key(), it.tag(), key, tag), 0);
  }

  // Whole walks, forward and backward in turn: in order, and with everything published before.
  void ReadAll(KeyShape shape) {
    auto it = memtable_->NewIterator();
    bool forward = true;
    for (bool last = false; !last; forward = !forward) {
      last = written_.load(std::memory_order_acquire);
      const Sequence newest = published_.load(std::memory_order_acquire);
      Sequence seen = 0;
      std::string previous_key;
      Tag previous_tag = 0;
      Must(forward ? it->SeekToFirst() : it->SeekToLast());
      for (bool first = true; it->valid(); first = false) {
        if (!first) {
          ASSERT_EQ(CompareEntry(previous_key, previous_tag, it->key(), it->tag()),
                    forward ? -1 : 1);
        }
        const Sequence sequence = TagSequence(it->tag());
        ASSERT_EQ(it->key(), ShapedKey(shape, sequence));
        ASSERT_EQ(it->value(), ValueOf(sequence, it->key()));
        if (sequence <= newest) ++seen;
        previous_key = it->key();
        previous_tag = it->tag();
        Must(forward ? it->Next() : it->Prev());
      }
      ASSERT_EQ(seen, newest);
    }
  }

  std::atomic<Sequence> published_{0};
  std::atomic<bool> written_{false};
};

TEST_P(MemtableConcurrency, ReadersSeeWhatWasPublished) {
  for (KeyShape shape : kAllShapes) {
    // Its few keys repeat, which is what kHot is for.
    if (shape == KeyShape::kExtremeBytes) continue;
    SCOPED_TRACE(testing::Message() << "shape " << static_cast<int>(shape));
    MakeMemtable();
    published_ = 0;
    written_ = false;
    std::thread points([&] { ReadPoints(shape, Random(1)); });
    std::thread walks([&] { ReadAll(shape); });
    Write(shape, static_cast<Sequence>(Scaled(30'000)));
    points.join();
    walks.join();
    if (HasFatalFailure()) return;
  }
}

// Many small memtables: a structure's first steps (a root that splits) come once in each.
TEST_P(MemtableConcurrency, ReadersSeeWhatWasPublishedWhileItIsSmall) {
  for (int round = 0; round < Scaled(300); ++round) {
    MakeMemtable();
    published_ = 0;
    written_ = false;
    std::atomic<bool> started{false};
    std::thread points([&] {
      started = true;
      ReadPoints(KeyShape::kRandom, Random(static_cast<uint64_t>(round)));
    });
    while (!started) std::this_thread::yield();
    Write(KeyShape::kRandom, 140);
    points.join();
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(All, MemtableConcurrency, test::Registered(MemtableVariants()),
                         test::ByVariant());

}  // namespace
}  // namespace lsmlab
