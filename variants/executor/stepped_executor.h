#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "engine/async/run_loop.h"
#include "engine/async/task.h"
#include "engine/base/random.h"
#include "engine/parts/executor.h"
#include "engine/parts/io.h"

namespace lsmlab {

// Everything happens on the calling thread, one step after another. Several threads may take turns,
// with a happens-before between the turns (a mutex around every call); background coroutines
// therefore live on loops of the executor and not on that of the thread which happened to drive
// them.
//
// With seed 0 the order is fixed: what is ready, completions of the Io, then one background step
// (flush before compaction, in order of arrival). With another seed each step is drawn from all
// steps that are possible, and pauses take no time but end at a drawn moment: the same seed and
// the same Io give the same run.
class SteppedExecutor : public Executor {
 public:
  void RunUntil(const bool& done, Io& io) override;
  void Spawn(Priority priority, Task<void> task, Io& io) override;
  void SpawnAfter(int64_t delay_ns, Priority priority, Task<void> task, Io& io) override;
  void Breathe(Io& io) override;
  bool Reschedule(WaitNode& node, Priority priority, int64_t delay_ns) override;
  int background_threads() const noexcept override { return 1; }
  bool one_caller() const noexcept final { return true; }
  void Drain(Io& io) override;

 protected:
  static constexpr int kCaller = -1;  // the place of coroutines that a caller's thread has begun

  // `places`: the loops on which tasks live; each step is taken on one of them.
  SteppedExecutor(uint64_t seed, size_t places);
  // Spawned tasks that were not run to their end are given up; REQUIRES that none has begun.
  ~SteppedExecutor() override;

  void SpawnAt(int place, Priority priority, Task<void> task, Io& io);
  // Where a coroutine goes on that is posted there.
  RunLoop& LoopOf(int place) noexcept { return loops_[static_cast<size_t>(place)].loop(); }
  // Of the step that is being taken.
  int place() const noexcept { return place_; }

 private:
  struct Job {
    Task<void> task;
    Io* io = nullptr;
  };
  // Starts a spawned task, or resumes a coroutine that yielded.
  struct BackgroundStep {
    BackgroundStep(int at, Job spawned) : place(at), job(std::move(spawned)) {}
    BackgroundStep(int at, WaitNode* yielded) : place(at), node(yielded) {}
    int place;
    Job job;
    WaitNode* node = nullptr;
  };
  struct TimerEntry {
    BackgroundStep step;
    Priority priority;
  };
  struct Ready {
    WaitNode* node;
    int place;
  };
  class Stepping;

  // `callers`: the loop of the thread that drives.
  int DrawPlace();
  void AddTimer(int64_t delay_ns, Priority priority, BackgroundStep step);
  bool Step(RunLoop& callers, Io& io);
  void Collect(RunLoop& loop, int place);
  void EndPauses(int64_t until);
  bool DrawnStep(RunLoop& callers, Io& io);
  void ResumeReady(RunLoop& callers, size_t index);
  bool RunBackground(RunLoop& callers);
  void RunBackgroundAt(RunLoop& callers, size_t index);
  void RunFrom(RunLoop& callers, std::deque<BackgroundStep>& queue, size_t index);
  void EndFinished();
  void FindDeferring(Io& io);
  size_t PollAll(Io& io, int64_t deadline_ns);
  void WaitForReady(Io& io);

  const bool seeded_;
  Random random_;
  std::vector<RunLoop::Lease> loops_;
  int place_ = kCaller;
  std::deque<Ready> ready_;
  std::array<std::deque<BackgroundStep>, 3> waiting_;  // by Priority
  int since_background_ = 0;                           // steps that were not from waiting_
  bool foreground_ran_ = false;                        // the last step was of waiting_[0]
  std::vector<Job> running_;                           // begun and not ended
  int64_t drawn_now_ = 0;                              // the time of pauses when seeded, ns
  std::multimap<int64_t, TimerEntry> timers_;          // by the end of the pause
  std::vector<Io*> deferring_;                         // scratch of FindDeferring
};

// For MakeReactor: `loops` event loops in one thread, that of the caller, of which there is one at
// a time. `seed` is not 0.
std::unique_ptr<Executor> MakeSeededLoops(uint64_t seed, size_t loops, uint32_t visitors);

}  // namespace lsmlab
