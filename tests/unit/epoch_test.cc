#include "engine/base/epoch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace lsmlab {
namespace {

std::atomic<int> alive{0};

struct Counted {
  Counted() { ++alive; }
  ~Counted() {
    value = -1;
    --alive;
  }
  int value = 7;
};

TEST(Epoch, FreesAtOnceWhatNobodyCanReach) {
  EpochDelete(new Counted);
  EXPECT_EQ(EpochCollect(), 0u);
  EXPECT_EQ(alive, 0);
}

// However few they are, large objects are not kept for company.
TEST(Epoch, LittleMemoryWaits) {
  EpochDrain();
  const int before = alive;
  const auto retire = [](size_t bytes) {
    EpochRetire(
        new Counted, [](void* p) { delete static_cast<Counted*>(p); }, bytes);
  };
  retire(1 << 10);
  EXPECT_EQ(alive, before + 1);
  retire(1 << 20);
  EXPECT_EQ(alive, before);
  for (int i = 0; i < 64; ++i) retire(1 << 16);
  EXPECT_LT(alive, before + 17);
  EpochDrain();
  EXPECT_EQ(alive, before);
}

TEST(Epoch, AGuardKeepsWhatWasReachableWhenItBegan) {
  auto* object = new Counted;
  {
    ReadGuard outer;
    EXPECT_EQ(ReadGuard::Depth(), 1u);
    {
      ReadGuard inner;
      EXPECT_EQ(ReadGuard::Depth(), 2u);
    }
    EpochDelete(object);
    EXPECT_EQ(EpochCollect(), 1u);
    EXPECT_EQ(object->value, 7);
  }
  EXPECT_EQ(ReadGuard::Depth(), 0u);
  EXPECT_EQ(EpochCollect(), 0u);
  EXPECT_EQ(alive, 0);
}

TEST(Epoch, ALaterGuardDoesNotHoldUp) {
  std::atomic<int> step{0};
  EpochDelete(new Counted);
  std::thread reader([&] {
    ReadGuard guard;
    step = 1;
    while (step != 2) std::this_thread::yield();
  });
  while (step != 1) std::this_thread::yield();
  EXPECT_EQ(EpochCollect(), 0u);
  step = 2;
  reader.join();
  EXPECT_EQ(alive, 0);
}

TEST(Epoch, CollectsBySelfAfterEnoughRetired) {
  for (int i = 0; i < 1000; ++i) EpochDelete(new Counted);
  EXPECT_LT(alive, 300);
  EpochDrain();
  EXPECT_EQ(alive, 0);
}

// Each object retires the next: an owner that lets its children go.
struct Chain {
  explicit Chain(int n) : rest(n) { ++alive; }
  ~Chain() {
    --alive;
    if (rest > 0) EpochDelete(new Chain(rest - 1));
  }
  int rest;
};

TEST(Epoch, DrainFreesWhatDeletersRetire) {
  EpochDelete(new Chain(100));
  EpochDrain();
  EXPECT_EQ(alive, 0);
}

// Where there is always a reader inside and something that it may have found, as beside busy
// stores, a drain ends all the same; the test's own limit ends one that does not.
TEST(Epoch, DrainWaitsForNothingThatComesLater) {
  EpochDrain();
  static std::atomic<int> step{0};
  static std::thread later;
  // Runs in the drain, so that the reader comes after it has begun.
  EpochRetire(new int(0), [](void* p) {
    delete static_cast<int*>(p);
    later = std::thread([] {
      ReadGuard guard;
      EpochDelete(new Counted);
      step = 1;
      while (step != 2) std::this_thread::yield();
    });
    while (step != 1) std::this_thread::yield();
  });
  EpochDrain();
  EXPECT_EQ(alive, 1);
  step = 2;
  later.join();
  EpochDrain();
  EXPECT_EQ(alive, 0);
}

TEST(Epoch, DrainWaitsForReadersInside) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> entered{false}, draining{false}, left{false};
    std::thread reader([&] {
      ReadGuard guard;
      entered = true;
      while (!draining) std::this_thread::yield();
      for (int i = 0; i < 200; ++i) std::this_thread::yield();
      left = true;
    });
    while (!entered) std::this_thread::yield();
    EpochDelete(new Chain(3));
    draining = true;
    EpochDrain();
    EXPECT_TRUE(left);
    EXPECT_EQ(alive, 0);
    reader.join();
  }
}

// For callers that hold a lock.
TEST(Epoch, DeferringFreesNothing) {
  EpochDrain();
  const auto defer = [] {
    EpochDefer(new Counted, [](void* p) { delete static_cast<Counted*>(p); });
  };
  for (int i = 0; i < 1000; ++i) defer();
  EXPECT_EQ(alive, 1000);
  EXPECT_EQ(EpochCollect(), 0u);
  EXPECT_EQ(alive, 0);
  defer();
  EpochDrain();
  EXPECT_EQ(alive, 0);
}

TEST(Epoch, DrainWaitsForDeletersOfOtherThreads) {
  static std::atomic<bool> entered{false};
  static std::atomic<bool> leave{false};
  static std::atomic<bool> finished{false};
  static int object;
  std::thread collector([] {
    EpochRetire(&object, [](void*) {
      entered = true;
      while (!leave) std::this_thread::yield();
      finished = true;
    });
    EpochCollect();
  });
  while (!entered) std::this_thread::yield();
  std::thread releaser([] { leave = true; });
  EpochDrain();
  EXPECT_TRUE(finished);
  releaser.join();
  collector.join();
}

void ReadWhileOthersFree() {
  std::atomic<Counted*> shared{new Counted};
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        ReadGuard guard;
        ASSERT_EQ(shared.load(std::memory_order_acquire)->value, 7);
      }
    });
  }
  std::thread other_writer([] {
    for (int i = 0; i < 5000; ++i) EpochDelete(new Counted);
  });
  for (int i = 0; i < 5000; ++i) {
    EpochDelete(shared.exchange(new Counted, std::memory_order_acq_rel));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  other_writer.join();
  EpochDelete(shared.load());
  EpochDrain();
  EXPECT_EQ(alive, 0);
}

TEST(Epoch, ReadersNeverSeeAFreedObject) { ReadWhileOthersFree(); }

TEST(Epoch, ReadersNeverSeeAFreedObjectWithoutMembarrier) {
  const bool usual = std::exchange(internal::barrier_on_collect, false);
  ReadWhileOthersFree();
  internal::barrier_on_collect = usual;
}

// A guard's announcement may wait in the processor's store buffer behind stores that miss the
// cache, while the reads after it have long been made: only the barrier of the collector brings it
// out.
TEST(Epoch, AnAnnouncementStillInTheStoreBufferCounts) {
  struct Marked {
    std::atomic<int> freed{0};
  };
  constexpr int kRounds = 20'000;
  constexpr size_t kColdBytes = 64 << 20;
  std::vector<Marked> objects(kRounds + 1);
  std::vector<char> cold(kColdBytes);
  std::atomic<Marked*> shared{&objects[0]};
  std::atomic<bool> stop{false};
  uint64_t seen_freed = 0;
  std::thread reader([&] {
    size_t at = 0;
    while (!stop.load(std::memory_order_relaxed)) {
      for (int i = 0; i < 16; ++i) {
        at = (at * 5 + 4097 * 64) % kColdBytes;
        static_cast<volatile char*>(cold.data())[at] = 1;
      }
      ReadGuard guard;
      const Marked* object = shared.load(std::memory_order_acquire);
      for (int i = 0; i < 200; ++i) seen_freed += object->freed.load(std::memory_order_relaxed);
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    shared.store(&objects[i + 1], std::memory_order_release);
    EpochRetire(&objects[i], [](void* p) { static_cast<Marked*>(p)->freed = 1; });
    EpochCollect();
  }
  stop = true;
  reader.join();
  EXPECT_EQ(seen_freed, 0u);
  EpochDrain();
}

TEST(Epoch, AnyNumberOfThreadsReadsAtOnce) {
  struct Freed {
    std::atomic<bool> yes{false};
  };
  Freed object;
  constexpr size_t kThreads = 600;
  std::atomic<size_t> inside{0};
  std::atomic<bool> leave{false};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      ReadGuard guard;
      ++inside;
      leave.wait(false);
    });
    // The last one reads on while all others have left.
    while (inside.load() <= i) std::this_thread::yield();
    if (i + 2 == kThreads) {
      leave = true;
      leave.notify_all();
      for (std::thread& thread : threads) thread.join();
      threads.clear();
      leave = false;
    }
  }
  EpochRetire(&object, [](void* p) { static_cast<Freed*>(p)->yes = true; });
  EpochCollect();
  EXPECT_FALSE(object.yes);
  leave = true;
  leave.notify_all();
  threads.back().join();
  EpochDrain();
  EXPECT_TRUE(object.yes);
}

TEST(Epoch, SlotsReturnWhenThreadsEnd) {
  for (int i = 0; i < 600; ++i) {
    std::thread([] { ReadGuard guard; }).join();
  }
}

}  // namespace
}  // namespace lsmlab
