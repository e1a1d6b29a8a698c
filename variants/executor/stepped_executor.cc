#include "variants/executor/stepped_executor.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/base/clock.h"

namespace lsmlab {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
// How long one of several Ios is waited for before the others are looked at.
constexpr int64_t kSliceNanos = 1'000'000;
// Steps of other kinds after which a step of `waiting_` is taken.
constexpr int kBackgroundAtLeastEvery = 16;

}  // namespace

// While it lives, coroutines suspend onto the loop of a place.
class SteppedExecutor::Stepping {
 public:
  Stepping(SteppedExecutor& executor, RunLoop& callers, int place)
      : executor_(executor),
        scope_(place == kCaller ? callers : executor.LoopOf(place)),
        before_(std::exchange(executor.place_, place)) {}
  ~Stepping() { executor_.place_ = before_; }
  Stepping(const Stepping&) = delete;

 private:
  SteppedExecutor& executor_;
  const RunLoop::Scope scope_;
  const int before_;
};

SteppedExecutor::SteppedExecutor(uint64_t seed, size_t places)
    : seeded_(seed != 0), random_(seed), loops_(places) {
  for (size_t i = 1; i < places; ++i) loops_[i].loop().Join(loops_[0].loop());
}

SteppedExecutor::~SteppedExecutor() {
  LSMLAB_ASSERT(running_.empty());
  loops_[0].loop().Part();
}

void SteppedExecutor::RunUntil(const bool& done, Io& io) {
  const RunLoop::Scope scope(loops_[0].loop());
  scope.outer().set_may_spin(false);
  while (!done) {
    if (!Step(scope.outer(), io)) WaitForReady(io);
  }
}

int SteppedExecutor::DrawPlace() {
  return loops_.size() == 1 ? 0 : static_cast<int>(random_.Below(loops_.size()));
}

void SteppedExecutor::SpawnAt(int place, Priority priority, Task<void> task, Io& io) {
  waiting_[static_cast<size_t>(priority)].push_back(
      BackgroundStep(place, Job{std::move(task), &io}));
}

void SteppedExecutor::Spawn(Priority priority, Task<void> task, Io& io) {
  SpawnAt(DrawPlace(), priority, std::move(task), io);
}

void SteppedExecutor::SpawnAfter(int64_t delay_ns, Priority priority, Task<void> task, Io& io) {
  AddTimer(delay_ns, priority, BackgroundStep(DrawPlace(), Job{std::move(task), &io}));
}

void SteppedExecutor::Breathe(Io& io) {
  const RunLoop::Scope scope(loops_[0].loop());
  Step(scope.outer(), io);
}

bool SteppedExecutor::Reschedule(WaitNode& node, Priority priority, int64_t delay_ns) {
  if (delay_ns > 0) {
    AddTimer(delay_ns, priority, BackgroundStep(place_, &node));
  } else {
    waiting_[static_cast<size_t>(priority)].push_back(BackgroundStep(place_, &node));
  }
  return true;
}

void SteppedExecutor::Drain(Io& io) {
  const RunLoop::Scope scope(loops_[0].loop());
  const auto spawned_left = [this] {
    return !running_.empty() || std::any_of(waiting_.begin(), waiting_.end(),
                                            [](auto& queue) { return !queue.empty(); });
  };
  EndPauses(kNever);
  while (spawned_left()) {
    if (!Step(scope.outer(), io)) WaitForReady(io);
  }
}

void SteppedExecutor::AddTimer(int64_t delay_ns, Priority priority, BackgroundStep step) {
  const int64_t now = seeded_ ? drawn_now_ : NowNanos();
  timers_.emplace(now + delay_ns, TimerEntry{std::move(step), priority});
}

// One step of whatever can go on; false when nothing can.
bool SteppedExecutor::Step(RunLoop& callers, Io& io) {
  Collect(callers, kCaller);
  for (size_t i = 0; i < loops_.size(); ++i) Collect(loops_[i].loop(), static_cast<int>(i));
  if (seeded_) return DrawnStep(callers, io);
  EndPauses(NowNanos());
  // What is ready goes first, but an endless chain of it does not keep the rest from running.
  if (++since_background_ >= kBackgroundAtLeastEvery && RunBackground(callers)) return true;
  if (!ready_.empty()) {
    ResumeReady(callers, 0);
    return true;
  }
  return PollAll(io, 0) > 0 || RunBackground(callers);
}

void SteppedExecutor::Collect(RunLoop& loop, int place) {
  for (WaitNode* node = loop.TakeReady(); node != nullptr; node = node->next) {
    ready_.push_back({node, place});
  }
}

void SteppedExecutor::EndPauses(int64_t until) {
  while (!timers_.empty() && timers_.begin()->first <= until) {
    TimerEntry entry = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    waiting_[static_cast<size_t>(entry.priority)].push_back(std::move(entry.step));
  }
}

bool SteppedExecutor::DrawnStep(RunLoop& callers, Io& io) {
  size_t background = 0;
  for (const auto& queue : waiting_) background += queue.size();
  const size_t others = ready_.size() + background + (timers_.empty() ? 0 : 1);
  size_t drawn = random_.Below(others + 1);
  if (drawn == others) {
    // The Ios are one candidate among the others; what they complete is ready for the next step.
    if (PollAll(io, 0) > 0) return true;
    if (others == 0) return false;
    drawn = random_.Below(others);
  }
  if (drawn < ready_.size()) {
    ResumeReady(callers, drawn);
  } else if (drawn - ready_.size() < background) {
    RunBackgroundAt(callers, drawn - ready_.size());
  } else {
    drawn_now_ = std::max(drawn_now_, timers_.begin()->first);
    EndPauses(drawn_now_);
  }
  return true;
}

void SteppedExecutor::ResumeReady(RunLoop& callers, size_t index) {
  const Ready ready = ready_[index];
  ready_.erase(ready_.begin() + static_cast<ptrdiff_t>(index));
  {
    const Stepping stepping(*this, callers, ready.place);
    RunLoop::Resume(ready.node);
  }
  EndFinished();
}

bool SteppedExecutor::RunBackground(RunLoop& callers) {
  since_background_ = 0;
  // A foreground coroutine that yields until background work has done something must not keep
  // that work from running: the two take turns.
  const size_t first = std::exchange(foreground_ran_, false) ? 1 : 0;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    const size_t priority = (first + i) % waiting_.size();
    if (waiting_[priority].empty()) continue;
    foreground_ran_ = priority == 0;
    RunFrom(callers, waiting_[priority], 0);
    return true;
  }
  return false;
}

void SteppedExecutor::RunBackgroundAt(RunLoop& callers, size_t index) {
  for (auto& queue : waiting_) {
    if (index < queue.size()) return RunFrom(callers, queue, index);
    index -= queue.size();
  }
}

void SteppedExecutor::RunFrom(RunLoop& callers, std::deque<BackgroundStep>& queue, size_t index) {
  BackgroundStep step = std::move(queue[index]);
  queue.erase(queue.begin() + static_cast<ptrdiff_t>(index));
  {
    const Stepping stepping(*this, callers, step.place);
    if (step.node != nullptr) {
      step.node->handle.resume();
    } else {
      running_.push_back(std::move(step.job));
      running_.back().task.Start();
    }
  }
  EndFinished();
}

void SteppedExecutor::EndFinished() {
  std::erase_if(running_, [](const Job& job) { return job.task.done(); });
}

// The Ios that may owe completions: the caller's, and those of tasks that have begun.
void SteppedExecutor::FindDeferring(Io& io) {
  deferring_.clear();
  if (io.defers()) deferring_.push_back(&io);
  for (const Job& job : running_) {
    const bool known = std::find(deferring_.begin(), deferring_.end(), job.io) != deferring_.end();
    if (!known && job.io->defers()) deferring_.push_back(job.io);
  }
}

size_t SteppedExecutor::PollAll(Io& io, int64_t deadline_ns) {
  FindDeferring(io);
  size_t completed = 0;
  for (Io* one : deferring_) completed += one->Poll(deadline_ns);
  return completed;
}

// Nothing can go on before an Io completes something or a pause ends.
void SteppedExecutor::WaitForReady(Io& io) {
  const int64_t pause_end = timers_.empty() ? kNever : timers_.begin()->first;
  FindDeferring(io);
  if (deferring_.size() == 1) {
    // With nothing under way there it comes back at once.
    if (deferring_[0]->Poll(pause_end) > 0) return;
    if (pause_end != kNever && NowNanos() >= pause_end) return;
  } else if (deferring_.size() > 1) {
    // Nobody else can complete anything meanwhile, so none under way anywhere shows as no wait.
    const int64_t begun = NowNanos();
    const int64_t slice = std::min(pause_end, begun + kSliceNanos);
    for (Io* one : deferring_) {
      if (one->Poll(slice) > 0 || NowNanos() >= slice) return;
    }
  }
  if (pause_end != kNever) return loops_[0].loop().Sleep(pause_end);
  // One thread at a time: nobody is left who could end this wait.
  LSMLAB_ASSERT(loops_[0].loop().HasReady() && "every coroutine waits for another");
}

}  // namespace lsmlab
