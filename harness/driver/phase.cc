#include "harness/driver/phase.h"

#include <barrier>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "harness/driver/op_executor.h"
#include "harness/driver/tick_clock.h"

namespace lsmlab::harness {
namespace {

using workloads::Operation;
using workloads::OpKind;

// What a client thread shows while it runs, on a cache line of its own.
struct alignas(128) LiveCount {
  std::atomic<uint64_t> ops{0};
};

// One client thread: takes operations from its stream until the stream, the time or the patience of
// the user ends. Everything it counts is its own until it is joined.
class Client {
 public:
  Client(StoreAdapter& store, const workloads::WorkloadInfo& workload, const PhasePlan& plan,
         size_t index, std::atomic<bool>& halt, LiveCount& live)
      : plan_(plan),
        stream_(*plan.streams[index]),
        session_(store.NewSession()),
        executor_(*session_, workload),
        halt_(halt),
        live_(live) {
    const double threads = static_cast<double>(plan.streams.size());
    if (plan.target_ops_per_s > 0) {
      pace_ = clock_.FromNanos(static_cast<uint64_t>(1e9 * threads / plan.target_ops_per_s));
    }
  }

  void Run(uint64_t deadline) {
    uint64_t intended = clock_.Now();
    uint64_t end = intended;
    Operation op;
    while (end < deadline && !halt_.load(std::memory_order_relaxed) && stream_.Next(&op)) {
      uint64_t begin = clock_.Now();
      if (pace_ != 0) {
        WaitUntil(intended, begin);
        begin = intended;
        intended += pace_;
      }
      const Outcome outcome = executor_.Execute(op);
      end = clock_.Now();
      Count(op, outcome, end > begin ? clock_.ToNanos(end - begin) : 0);
      if (outcome == Outcome::kFailed) {
        error_ = executor_.error();
        halt_.store(true);
        return;
      }
    }
  }

  void AddTo(PhaseResult& result) {
    result.ops += ops_;
    result.ops_failed += failed_;
    result.not_found += not_found_;
    result.inserts += inserts_;
    result.deletes += deletes_;
    result.insert_bytes += insert_bytes_;
    result.user_bytes_written += executor_.user_bytes();
    for (size_t kind = 0; kind < kLatencyKinds; ++kind) result.latency[kind].Merge(latency_[kind]);
    result.digests.push_back(stream_.digest());
    if (result.error.ok()) result.error = error_;
    asm volatile("" : : "r"(executor_.touched()));
  }

 private:
  void WaitUntil(uint64_t intended, uint64_t now) const {
    if (now >= intended) return;
    const uint64_t nanos = clock_.ToNanos(intended - now);
    constexpr uint64_t kSpin = 60'000;  // a sleep is about as late as this
    if (nanos > kSpin) std::this_thread::sleep_for(std::chrono::nanoseconds(nanos - kSpin));
    while (clock_.Now() < intended) {
    }
  }

  void Count(const Operation& op, Outcome outcome, uint64_t nanos) {
    const bool missing = op.missing && op.kind == OpKind::kRead;
    latency_[missing ? kReadMissing : static_cast<size_t>(op.kind)].Record(nanos);
    live_.ops.store(++ops_, std::memory_order_relaxed);
    if (op.kind == OpKind::kInsert) {
      stream_.Acknowledge(op.key_number);
      ++inserts_;
      insert_bytes_ += op.key.size() + op.value.size();
    }
    deletes_ += op.kind == OpKind::kDelete;
    if (outcome == Outcome::kDone && !missing) [[likely]]
      return;
    CountOdd(op, outcome, missing);
  }

  // A missing key that is found is as wrong as a key that is not.
  void CountOdd(const Operation& op, Outcome outcome, bool missing) {
    const bool not_found = outcome == Outcome::kNotFound;
    not_found_ += not_found;
    const bool positional = op.kind == OpKind::kScan || op.kind == OpKind::kSeek;
    const bool wrong = missing ? !not_found
                               : not_found && plan_.not_found_is_failure && !positional &&
                                     op.kind != OpKind::kDelete;
    failed_ += wrong || outcome == Outcome::kFailed;
  }

  const TickClock clock_ = TickClock::Get();
  const PhasePlan& plan_;
  workloads::OpStream& stream_;
  std::unique_ptr<StoreSession> session_;
  OpExecutor executor_;
  std::atomic<bool>& halt_;
  LiveCount& live_;
  uint64_t pace_ = 0;
  uint64_t ops_ = 0, failed_ = 0, not_found_ = 0, inserts_ = 0, deletes_ = 0, insert_bytes_ = 0;
  std::array<Histogram, kLatencyKinds> latency_;
  Status error_;
};

// Wakes once per interval, writes down how far the clients are, and watches the stop flag. It ends
// when told that they are done.
class Sampler {
 public:
  Sampler(const PhasePlan& plan, const std::vector<LiveCount>& live, std::atomic<bool>& halt)
      : plan_(plan), live_(live), halt_(halt) {}

  void Run(int64_t start_ns) {
    std::unique_lock lock(mutex_);
    int64_t next_progress = start_ns;
    uint64_t before = 0;
    for (uint64_t i = 1;; ++i) {
      const auto due =
          start_ns + static_cast<int64_t>(static_cast<double>(i) * plan_.interval_s * 1e9);
      const std::chrono::steady_clock::time_point wake{std::chrono::nanoseconds(due)};
      const bool done = changed_.wait_until(lock, wake, [&] { return done_; });
      const int64_t now = NowNanos();
      const uint64_t ops = Total();
      const double t_s = static_cast<double>(now - start_ns) * 1e-9;
      if (ops > before || !done) series_.push_back({t_s, ops - before});
      before = ops;
      if (done) return;
      if (plan_.stop != nullptr && plan_.stop->load()) halt_.store(true);
      if (plan_.on_progress && now >= next_progress) {
        plan_.on_progress({ops, plan_.total_ops, t_s});
        next_progress = now + 200'000'000;
      }
    }
  }
  void Finish() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_one();
  }
  std::vector<SeriesPoint> TakeSeries() { return std::move(series_); }

 private:
  uint64_t Total() const {
    uint64_t sum = 0;
    for (const LiveCount& count : live_) sum += count.ops.load(std::memory_order_relaxed);
    return sum;
  }

  const PhasePlan& plan_;
  const std::vector<LiveCount>& live_;
  std::atomic<bool>& halt_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::vector<SeriesPoint> series_;
};

}  // namespace

std::string_view LatencyKindName(size_t kind) noexcept {
  if (kind == kReadMissing) return "readmissing";
  const auto op = static_cast<OpKind>(kind);
  return op == OpKind::kReadModifyWrite ? "rmw" : workloads::OpKindName(op);
}

PhaseResult DrivePhase(StoreAdapter& store, const workloads::WorkloadInfo& workload,
                       const PhasePlan& plan) {
  PhaseResult result;
  const TickClock clock = TickClock::Get();
  const size_t threads = plan.streams.size();
  std::atomic<bool> halt{false};
  std::vector<LiveCount> live(threads);
  std::vector<std::unique_ptr<Client>> clients;
  for (size_t i = 0; i < threads; ++i) {
    clients.push_back(std::make_unique<Client>(store, workload, plan, i, halt, live[i]));
  }
  uint64_t deadline = UINT64_MAX;
  std::barrier start(static_cast<std::ptrdiff_t>(threads), [&]() noexcept {
    result.start_ns = NowNanos();
    if (plan.max_seconds > 0) {
      deadline = clock.Now() + clock.FromNanos(static_cast<uint64_t>(plan.max_seconds * 1e9));
    }
  });
  Sampler sampler(plan, live, halt);
  std::vector<int64_t> ends(threads);
  std::vector<std::thread> pool;
  const int64_t before_ns = NowNanos();
  for (size_t i = 0; i < threads; ++i) {
    pool.emplace_back([&, i] {
      start.arrive_and_wait();
      clients[i]->Run(deadline);
      ends[i] = NowNanos();
    });
  }
  std::thread sampling([&] { sampler.Run(before_ns); });
  for (std::thread& thread : pool) thread.join();
  sampler.Finish();
  sampling.join();
  int64_t end_ns = result.start_ns;
  for (int64_t end : ends) end_ns = std::max(end_ns, end);
  result.elapsed_s = static_cast<double>(end_ns - result.start_ns) * 1e-9;
  for (const std::unique_ptr<Client>& client : clients) client->AddTo(result);
  result.series = sampler.TakeSeries();
  result.interrupted = plan.stop != nullptr && plan.stop->load();
  return result;
}

}  // namespace lsmlab::harness
