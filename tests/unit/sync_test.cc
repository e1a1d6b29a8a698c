#include "engine/async/sync.h"

#include <gtest/gtest.h>

#include <atomic>
#include <coroutine>
#include <memory>
#include <thread>
#include <vector>

#include "engine/async/task.h"
#include "variants/executor/executors.h"
#include "variants/io/ios.h"

namespace lsmlab {
namespace {

struct Machine {
  Machine() {
    io = kPosixIo.make(DefaultSettings(kPosixIo.settings)).value().release();
    owned_io.reset(io);
    executor = kThreadsExecutor.make(DefaultSettings(kThreadsExecutor.settings));
  }
  Io* io;
  std::unique_ptr<Io> owned_io;
  std::unique_ptr<Executor> executor;
};

template <typename Body>
void OnThreads(int count, Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

Task<void> AddUnderLock(AsyncMutex& mutex, long& sum, long rounds) {
  for (long i = 0; i < rounds; ++i) {
    co_await mutex.Lock();
    ++sum;  // a plain variable: the sanitizer sees a hole in the exclusion
    if (i % 8 == 0) std::this_thread::yield();  // while others come to wait
    mutex.Unlock();
  }
}

class AsyncMutexTest : public ::testing::TestWithParam<bool> {};

TEST_P(AsyncMutexTest, ExcludesAndNeverLosesAWaiter) {
  constexpr int kThreads = 4;
  constexpr long kRounds = 20'000;
  Machine machine;
  AsyncMutex mutex;
  long sum = 0;
  std::atomic<int> missing{kThreads};
  OnThreads(kThreads, [&](int) {
    missing.fetch_sub(1);
    while (missing.load() > 0) std::this_thread::yield();
    // Many short runs: the first wait of each would otherwise switch spinning on.
    for (long done = 0; done < kRounds; done += 100) {
      RunLoop::Current().set_may_spin(GetParam());
      RunSync(*machine.executor, *machine.io, AddUnderLock(mutex, sum, 100));
    }
  });
  EXPECT_EQ(sum, kThreads * kRounds);
  EXPECT_TRUE(mutex.TryLock());
  EXPECT_FALSE(mutex.TryLock());
  mutex.Unlock();
}
INSTANTIATE_TEST_SUITE_P(Spinning, AsyncMutexTest, ::testing::Bool());

// A baton goes round: each thread waits for its number, then passes the next.
struct Baton {
  AsyncEvent moved;
  std::atomic<long> at{0};
};

Task<void> Pass(Baton& baton, int me, int players, long rounds) {
  for (long round = 0; round < rounds; ++round) {
    const long mine = round * players + me;
    for (;;) {
      const uint64_t ticket = baton.moved.Ticket();
      if (baton.at.load(std::memory_order_acquire) == mine) break;
      co_await baton.moved.Wait(ticket);
    }
    baton.at.store(mine + 1, std::memory_order_release);
    baton.moved.Notify();
  }
}

TEST(AsyncEvent, NoLostWakeUps) {
  constexpr int kThreads = 4;
  constexpr long kRounds = 3'000;
  Machine machine;
  Baton baton;
  OnThreads(kThreads, [&](int me) {
    RunSync(*machine.executor, *machine.io, Pass(baton, me, kThreads, kRounds));
  });
  EXPECT_EQ(baton.at.load(), kThreads * kRounds);
}

Task<void> WaitOnce(AsyncEvent& event, uint64_t ticket, int& woken) {
  co_await event.Wait(ticket);
  ++woken;
}

TEST(AsyncEvent, NotifyWakesAllAndAnOldTicketDoesNotWait) {
  AsyncEvent event;
  int woken = 0;
  const uint64_t ticket = event.Ticket();
  Task<void> first = WaitOnce(event, ticket, woken);
  Task<void> second = WaitOnce(event, ticket, woken);
  EXPECT_FALSE(first.Start());
  EXPECT_FALSE(second.Start());
  event.Notify();
  EXPECT_EQ(woken, 0);
  RunLoop::Current().RunReady();
  EXPECT_EQ(woken, 2);
  Task<void> late = WaitOnce(event, ticket, woken);
  EXPECT_TRUE(late.Start());
}

// The moment between the look at the ticket and the entry into the list.
TEST(AsyncEvent, ANotifyBeforeTheListIsSeen) {
  AsyncEvent event;
  auto waiter = event.Wait(event.Ticket());
  EXPECT_FALSE(waiter.await_ready());
  event.Notify();
  EXPECT_FALSE(waiter.await_suspend(std::noop_coroutine()));
}

Task<void> TakeAndRecord(AsyncMutex& mutex, int name, std::vector<int>& order) {
  co_await mutex.Lock();
  order.push_back(name);
  mutex.Unlock();
}

TEST(AsyncMutex, WakesInOrderOfArrival) {
  AsyncMutex mutex;
  ASSERT_TRUE(mutex.TryLock());
  std::vector<int> order;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 4; ++i) {
    tasks.push_back(TakeAndRecord(mutex, i, order));
    EXPECT_FALSE(tasks.back().Start());
  }
  mutex.Unlock();
  while (RunLoop::Current().RunReady()) {
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
}

TEST(AsyncMutex, AWaiterThatIsPassedStaysFirst) {
  AsyncMutex mutex;
  ASSERT_TRUE(mutex.TryLock());
  std::vector<int> order;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 3; ++i) {
    tasks.push_back(TakeAndRecord(mutex, i, order));
    EXPECT_FALSE(tasks.back().Start());
  }
  mutex.Unlock();
  ASSERT_TRUE(mutex.TryLock());  // the newcomer, before the first waiter has run
  RunLoop::Current().RunReady();
  EXPECT_TRUE(order.empty());
  mutex.Unlock();
  while (RunLoop::Current().RunReady()) {
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

}  // namespace
}  // namespace lsmlab
