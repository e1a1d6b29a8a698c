#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/async/frame_pool.h"
#include "engine/async/sync.h"
#include "engine/base/clock.h"
#include "engine/parts/worker_pool.h"
#include "tests/support/test_scale.h"
#include "variants/executor/caller_pool.h"
#include "variants/executor/executors.h"
#include "variants/io/ios.h"

namespace lsmlab {
namespace {

std::unique_ptr<Io> Posix() { return kPosixIo.make(DefaultSettings(kPosixIo.settings)).value(); }

std::unique_ptr<Executor> Inline(int64_t seed = 0) {
  SettingBag bag = DefaultSettings(kInlineExecutor.settings);
  bag.Set("seed", seed);
  return kInlineExecutor.make(bag);
}

std::unique_ptr<Executor> Threads(int64_t background) {
  SettingBag bag = DefaultSettings(kThreadsExecutor.settings);
  bag.Set("background", background);
  return kThreadsExecutor.make(bag);
}

Task<void> Append(std::string& log, char name) {
  log += name;
  co_return;
}

Task<void> AppendSteps(Executor& executor, Priority priority, std::string& log, char name,
                       int steps) {
  for (int i = 0; i < steps; ++i) {
    log += name;
    co_await Yield(executor, priority);
  }
}

Task<int> Answer() { co_return 42; }

Task<void> SetFlag(std::atomic<bool>& flag, AsyncEvent& event) {
  flag = true;
  event.Notify();
  co_return;
}

Task<int> WaitForFlag(std::atomic<bool>& flag, AsyncEvent& event) {
  for (;;) {
    const uint64_t ticket = event.Ticket();
    if (flag) co_return 1;
    co_await event.Wait(ticket);
  }
}

Task<int> YieldUntil(Executor& executor, std::atomic<bool>& flag) {
  int yields = 0;
  while (!flag) {
    co_await Yield(executor, Priority::kForeground);
    ++yields;
  }
  co_return yields;
}

TEST(InlineExecutor, RunsBackgroundWorkInStepsFlushFirst) {
  auto io = Posix();
  auto executor = Inline();
  std::string log;
  executor->Spawn(Priority::kCompaction, AppendSteps(*executor, Priority::kCompaction, log, 'c', 2),
                  *io);
  executor->Spawn(Priority::kCompaction, AppendSteps(*executor, Priority::kCompaction, log, 'd', 2),
                  *io);
  EXPECT_EQ(log, "");
  executor->Breathe(*io);
  EXPECT_EQ(log, "c");
  executor->Spawn(Priority::kFlush, AppendSteps(*executor, Priority::kFlush, log, 'f', 2), *io);
  for (int i = 0; i < 3; ++i) executor->Breathe(*io);
  EXPECT_EQ(log, "cff");  // the third breath ended the flush
  executor->Drain(*io);
  EXPECT_EQ(log, "cffdcd");
  EXPECT_EQ(executor->background_threads(), 1);
}

TEST(InlineExecutor, AForegroundWaitDrivesBackgroundWork) {
  auto io = Posix();
  auto executor = Inline();
  std::atomic<bool> flag{false};
  AsyncEvent event;
  executor->Spawn(Priority::kFlush, SetFlag(flag, event), *io);
  EXPECT_EQ(RunSync(*executor, *io, WaitForFlag(flag, event)), 1);
  flag = false;
  executor->Spawn(Priority::kCompaction, SetFlag(flag, event), *io);
  EXPECT_LE(RunSync(*executor, *io, YieldUntil(*executor, flag)), 2);
  EXPECT_EQ(RunSync(*executor, *io, Answer()), 42);
  executor->Drain(*io);
}

Task<int64_t> PauseFor(Executor& executor, int64_t nanos) {
  const int64_t begun = NowNanos();
  co_await Yield(executor, Priority::kForeground, nanos);
  co_return NowNanos() - begun;
}

TEST(Executors, PausesLastAtLeastAsLong) {
  auto io = Posix();
  auto inline_executor = Inline();
  auto threads = Threads(1);
  EXPECT_GE(RunSync(*inline_executor, *io, PauseFor(*inline_executor, 3'000'000)), 3'000'000);
  EXPECT_GE(RunSync(*threads, *io, PauseFor(*threads, 3'000'000)), 3'000'000);
  // Drawn time: an hour passes at once.
  auto seeded = Inline(5);
  EXPECT_LT(RunSync(*seeded, *io, PauseFor(*seeded, 3'600'000'000'000)), 60'000'000'000);
}

std::string Interleaving(int64_t seed) {
  auto io = Posix();
  auto executor = Inline(seed);
  std::string log;
  for (char name = 'a'; name < 'i'; ++name) {
    executor->Spawn(Priority::kForeground,
                    AppendSteps(*executor, Priority::kForeground, log, name, 5), *io);
  }
  executor->Drain(*io);
  return log;
}

TEST(InlineExecutor, TheSeedShufflesCallersReproducibly) {
  const std::string fifo = Interleaving(0);
  EXPECT_EQ(fifo, "abcdefghabcdefghabcdefghabcdefghabcdefgh");
  EXPECT_EQ(Interleaving(1), Interleaving(1));
  EXPECT_NE(Interleaving(1), fifo);
  EXPECT_NE(Interleaving(1), Interleaving(2));
  std::string sorted = Interleaving(3);
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, "aaaaabbbbbcccccdddddeeeeefffffggggghhhhh");
}

TEST(InlineExecutor, ThreadsMayTakeTurns) {
  auto io = Posix();
  auto executor = Inline();
  std::string log;
  executor->Spawn(Priority::kCompaction, AppendSteps(*executor, Priority::kCompaction, log, 'c', 3),
                  *io);
  for (int turn = 0; turn < 2; ++turn) {
    std::thread other([&] { executor->Breathe(*io); });
    other.join();
  }
  EXPECT_EQ(log, "cc");
  executor->Drain(*io);
  EXPECT_EQ(log, "ccc");
}

TEST(ThreadsExecutor, RunsSpawnedTasksAndDrains) {
  auto io = Posix();
  auto executor = Threads(3);
  EXPECT_EQ(executor->background_threads(), 3);
  std::atomic<int> sum{0};
  struct Add {
    static Task<void> One(std::atomic<int>& sum) {
      sum.fetch_add(1);
      co_return;
    }
  };
  for (int i = 0; i < 1000; ++i) {
    executor->Spawn(i % 2 == 0 ? Priority::kFlush : Priority::kCompaction, Add::One(sum), *io);
  }
  executor->Drain(*io);
  EXPECT_EQ(sum.load(), 1000);
}

// The gate holds the only worker, so that the order in which it then takes jobs shows.
Task<void> Gate(std::atomic<bool>& open, AsyncEvent& event) {
  for (;;) {
    const uint64_t ticket = event.Ticket();
    if (open) co_return;
    co_await event.Wait(ticket);
  }
}

TEST(ThreadsExecutor, TakesFlushesFirst) {
  auto io = Posix();
  auto executor = Threads(1);
  std::atomic<bool> open{false};
  AsyncEvent event;
  std::string log;
  executor->Spawn(Priority::kForeground, Gate(open, event), *io);
  for (char name : {'a', 'b'}) executor->Spawn(Priority::kCompaction, Append(log, name), *io);
  for (char name : {'x', 'y'}) executor->Spawn(Priority::kFlush, Append(log, name), *io);
  open = true;
  event.Notify();
  executor->Drain(*io);
  EXPECT_EQ(log, "xyab");
}

// Makes work that is more urgent than itself, then has two yield points.
Task<void> SpawnAbove(Executor& executor, Io& io, Priority priority, Task<void> urgent,
                      std::string& log, char name) {
  log += name;
  executor.Spawn(static_cast<Priority>(static_cast<int>(priority) - 1), std::move(urgent), io);
  for (int i = 0; i < 2; ++i) {
    co_await Yield(executor, priority);
    log += name;
  }
}

// Every task steps aside for a more urgent one, also where it runs over another that did.
TEST(ThreadsExecutor, AFlushOverACompactionStepsAsideToo) {
  auto io = Posix();
  auto executor = Threads(1);
  std::string log;
  Task<void> flush = SpawnAbove(*executor, *io, Priority::kFlush, Append(log, 'x'), log, 'f');
  executor->Spawn(Priority::kCompaction,
                  SpawnAbove(*executor, *io, Priority::kCompaction, std::move(flush), log, 'c'),
                  *io);
  executor->Drain(*io);
  EXPECT_EQ(log, "cffxfcc");
}

Task<void> PassLock(AsyncMutex& mutex) {
  co_await mutex.Lock();
  mutex.Unlock();
}

Task<void> LetGo(AsyncMutex& mutex) {
  mutex.Unlock();
  co_return;
}

Task<void> After(Task<void> first, Task<void> then) {
  co_await first;
  co_await then;
}

// Has two flushes begun at its yield points, then opens the gate, and has one more.
Task<void> BeginTwo(Executor& executor, Io& io, Task<void> one, Task<void> other, std::string& log,
                    std::atomic<bool>& open, AsyncEvent& event) {
  executor.Spawn(Priority::kFlush, std::move(one), io);
  executor.Spawn(Priority::kFlush, std::move(other), io);
  for (int i = 0; i < 2; ++i) {
    co_await Yield(executor, Priority::kCompaction);
    log += 'c';
  }
  open = true;
  event.Notify();
  co_await Yield(executor, Priority::kCompaction);
  log += 'c';
}

// The lock would stand free, and all who wait behind, until the one that has let go of it ends.
TEST(ThreadsExecutor, AJobStepsAsideForOneThatHasBeenHandedALock) {
  auto io = Posix();
  auto executor = Threads(1);
  std::string log;
  AsyncMutex mutex;
  ASSERT_TRUE(mutex.TryLock());
  std::atomic<bool> open{false};
  AsyncEvent event;
  Task<void> waits = After(PassLock(mutex), Append(log, 'l'));
  Task<void> lets_go = After(LetGo(mutex), AppendSteps(*executor, Priority::kFlush, log, 'u', 3));
  executor->Spawn(Priority::kCompaction,
                  BeginTwo(*executor, *io, std::move(waits), std::move(lets_go), log, open, event),
                  *io);
  executor->Drain(*io);
  EXPECT_EQ(log, "culuucc");
}

TEST(ThreadsExecutor, AndForThoseThatWereWokenWithIt) {
  auto io = Posix();
  auto executor = Threads(1);
  std::string log;
  std::atomic<bool> open{false};
  AsyncEvent event;
  Task<void> one = After(Gate(open, event), AppendSteps(*executor, Priority::kFlush, log, 'a', 3));
  Task<void> other =
      After(Gate(open, event), AppendSteps(*executor, Priority::kFlush, log, 'b', 3));
  executor->Spawn(Priority::kCompaction,
                  BeginTwo(*executor, *io, std::move(one), std::move(other), log, open, event),
                  *io);
  executor->Drain(*io);
  EXPECT_EQ(log, "ccabcaabb");
}

Task<void> LongCompaction(Executor& executor, std::atomic<bool>& begun, std::atomic<bool>& flushed,
                          std::atomic<int64_t>& yields) {
  begun = true;
  while (!flushed) {
    co_await Yield(executor, Priority::kCompaction);
    yields.fetch_add(1);
  }
}

Task<void> FlushAfter(AsyncMutex& mutex, std::atomic<bool>& flushed) {
  co_await mutex.Lock();
  mutex.Unlock();
  flushed = true;
}

TEST(ThreadsExecutor, ALongCompactionStepsAsideForAFlush) {
  auto io = Posix();
  auto executor = Threads(1);
  std::atomic<bool> begun{false}, flushed{false};
  std::atomic<int64_t> yields{0};
  AsyncMutex mutex;
  ASSERT_TRUE(mutex.TryLock());
  executor->Spawn(Priority::kCompaction, LongCompaction(*executor, begun, flushed, yields), *io);
  while (!begun) std::this_thread::yield();
  executor->Spawn(Priority::kFlush, FlushAfter(mutex, flushed), *io);
  // While the flush waits for the lock the compaction goes on.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const int64_t seen = yields.load();
  while (yields.load() < seen + 10) std::this_thread::yield();
  EXPECT_FALSE(flushed);
  mutex.Unlock();
  executor->Drain(*io);
  EXPECT_TRUE(flushed);
}

Task<void> SetFlag(std::atomic<bool>& flag) {
  flag = true;
  co_return;
}

// All threads are in a compaction, and nobody waits for the clock.
TEST(ThreadsExecutor, ALongCompactionStepsAsideForWhatComesDue) {
  auto io = Posix();
  auto executor = Threads(1);
  std::atomic<bool> begun{false}, done{false}, due{false};
  std::atomic<int64_t> yields{0};
  executor->Spawn(Priority::kCompaction, LongCompaction(*executor, begun, done, yields), *io);
  while (!begun) std::this_thread::yield();
  executor->SpawnAfter(5'000'000, Priority::kFlush, SetFlag(due), *io);
  while (!due) std::this_thread::yield();
  EXPECT_FALSE(done);
  done = true;
  executor->Drain(*io);
}

std::unique_ptr<Executor> Pooled(int64_t readers, int64_t writers, int64_t depth) {
  SettingBag bag = DefaultSettings(kThreadsExecutor.settings);
  bag.Set("read_workers", readers);
  bag.Set("write_workers", writers);
  bag.Set("queue_depth", depth);
  return kThreadsExecutor.make(bag);
}

TEST(WorkerPools, AreThereWhenAskedFor) {
  EXPECT_EQ(Threads(1)->readers(), nullptr);
  EXPECT_EQ(Threads(1)->writers(), nullptr);
  EXPECT_EQ(Inline()->readers(), nullptr);
  auto readers_only = Pooled(1, 0, 1);
  EXPECT_NE(readers_only->readers(), nullptr);
  EXPECT_EQ(readers_only->writers(), nullptr);
}

TEST(WorkerPools, CallersWaitForRoomAndForTheirCalls) {
  auto io = Posix();
  auto executor = Pooled(0, 1, 2);
  WorkerPool& pool = *executor->writers();
  std::atomic<bool> open{false};
  std::atomic<int> begun{0}, running{0}, most{0}, returned{0};
  const auto call = [&] {
    ++begun;
    most = std::max(most.load(), ++running);
    while (!open) std::this_thread::yield();
    --running;
    return std::this_thread::get_id();
  };
  std::vector<std::thread> callers;
  const auto start = [&] {
    callers.emplace_back([&] {
      const std::thread::id ran_on = RunOnWorker(*executor, *io, pool, call);
      EXPECT_NE(ran_on, std::this_thread::get_id());
      ++returned;
    });
  };
  start();
  while (begun == 0) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) start();
  // One runs, two fill the queue, and one waits for room.
  while (pool.Counters().waits == 0) std::this_thread::yield();
  EXPECT_EQ(begun, 1);
  EXPECT_EQ(returned, 0);
  open = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(returned, 4);
  EXPECT_EQ(most, 1);
  EXPECT_EQ(pool.Counters().calls, 4u);
  EXPECT_EQ(pool.Counters().waits, 1u);
}

TEST(WorkerPools, NoCallIsLostThroughANarrowQueue) {
  auto io = Posix();
  auto executor = Pooled(3, 0, 1);
  std::atomic<uint64_t> sum{0};
  const uint64_t calls = test::Scaled(1000);
  std::vector<std::thread> callers;
  for (uint64_t c = 0; c < 6; ++c) {
    callers.emplace_back([&, c] {
      for (uint64_t i = 0; i < calls; ++i) {
        const uint64_t answer = RunOnWorker(*executor, *io, *executor->readers(), [&] {
          sum.fetch_add(1);
          return 10 * i + c;
        });
        ASSERT_EQ(answer, 10 * i + c);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 6 * calls);
  EXPECT_EQ(executor->readers()->Counters().calls, 6 * calls);
}

TEST(WorkerPools, RunWhatWasHandedOverBeforeTheyEnd) {
  static std::atomic<bool> open;
  static int ended;  // counted by this thread's loop
  open = false;
  ended = 0;
  HandedCall calls[5];
  std::thread opener;
  {
    CallerPool pool(1, 5);
    for (HandedCall& call : calls) {
      call.run = [](void*) noexcept {
        while (!open) std::this_thread::yield();
      };
      call.caller.home = &RunLoop::Current();
      call.caller.is_over = [](WaitNode*) noexcept {
        ++ended;
        return false;  // there is no coroutine to resume
      };
      pool.HandOver(call);
    }
    EXPECT_EQ(ended, 0);
    opener = std::thread([] { open = true; });
  }
  RunLoop::Current().RunReady();
  EXPECT_EQ(ended, 5);
  opener.join();
}

TEST(Executors, LeaveNoFrames) {
  const long before = LiveFrames();
  {
    auto io = Posix();
    std::string log;
    auto inline_executor = Inline(9);
    auto threads = Threads(2);
    inline_executor->Spawn(Priority::kFlush, Append(log, 'a'), *io);
    inline_executor->Drain(*io);
    threads->Spawn(Priority::kFlush, Append(log, 'b'), *io);
    threads->Drain(*io);
    // Not begun: given up with the executor.
    inline_executor->Spawn(Priority::kFlush, Append(log, 'c'), *io);
  }
  EXPECT_EQ(LiveFrames(), before);
}

}  // namespace
}  // namespace lsmlab
