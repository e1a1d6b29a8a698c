#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "engine/async/run_loop.h"
#include "engine/base/assert.h"
#include "engine/base/epoch.h"
#include "engine/parts/executor.h"

// Threads that run callers' operations for them, fed by a bounded queue: what an executor may have
// for reads and for writes. A call is handed over whole and its caller waits for its end in its own
// loop, so a pool changes which thread does the work and how many do it at once, and no answer.
//
// Invariant: each call handed over is run once, whole, by one worker. Errors: none; what the call
// returns is its own. Lifetime: the executor's; a call and its context live until it has ended.
// Provisional: only `threads` has pools, all of one kind.
namespace lsmlab {

// A call on its way through a pool. Lives in the caller's awaiter until `caller` is posted.
struct HandedCall {
  void (*run)(void* context) noexcept = nullptr;
  void* context = nullptr;
  WaitNode caller;             // posted to its home loop when the call has ended
  HandedCall* next = nullptr;  // the pool's
};

struct WorkerPoolCounters {
  uint64_t calls = 0;  // handed over
  uint64_t waits = 0;  // those of them that found the queue full
};

// Thread safety: HandOver and Counters from any thread.
class WorkerPool {
 public:
  // Runs what was handed over to its end first. REQUIRES: nobody is inside HandOver.
  virtual ~WorkerPool() = default;

  // Puts the call into the queue; first blocks the thread until it has room. A worker runs it and
  // then posts call.caller, which may happen before this returns. Taken in order of arrival in the
  // queue. REQUIRES: not called by a worker of this pool, which might wait for itself.
  virtual void HandOver(HandedCall& call) noexcept = 0;
  virtual WorkerPoolCounters Counters() const noexcept = 0;
};

// co_await OnWorker(pool, run, context): back on this thread when a worker has run it.
class [[nodiscard]] OnWorker {
 public:
  OnWorker(WorkerPool& pool, void (*run)(void*) noexcept, void* context) noexcept : pool_(pool) {
    call_.run = run;
    call_.context = context;
  }
  OnWorker(const OnWorker&) = delete;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) noexcept {
    LSMLAB_INVARIANT(ReadGuard::Depth() == 0);
    call_.caller.handle = h;
    call_.caller.home = &RunLoop::Current();
    pool_.HandOver(call_);
  }
  void await_resume() const noexcept {}

 private:
  WorkerPool& pool_;
  HandedCall call_;
};

inline Task<void> WaitForWorker(WorkerPool& pool, void (*run)(void*) noexcept, void* context) {
  co_await OnWorker(pool, run, context);
}

// What `call()` returns, from a worker. REQUIRES: not inside a coroutine, not on such a worker.
template <typename F>
std::invoke_result_t<F&> RunOnWorker(Executor& executor, Io& io, WorkerPool& pool, F&& call) {
  struct Handed {
    std::remove_reference_t<F>& call;
    std::optional<std::invoke_result_t<F&>> result;
  };
  Handed handed{call, std::nullopt};
  const auto run = [](void* context) noexcept {
    Handed& mine = *static_cast<Handed*>(context);
    mine.result.emplace(mine.call());
  };
  RunSync(executor, io, WaitForWorker(pool, run, &handed));
  return std::move(*handed.result);
}

}  // namespace lsmlab
