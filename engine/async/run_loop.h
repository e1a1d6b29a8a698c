#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>

namespace lsmlab {

// A coroutine waiting for something, as a link in the list of what it waits for or in the ready
// queue of its home loop. Lives in the awaiter, so waiting allocates nothing.
struct WaitNode {
  std::coroutine_handle<> handle;
  class RunLoop* home = nullptr;
  WaitNode* next = nullptr;
};

// The place where a thread's suspended coroutines come back: one per thread. A coroutine is resumed
// only by the thread it was suspended on, from inside that thread's RunReady.
//
// Thread safety: Post from any thread; everything else by the owning thread. A loop outlives every
// coroutine suspended on it, because its thread drives them to their end before it goes on.
class RunLoop {
 public:
  // The calling thread's loop; made at first use.
  static RunLoop& Current() noexcept;

  // Makes the node's coroutine runnable and wakes the thread if it sleeps. FIFO per poster.
  // The node may be gone as soon as the owner runs it: callers read node->next before.
  void Post(WaitNode* node) noexcept;
  // Resumes all that is ready now, in order of posting; false when nothing was.
  bool RunReady();
  bool HasReady() const noexcept;
  // Sleeps until something is posted or the deadline (monotonic ns; INT64_MAX: none) passes.
  void Sleep(int64_t deadline_ns) noexcept;

  // Whether waiting briefly by spinning can help: true on threads of a multi-threaded executor.
  bool may_spin() const noexcept { return may_spin_; }
  void set_may_spin(bool on) noexcept { may_spin_ = on; }

 private:
  std::atomic<WaitNode*> posted_{nullptr};  // LIFO of posters, reversed by the owner
  std::atomic<uint32_t> wakeups_{0};        // futex word
  std::atomic<bool> sleeping_{false};
  bool may_spin_ = false;
};

}  // namespace lsmlab
