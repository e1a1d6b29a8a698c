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
  Io* io;
};

// The background tasks that wait, in order within each priority. Thread-safe.
class JobQueue {
 public:
  void Add(Priority priority, Job job) {
    std::lock_guard guard(mutex_);
    queues_[static_cast<size_t>(priority)].push_back(std::move(job));
    CountUrgent();
    ++unfinished_;
    arrived_.notify_one();
  }

  // As Add, from due_ns (monotonic) on.
  void AddLater(int64_t due_ns, Priority priority, Job job) {
    std::lock_guard guard(mutex_);
    later_.emplace(due_ns, std::make_pair(priority, std::move(job)));
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
        return true;
      }
      if (stopped_) return false;
      if (later_.empty()) {
        arrived_.wait(lock);
      } else {
        const int64_t left = later_.begin()->first - NowNanos();
        arrived_.wait_for(lock, std::chrono::nanoseconds(std::max<int64_t>(left, 0)));
      }
    }
  }

  // A job above compaction that uses `io`; does not wait.
  bool TakeUrgent(const Io& io, Job& job) {
    std::lock_guard guard(mutex_);
    QueueDue(NowNanos());
    for (size_t i = 0; i < static_cast<size_t>(Priority::kCompaction); ++i) {
      if (queues_[i].empty() || queues_[i].front().io != &io) continue;
      TakeFront(queues_[i], job);
      return true;
    }
    return false;
  }
  // Also one that has come due: all threads may be busy, and nobody looks at the clock.
  bool HasUrgent() const noexcept {
    if (urgent_.load(std::memory_order_relaxed) > 0) return true;
    const int64_t due_ns = next_due_ns_.load(std::memory_order_relaxed);
    return due_ns != INT64_MAX && due_ns <= NowNanos();
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
  void QueueDue(int64_t now_ns) {
    while (!later_.empty() && later_.begin()->first <= now_ns) {
      auto& [priority, job] = later_.begin()->second;
      queues_[static_cast<size_t>(priority)].push_back(std::move(job));
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
    urgent_.store(queues_[0].size() + queues_[1].size(), std::memory_order_relaxed);
  }

  std::mutex mutex_;
  std::condition_variable arrived_, all_finished_;
  std::array<std::deque<Job>, 3> queues_;                   // by Priority
  std::multimap<int64_t, std::pair<Priority, Job>> later_;  // by the moment they are due
  std::atomic<size_t> urgent_{0};                           // jobs above compaction
  std::atomic<int64_t> next_due_ns_{INT64_MAX};             // of later_
  size_t unfinished_ = 0;                                   // waiting or running
  bool draining_ = false;
  bool stopped_ = false;
};

// One thread of the pool. It drives one job, and at that job's yield points also flushes that
// would otherwise wait behind a long compaction. Owned by its thread.
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

  // Called from await_suspend of a compaction: true when it is to step aside, for a flush that is
  // waiting or already under way on this thread.
  bool StepAside(WaitNode& node) noexcept {
    if (aside_ != nullptr || (running_.size() == 1 && !queue_.HasUrgent())) return false;
    aside_ = &node;
    return true;
  }

 private:
  void Drive(Job first) {
    RunLoop& loop = RunLoop::Current();
    Io& io = *first.io;
    Begin(std::move(first));
    while (EndFinished(), !running_.empty()) {
      if (aside_ != nullptr) {
        Job urgent;
        // The compaction goes on as soon as the flush waits for anything, so that a flush that
        // waits for this very compaction cannot hang.
        if (queue_.TakeUrgent(io, urgent)) Begin(std::move(urgent));
        if (io.defers()) io.Poll(0);
        WaitNode* node = std::exchange(aside_, nullptr);
        node->home->Post(node);
      } else if (!loop.RunReady()) {
        WaitForReady(loop, io);
      }
    }
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
  WaitNode* aside_ = nullptr;
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
    queue_.Add(priority, Job{std::move(task), &io});
  }
  void SpawnAfter(int64_t delay_ns, Priority priority, Task<void> task, Io& io) override {
    queue_.AddLater(NowNanos() + delay_ns, priority, Job{std::move(task), &io});
  }
  void Breathe(Io&) override {}

  bool Reschedule(WaitNode& node, Priority priority, int64_t delay_ns) override {
    Worker* worker = Worker::Current();
    if (priority == Priority::kCompaction && worker != nullptr && &worker->queue() == &queue_ &&
        worker->StepAside(node)) {
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
