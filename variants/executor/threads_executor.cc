#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "variants/executor/caller_pool.h"
#include "variants/executor/executors.h"
#include "variants/executor/wait_for_ready.h"

namespace lsmlab {
namespace {

struct Job {
  Task<void> task;
  Io* io = nullptr;
  Priority priority = Priority::kForeground;
};

// The background tasks that wait, in order within each priority. Thread-safe.
class JobQueue {
 public:
  void Add(Job job) {
    std::lock_guard guard(mutex_);
    QueueOf(job).push_back(std::move(job));
    CountUrgent();
    ++unfinished_;
    arrived_.notify_one();
  }

  // As Add, from due_ns (monotonic) on.
  void AddLater(int64_t due_ns, Job job) {
    std::lock_guard guard(mutex_);
    later_.emplace(due_ns, std::move(job));
    NoteNextDue();
    ++unfinished_;
    arrived_.notify_one();
  }

  // The next job; waits for one. False: stopped, and nothing is left.
  bool Take(Job& job) {
    std::unique_lock lock(mutex_);
    for (;;) {
      QueueDue(draining_ || stopped_ ? INT64_MAX : NowNanos());
      for (auto& queue : queues_) {
        if (queue.empty()) continue;
        TakeFront(queue, job);
        // This may have been the thread that watched the clock: which of those that wait is woken
        // for a job is not said (and so no test can bring it about), and the others may wait
        // without limit.
        if (!later_.empty() && idle_.load(std::memory_order_relaxed) > 0) arrived_.notify_one();
        return true;
      }
      if (stopped_) return false;
      WaitForArrival(lock);
    }
  }

  // A job more urgent than `priority` that uses `io`, if one is left for a thread that is busy;
  // does not wait.
  bool TakeUrgent(Priority priority, const Io& io, Job& job) {
    std::lock_guard guard(mutex_);
    QueueDue(NowNanos());
    if (!IsLeftForBusy(priority)) return false;
    for (size_t i = 0; i < static_cast<size_t>(priority); ++i) {
      if (queues_[i].empty() || queues_[i].front().io != &io) continue;
      TakeFront(queues_[i], job);
      return true;
    }
    return false;
  }
  // Also one that has come due: all threads may be busy, and nobody looks at the clock.
  bool HasUrgent(Priority priority) const noexcept {
    if (IsLeftForBusy(priority)) return true;
    const int64_t due_ns = next_due_ns_.load(std::memory_order_relaxed);
    return due_ns != INT64_MAX && idle_.load(std::memory_order_relaxed) == 0 &&
           due_ns <= NowNanos();
  }

  void Finished(size_t jobs) {
    std::lock_guard guard(mutex_);
    unfinished_ -= jobs;
    if (unfinished_ == 0) all_finished_.notify_all();
  }
  void WaitFinished() {
    std::unique_lock lock(mutex_);
    draining_ = true;
    arrived_.notify_all();
    all_finished_.wait(lock, [this] { return unfinished_ == 0; });
    draining_ = false;
  }
  void Stop() {
    std::lock_guard guard(mutex_);
    stopped_ = true;
    arrived_.notify_all();
  }

 private:
  std::deque<Job>& QueueOf(const Job& job) { return queues_[static_cast<size_t>(job.priority)]; }
  // Whether more jobs above `priority` wait than idle threads are about to take: what a thread has
  // begun stays with it, so one with nothing else to do takes a job before one that has to step
  // aside for it.
  bool IsLeftForBusy(Priority priority) const noexcept {
    return urgent_[static_cast<size_t>(priority)].load(std::memory_order_relaxed) >
           idle_.load(std::memory_order_relaxed);
  }
  void WaitForArrival(std::unique_lock<std::mutex>& lock) {
    idle_.fetch_add(1, std::memory_order_relaxed);
    if (later_.empty()) {
      arrived_.wait(lock);
    } else {
      const int64_t left = later_.begin()->first - NowNanos();
      arrived_.wait_for(lock, std::chrono::nanoseconds(std::max<int64_t>(left, 0)));
    }
    idle_.fetch_sub(1, std::memory_order_relaxed);
  }
  void QueueDue(int64_t now_ns) {
    while (!later_.empty() && later_.begin()->first <= now_ns) {
      Job& job = later_.begin()->second;
      QueueOf(job).push_back(std::move(job));
      later_.erase(later_.begin());
      arrived_.notify_one();  // whoever is here takes one at most
    }
    NoteNextDue();
    CountUrgent();
  }
  void NoteNextDue() {
    next_due_ns_.store(later_.empty() ? INT64_MAX : later_.begin()->first,
                       std::memory_order_relaxed);
  }
  void TakeFront(std::deque<Job>& queue, Job& job) {
    job = std::move(queue.front());
    queue.pop_front();
    CountUrgent();
  }
  void CountUrgent() {
    size_t above = 0;
    for (size_t i = 0; i < queues_.size(); ++i) {
      urgent_[i].store(above, std::memory_order_relaxed);
      above += queues_[i].size();
    }
  }

  std::mutex mutex_;
  std::condition_variable arrived_, all_finished_;
  std::array<std::deque<Job>, 3> queues_;        // by Priority
  std::multimap<int64_t, Job> later_;            // by the moment they are due
  std::array<std::atomic<size_t>, 3> urgent_{};  // by Priority: jobs above it
  std::atomic<size_t> idle_{0};                  // threads that wait for a job
  std::atomic<int64_t> next_due_ns_{INT64_MAX};  // of later_
  size_t unfinished_ = 0;                        // waiting or running
  bool draining_ = false;
  bool stopped_ = false;
};

// One thread of the pool. It drives one job, and at that job's yield points also more urgent ones,
// which would otherwise wait behind it: at those of a compaction flushes, at those of both what a
// caller may wait for. What it has begun stays with it to the end: a coroutine is resumed on the
// thread it was suspended on, where operations of its Io may be under way. Owned by its thread.
class Worker {
 public:
  explicit Worker(JobQueue& queue) : queue_(queue) {}

  static Worker* Current() noexcept { return current_; }
  const JobQueue& queue() const noexcept { return queue_; }

  void Run() {
    current_ = this;
    RunLoop::Current().set_may_spin(false);
    Job job;
    while (queue_.Take(job)) Drive(std::move(job));
    current_ = nullptr;
  }

  // Called from await_suspend of a background task: true when it is to step aside, for a more
  // urgent one that is waiting or already under way on this thread, or for anything that is ready
  // here: it may have been woken to take a lock, which stands free with others behind it until it
  // has had its turn.
  bool StepAside(WaitNode& node, Priority priority) {
    const bool under_way =
        std::any_of(running_.begin(), running_.end(),
                    [priority](const Job& job) { return job.priority < priority; });
    if (!under_way && !node.home->HasReady() && !queue_.HasUrgent(priority)) return false;
    aside_.emplace(priority, &node);
    return true;
  }

 private:
  void Drive(Job first) {
    RunLoop& loop = RunLoop::Current();
    Io& io = *first.io;
    Begin(std::move(first));
    while (EndFinished(), !running_.empty()) {
      if (!aside_.empty()) GiveWay(io);
      if (!loop.RunReady()) WaitForReady(loop, io);
    }
  }

  // One more urgent job is begun, if there is one. Then the most urgent of those aside goes on,
  // beside what is ready: so it does as soon as those above it wait for anything, and one that
  // waits for this very job cannot hang.
  void GiveWay(Io& io) {
    Job urgent;
    if (queue_.TakeUrgent(aside_.begin()->first, io, urgent)) Begin(std::move(urgent));
    if (io.defers()) io.Poll(0);
    WaitNode* node = aside_.begin()->second;  // maybe of the job just begun
    aside_.erase(aside_.begin());
    node->home->Post(node);
  }

  void Begin(Job job) {
    running_.push_back(std::move(job));
    running_.back().task.Start();
  }

  void EndFinished() {
    // Frames go before the job counts as finished: they may hold on to the store.
    const size_t ended = std::erase_if(running_, [](const Job& job) { return job.task.done(); });
    if (ended > 0) queue_.Finished(ended);
  }

  static constinit inline thread_local Worker* current_ = nullptr;
  JobQueue& queue_;
  std::vector<Job> running_;
  std::multimap<Priority, WaitNode*> aside_;  // in order within each priority
};

class ThreadsExecutor final : public Executor {
 public:
  explicit ThreadsExecutor(const SettingBag& settings)
      : callers_spin_(std::thread::hardware_concurrency() > 1),
        readers_(MakePool(settings, "read_workers")),
        writers_(MakePool(settings, "write_workers")) {
    for (int64_t i = 0; i < settings.Integer("background"); ++i) {
      threads_.emplace_back([this] { Worker(queue_).Run(); });
    }
  }
  // Ends what was handed over first, which may wait for what was spawned; then that.
  ~ThreadsExecutor() override {
    readers_.reset();
    writers_.reset();
    queue_.Stop();
    for (std::thread& thread : threads_) thread.join();
  }

  void RunUntil(const bool& done, Io& io) override {
    RunLoop& loop = RunLoop::Current();
    // From its first wait on, a caller spins a little before it sleeps in a lock.
    loop.set_may_spin(callers_spin_);
    while (!done) {
      if (!loop.RunReady()) WaitForReady(loop, io);
    }
  }

  void Spawn(Priority priority, Task<void> task, Io& io) override {
    queue_.Add(Job{std::move(task), &io, priority});
  }
  void SpawnAfter(int64_t delay_ns, Priority priority, Task<void> task, Io& io) override {
    queue_.AddLater(NowNanos() + delay_ns, Job{std::move(task), &io, priority});
  }
  void Breathe(Io&) override {}

  bool Reschedule(WaitNode& node, Priority priority, int64_t delay_ns) override {
    Worker* worker = Worker::Current();
    if (priority != Priority::kForeground && delay_ns == 0 && worker != nullptr &&
        &worker->queue() == &queue_ && worker->StepAside(node, priority)) {
      return true;
    }
    if (delay_ns > 0) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(delay_ns));
    } else if (priority == Priority::kForeground) {
      std::this_thread::yield();
    }
    return false;
  }

  int background_threads() const noexcept override { return static_cast<int>(threads_.size()); }
  WorkerPool* readers() noexcept override { return readers_.get(); }
  WorkerPool* writers() noexcept override { return writers_.get(); }
  void Drain(Io&) override { queue_.WaitFinished(); }

 private:
  static std::unique_ptr<WorkerPool> MakePool(const SettingBag& settings, std::string_view name) {
    const int64_t threads = settings.Integer(name);
    if (threads == 0) return nullptr;
    return std::make_unique<CallerPool>(static_cast<int>(threads),
                                        static_cast<size_t>(settings.Integer("queue_depth")));
  }

  bool callers_spin_;
  std::unique_ptr<WorkerPool> readers_, writers_;
  JobQueue queue_;
  std::vector<std::thread> threads_;
};

constexpr SettingSpec kThreadsSettings[] = {
    {"background", SettingType::kInteger, "2", 1, 64, "",
     "threads that run flushes and compactions; flushes go first"},
    {"read_workers", SettingType::kInteger, "0", 0, 256, "",
     "threads that run callers' reads for them; 0: callers run their reads themselves"},
    {"write_workers", SettingType::kInteger, "0", 0, 256, "",
     "threads that run callers' writes for them (a commit group then has at most so many members); "
     "0: callers run their writes themselves"},
    {"queue_depth", SettingType::kInteger, "64", 1, 65536, "",
     "calls that may wait for the read workers, and as many for the write workers; further callers "
     "wait until there is room"},
};

std::unique_ptr<Executor> MakeThreads(const SettingBag& settings) {
  return std::make_unique<ThreadsExecutor>(settings);
}

}  // namespace

constinit const ExecutorVariant kThreadsExecutor{
    "threads", "callers on their own threads, or on pools of workers; a pool for background work",
    kThreadsSettings, MakeThreads};

}  // namespace lsmlab
