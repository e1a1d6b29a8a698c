#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "engine/async/run_loop.h"
#include "engine/async/task.h"
#include "engine/base/assert.h"
#include "engine/parts/io.h"
#include "engine/parts/settings.h"

// Executor: who runs the engine's tasks. Variants: `inline` (the caller does everything, background
// work in small steps), `threads` (callers on their own threads or handing their calls to pools of
// workers, a pool for background work), `reactor` (event loops, which run background work and the
// tasks of callers that live on them; other callers on their own threads).
//
// A coroutine is resumed only on the thread it was suspended on, by that thread's RunLoop; the
// executor decides what a thread does while the task it drives is waiting.
//
// Thread safety: all methods from any thread; with one_caller() from one at a time.
// Invariant: a task that has begun is run to its end, and counts as ended when its frame is gone.
// Errors: none; a task tells its own outcome.
// RunUntil and Drain block the calling thread, in the Io or asleep; what spawns takes a lock for a
// moment. Nothing here suspends but a coroutine that is rescheduled.
// Lifetime: outlives its tasks, and an Io outlives the tasks that wait in it. Drain before the end:
// what has not begun by then may be given up.
//
// The part has no settings of its own; a variant's stand in its file. Provisional: readers() and
// writers(), which only `threads` has.
namespace lsmlab {

// The most urgent first: what callers may wait for or count on, then the rest.
enum class Priority : uint8_t { kForeground, kFlush, kCompaction };

class WorkerPool;  // engine/parts/worker_pool.h
class Mailboxes;   // engine/parts/mailboxes.h

class Executor {
 public:
  virtual ~Executor() = default;

  // Drives the calling thread until `done`: its ready coroutines, completions of `io`, and, on
  // executors without threads of their own, background steps. `done` is set by a coroutine of this
  // thread. Not re-entrant: never called from inside a coroutine.
  virtual void RunUntil(const bool& done, Io& io) = 0;

  // Takes over a task and runs it to its end: on a background thread, or in steps inside RunUntil
  // and Breathe of some caller. On one thread FIFO within a priority, and the more urgent first,
  // which tasks let go before them at their yield points, too; with a seed in a drawn order. A task
  // that throws ends the process, with a line that says what it threw.
  virtual void Spawn(Priority priority, Task<void> task, Io& io) = 0;

  // As Spawn, but not before delay_ns have passed; Drain does not wait for that, it runs the task.
  virtual void SpawnAfter(int64_t delay_ns, Priority priority, Task<void> task, Io& io) = 0;

  // Called by the front of the store after each foreground operation that owes background work:
  // `inline` runs one step, others nothing. Never called from inside a coroutine.
  virtual void Breathe(Io& io) = 0;

  // Reschedules the coroutine (from await_suspend), after delay_ns when that is not 0. False: it
  // goes on at once (a thread of its own: the operating system schedules it, or it has slept).
  virtual bool Reschedule(WaitNode& node, Priority priority, int64_t delay_ns) = 0;

  // Threads that background tasks can use at the same time; at least 1.
  virtual int background_threads() const noexcept = 0;

  // Whether everything is done on the threads of callers, of which there is one at a time. The same
  // for the executor's life.
  virtual bool one_caller() const noexcept { return false; }

  // Who runs callers' reads and writes for them; null: callers do. The same for the executor's
  // life.
  virtual WorkerPool* readers() noexcept { return nullptr; }
  virtual WorkerPool* writers() noexcept { return nullptr; }

  // Event loops on which callers' tasks can live; 0: none.
  virtual int loops() const noexcept { return 0; }
  // Runs a task to its end on loop `loop` % loops(). Thread-safe. REQUIRES: loops() > 0.
  virtual void SpawnOn(int loop, Priority priority, Task<void> task, Io& io) {
    (void)loop, (void)priority, (void)task, (void)io;
    LSMLAB_ASSERT(false);
  }
  // How tasks on one loop call another; null: there are no loops. The same for the executor's life.
  virtual Mailboxes* mailboxes() noexcept { return nullptr; }

  // Waits until every spawned task has ended. REQUIRES: no guard, not inside a coroutine.
  virtual void Drain(Io& io) = 0;
};

// One way to run tasks, as it stands in the registry.
struct ExecutorVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  std::unique_ptr<Executor> (*make)(const SettingBag& settings);
  bool one_caller = false;  // Executor::one_caller(), whatever the settings
  bool has_loops = false;   // Executor::loops() > 0
};

// Executor::one_caller() of what would be made: a run whose steps are drawn by a seed is one
// thread's.
inline bool ServesOneCaller(const ExecutorVariant& variant, const SettingBag& settings) {
  return variant.one_caller || (settings.Has("seed") && settings.Integer("seed") != 0);
}

// A yield point inside long background work, and a pause of a slowed writer.
class [[nodiscard]] Yield {
 public:
  Yield(Executor& executor, Priority priority, int64_t delay_ns = 0) noexcept
      : executor_(executor), delay_ns_(delay_ns), priority_(priority) {}
  Yield(const Yield&) = delete;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> h) {
    node_.handle = h;
    node_.home = &RunLoop::Current();
    return executor_.Reschedule(node_, priority_, delay_ns_);
  }
  void await_resume() const noexcept {}

 private:
  Executor& executor_;
  int64_t delay_ns_;
  Priority priority_;
  WaitNode node_;
};

// Runs a task to its end from a plain function. REQUIRES: not inside a coroutine.
template <typename T>
T RunSync(Executor& executor, Io& io, Task<T> task) {
  if (!task.Start()) executor.RunUntil(task.done_flag(), io);
  return task.Take();
}

// The same for a hot entry point, which mostly has its value already.
template <typename T>
T RunSync(Executor& executor, Io& io, ValueOrTask<T> result) {
  if (result.ready()) [[likely]]
    return result.Take();
  return RunSync(executor, io, result.TakeTask());
}

}  // namespace lsmlab
