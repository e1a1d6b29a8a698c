#include "variants/executor/event_loop.h"

#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "engine/base/clock.h"
#include "engine/base/cpus.h"

namespace lsmlab {
namespace {

// Foreground steps between two looks at completions and mail.
constexpr int kForegroundSteps = 64;
// Of them, between two looks at the clock while background work waits.
constexpr int kStepsPerLook = 4;
// The most that background work can save up, so that a quiet hour does not buy it a busy second.
constexpr int64_t kMostCreditNanos = 2'000'000;
// How long one of several Ios is waited for before the others are looked at.
constexpr int64_t kIoSliceNanos = 1'000'000;

// Says when a job has ended: to look at every job after every step costs as much as a short step.
Task<void> Reported(Task<void> task, bool* has_ended) {
  co_await task;
  *has_ended = true;
}

}  // namespace

void EventLoop::Bed::Wake() noexcept {
  std::lock_guard guard(mutex_);
  is_woken_ = true;
  woken_.notify_one();
}

void EventLoop::Bed::Sleep(int64_t deadline_ns) {
  std::unique_lock lock(mutex_);
  if (deadline_ns == INT64_MAX) {
    woken_.wait(lock, [this] { return is_woken_; });
  } else {
    const int64_t left = std::max<int64_t>(deadline_ns - NowNanos(), 0);
    woken_.wait_for(lock, std::chrono::nanoseconds(left), [this] { return is_woken_; });
  }
  is_woken_ = false;
}

EventLoop::EventLoop(const Options& options, UnfinishedJobs* unfinished)
    : options_(options), unfinished_(*unfinished) {
  doorbell_.is_over = DoorbellIsAnswered;
  std::promise<void> begun;
  std::future<void> is_begun = begun.get_future();
  thread_ = std::thread([this, &begun] {
    if (options_.cpu >= 0) PinThisThread(options_.cpu);
    // Or every pause would be late by 50 us, in which the kernel gathers timers.
    prctl(PR_SET_TIMERSLACK, 1UL);
    main_ = &RunLoop::Current();
    begun.set_value();
    Run();
  });
  is_begun.wait();
}

EventLoop::~EventLoop() {
  {
    // Rung under the lock: a loop that sees that it is to end has all rings behind it.
    std::lock_guard guard(mail_mutex_);
    stopped_ = true;
    RingDoorbell();
  }
  thread_.join();
}

void EventLoop::Mail(int64_t due_ns, LoopJob job) {
  unfinished_.Add();
  jobs_.fetch_add(1, std::memory_order_relaxed);
  // Rung under the lock: when the job has ended, this loop may be gone, too.
  std::lock_guard guard(mail_mutex_);
  mail_.emplace_back(due_ns, std::move(job));
  RingDoorbell();
}

void EventLoop::Hurry(bool on) {
  {
    std::lock_guard guard(mail_mutex_);
    hurry_ = on;
  }
  RingDoorbell();
}

void EventLoop::RingDoorbell() noexcept {
  // Whoever finds it rung came before the loop looks at the mail.
  if (!doorbell_.rung.exchange(true, std::memory_order_seq_cst)) main_->Post(&doorbell_);
}

bool EventLoop::DoorbellIsAnswered(WaitNode* node) noexcept {
  static_cast<Doorbell*>(node)->rung.store(false, std::memory_order_seq_cst);
  current_->TakeMail();
  return false;
}

void EventLoop::TakeMail() {
  std::vector<std::pair<int64_t, LoopJob>> mail;
  {
    std::lock_guard guard(mail_mutex_);
    mail.swap(mail_);
    stopping_ = stopped_;
    hurrying_ = hurry_ || stopped_;
  }
  for (auto& [due_ns, job] : mail) {
    if (due_ns == 0) {
      std::deque<Step>& queue = ready_[static_cast<size_t>(job.priority)];
      queue.emplace_back().job = std::move(job);
    } else {
      later_.emplace(due_ns, std::move(job));
    }
  }
}

bool EventLoop::TryEnter(uint64_t* ticket) noexcept {
  *ticket = place_free_.Ticket();
  uint32_t count = visitors_.load(std::memory_order_relaxed);
  while (count < options_.visitors) {
    if (visitors_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

void EventLoop::Welcome(VisitNode& node) noexcept {
  node.is_over = IsWelcomed;
  node.home = main_;
  main_->Post(&node);
}

// On the visited loop's thread, before the visitor goes on there.
bool EventLoop::IsWelcomed(WaitNode* node) noexcept {
  Io* const io = static_cast<VisitNode*>(node)->io;
  if (!io->defers()) return true;
  auto& visited = current_->visited_;
  const auto known = std::find_if(visited.begin(), visited.end(),
                                  [io](const auto& entry) { return entry.first == io; });
  if (known != visited.end()) {
    ++known->second;
    return true;
  }
  visited.emplace_back(io, 1);
  auto& deferring = current_->deferring_;
  if (std::find(deferring.begin(), deferring.end(), io) == deferring.end()) {
    deferring.push_back(io);
  }
  return true;
}

void EventLoop::Farewell(Io& io) noexcept {
  const auto known = std::find_if(visited_.begin(), visited_.end(),
                                  [&io](const auto& entry) { return entry.first == &io; });
  if (known != visited_.end() && --known->second == 0) {
    visited_.erase(known);
    if (!Uses(&io)) std::erase(deferring_, &io);
  }
  FreePlace();
}

void EventLoop::FreePlace() noexcept {
  if (visitors_.fetch_sub(1, std::memory_order_relaxed) == options_.visitors) place_free_.Notify();
}

bool EventLoop::Uses(const Io* io) const noexcept {
  return std::any_of(running_.begin(), running_.end(),
                     [io](const LoopJob& job) { return job.io == io; }) ||
         std::any_of(visited_.begin(), visited_.end(),
                     [io](const auto& entry) { return entry.first == io; });
}

void EventLoop::Reschedule(WaitNode& node, Priority priority, int64_t delay_ns) {
  if (delay_ns > 0) {
    pauses_.emplace(NowNanos() + delay_ns, Timer{&node, priority});
  } else if (priority == Priority::kForeground) {
    // Behind what was posted before, which may not be in the queue yet.
    main_->Post(&node);
  } else {
    ready_[static_cast<size_t>(priority)].emplace_back().node = &node;
  }
}

void EventLoop::EndPauses(int64_t now_ns) {
  while (!pauses_.empty() && pauses_.begin()->first <= now_ns) {
    const Timer timer = pauses_.begin()->second;
    pauses_.erase(pauses_.begin());
    ready_[static_cast<size_t>(timer.priority)].emplace_back().node = timer.node;
  }
  while (!later_.empty() && (hurrying_ || later_.begin()->first <= now_ns)) {
    LoopJob job = std::move(later_.begin()->second);
    later_.erase(later_.begin());
    ready_[static_cast<size_t>(job.priority)].emplace_back().job = std::move(job);
  }
}

bool EventLoop::Collect() {
  bool found = false;
  for (size_t priority = 0; priority < kPriorities; ++priority) {
    WaitNode* node = LoopOf(priority).TakeReady();
    found = found || node != nullptr;
    while (node != nullptr) {
      WaitNode* next = node->next;
      if (node == &doorbell_) {
        RunLoop::Resume(node);
      } else {
        ready_[priority].emplace_back().node = node;
      }
      node = next;
    }
  }
  return found;
}

void EventLoop::Run() {
  current_ = this;
  for (const RunLoop::Lease& lease : background_loops_) lease.loop().Join(*main_);
  while (!stopping_ || HasWork()) {
    if (Turn() || (stopping_ && !HasWork())) continue;
    if (!Spin()) Sleep();
  }
  // A last ring has nothing more to say; the RunLoop goes to another thread.
  (void)main_->TakeReady();
  main_->Part();
  current_ = nullptr;
}

bool EventLoop::HasReady() const noexcept {
  return !ready_[0].empty() || !ready_[1].empty() || !ready_[2].empty() || main_->HasReady();
}

bool EventLoop::HasWork() const noexcept {
  return !running_.empty() || !later_.empty() || !pauses_.empty() || HasReady();
}

bool EventLoop::Turn() {
  bool did = Collect();
  if (!pauses_.empty() || !later_.empty()) EndPauses(NowNanos());
  did = RunForeground() || did;
  if (BackgroundWaits()) {
    PollAll(0);
    did = RunBackground() || did;
  }
  // With nothing left to run, what was begun goes to the kernel in the call that waits for it. Of
  // several Ios only one can be waited for.
  if (deferring_.size() <= 1 && !HasReady()) return false;
  return PollAll(0) > 0 || did;
}

bool EventLoop::RunForeground() {
  if (ready_[0].empty()) return false;
  if (BackgroundWaits()) {
    RunForegroundUntilEarned();
  } else {
    for (int i = 0; i < kForegroundSteps && !ready_[0].empty(); ++i) RunStep(0);
  }
  return true;
}

// At least one step, so that what was saved up holds up the foreground no longer than what was not.
void EventLoop::RunForegroundUntilEarned() {
  const double earned = options_.background_share / (1 - options_.background_share);
  int64_t begun = NowNanos();
  for (int i = 1; i <= kForegroundSteps && !ready_[0].empty(); ++i) {
    RunStep(0);
    if (i > 1 && i % kStepsPerLook != 0 && !ready_[0].empty()) continue;
    const int64_t now = NowNanos();
    credit_ns_ += static_cast<int64_t>(static_cast<double>(now - begun) * earned);
    begun = now;
    if (credit_ns_ > 0) break;
  }
  credit_ns_ = std::min(credit_ns_, kMostCreditNanos);
}

// REQUIRES: BackgroundWaits().
bool EventLoop::RunBackground() {
  const size_t priority = ready_[1].empty() ? 2 : 1;
  // What has come for the foreground meanwhile counts, too.
  if (ready_[0].empty() && !main_->HasReadyAlone()) {
    RunStep(priority);
    return true;
  }
  if (credit_ns_ <= 0) return false;
  const int64_t begun = NowNanos();
  RunStep(priority);
  credit_ns_ -= NowNanos() - begun;
  return true;
}

void EventLoop::RunStep(size_t priority) {
  Step step = std::move(ready_[priority].front());
  ready_[priority].pop_front();
  const RunLoop::Scope scope(LoopOf(priority));
  if (step.node != nullptr) {
    RunLoop::Resume(step.node);
  } else {
    running_.push_back(std::move(step.job));
    LoopJob& job = running_.back();
    if (job.io->defers() &&
        std::find(deferring_.begin(), deferring_.end(), job.io) == deferring_.end()) {
      deferring_.push_back(job.io);
    }
    job.task = Reported(std::move(job.task), &has_ended_);
    job.task.Start();
  }
  if (has_ended_) EndFinished();
}

// Frames go before a job counts as finished: they may hold on to the store.
void EventLoop::EndFinished() {
  has_ended_ = false;
  const size_t ended = std::erase_if(running_, [](const LoopJob& job) { return job.task.done(); });
  std::erase_if(deferring_, [this](const Io* io) { return !Uses(io); });
  jobs_.fetch_sub(ended, std::memory_order_relaxed);
  unfinished_.End(ended);
}

size_t EventLoop::PollAll(int64_t deadline_ns) {
  size_t completed = 0;
  for (Io* io : deferring_) completed += io->Poll(deadline_ns);
  return completed;
}

// True: something came while it looked around.
bool EventLoop::Spin() {
  if (options_.spin_ns == 0) return false;
  int64_t end = NowNanos() + options_.spin_ns;
  if (!pauses_.empty()) end = std::min(end, pauses_.begin()->first);
  if (!later_.empty()) end = std::min(end, later_.begin()->first);
  while (NowNanos() < end) {
    if (main_->HasReady() || PollAll(0) > 0) return true;
    sched_yield();  // kernel threads of this core may have our completions to make
  }
  return false;
}

void EventLoop::Sleep() {
  int64_t deadline = INT64_MAX;
  if (!pauses_.empty()) deadline = pauses_.begin()->first;
  if (!later_.empty()) deadline = std::min(deadline, later_.begin()->first);
  const auto enter = [this](Waker& place) {
    for (size_t priority = 0; priority < kPriorities; ++priority) LoopOf(priority).EnterPoll(place);
  };
  const auto leave = [this] {
    for (size_t priority = 0; priority < kPriorities; ++priority) LoopOf(priority).LeavePoll();
  };
  for (Io* io : deferring_) {
    const int64_t until =
        deferring_.size() == 1 ? deadline : std::min(deadline, NowNanos() + kIoSliceNanos);
    enter(io->Place());
    const size_t completed = main_->HasReady() ? 1 : io->Poll(until);
    leave();
    if (completed > 0 || main_->HasReady() || NowNanos() >= deadline) return;
  }
  // Nothing is under way anywhere, or several Ios are looked at in turns.
  if (deferring_.size() > 1) deadline = std::min(deadline, NowNanos() + kIoSliceNanos);
  enter(bed_);
  if (!main_->HasReady()) bed_.Sleep(deadline);
  leave();
}

}  // namespace lsmlab
