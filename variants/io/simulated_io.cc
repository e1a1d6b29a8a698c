#include "variants/io/simulated_io.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "engine/async/sync.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "variants/io/aligned_buffers.h"
#include "variants/io/ios.h"
#include "variants/io/site_counters.h"

namespace lsmlab {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
// Shorter latencies are spun, because a sleep takes longer than that to end.
constexpr int64_t kSpinNanos = 60'000;

class SimulatedIo final : public Io {
 public:
  SimulatedIo(std::shared_ptr<SimDisk> disk, const SimulatedOptions& options)
      : disk_(std::move(disk)), options_(options), random_(options.seed) {}
  ~SimulatedIo() { LSMLAB_ASSERT(waiting_.empty()); }

  bool Start(IoOp& op) noexcept override {
    const int64_t due = HasLatency(op) ? NowNanos() + options_.latency_ns : 0;
    if (options_.defer) {
      // Nobody needs to be woken: this thread comes to Poll for its own operation.
      std::lock_guard guard(mutex_);
      waiting_.push_back(Waiting{&op, due});
      return false;
    }
    if (due != 0) WaitUntil(due);
    Finish(op);
    return true;
  }

  size_t Poll(int64_t deadline_ns) noexcept override {
    std::unique_lock lock(mutex_);
    for (;;) {
      const std::vector<IoOp*> drawn = DrawDue();
      if (!drawn.empty()) {
        lock.unlock();
        for (IoOp* op : drawn) {
          Finish(*op);
          op->node.home->Post(&op->node);
        }
        return drawn.size();
      }
      if (waiting_.empty() || deadline_ns == 0 || RunLoop::Current().HasReady()) return 0;
      const int64_t until = std::min(deadline_ns, EarliestDue());
      const int64_t now = NowNanos();
      if (now >= deadline_ns) return 0;
      if (until > now) changed_.wait_for(lock, std::chrono::nanoseconds(until - now));
    }
  }

  void Wake() noexcept override {
    std::lock_guard guard(mutex_);
    changed_.notify_all();
  }
  bool defers() const noexcept override { return options_.defer; }
  std::string_view backend() const noexcept override { return "simulated"; }

  void* AllocateBuffer(size_t bytes) override { return buffers_.Allocate(bytes); }
  void FreeBuffer(void* buffer, size_t bytes) noexcept override { buffers_.Free(buffer, bytes); }
  IoCounters Counters() const noexcept override { return counters_.All(); }
  IoCounters Counters(IoSite site) const noexcept override { return counters_.Of(site); }

 private:
  struct Waiting {
    IoOp* op;
    int64_t due;  // monotonic ns; 0: at once
  };

  bool HasLatency(const IoOp& op) const noexcept {
    if (options_.latency_ns == 0) return false;
    switch (op.kind) {
      case IoKind::kRead:
      case IoKind::kSync:
      case IoKind::kDataSync:
      case IoKind::kSyncDir:
        return true;
      case IoKind::kWrite:
        return op.data_sync_after || op.file->alignment() > 1;
      default:
        return false;
    }
  }

  static void WaitUntil(int64_t due) noexcept {
    const int64_t left = due - NowNanos();
    if (left > kSpinNanos) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(left - kSpinNanos));
    }
    while (NowNanos() < due) CpuRelax();
  }

  void Finish(IoOp& op) noexcept {
    disk_->Run(op, IsDirect(options_.direct, op.site));
    if (op.status.ok()) counters_.Count(op);
  }

  int64_t EarliestDue() const noexcept {
    int64_t earliest = kNever;
    for (const Waiting& waiting : waiting_) earliest = std::min(earliest, waiting.due);
    return earliest;
  }

  // Some of the operations that are due, at least one if there are any, in a drawn order. Removed.
  std::vector<IoOp*> DrawDue() {
    std::vector<IoOp*> drawn;
    if (waiting_.empty()) return drawn;
    const int64_t now = options_.latency_ns == 0 ? 0 : NowNanos();
    auto due_end = std::partition(waiting_.begin(), waiting_.end(),
                                  [now](const Waiting& w) { return w.due <= now; });
    size_t due = static_cast<size_t>(due_end - waiting_.begin());
    if (due == 0) return drawn;
    for (uint64_t count = 1 + random_.Below(due); count > 0; --count, --due) {
      std::swap(waiting_[random_.Below(due)], waiting_[due - 1]);
      drawn.push_back(waiting_[due - 1].op);
      waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(due - 1));
    }
    return drawn;
  }

  const std::shared_ptr<SimDisk> disk_;
  const SimulatedOptions options_;
  std::mutex mutex_;  // guards waiting_ and random_
  std::condition_variable changed_;
  std::vector<Waiting> waiting_;
  Random random_;
  SiteCounters counters_;
  AlignedBuffers buffers_;
};

constexpr SettingSpec kSimulatedSettings[] = {
    kDirectSetting,
    {"defer", SettingType::kBool, "false", 0, 0, "",
     "operations complete later, in an order drawn from the seed"},
    {"seed", SettingType::kInteger, "1", 0, 9.2e18, "", "of the order in which they complete"},
    {"latency", SettingType::kDuration, "0", 0, 10e9, "",
     "time that a read, a sync or an unbuffered write takes"},
};

Result<std::unique_ptr<Io>> MakeSimulated(const SettingBag& settings) {
  SimDisk::Options disk;
  disk.implicit_parents = true;
  disk.trace = false;
  SimulatedOptions options;
  options.defer = settings.Bool("defer");
  options.seed = static_cast<uint64_t>(settings.Integer("seed"));
  options.direct = ParseDirect(settings.Choice("direct"));
  options.latency_ns = settings.Nanos("latency");
  return MakeSimulatedIo(SimDisk::Make(disk), options);
}

}  // namespace

std::unique_ptr<Io> MakeSimulatedIo(std::shared_ptr<SimDisk> disk,
                                    const SimulatedOptions& options) {
  return std::make_unique<SimulatedIo>(std::move(disk), options);
}

constinit const IoVariant kSimulatedIo{
    "simulated", "a disk in memory: crash model, faults, latency, seeded completion order",
    kSimulatedSettings, MakeSimulated};

}  // namespace lsmlab
