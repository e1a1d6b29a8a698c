#include "engine/async/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engine/async/frame_pool.h"
#include "engine/async/run_loop.h"

namespace lsmlab {
namespace {

Task<int> Plain(int value) { co_return value; }

Task<int> Deep(int levels) {
  if (levels == 0) co_return 0;
  const int below = co_await Deep(levels - 1);
  co_return below + 1;
}

Task<std::unique_ptr<int>> MoveOnly() { co_return std::make_unique<int>(7); }

Task<Result<std::string>> Failing() { co_return Status::NotFound("nothing here"); }

// Suspends once, and is resumed by whoever posts the node.
struct Pause {
  explicit Pause(WaitNode& n) : node(n) {}
  Pause(const Pause&) = delete;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) noexcept {
    node.handle = h;
    node.home = &RunLoop::Current();
  }
  void await_resume() const noexcept {}
  WaitNode& node;
};

Task<int> Waits(WaitNode& node) {
  co_await Pause(node);
  co_return 5;
}

Task<int> WaitsBelow(WaitNode& node) {
  const int below = co_await Waits(node);
  co_return below * 2;
}

Task<void> CountInline(long rounds, long& sum) {
  for (long i = 0; i < rounds; ++i) sum += co_await Plain(1);
}

// Begins all before it waits for the first.
Task<int> JoinsAll(WaitNode* nodes, int count) {
  std::vector<Task<int>> tasks;
  for (int i = 0; i < count; ++i) tasks.push_back(WaitsBelow(nodes[i]));
  tasks.push_back(Plain(1));
  for (Task<int>& task : tasks) task.Start();
  int sum = 0;
  for (Task<int>& task : tasks) sum += co_await task.Join();
  co_return sum;
}

ValueOrTask<int> Hot(int value, WaitNode* node) {
  if (node == nullptr) return ValueOrTask<int>(value);
  return ValueOrTask<int>(Waits(*node));
}

Task<int> AwaitsHot(WaitNode* node) {
  const int got = co_await Hot(3, node);
  co_return got + 1;
}

TEST(Task, IsLazy) {
  const long before = LiveFrames();
  {
    Task<int> task = Plain(3);
    EXPECT_FALSE(task.done());
    EXPECT_TRUE(task.Start());
    EXPECT_EQ(task.Take(), 3);
  }
  EXPECT_EQ(LiveFrames(), before);
}

TEST(Task, ChainsAndMoves) {
  Task<int> deep = Deep(100);
  ASSERT_TRUE(deep.Start());
  EXPECT_EQ(deep.Take(), 100);
  Task<std::unique_ptr<int>> owner = MoveOnly();
  Task<std::unique_ptr<int>> moved = std::move(owner);
  EXPECT_FALSE(owner.valid());
  ASSERT_TRUE(moved.Start());
  EXPECT_EQ(*moved.Take(), 7);
  Task<Result<std::string>> failing = Failing();
  ASSERT_TRUE(failing.Start());
  EXPECT_TRUE(failing.Take().status().IsNotFound());
}

TEST(Task, SuspendsAndContinuesThroughTheChain) {
  const long before = LiveFrames();
  {
    WaitNode node;
    Task<int> task = WaitsBelow(node);
    EXPECT_FALSE(task.Start());
    EXPECT_FALSE(task.done());
    node.home->Post(&node);
    EXPECT_TRUE(RunLoop::Current().RunReady());
    ASSERT_TRUE(task.done());
    EXPECT_EQ(task.Take(), 10);
  }
  EXPECT_EQ(LiveFrames(), before);
}

TEST(Task, InlineAwaitsDoNotGrowTheStack) {
  long sum = 0;
  Task<void> task = CountInline(2'000'000, sum);
  ASSERT_TRUE(task.Start());
  EXPECT_EQ(sum, 2'000'000);
}

TEST(Task, ValueOrTaskBothWays) {
  Task<int> ready = AwaitsHot(nullptr);
  ASSERT_TRUE(ready.Start());
  EXPECT_EQ(ready.Take(), 4);
  WaitNode node;
  Task<int> slow = AwaitsHot(&node);
  ASSERT_FALSE(slow.Start());
  node.home->Post(&node);
  RunLoop::Current().RunReady();
  ASSERT_TRUE(slow.done());
  EXPECT_EQ(slow.Take(), 6);
}

TEST(FramePool, CountsOverThreadsAndTheirEnd) {
  const long before = LiveFrames();
  Task<int> made_there;
  std::thread maker([&] { made_there = Plain(1); });
  maker.join();
  EXPECT_EQ(LiveFrames(), before + 1);
  std::thread ender([&] { made_there = Task<int>(); });
  ender.join();
  EXPECT_EQ(LiveFrames(), before);
}

// Ends a coroutine after the frame pool of its thread is gone: that pool is made later, so it ends
// first.
struct HoldsTask {
  Task<int> task;
};

TEST(FramePool, OutlivedByThreadLocals) {
  const long before = LiveFrames();
  std::thread late([] {
    thread_local HoldsTask holder;
    (void)holder.task.valid();
    holder.task = Plain(1);
  });
  late.join();
  EXPECT_EQ(LiveFrames(), before);
}

TEST(FramePool, ReusesBySizeAndServesLarge) {
  void* large = AllocateFrame(100'000);
  static_cast<char*>(large)[99'999] = 1;
  FreeFrame(large, 100'000);
  void* small = AllocateFrame(65);
  static_cast<char*>(small)[127] = 1;  // the class is 128 bytes
  FreeFrame(small, 65);
#if !defined(LSMLAB_SANITIZED)
  void* again = AllocateFrame(128);
  EXPECT_EQ(again, small);
  FreeFrame(again, 128);
#endif
}

Task<void> Throws() {
  throw std::runtime_error("no room");
  co_return;
}
Task<void> AwaitsWhatThrows() { co_await Throws(); }

TEST(Task, AnExceptionEndsTheProcessWithALine) {
  EXPECT_DEATH(AwaitsWhatThrows().Start(), "lsmlab: a task threw: no room; the process ends");
}

TEST(Task, StartedTasksAreJoinedInAnyOrderOfTheirEnds) {
  WaitNode nodes[3];
  Task<int> all = JoinsAll(nodes, 3);
  EXPECT_FALSE(all.Start());
  for (const int i : {2, 0, 1}) {
    ASSERT_NE(nodes[i].home, nullptr) << "not begun";
    EXPECT_FALSE(all.done());
    RunLoop::Current().Post(&nodes[i]);
    RunLoop::Current().RunReady();
  }
  ASSERT_TRUE(all.done());
  EXPECT_EQ(all.Take(), 31);
}

}  // namespace
}  // namespace lsmlab
