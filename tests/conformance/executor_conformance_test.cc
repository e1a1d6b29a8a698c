#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/async/frame_pool.h"
#include "engine/async/sync.h"
#include "engine/base/clock.h"
#include "engine/parts/worker_pool.h"
#include "tests/support/registered.h"
#include "variants/io/ios.h"

// What every executor must do (engine/parts/executor.h), with its default settings and, where it
// can draw its steps, with a seed. How each one shares time and threads is its own tests' matter.
namespace lsmlab::executor_test {
namespace {

constexpr int64_t kHour = 3'600'000'000'000;

struct ExecutorCase {
  const ExecutorVariant* variant;
  bool seeded;
};

std::vector<ExecutorCase> ExecutorCases() {
  std::vector<ExecutorCase> cases;
  for (const ExecutorVariant* row : ExecutorVariants()) {
    cases.push_back({row, false});
    if (DefaultSettings(row->settings).Has("seed")) cases.push_back({row, true});
  }
  return cases;
}

Task<void> CountOne(std::atomic<int>& count) {
  count.fetch_add(1);
  co_return;
}

Task<void> CountAfterYields(Executor& executor, Priority priority, int yields,
                            std::atomic<int>& count) {
  for (int i = 0; i < yields; ++i) co_await Yield(executor, priority);
  count.fetch_add(1);
}

// A tree of tasks, each of which spawns three more.
Task<void> SpawnMore(Executor& executor, Io& io, int depth, std::atomic<int>& count) {
  count.fetch_add(1);
  for (int i = 0; depth > 0 && i < 3; ++i) {
    co_await Yield(executor, Priority::kCompaction);
    executor.Spawn(static_cast<Priority>(i), SpawnMore(executor, io, depth - 1, count), io);
  }
}

Task<void> Open(std::atomic<bool>& gate, AsyncEvent& event) {
  gate = true;
  event.Notify();
  co_return;
}

Task<void> WaitUntilOpen(std::atomic<bool>& gate, AsyncEvent& event) {
  for (;;) {
    const uint64_t ticket = event.Ticket();
    if (gate) co_return;
    co_await event.Wait(ticket);
  }
}

Task<void> Pause(Executor& executor, int64_t nanos, std::atomic<int64_t>& took) {
  const int64_t begun = NowNanos();
  co_await Yield(executor, Priority::kForeground, nanos);
  took = NowNanos() - begun;
}

Task<void> Stamp(std::atomic<int64_t>& at, AsyncEvent& event) {
  at = NowNanos();
  event.Notify();
  co_return;
}

Task<void> WaitForStamp(std::atomic<int64_t>& at, AsyncEvent& event) {
  for (;;) {
    const uint64_t ticket = event.Ticket();
    if (at != 0) co_return;
    co_await event.Wait(ticket);
  }
}

Task<void> RecordThreads(Executor& executor, std::vector<std::thread::id>& threads) {
  for (int i = 0; i < 5; ++i) {
    threads.push_back(std::this_thread::get_id());
    co_await Yield(executor, Priority::kForeground);
  }
}

class ExecutorConformance : public testing::TestWithParam<ExecutorCase> {
 protected:
  ExecutorConformance() : io_(kPosixIo.make(DefaultSettings(kPosixIo.settings)).value()) {
    settings_ = DefaultSettings(GetParam().variant->settings);
    if (GetParam().seeded) settings_.Set("seed", int64_t{7});
    executor_ = GetParam().variant->make(settings_);
  }

  const long frames_ = LiveFrames();
  SettingBag settings_;
  std::unique_ptr<Io> io_;
  std::unique_ptr<Executor> executor_;
};

TEST_P(ExecutorConformance, IsWhatItsRowSays) {
  EXPECT_EQ(executor_->one_caller(), ServesOneCaller(*GetParam().variant, settings_));
  EXPECT_EQ(executor_->loops() > 0, GetParam().variant->has_loops);
  EXPECT_EQ(executor_->mailboxes() != nullptr, executor_->loops() > 0);
  EXPECT_GE(executor_->background_threads(), 1);
}

TEST_P(ExecutorConformance, DrainEndsTasksOfEveryPriority) {
  std::atomic<int> count{0};
  executor_->Drain(*io_);  // of nothing
  for (int round = 1; round <= 2; ++round) {
    for (int i = 0; i < 300; ++i) {
      const auto priority = static_cast<Priority>(i % 3);
      executor_->Spawn(priority, CountAfterYields(*executor_, priority, i % 4, count), *io_);
    }
    executor_->Drain(*io_);
    EXPECT_EQ(count, 300 * round);
  }
  EXPECT_EQ(LiveFrames(), frames_);
}

TEST_P(ExecutorConformance, DrainEndsWhatTasksHaveSpawned) {
  std::atomic<int> count{0};
  executor_->Spawn(Priority::kFlush, SpawnMore(*executor_, *io_, 4, count), *io_);
  executor_->Drain(*io_);
  EXPECT_EQ(count, 1 + 3 + 9 + 27 + 81);
  EXPECT_EQ(LiveFrames(), frames_);
}

TEST_P(ExecutorConformance, SpawnsFromManyThreads) {
  if (executor_->one_caller()) return;
  std::atomic<int> count{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        executor_->Spawn(static_cast<Priority>(i % 3), CountOne(count), *io_);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  executor_->Drain(*io_);
  EXPECT_EQ(count, 800);
}

// A caller that waits for a background task gets there, with the task of either priority.
TEST_P(ExecutorConformance, CallersWaitForBackgroundTasks) {
  for (const Priority priority : {Priority::kFlush, Priority::kCompaction}) {
    for (int i = 0; i < 20; ++i) {
      std::atomic<bool> gate{false};
      AsyncEvent event;
      executor_->Spawn(priority, Open(gate, event), *io_);
      RunSync(*executor_, *io_, WaitUntilOpen(gate, event));
      EXPECT_TRUE(gate);
      executor_->Drain(*io_);
    }
  }
}

TEST_P(ExecutorConformance, CallersYieldAndBreatheWithNothingToDo) {
  std::atomic<int> count{0};
  executor_->Breathe(*io_);
  RunSync(*executor_, *io_, CountAfterYields(*executor_, Priority::kForeground, 10, count));
  EXPECT_EQ(count, 1);
}

// Nobody drains: it comes due while a caller waits for it.
TEST_P(ExecutorConformance, ALaterTaskRunsInItsTimeAndNotBefore) {
  if (GetParam().seeded) return;  // its time is drawn
  constexpr int64_t kDelay = 5'000'000;
  for (const Priority priority : {Priority::kForeground, Priority::kFlush, Priority::kCompaction}) {
    std::atomic<int64_t> at{0};
    AsyncEvent event;
    const int64_t spawned = NowNanos();
    executor_->SpawnAfter(kDelay, priority, Stamp(at, event), *io_);
    RunSync(*executor_, *io_, WaitForStamp(at, event));
    EXPECT_GE(at - spawned, kDelay);
    executor_->Drain(*io_);
  }
}

// It would take hours if it waited.
TEST_P(ExecutorConformance, DrainRunsLaterTasksAtOnce) {
  std::atomic<int> count{0};
  for (int i = 0; i < 6; ++i) {
    executor_->SpawnAfter(kHour, static_cast<Priority>(i % 3), CountOne(count), *io_);
  }
  executor_->Spawn(Priority::kFlush, CountOne(count), *io_);
  executor_->Drain(*io_);
  EXPECT_EQ(count, 7);
  EXPECT_EQ(LiveFrames(), frames_);
}

TEST_P(ExecutorConformance, PausesAreNotShorterThanAsked) {
  if (GetParam().seeded) return;  // its time is drawn
  std::array<std::atomic<int64_t>, 2> took{};
  RunSync(*executor_, *io_, Pause(*executor_, 3'000'000, took[0]));
  executor_->Spawn(Priority::kForeground, Pause(*executor_, 3'000'000, took[1]), *io_);
  executor_->Drain(*io_);
  EXPECT_GE(took[0], 3'000'000);
  EXPECT_GE(took[1], 3'000'000);
}

TEST_P(ExecutorConformance, ATaskOnALoopStaysThere) {
  if (executor_->loops() == 0) return;
  const auto loops = static_cast<size_t>(executor_->loops());
  std::vector<std::vector<std::thread::id>> threads(3 * loops);
  for (size_t i = 0; i < threads.size(); ++i) {
    executor_->SpawnOn(static_cast<int>(i), Priority::kForeground,
                       RecordThreads(*executor_, threads[i]), *io_);
  }
  executor_->Drain(*io_);
  for (size_t i = 0; i < threads.size(); ++i) {
    ASSERT_EQ(threads[i].size(), 5u) << "task " << i;
    for (const std::thread::id id : threads[i]) EXPECT_EQ(id, threads[i % loops][0]);
  }
}

TEST_P(ExecutorConformance, PoolsRunCallsForTheirCallers) {
  if (!settings_.Has("read_workers")) return;
  settings_.Set("read_workers", int64_t{2});
  settings_.Set("write_workers", int64_t{1});
  executor_ = GetParam().variant->make(settings_);
  for (WorkerPool* pool : {executor_->readers(), executor_->writers()}) {
    ASSERT_NE(pool, nullptr);
    for (int i = 0; i < 20; ++i) {
      const auto ran_on =
          RunOnWorker(*executor_, *io_, *pool, [] { return std::this_thread::get_id(); });
      EXPECT_NE(ran_on, std::this_thread::get_id());
    }
    EXPECT_EQ(pool->Counters().calls, 20u);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ExecutorConformance, testing::ValuesIn(ExecutorCases()),
                         [](const auto& c) {
                           std::string name(c.param.variant->name);
                           for (char& ch : name) ch = ch == '-' ? '_' : ch;
                           return name + (c.param.seeded ? "_seeded" : "");
                         });

}  // namespace
}  // namespace lsmlab::executor_test
