#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace lsmlab {

// A coroutine waiting for something, as a link in the list of what it waits for or in the ready
// queue of its home loop. Lives in the awaiter, so waiting allocates nothing.
struct WaitNode {
  std::coroutine_handle<> handle;
  class RunLoop* home = nullptr;
  WaitNode* next = nullptr;
  // Asked on the home thread before the coroutine is resumed: false when the wait is not over after
  // all, and the node is in a list again. May be null.
  bool (*is_over)(WaitNode* node) noexcept = nullptr;
};

// Something in which a thread can wait instead of in its loop (an Io), and how to end that wait.
class Waker {
 public:
  // Makes every thread that waits inside look at its RunLoop again. Any thread; never lost: a
  // thread that begins to wait at the same time looks at its loop after this call.
  virtual void Wake() noexcept = 0;

 protected:
  ~Waker() = default;
};

// The place where a thread's suspended coroutines come back: one per thread. A coroutine is resumed
// only by the thread it was suspended on, from inside that thread's RunReady.
//
// Thread safety: Post from any thread; everything else by the owning thread. A loop outlives every
// coroutine suspended on it, because its thread drives them to their end before it goes on.
class RunLoop {
 public:
  RunLoop() = default;
  RunLoop(const RunLoop&) = delete;
  RunLoop& operator=(const RunLoop&) = delete;

  // The calling thread's loop; made at first use.
  static RunLoop& Current() noexcept { return current_ != nullptr ? *current_ : MakeCurrent(); }

  // The loop that belongs to the calling thread, also inside a Scope.
  static RunLoop& OfThread() noexcept;

  // A loop of one's own. Loops are recycled, never freed: a poster may still look at one after its
  // owner has run the node and ended.
  class Lease {
   public:
    Lease();
    ~Lease();
    Lease(const Lease&) = delete;
    RunLoop& loop() const noexcept { return *loop_; }

   private:
    std::unique_ptr<RunLoop> loop_;
  };

  // While it lives, the calling thread's coroutines suspend onto another loop. For executors whose
  // background work is driven by several threads in turn.
  class Scope {
   public:
    explicit Scope(RunLoop& loop) noexcept : outer_(Current()) { current_ = &loop; }
    ~Scope() { current_ = &outer_; }
    Scope(const Scope&) = delete;
    RunLoop& outer() const noexcept { return outer_; }

   private:
    RunLoop& outer_;
  };

  // Makes the node's coroutine runnable and wakes the thread if it sleeps. FIFO per poster.
  // The node may be gone as soon as the owner runs it: callers read node->next before.
  void Post(WaitNode* node) noexcept;
  // Resumes all that is ready now, in order of posting; false when nothing was.
  bool RunReady();
  // Takes all that is ready without resuming it, linked in order of posting; nullptr when nothing
  // is. The caller gives each to Resume, reading node->next before.
  WaitNode* TakeReady() noexcept;
  // Also in loops that joined this one. To a coroutine that RunReady resumes the rest of what it
  // has taken counts as ready.
  bool HasReady() const noexcept;
  bool HasReadyAlone() const noexcept;

  // For a thread with several loops: this one shares `main`'s place in an Io, where what is ready
  // in either ends a wait. REQUIRES: both are the calling thread's; `main` has not joined another.
  void Join(RunLoop& main) noexcept;
  // Lets go of all that have joined.
  void Part() noexcept { joined_ = nullptr; }
  // The loop whose place in an Io this one uses: itself, or the one it has joined.
  const RunLoop& context() const noexcept { return *context_; }
  // Resumes a node that was taken, if its wait is over.
  static void Resume(WaitNode* node) {
    if (node->is_over == nullptr || node->is_over(node)) node->handle.resume();
  }

  // Sleeps until something is posted or the deadline (monotonic ns; INT64_MAX: none) passes. May
  // return early.
  void Sleep(int64_t deadline_ns) noexcept;
  // Brackets a wait inside `place`: in between, Post calls place.Wake(). LeavePoll returns when no
  // such call is under way any more, so `place` may be destroyed after it.
  void EnterPoll(Waker& place) noexcept;
  void LeavePoll() noexcept;

  // Whether waiting briefly by spinning can help: true on threads of a multi-threaded executor.
  bool may_spin() const noexcept { return may_spin_ && !side_by_side_; }
  void set_may_spin(bool on) noexcept { may_spin_ = on; }
  // While on, several callers take turns on this thread: what one spins for may be another of them.
  void set_side_by_side(bool on) noexcept { side_by_side_ = on; }

 private:
  static RunLoop& MakeCurrent() noexcept;
  static constinit inline thread_local RunLoop* current_ = nullptr;

  std::atomic<WaitNode*> posted_{nullptr};  // LIFO of posters, reversed by the owner
  WaitNode* left_ = nullptr;                // taken by RunReady and not yet resumed
  // kAwake, kSleeping (then also the futex word), or kPolling + kOneWaker per poster inside
  // place.Wake(): the owner leaves the poll only when there is none.
  std::atomic<uint32_t> state_{0};
  Waker* place_ = nullptr;  // valid while kPolling
  RunLoop* context_ = this;
  RunLoop* joined_ = nullptr;  // the next in the list of those that have joined
  bool may_spin_ = false;
  bool side_by_side_ = false;
};

}  // namespace lsmlab
