#include "engine/async/run_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/async/task.h"
#include "engine/base/clock.h"

namespace lsmlab {
namespace {

struct Suspend {
  explicit Suspend(WaitNode& n) : node(n) {}
  Suspend(const Suspend&) = delete;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) noexcept {
    node.handle = h;
    node.home = &RunLoop::Current();
  }
  void await_resume() const noexcept {}
  WaitNode& node;
};

Task<void> Record(WaitNode& node, int name, std::vector<int>& order) {
  co_await Suspend(node);
  order.push_back(name);
}

TEST(RunLoop, ResumesInOrderOfPosting) {
  RunLoop& loop = RunLoop::Current();
  std::vector<int> order;
  WaitNode nodes[5];
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 5; ++i) {
    tasks.push_back(Record(nodes[i], i, order));
    tasks.back().Start();
  }
  EXPECT_FALSE(loop.HasReady());
  EXPECT_FALSE(loop.RunReady());
  for (int i : {3, 1, 4, 0, 2}) loop.Post(&nodes[i]);
  EXPECT_TRUE(loop.HasReady());
  EXPECT_TRUE(loop.RunReady());
  EXPECT_EQ(order, (std::vector<int>{3, 1, 4, 0, 2}));
}

TEST(RunLoop, TakeReadyKeepsOrder) {
  RunLoop& loop = RunLoop::Current();
  WaitNode nodes[3];
  for (WaitNode& node : nodes) loop.Post(&node);
  WaitNode* first = loop.TakeReady();
  EXPECT_EQ(first, &nodes[0]);
  EXPECT_EQ(first->next, &nodes[1]);
  EXPECT_EQ(first->next->next, &nodes[2]);
  EXPECT_EQ(first->next->next->next, nullptr);
  EXPECT_EQ(loop.TakeReady(), nullptr);
}

TEST(RunLoop, SleepEndsAtTheDeadline) {
  const int64_t begun = NowNanos();
  RunLoop::Current().Sleep(begun + 5'000'000);
  EXPECT_LT(NowNanos() - begun, 2'000'000'000);
  RunLoop::Current().Sleep(begun);  // long past: returns at once
}

TEST(RunLoop, ScopeRedirects) {
  RunLoop& own = RunLoop::Current();
  RunLoop other;
  {
    const RunLoop::Scope scope(other);
    EXPECT_EQ(&RunLoop::Current(), &other);
    EXPECT_EQ(&scope.outer(), &own);
  }
  EXPECT_EQ(&RunLoop::Current(), &own);
}

// Two threads, each asleep until the other posts to it: a lost wake-up hangs the test.
TEST(RunLoop, NoLostWakeUpsWhileSleeping) {
  constexpr int kRounds = 20'000;
  std::atomic<RunLoop*> loops[2] = {nullptr, nullptr};
  std::atomic<int> turn{0};
  auto play = [&](int me) {
    RunLoop& loop = RunLoop::Current();
    loops[me].store(&loop);
    while (loops[1 - me].load() == nullptr) std::this_thread::yield();
    WaitNode node;
    for (int round = 0; round < kRounds; ++round) {
      node = WaitNode{};
      loops[1 - me].load()->Post(&node);
      WaitNode* got = nullptr;
      while ((got = loop.TakeReady()) == nullptr) loop.Sleep(INT64_MAX);
      EXPECT_EQ(got->next, nullptr);
      turn.fetch_add(1);
      // The partner's node is reused next round: wait until both have taken this round's.
      while (turn.load() < 2 * (round + 1)) std::this_thread::yield();
    }
  };
  std::thread partner(play, 1);
  play(0);
  partner.join();
}

// A place to wait in like an Io's Poll: looks at the loop under its own mutex.
class WaitingRoom final : public Waker {
 public:
  void Wake() noexcept override {
    std::lock_guard guard(mutex_);
    woken_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    while (!RunLoop::Current().HasReady()) woken_.wait(lock);
  }

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
};

// As above, but waiting inside a place that ends after each wait: Post must neither miss the wait
// nor touch the place when it is gone.
TEST(RunLoop, NoLostWakeUpsWhilePolling) {
  constexpr int kRounds = 20'000;
  std::atomic<RunLoop*> sleeper{nullptr};
  std::atomic<int> taken{0};
  std::thread waiter([&] {
    RunLoop& loop = RunLoop::Current();
    sleeper.store(&loop);
    while (taken.load() < 2 * kRounds) {
      WaitNode* got = nullptr;
      while ((got = loop.TakeReady()) == nullptr) {
        WaitingRoom room;
        loop.EnterPoll(room);
        room.Wait();
        loop.LeavePoll();
      }
      for (; got != nullptr; got = got->next) taken.fetch_add(1);
    }
  });
  while (sleeper.load() == nullptr) std::this_thread::yield();
  std::vector<WaitNode> nodes(2 * kRounds);
  auto post = [&](int begin) {
    for (int i = begin; i < 2 * kRounds; i += 2) {
      sleeper.load()->Post(&nodes[i]);
      while (taken.load() < i - 64) std::this_thread::yield();
    }
  };
  std::thread other(post, 1);
  post(0);
  other.join();
  waiter.join();
}

}  // namespace
}  // namespace lsmlab
