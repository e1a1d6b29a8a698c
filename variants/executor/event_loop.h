#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/async/run_loop.h"
#include "engine/async/sync.h"
#include "engine/async/task.h"
#include "engine/parts/executor.h"
#include "engine/parts/io.h"
#include "engine/parts/mailboxes.h"

namespace lsmlab {

// A task that somebody handed to an executor, and the Io that it waits in.
struct LoopJob {
  Task<void> task;
  Io* io = nullptr;
  Priority priority = Priority::kForeground;
};

// Counts tasks from their arrival to their end. Thread-safe.
class UnfinishedJobs {
 public:
  void Add() {
    std::lock_guard guard(mutex_);
    ++count_;
  }
  void End(size_t jobs) {
    std::lock_guard guard(mutex_);
    count_ -= jobs;
    if (count_ == 0) none_.notify_all();
  }
  void WaitForNone() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  size_t count_ = 0;
};

// One thread that runs many tasks in turns, by priority. The coroutines of each priority suspend
// onto a RunLoop of their own, so that what comes back (completions, locks, events) comes back in
// its queue. A turn: what is ready in the foreground, then a step of background work if its share
// allows, then completions. These are looked at before such a step, too: so what the foreground has
// begun is under way meanwhile, and what has come back for it goes first. With nothing to do the
// thread sleeps, in the Io if operations are under way there.
//
// Background steps run freely while the foreground has nothing to do. Otherwise they earn time as
// the foreground uses it: `background_share` of the thread in the long run, so that neither starves
// the other under overload. The foreground gives way as soon as a step is earned, and then has its
// turn again: it never waits for two. A step ends where its task waits or yields; nothing
// interrupts it.
//
// Thread safety: Add, AddAfter, Hurry, TryEnter, Welcome from any thread; Reschedule by the loop's
// own coroutines.
class EventLoop {
 public:
  struct Options {
    double background_share = 0.5;  // in (0, 1)
    int64_t spin_ns = 0;            // looked around for before it sleeps
    uint32_t visitors = 1024;       // at most
    int cpu = -1;                   // that its thread is kept on; -1: any
  };
  // `unfinished` outlives it.
  EventLoop(const Options& options, UnfinishedJobs* unfinished);
  // Runs everything to its end first, also what waits for its time.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;

  // The loop whose thread this is; null on others.
  static EventLoop* Current() noexcept { return current_; }

  void Add(LoopJob job) { Mail(0, std::move(job)); }
  // From due_ns (monotonic clock) on.
  void AddAfter(int64_t due_ns, LoopJob job) { Mail(due_ns, std::move(job)); }
  // While on, jobs do not wait for their time.
  void Hurry(bool on);
  // Jobs that it has, about.
  size_t jobs() const noexcept { return jobs_.load(std::memory_order_relaxed); }

  // A place for a visitor, of at most `visitors` (Options); false: none is free since `ticket`.
  bool TryEnter(uint64_t* ticket) noexcept;
  AsyncEvent& place_free() noexcept { return place_free_; }
  // Any thread: the coroutine goes on here, as a visitor with a place.
  void Welcome(VisitNode& node) noexcept;
  // This loop's thread: a visitor that was welcomed, and uses `io`, leaves.
  void Farewell(Io& io) noexcept;
  // This loop's thread: one that had a place and was no visitor in this way has ended.
  void FreePlace() noexcept;

  // Resumes the coroutine in its turn, after delay_ns if that is not 0.
  void Reschedule(WaitNode& node, Priority priority, int64_t delay_ns);

 private:
  static constexpr size_t kPriorities = 3;

  // Starts a job, or resumes a coroutine.
  struct Step {
    WaitNode* node = nullptr;
    LoopJob job;
  };
  struct Timer {
    WaitNode* node = nullptr;
    Priority priority = Priority::kForeground;
  };
  // What ends a sleep when no Io has operations under way.
  class Bed final : public Waker {
   public:
    void Wake() noexcept override;
    void Sleep(int64_t deadline_ns);

   private:
    std::mutex mutex_;
    std::condition_variable woken_;
    bool is_woken_ = false;
  };
  // Rung to have the mail looked at. Never resumed.
  struct Doorbell : WaitNode {
    std::atomic<bool> rung{false};
  };

  void Mail(int64_t due_ns, LoopJob job);
  void RingDoorbell() noexcept;
  static bool DoorbellIsAnswered(WaitNode* node) noexcept;
  static bool IsWelcomed(WaitNode* node) noexcept;

  void Run();
  // False: nothing is ready, and what was begun may not be with the kernel yet.
  bool Turn();
  void TakeMail();
  void EndPauses(int64_t now_ns);
  bool Collect();
  bool BackgroundWaits() const noexcept { return !ready_[1].empty() || !ready_[2].empty(); }
  bool RunForeground();
  void RunForegroundUntilEarned();
  bool RunBackground();
  void RunStep(size_t priority);
  void EndFinished();
  size_t PollAll(int64_t deadline_ns);
  bool Uses(const Io* io) const noexcept;
  bool Spin();
  void Sleep();
  bool HasReady() const noexcept;
  bool HasWork() const noexcept;
  RunLoop& LoopOf(size_t priority) noexcept {
    return priority == 0 ? *main_ : background_loops_[priority - 1].loop();
  }

  static constinit inline thread_local EventLoop* current_ = nullptr;
  const Options options_;
  UnfinishedJobs& unfinished_;

  std::mutex mail_mutex_;
  std::vector<std::pair<int64_t, LoopJob>> mail_;  // with the moment each is due; 0: now
  bool stopped_ = false;                           // by mail_mutex_, as the next
  bool hurry_ = false;
  Doorbell doorbell_;
  std::atomic<size_t> jobs_{0};
  std::atomic<uint32_t> visitors_{0};
  AsyncEvent place_free_;

  // The loop thread's own from here on.
  RunLoop* main_ = nullptr;
  RunLoop::Lease background_loops_[kPriorities - 1];
  Bed bed_;
  std::array<std::deque<Step>, kPriorities> ready_;
  std::list<LoopJob> running_;
  std::multimap<int64_t, LoopJob> later_;  // by the moment they are due
  std::multimap<int64_t, Timer> pauses_;
  std::vector<Io*> deferring_;  // of the running jobs
  std::vector<std::pair<Io*, size_t>>
      visited_;            // Ios of visitors that defer, and how many use them
  int64_t credit_ns_ = 0;  // time that background work has earned
  bool stopping_ = false, hurrying_ = false;
  bool has_ended_ = false;  // one of the running jobs

  std::thread thread_;
};

}  // namespace lsmlab
