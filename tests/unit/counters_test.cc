#include "engine/tree/counters.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace lsmlab {
namespace {

TEST(Counters, CellsOfThreadsThatHaveEndedGoOnAsOthers) {
  Counters counters;
  counters.Add(Counter::kGets, 1);
  for (int i = 0; i < 100; ++i) {
    std::thread([&] {
      counters.Add(Counter::kGets, 1);
      counters.Add(Counter::kSeeks, 2);
    }).join();
  }
  counters.Add(Counter::kGets, 1);
  EXPECT_EQ(counters.Sum(Counter::kGets), 102u);
  EXPECT_EQ(counters.Sum(Counter::kSeeks), 200u);
  EXPECT_EQ(counters.cells(), 2u) << "of this thread, and of one other at a time";
}

TEST(Counters, ThreadsThatRunHaveTheirOwn) {
  constexpr size_t kThreads = 8;
  constexpr uint64_t kCounts = 10'000;
  Counters counters;
  for (int round = 0; round < 3; ++round) {
    std::atomic<size_t> inside{0};
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        counters.Add(Counter::kNexts, 1);
        ++inside;
        while (inside < kThreads) std::this_thread::yield();
        for (uint64_t i = 1; i < kCounts; ++i) counters.Add(Counter::kNexts, 1);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(counters.Sum(Counter::kNexts), 3 * kThreads * kCounts);
  EXPECT_EQ(counters.cells(), kThreads);
}

// A thread that goes from store to store finds its cells again, also beside stores that have gone.
TEST(Counters, OfSeveralStores) {
  Counters lasting;
  for (int i = 0; i < 100; ++i) {
    auto passing = std::make_unique<Counters>();
    passing->Add(Counter::kGets, 1);
    lasting.Add(Counter::kGets, 1);
    passing->Add(Counter::kGets, 1);
    EXPECT_EQ(passing->Sum(Counter::kGets), 2u);
  }
  EXPECT_EQ(lasting.Sum(Counter::kGets), 100u);
  EXPECT_EQ(lasting.cells(), 1u);
}

// What a thread counts while its thread-local objects are destroyed is not lost, whatever their
// order.
TEST(Counters, AThreadMayCountWhileItEnds) {
  struct AtTheEnd {
    ~AtTheEnd() { counters->Add(Counter::kGets, 1); }
    Counters* counters = nullptr;
  };
  static Counters counters;
  for (int i = 0; i < 10; ++i) {
    std::thread([] {
      thread_local AtTheEnd at_the_end;
      at_the_end.counters = &counters;
      counters.Add(Counter::kGets, 1);
    }).join();
  }
  EXPECT_EQ(counters.Sum(Counter::kGets), 20u);
}

}  // namespace
}  // namespace lsmlab
