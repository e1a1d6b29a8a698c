#include "harness/driver/phase.h"

#include <barrier>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "harness/driver/async_client.h"
#include "harness/driver/client_counts.h"
#include "harness/driver/op_executor.h"
#include "harness/driver/tick_clock.h"

namespace lsmlab::harness {
namespace {

using workloads::Operation;
using workloads::OpKind;

// One client thread with one operation at a time.
class Client final : public ClientCounts {
 public:
  Client(StoreAdapter& store, const workloads::WorkloadInfo& workload, const PhasePlan& plan,
         size_t index, std::atomic<bool>& halt, LiveCount& live)
      : ClientCounts(workload, plan, index, halt, live),
        session_(store.NewSession()),
        executor_(*session_, workload) {}

  void Run(uint64_t deadline) override {
    uint64_t end = clock().Now();
    uint64_t intended = end + first_delay();
    Operation op;
    while (end < deadline && !halted()) {
      if (pace() != 0 && intended >= deadline) return;
      if (!stream().Next(&op)) return;
      uint64_t begin = clock().Now();
      if (pace() != 0) {
        if (!WaitUntil(intended)) break;
        begin = intended;
        intended += pace();
      }
      const Outcome outcome = executor_.Execute(op);
      end = clock().Now();
      Count(op, outcome, end > begin ? clock().ToNanos(end - begin) : 0);
      if (outcome == Outcome::kFailed) return Fail(executor_.error());
    }
    CountNotBegun(intended, deadline);
  }

 private:
  uint64_t user_bytes() const noexcept override { return executor_.user_bytes(); }
  uint64_t touched() const noexcept override { return executor_.touched(); }

  std::unique_ptr<StoreSession> session_;
  OpExecutor executor_;
};

// A thread of its own: wakes once per interval, writes down how far the clients are, and watches
// the stop flag. It ends when told that they are done.
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

// Starts all clients and the sampler at one barrier and waits for their ends; says in `result` when
// that was. An error when a thread cannot be had: then those that can be end at once.
Status RunThreads(const PhasePlan& plan, const std::vector<std::unique_ptr<ClientCounts>>& clients,
                  Sampler& sampler, std::atomic<bool>& halt, PhaseResult* result) {
  const TickClock clock = TickClock::Get();
  const size_t threads = clients.size();
  uint64_t deadline = UINT64_MAX;
  std::barrier start(static_cast<std::ptrdiff_t>(threads + 1), [&]() noexcept {
    result->start_ns = NowNanos();
    if (plan.max_seconds > 0) {
      deadline = clock.Now() + clock.FromNanos(static_cast<uint64_t>(plan.max_seconds * 1e9));
    }
  });
  std::vector<int64_t> ends(threads);
  std::vector<std::thread> pool;
  std::thread sampling;
  Status status;
  try {
    for (size_t i = 0; i < threads; ++i) {
      pool.emplace_back([&, i] {
        start.arrive_and_wait();
        clients[i]->Run(deadline);
        ends[i] = NowNanos();
      });
    }
    sampling = std::thread([&] {
      start.arrive_and_wait();
      sampler.Run(result->start_ns);
    });
  } catch (const std::system_error& error) {
    status = Status::NoSpace("only " + std::to_string(pool.size()) + " of " +
                             std::to_string(threads + 1) + " threads (" + std::to_string(threads) +
                             " clients) can be started: " + error.what());
    halt.store(true);
    for (size_t i = pool.size(); i < threads + 1; ++i) start.arrive_and_drop();
  }
  for (std::thread& thread : pool) thread.join();
  sampler.Finish();
  if (sampling.joinable()) sampling.join();
  int64_t end_ns = result->start_ns;
  for (const int64_t end : ends) end_ns = std::max(end_ns, end);
  result->elapsed_s = static_cast<double>(end_ns - result->start_ns) * 1e-9;
  return status;
}

}  // namespace

std::string_view LatencyKindName(size_t kind) noexcept {
  if (kind == kReadMissing) return "readmissing";
  const auto op = static_cast<OpKind>(kind);
  return op == OpKind::kReadModifyWrite ? "rmw" : workloads::OpKindName(op);
}

PhaseResult StoreAdapter::Drive(bool, const PhasePlan&) {
  PhaseResult result;
  result.error = Status::NotSupported("this engine drives no phase by itself");
  return result;
}

PhaseResult DrivePhase(StoreAdapter& store, const workloads::WorkloadInfo& workload,
                       const PhasePlan& plan) {
  PhaseResult result;
  result.ops_planned = plan.total_ops;
  const size_t threads = plan.streams.size();
  std::atomic<bool> halt{false};
  std::vector<LiveCount> live(threads);
  std::vector<std::unique_ptr<ClientCounts>> clients;
  for (size_t i = 0; i < threads; ++i) {
    if (plan.depth > 1) {
      clients.push_back(NewAsyncClient(store, workload, plan, i, halt, live[i]));
    } else {
      clients.push_back(std::make_unique<Client>(store, workload, plan, i, halt, live[i]));
    }
  }
  Sampler sampler(plan, live, halt);
  result.error = RunThreads(plan, clients, sampler, halt, &result);
  for (const std::unique_ptr<ClientCounts>& client : clients) client->AddTo(result);
  if (result.error.ok() && result.early_choices > 0) {
    result.error = Status::Aborted("asked for " + std::to_string(result.early_choices) +
                                   " keys before their inserts were done");
  }
  if (result.error.ok() && !result.wrong_answer.empty()) {
    result.error = Status::Corruption(
        std::to_string(result.ops_failed) + " of " + std::to_string(result.ops) +
        " operations were answered wrongly; one of the first: " + result.wrong_answer);
  }
  result.series = sampler.TakeSeries();
  result.interrupted = plan.stop != nullptr && plan.stop->load();
  return result;
}

}  // namespace lsmlab::harness
