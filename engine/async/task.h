#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "engine/async/frame_pool.h"
#include "engine/base/assert.h"
#include "engine/base/status.h"

// Task<T>: a lazy coroutine with one awaiter. It starts when it is awaited (or Start()ed), runs on
// the awaiting thread, and hands its value over when it ends.
//
// The awaiter resumes the child inside `bool await_suspend` instead of returning its handle:
// GCC 12 turns symmetric transfer into a tail call only with optimisation and never under
// sanitizers, so a loop of inline-completing awaits would overflow the stack there. This form has
// the same speed and recurses only as deep as the chain of awaits.
//
// Rules for coroutines in this code base (each is a reproduced miscompilation of GCC 12, kept as
// tests/unit/gcc_traps_test.cc): no co_await in the condition of an if, while, for or switch (await
// into a named local first: without any local in the coroutine its body is lost); no braced
// aggregate, no capturing lambda and no choice (a ? b : c) of what to await inside an expression
// that contains co_await; no alignas locals; no buffers in frames; no capturing lambda coroutines;
// no std::mutex, ReadGuard or reference to a thread_local held across a co_await.
namespace lsmlab {

template <typename T = void>
class Task;

namespace internal {

// Says what was thrown and ends the process. REQUIRES: called by a handler.
[[noreturn]] void EndByException() noexcept;

struct PromiseBase {
  std::coroutine_handle<> continuation;
  bool done = false;
  bool waited = false;

  static void* operator new(size_t bytes) { return AllocateFrame(bytes); }
  static void operator delete(void* frame, size_t bytes) noexcept { FreeFrame(frame, bytes); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <typename P>
    void await_suspend(std::coroutine_handle<P> h) const noexcept {
      PromiseBase& p = h.promise();
      p.done = true;
      // Nothing is touched after resume(): the continuation may destroy this frame.
      if (p.waited) p.continuation.resume();
    }
    void await_resume() const noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }
  // Errors travel as Status. What still throws is out of memory inside a job, after which the
  // store's state in memory cannot be trusted, or a task of the user's: one that may throw catches.
  void unhandled_exception() noexcept { EndByException(); }
};

template <typename T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() noexcept;
  template <typename U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
  T Take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void Take() noexcept {}
};

}  // namespace internal

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() noexcept = default;
  explicit Task(Handle h) noexcept : handle_(h) {}
  Task(Task&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
  Task& operator=(Task&& o) noexcept {
    if (this != &o) {
      Destroy();
      handle_ = std::exchange(o.handle_, nullptr);
    }
    return *this;
  }
  // REQUIRES: not started, or done. A suspended task's awaiter may be known to the I/O layer.
  ~Task() { Destroy(); }

  bool valid() const noexcept { return handle_ != nullptr; }
  bool done() const noexcept { return handle_.promise().done; }
  const bool& done_flag() const noexcept { return handle_.promise().done; }
  // Runs until the first suspension. REQUIRES: valid, not started. True when it is done already.
  bool Start() {
    handle_.resume();
    return handle_.promise().done;
  }
  // REQUIRES: done().
  T Take() { return handle_.promise().Take(); }

  class Awaiter {
   public:
    explicit Awaiter(Handle h) noexcept : handle_(h) {}
    bool await_ready() const noexcept { return handle_.promise().done; }
    bool await_suspend(std::coroutine_handle<> awaiting) {
      handle_.resume();
      promise_type& p = handle_.promise();
      if (p.done) return false;
      p.continuation = awaiting;
      p.waited = true;
      return true;
    }
    T await_resume() { return handle_.promise().Take(); }

   private:
    Handle handle_;
  };
  Awaiter operator co_await() noexcept { return Awaiter(handle_); }

  class Joiner {
   public:
    explicit Joiner(Handle h) noexcept : handle_(h) {}
    bool await_ready() const noexcept { return handle_.promise().done; }
    void await_suspend(std::coroutine_handle<> awaiting) noexcept {
      promise_type& p = handle_.promise();
      p.continuation = awaiting;
      p.waited = true;
    }
    T await_resume() { return handle_.promise().Take(); }

   private:
    Handle handle_;
  };
  // `co_await task.Join()` waits for a task that was Start()ed before: several started one after
  // the other, then joined, wait side by side. REQUIRES: started on this thread, joined once.
  Joiner Join() noexcept { return Joiner(handle_); }

 private:
  void Destroy() noexcept {
    if (handle_ != nullptr) handle_.destroy();
  }
  Handle handle_ = nullptr;
};

namespace internal {
template <typename T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace internal

// What a hot entry point returns: the value, when it was there without waiting, or a Task for the
// slow rest. Two nanoseconds when ready. Await it, or test ready() and Take().
template <typename T>
class [[nodiscard]] ValueOrTask {
 public:
  ValueOrTask(T value) noexcept : value_(std::move(value)) {}     // NOLINT: implicit by design
  ValueOrTask(Task<T> task) noexcept : task_(std::move(task)) {}  // NOLINT

  bool ready() const noexcept { return !task_.valid(); }
  // REQUIRES: ready().
  T Take() { return std::move(*value_); }
  // REQUIRES: !ready().
  Task<T> TakeTask() { return std::move(task_); }

  class Awaiter {
   public:
    explicit Awaiter(ValueOrTask& v) noexcept : v_(v) {}
    bool await_ready() const noexcept { return v_.ready(); }
    bool await_suspend(std::coroutine_handle<> awaiting) {
      return typename Task<T>::Awaiter(v_.task_.operator co_await()).await_suspend(awaiting);
    }
    T await_resume() { return v_.ready() ? v_.Take() : v_.task_.Take(); }

   private:
    ValueOrTask& v_;
  };
  Awaiter operator co_await() noexcept { return Awaiter(*this); }

 private:
  std::optional<T> value_;
  Task<T> task_;
};

}  // namespace lsmlab
