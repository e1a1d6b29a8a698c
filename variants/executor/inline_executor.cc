#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "variants/executor/executors.h"

namespace lsmlab {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
// How long one of several Ios is waited for before the others are looked at.
constexpr int64_t kSliceNanos = 1'000'000;
// Steps of other kinds after which a step of `waiting_` is taken.
constexpr int kBackgroundAtLeastEvery = 16;

// Everything happens on the calling thread. Several threads may take turns, with a
// happens-before between the turns (a mutex around every call); background coroutines therefore
// live on the executor's own loop and not on that of the thread which happened to drive them.
//
// With seed 0 the order is fixed: what is ready, completions of the Io, then one background step
// (flush before compaction, in order of arrival). With another seed each step is drawn from all
// steps that are possible, and pauses take no time but end at a drawn moment: the same seed and
// the same Io give the same run.
class InlineExecutor final : public Executor {
 public:
  explicit InlineExecutor(uint64_t seed) : seeded_(seed != 0), random_(seed) {}
  // Spawned tasks that were not run to their end are given up; REQUIRES that none has begun.
  ~InlineExecutor() override { LSMLAB_ASSERT(running_.empty()); }

  void RunUntil(const bool& done, Io& io) override {
    const RunLoop::Scope scope(loop_);
    scope.outer().set_may_spin(false);
    while (!done) {
      if (!Step(scope.outer(), io)) WaitForReady(io);
    }
  }

  void Spawn(Priority priority, Task<void> task, Io& io) override {
    waiting_[static_cast<size_t>(priority)].push_back(BackgroundStep(Job{std::move(task), &io}));
  }

  void SpawnAfter(int64_t delay_ns, Priority priority, Task<void> task, Io& io) override {
    AddTimer(delay_ns, priority, BackgroundStep(Job{std::move(task), &io}));
  }

  void Breathe(Io& io) override {
    const RunLoop::Scope scope(loop_);
    Step(scope.outer(), io);
  }

  bool Reschedule(WaitNode& node, Priority priority, int64_t delay_ns) override {
    if (delay_ns > 0) {
      AddTimer(delay_ns, priority, BackgroundStep(&node));
    } else {
      waiting_[static_cast<size_t>(priority)].push_back(BackgroundStep(&node));
    }
    return true;
  }

  int background_threads() const noexcept override { return 1; }

  void Drain(Io& io) override {
    const RunLoop::Scope scope(loop_);
    EndPauses(kNever);
    const auto spawned_left = [this] {
      return !running_.empty() || std::any_of(waiting_.begin(), waiting_.end(),
                                              [](auto& queue) { return !queue.empty(); });
    };
    while (spawned_left()) {
      if (!Step(scope.outer(), io)) WaitForReady(io);
    }
  }

 private:
  struct Job {
    Task<void> task;
    Io* io = nullptr;
  };
  // Starts a spawned task, or resumes a coroutine that yielded.
  struct BackgroundStep {
    explicit BackgroundStep(Job spawned) : job(std::move(spawned)) {}
    explicit BackgroundStep(WaitNode* yielded) : node(yielded) {}
    Job job;
    WaitNode* node = nullptr;
  };
  struct TimerEntry {
    BackgroundStep step;
    Priority priority;
  };

  void AddTimer(int64_t delay_ns, Priority priority, BackgroundStep step) {
    const int64_t now = seeded_ ? drawn_now_ : NowNanos();
    timers_.emplace(now + delay_ns, TimerEntry{std::move(step), priority});
  }

  // One step of whatever can go on; false when nothing can.
  bool Step(RunLoop& callers, Io& io) {
    Collect(callers);
    Collect(loop_);
    if (seeded_) return DrawnStep(io);
    EndPauses(NowNanos());
    // What is ready goes first, but an endless chain of it does not keep the rest from running.
    if (++since_background_ >= kBackgroundAtLeastEvery && RunBackground()) return true;
    if (!ready_.empty()) {
      ResumeReady(0);
      return true;
    }
    return PollAll(io, 0) > 0 || RunBackground();
  }

  void Collect(RunLoop& loop) {
    for (WaitNode* node = loop.TakeReady(); node != nullptr; node = node->next) {
      ready_.push_back(node);
    }
  }

  void EndPauses(int64_t until) {
    while (!timers_.empty() && timers_.begin()->first <= until) {
      TimerEntry entry = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      waiting_[static_cast<size_t>(entry.priority)].push_back(std::move(entry.step));
    }
  }

  bool DrawnStep(Io& io) {
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
      ResumeReady(drawn);
    } else if (drawn - ready_.size() < background) {
      RunBackgroundAt(drawn - ready_.size());
    } else {
      drawn_now_ = std::max(drawn_now_, timers_.begin()->first);
      EndPauses(drawn_now_);
    }
    return true;
  }

  void ResumeReady(size_t index) {
    WaitNode* node = ready_[index];
    ready_.erase(ready_.begin() + static_cast<ptrdiff_t>(index));
    RunLoop::Resume(node);
    EndFinished();
  }

  bool RunBackground() {
    since_background_ = 0;
    // A foreground coroutine that yields until background work has done something must not keep
    // that work from running: the two take turns.
    const size_t first = std::exchange(foreground_ran_, false) ? 1 : 0;
    for (size_t i = 0; i < waiting_.size(); ++i) {
      const size_t priority = (first + i) % waiting_.size();
      if (waiting_[priority].empty()) continue;
      foreground_ran_ = priority == 0;
      RunFrom(waiting_[priority], 0);
      return true;
    }
    return false;
  }

  void RunBackgroundAt(size_t index) {
    for (auto& queue : waiting_) {
      if (index < queue.size()) return RunFrom(queue, index);
      index -= queue.size();
    }
  }

  void RunFrom(std::deque<BackgroundStep>& queue, size_t index) {
    BackgroundStep step = std::move(queue[index]);
    queue.erase(queue.begin() + static_cast<ptrdiff_t>(index));
    if (step.node != nullptr) {
      step.node->handle.resume();
    } else {
      running_.push_back(std::move(step.job));
      running_.back().task.Start();
    }
    EndFinished();
  }

  void EndFinished() {
    std::erase_if(running_, [](const Job& job) { return job.task.done(); });
  }

  // The Ios that may owe completions: the caller's, and those of tasks that have begun.
  void FindDeferring(Io& io) {
    deferring_.clear();
    if (io.defers()) deferring_.push_back(&io);
    for (const Job& job : running_) {
      const bool known =
          std::find(deferring_.begin(), deferring_.end(), job.io) != deferring_.end();
      if (!known && job.io->defers()) deferring_.push_back(job.io);
    }
  }

  size_t PollAll(Io& io, int64_t deadline_ns) {
    FindDeferring(io);
    size_t completed = 0;
    for (Io* one : deferring_) completed += one->Poll(deadline_ns);
    return completed;
  }

  // Nothing can go on before an Io completes something or a pause ends.
  void WaitForReady(Io& io) {
    const int64_t pause_end = timers_.empty() ? kNever : timers_.begin()->first;
    FindDeferring(io);
    if (deferring_.size() == 1) {
      if (deferring_[0]->Poll(pause_end) > 0 || pause_end != kNever) return;
    } else if (deferring_.size() > 1) {
      // Nobody else can complete anything meanwhile, so none under way anywhere shows as no wait.
      const int64_t begun = NowNanos();
      const int64_t slice = std::min(pause_end, begun + kSliceNanos);
      for (Io* one : deferring_) {
        if (one->Poll(slice) > 0 || NowNanos() >= slice) return;
      }
    }
    if (pause_end != kNever) return loop_.Sleep(pause_end);
    // One thread at a time: nobody is left who could end this wait.
    LSMLAB_ASSERT(loop_.HasReady() && "inline executor: every coroutine waits for another");
  }

  const bool seeded_;
  Random random_;
  RunLoop loop_;
  std::deque<WaitNode*> ready_;
  std::array<std::deque<BackgroundStep>, 3> waiting_;  // by Priority
  int since_background_ = 0;                           // steps that were not from waiting_
  bool foreground_ran_ = false;                        // the last step was of waiting_[0]
  std::vector<Job> running_;                           // begun and not ended
  int64_t drawn_now_ = 0;                              // the time of pauses when seeded, ns
  std::multimap<int64_t, TimerEntry> timers_;          // by the end of the pause
  std::vector<Io*> deferring_;                         // scratch of FindDeferring
};

constexpr SettingSpec kInlineSettings[] = {
    {"seed", SettingType::kInteger, "0", 0, 9.2e18, "",
     "0: fixed order; otherwise the next step is drawn by this seed among all that are possible"},
};

std::unique_ptr<Executor> MakeInline(const SettingBag& settings) {
  return std::make_unique<InlineExecutor>(static_cast<uint64_t>(settings.Integer("seed")));
}

}  // namespace

constinit const ExecutorVariant kInlineExecutor{
    "inline",
    "the caller, of which there is one at a time, does everything; background work in steps",
    kInlineSettings, MakeInline, /*one_caller=*/true};

}  // namespace lsmlab
