#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/cpus.h"
#include "variants/executor/event_loop.h"
#include "variants/executor/executors.h"
#include "variants/executor/stepped_executor.h"
#include "variants/executor/wait_for_ready.h"

namespace lsmlab {
namespace {

// Event loops take background tasks, the least busy one first, and the tasks that callers put on
// them. A foreign thread runs its own call where it is: a hop to a loop and back would cost it more
// than a read of the device.
class ReactorExecutor final : public Executor, private Mailboxes {
 public:
  // `first_cpu`: of the processors that the process may use, the one for the first loop; none: the
  // loops are not pinned.
  ReactorExecutor(size_t loops, EventLoop::Options options, std::optional<size_t> first_cpu) {
    const std::vector<int>& cpus = AllowedCpus();  // before a thread is pinned
    for (size_t i = 0; i < loops; ++i) {
      if (first_cpu.has_value() && !cpus.empty()) {
        options.cpu = cpus[(*first_cpu + i) % cpus.size()];
      }
      loops_.push_back(std::make_unique<EventLoop>(options, &unfinished_));
    }
  }
  Mailboxes* mailboxes() noexcept override { return this; }
  // What is left may hand more to any loop: all are told to end after that only.
  ~ReactorExecutor() override { Finish(); }

  void RunUntil(const bool& done, Io& io) override {
    RunLoop& loop = RunLoop::Current();
    LSMLAB_ASSERT(EventLoop::Current() == nullptr);
    loop.set_may_spin(loops_.size() > 1);
    while (!done) {
      if (!loop.RunReady()) WaitForReady(loop, io);
    }
  }

  void Spawn(Priority priority, Task<void> task, Io& io) override {
    LeastBusy().Add({std::move(task), &io, priority});
  }
  void SpawnAfter(int64_t delay_ns, Priority priority, Task<void> task, Io& io) override {
    LeastBusy().AddAfter(NowNanos() + delay_ns, {std::move(task), &io, priority});
  }
  void SpawnOn(int loop, Priority priority, Task<void> task, Io& io) override {
    loops_[static_cast<size_t>(loop) % loops_.size()]->Add({std::move(task), &io, priority});
  }
  void Breathe(Io&) override {}

  bool Reschedule(WaitNode& node, Priority priority, int64_t delay_ns) override {
    if (EventLoop* loop = EventLoop::Current(); loop != nullptr) {
      loop->Reschedule(node, priority, delay_ns);
      return true;
    }
    if (delay_ns > 0) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(delay_ns));
    } else {
      std::this_thread::yield();
    }
    return false;
  }

  int background_threads() const noexcept override { return static_cast<int>(loops_.size()); }
  int loops() const noexcept override { return static_cast<int>(loops_.size()); }
  void Drain(Io&) override { Finish(); }

 private:
  int CurrentLoop() const noexcept override {
    const EventLoop* current = EventLoop::Current();
    for (size_t i = 0; i < loops_.size(); ++i) {
      if (loops_[i].get() == current) return static_cast<int>(i);
    }
    return -1;
  }
  bool TryEnter(int loop, uint64_t* ticket) noexcept override { return At(loop).TryEnter(ticket); }
  AsyncEvent& PlaceFree(int loop) noexcept override { return At(loop).place_free(); }
  void Enter(int loop, VisitNode& node) noexcept override { At(loop).Welcome(node); }
  void Leave(VisitNode& node) noexcept override {
    EventLoop::Current()->Farewell(*node.io);
    node.home->Post(&node);
  }
  void Deliver(int loop, Task<void> task, Io& io) override {
    At(loop).Add({OnItsPlace(At(loop), std::move(task)), &io, Priority::kForeground});
  }
  static Task<void> OnItsPlace(EventLoop& loop, Task<void> task) {
    co_await task;
    loop.FreePlace();
  }
  EventLoop& At(int loop) noexcept { return *loops_[static_cast<size_t>(loop)]; }
  EventLoop& LeastBusy() {
    const auto fewer = [](const auto& a, const auto& b) { return a->jobs() < b->jobs(); };
    return **std::min_element(loops_.begin(), loops_.end(), fewer);
  }
  void Finish() {
    for (const auto& loop : loops_) loop->Hurry(true);
    unfinished_.WaitForNone();
    for (const auto& loop : loops_) loop->Hurry(false);
  }

  UnfinishedJobs unfinished_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
};

constexpr SettingSpec kReactorSettings[] = {
    {"loops", SettingType::kInteger, "2", 1, 64, "", "event loops, each on a thread of its own"},
    {"background_share", SettingType::kReal, "0.5", 0.05, 0.95, "",
     "of a loop's time that flushes and compactions get while its foreground is busy, too"},
    {"pin", SettingType::kBool, "false", 0, 0, "",
     "each loop's thread is kept on one processor, in turns: left to the system, two busy loops "
     "share one now and then, for milliseconds; but a loop alone is moved to where the device "
     "interrupts, and gains a fifth by it"},
    {"first_cpu", SettingType::kInteger, "0", 0, 4095, "",
     "with pin: where the first loop is kept, counted among the processors that the process may "
     "use; a loop that waits for the device is best where that interrupts"},
    {"visitors", SettingType::kInteger, "1024", 1, 65536, "",
     "tasks of other loops, and messages, that a loop takes at the same time; more wait at home"},
    {"spin", SettingType::kDuration, "0", 0, 1e9, "",
     "time that a loop looks around for work before it sleeps: a shorter way to the device and "
     "back "
     "at few operations under way, for a busy core"},
    {"seed", SettingType::kInteger, "0", 0, 9.2e18, "",
     "0: each loop on a thread of its own; otherwise all in that of the one caller, each next step "
     "drawn by this seed among all that are possible: for runs that can be repeated"},
};

std::unique_ptr<Executor> MakeReactor(const SettingBag& settings) {
  const auto loops = static_cast<size_t>(settings.Integer("loops"));
  const auto visitors = static_cast<uint32_t>(settings.Integer("visitors"));
  const auto seed = static_cast<uint64_t>(settings.Integer("seed"));
  if (seed != 0) return MakeSeededLoops(seed, loops, visitors);
  EventLoop::Options options;
  options.background_share = settings.Real("background_share");
  options.spin_ns = settings.Nanos("spin");
  options.visitors = visitors;
  std::optional<size_t> first_cpu;
  if (settings.Bool("pin")) first_cpu = static_cast<size_t>(settings.Integer("first_cpu"));
  return std::make_unique<ReactorExecutor>(loops, options, first_cpu);
}

}  // namespace

constinit const ExecutorVariant kReactorExecutor{
    "reactor",
    "event loops run background work and callers' tasks side by side, by priority",
    kReactorSettings,
    MakeReactor,
    /*one_caller=*/false,
    /*has_loops=*/true};

}  // namespace lsmlab
