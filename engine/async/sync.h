#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>

#include "engine/async/run_loop.h"

// Waiting, for coroutines. A waiter suspends and is posted to its home loop by whoever ends the
// wait; a thread that drives a task synchronously then sleeps in its loop. So the same engine code
// waits correctly on every executor. All types here are safe from any thread.
namespace lsmlab {

inline void CpuRelax() noexcept { __builtin_ia32_pause(); }

// A lock of a few instructions, for the lists inside these primitives. Never held over a resume.
class SpinLock {
 public:
  void lock() noexcept {
    while (flag_.exchange(true, std::memory_order_acquire)) {
      while (flag_.load(std::memory_order_relaxed)) CpuRelax();
    }
  }
  void unlock() noexcept { flag_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> flag_{false};
};

// A mutual exclusion whose waiters suspend. Woken in order of arrival; a newcomer may pass a waiter
// that is being woken, which keeps the lock busy (no hand-over through a sleeping thread); the
// waiter then stays first in line. Outlives every call of Unlock, also those whose waiters have
// already gone on.
class AsyncMutex {
 public:
  bool TryLock() noexcept {
    return !locked_.load(std::memory_order_relaxed) &&
           !locked_.exchange(true, std::memory_order_acquire);
  }
  void Unlock() noexcept;

  class [[nodiscard]] LockAwaiter : private WaitNode {
   public:
    explicit LockAwaiter(AsyncMutex& mutex) noexcept : mutex_(mutex) {}
    LockAwaiter(const LockAwaiter&) = delete;
    bool await_ready() noexcept;
    bool await_suspend(std::coroutine_handle<> h) noexcept;
    void await_resume() const noexcept {}

   private:
    static bool TryAgain(WaitNode* node) noexcept;
    AsyncMutex& mutex_;
  };
  // `co_await mutex.Lock();` acquires.
  LockAwaiter Lock() noexcept { return LockAwaiter(*this); }

 private:
  // True: locked. False: the node is in the list, in front or at the end, and will be posted.
  bool LockOrQueue(WaitNode* node, bool in_front) noexcept;

  std::atomic<bool> locked_{false};
  std::atomic<bool> has_waiters_{false};
  SpinLock list_lock_;
  WaitNode* head_ = nullptr;
  WaitNode* tail_ = nullptr;
};

// Something happened: take a Ticket, test the condition, then Wait(ticket), which returns at once
// when Notify came in between. The condition itself lives elsewhere. Outlives every call of Notify:
// a waiter may see the condition, and go on, before Notify has returned.
class AsyncEvent {
 public:
  uint64_t Ticket() const noexcept { return epoch_.load(std::memory_order_seq_cst); }
  void Notify() noexcept;

  class [[nodiscard]] WaitAwaiter {
   public:
    WaitAwaiter(AsyncEvent& event, uint64_t ticket) noexcept : event_(event), ticket_(ticket) {}
    WaitAwaiter(const WaitAwaiter&) = delete;
    bool await_ready() const noexcept { return event_.Ticket() != ticket_; }
    bool await_suspend(std::coroutine_handle<> h) noexcept;
    void await_resume() const noexcept {}

   private:
    AsyncEvent& event_;
    uint64_t ticket_;
    WaitNode node_;
  };
  WaitAwaiter Wait(uint64_t ticket) noexcept { return WaitAwaiter(*this, ticket); }

 private:
  std::atomic<uint64_t> epoch_{0};
  SpinLock list_lock_;
  WaitNode* head_ = nullptr;
  WaitNode* tail_ = nullptr;
};

}  // namespace lsmlab
