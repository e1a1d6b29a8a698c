#include "variants/executor/event_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/async/sync.h"
#include "engine/base/clock.h"
#include "tests/support/filter_io.h"
#include "variants/executor/executors.h"
#include "variants/io/ios.h"
#include "variants/io/sim_disk.h"
#include "variants/io/simulated_io.h"

namespace lsmlab {
namespace {

std::unique_ptr<Io> PosixForLoops() {
  return kPosixIo.make(DefaultSettings(kPosixIo.settings)).value();
}

std::unique_ptr<Executor> Reactor(int64_t loops, double share = 0.5) {
  SettingBag bag = DefaultSettings(kReactorExecutor.settings);
  bag.Set("loops", loops);
  bag.Set("background_share", share);
  return kReactorExecutor.make(bag);
}

Task<void> CountOne(std::atomic<int>& sum) {
  sum.fetch_add(1);
  co_return;
}

// Holds its loop until somebody opens the gate, so that what arrives meanwhile is there together.
Task<void> HoldLoop(std::atomic<bool>& held, std::atomic<bool>& open) {
  held = true;
  while (!open) std::this_thread::yield();
  co_return;
}

Task<void> YieldingSteps(Executor& executor, Priority priority, std::string& log, char name,
                         int steps) {
  for (int i = 0; i < steps; ++i) {
    log += name;
    co_await Yield(executor, priority);
  }
}

// What one loop does with tasks of two priorities that arrive together.
std::string OrderOf(Priority first, Priority second) {
  auto io = PosixForLoops();
  auto executor = Reactor(1);
  std::atomic<bool> held{false}, open{false};
  std::string log;
  executor->Spawn(Priority::kForeground, HoldLoop(held, open), *io);
  while (!held) std::this_thread::yield();
  executor->Spawn(first, YieldingSteps(*executor, first, log, 'a', 3), *io);
  executor->Spawn(second, YieldingSteps(*executor, second, log, 'b', 3), *io);
  open = true;
  executor->Drain(*io);
  return log;
}

TEST(EventLoop, RunsTasksOfAPriorityInTurns) {
  EXPECT_EQ(OrderOf(Priority::kForeground, Priority::kForeground), "ababab");
  EXPECT_EQ(OrderOf(Priority::kCompaction, Priority::kCompaction), "ababab");
}

TEST(EventLoop, FlushesGoBeforeCompactions) {
  EXPECT_EQ(OrderOf(Priority::kCompaction, Priority::kFlush), "bbbaaa");
}

// However much time the background has earned: here nineteen times what the foreground uses.
TEST(EventLoop, TheForegroundWaitsForNoSecondStepOfTheBackground) {
  auto io = PosixForLoops();
  auto executor = Reactor(1, 0.95);
  std::atomic<bool> held{false}, open{false};
  std::string log;
  executor->Spawn(Priority::kForeground, HoldLoop(held, open), *io);
  while (!held) std::this_thread::yield();
  executor->Spawn(Priority::kForeground,
                  YieldingSteps(*executor, Priority::kForeground, log, 'f', 100), *io);
  executor->Spawn(Priority::kCompaction,
                  YieldingSteps(*executor, Priority::kCompaction, log, 'b', 1000), *io);
  open = true;
  executor->Drain(*io);
  const std::string beside = log.substr(0, log.rfind('f'));
  EXPECT_NE(beside.find('b'), std::string::npos);
  EXPECT_EQ(beside.find("bb"), std::string::npos) << beside;
}

// Writes down when operations are begun and when they are looked after.
class NotedIo final : public test::FilterIo {
 public:
  explicit NotedIo(std::string* log)
      : test::FilterIo(Deferring(),
                       [log](IoOp&) {
                         *log += 's';
                         return false;
                       }),
        log_(*log) {}
  size_t Poll(int64_t deadline_ns) noexcept override {
    log_ += 'p';
    return test::FilterIo::Poll(deadline_ns);
  }

 private:
  static std::shared_ptr<Io> Deferring() {
    SimulatedOptions options;
    options.defer = true;
    return MakeSimulatedIo(SimDisk::Make(), options);
  }

  std::string& log_;
};

Task<void> UnlinkNothing(Io& io) {
  Status ignored = co_await UnlinkFile(io, IoSite::kOther, "/none");
  (void)ignored;
}

// It would wait for a step of the background without the device knowing of it.
TEST(EventLoop, WhatTheForegroundBeginsIsHandedOverBeforeTheBackgroundGoesOn) {
  std::string log;
  NotedIo io(&log);
  auto executor = Reactor(1);
  std::atomic<bool> held{false}, open{false};
  executor->Spawn(Priority::kForeground, HoldLoop(held, open), io);
  while (!held) std::this_thread::yield();
  executor->Spawn(Priority::kForeground, UnlinkNothing(io), io);
  executor->Spawn(Priority::kCompaction,
                  YieldingSteps(*executor, Priority::kCompaction, log, 'b', 3), io);
  open = true;
  executor->Drain(io);
  EXPECT_NE(log.find("sp"), std::string::npos) << log;
}

TEST(EventLoop, RunsEverythingHandedOverFromManyThreads) {
  auto io = PosixForLoops();
  std::atomic<int> sum{0};
  {
    auto executor = Reactor(3);
    EXPECT_EQ(executor->loops(), 3);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 500; ++i) {
          if (i % 3 == 0) {
            executor->SpawnOn((t + i) % 3, Priority::kForeground, CountOne(sum), *io);
          } else {
            executor->Spawn(i % 3 == 1 ? Priority::kFlush : Priority::kCompaction, CountOne(sum),
                            *io);
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    executor->Drain(*io);
    EXPECT_EQ(sum.load(), 2000);
    for (int i = 0; i < 100; ++i)
      executor->SpawnOn(i % 3, Priority::kForeground, CountOne(sum), *io);
  }
  EXPECT_EQ(sum.load(), 2100) << "what is left runs before the loops end";
}

// Two loops that hand each other a token, asleep between the turns or not.
struct PingPong {
  AsyncEvent event;
  std::atomic<int> turn{0};
};

Task<void> PlayTurns(PingPong& table, int mine, int rounds) {
  for (int i = mine; i < rounds; i += 2) {
    for (;;) {
      const uint64_t ticket = table.event.Ticket();
      if (table.turn.load() == i) break;
      co_await table.event.Wait(ticket);
    }
    table.turn.store(i + 1);
    table.event.Notify();
  }
}

TEST(EventLoop, NoWakeUpIsLostBetweenLoops) {
  auto io = PosixForLoops();
  auto executor = Reactor(2);
  PingPong table;
  executor->SpawnOn(0, Priority::kForeground, PlayTurns(table, 0, 20'000), *io);
  executor->SpawnOn(1, Priority::kForeground, PlayTurns(table, 1, 20'000), *io);
  executor->Drain(*io);
  EXPECT_EQ(table.turn.load(), 20'000);
}

Task<void> PauseThenCount(Executor& executor, int64_t nanos, std::atomic<int64_t>& slept) {
  const int64_t begun = NowNanos();
  co_await Yield(executor, Priority::kForeground, nanos);
  slept = NowNanos() - begun;
}

TEST(EventLoop, PausesLastAndJobsWaitForTheirTime) {
  auto io = PosixForLoops();
  auto executor = Reactor(1);
  std::atomic<int64_t> slept{0};
  executor->SpawnOn(0, Priority::kForeground, PauseThenCount(*executor, 3'000'000, slept), *io);
  executor->Drain(*io);
  EXPECT_GE(slept.load(), 3'000'000);
  std::atomic<int> sum{0};
  executor->SpawnAfter(3'600'000'000'000, Priority::kFlush, CountOne(sum), *io);
  executor->Drain(*io);
  EXPECT_EQ(sum.load(), 1) << "Drain runs it at once";
}

// As long as the foreground never rests, background work gets its share and no more than that, and
// all of the time afterwards.
Task<void> KeepBusy(Executor& executor, Priority priority, int64_t step_ns, std::atomic<bool>& stop,
                    std::atomic<int64_t>& used_ns) {
  while (!stop) {
    const int64_t begun = NowNanos();
    while (NowNanos() - begun < step_ns) {
    }
    used_ns += NowNanos() - begun;
    co_await Yield(executor, priority);
  }
}

class BackgroundShare : public testing::TestWithParam<int> {};

TEST_P(BackgroundShare, IsWhatItShouldBe) {
  auto io = PosixForLoops();
  auto executor = Reactor(1, 0.25);
  std::atomic<bool> stop{false};
  std::atomic<int64_t> foreground{0}, background{0};
  for (int i = 0; i < GetParam(); ++i) {
    executor->SpawnOn(0, Priority::kForeground,
                      KeepBusy(*executor, Priority::kForeground, 20'000, stop, foreground), *io);
  }
  executor->Spawn(Priority::kCompaction,
                  KeepBusy(*executor, Priority::kCompaction, 50'000, stop, background), *io);
  while (foreground + background < 200'000'000) std::this_thread::yield();
  stop = true;
  executor->Drain(*io);
  const double share =
      static_cast<double>(background) / static_cast<double>(foreground + background);
  EXPECT_GT(share, 0.1);
  EXPECT_LT(share, 0.4);
}

INSTANTIATE_TEST_SUITE_P(Foreground, BackgroundShare, testing::Values(1, 64),
                         [](const auto& c) { return std::to_string(c.param); });

Task<void> WriteAndRead(Io& io, int number, std::atomic<int>& right) {
  std::string path = "/f" + std::to_string(number);
  auto file = co_await OpenFile(io, IoSite::kOther, OpenMode::kCreate, path);
  if (!file.ok()) co_return;
  std::string text(1000, static_cast<char>('a' + number % 26));
  const Status written =
      co_await WriteAt(io, IoSite::kOther, *file.value(), 0, text.data(), text.size());
  const Status synced = co_await DataSync(io, IoSite::kOther, *file.value());
  std::string found(1000, ' ');
  const Status read =
      co_await ReadExactly(io, IoSite::kOther, *file.value(), 0, found.data(), found.size());
  if (written.ok() && synced.ok() && read.ok() && found == text) right.fetch_add(1);
}

TEST(EventLoop, ManyTasksWaitInOneIoTogether) {
  SimulatedOptions options;
  options.defer = true;
  options.latency_ns = 20'000;
  auto io = MakeSimulatedIo(SimDisk::Make(SimDisk::Options()), options);
  auto executor = Reactor(2);
  std::atomic<int> right{0};
  for (int i = 0; i < 200; ++i)
    executor->SpawnOn(i % 2, Priority::kForeground, WriteAndRead(*io, i, right), *io);
  executor->Drain(*io);
  EXPECT_EQ(right.load(), 200);
}

}  // namespace
}  // namespace lsmlab
