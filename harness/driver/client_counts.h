#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "engine/base/histogram.h"
#include "harness/driver/adapter.h"
#include "harness/driver/phase.h"
#include "harness/driver/tick_clock.h"

namespace lsmlab::harness {

// What a client thread shows while it runs, on a cache line of its own.
struct alignas(128) LiveCount {
  std::atomic<uint64_t> ops{0};
};

// One client thread and what it counts: it takes operations from its stream until the stream, the
// time or the patience of the user ends. Everything is the thread's own until it is joined.
class ClientCounts {
 public:
  ClientCounts(const PhasePlan& plan, size_t index, std::atomic<bool>& halt, LiveCount& live)
      : plan_(plan), stream_(*plan.streams[index]), halt_(halt), live_(live) {
    const size_t count = plan.streams.size();
    const double threads = static_cast<double>(count);
    // As the streams share them.
    if (plan.total_ops > 0) part_ = plan.total_ops / count + (index < plan.total_ops % count);
    if (plan.target_ops_per_s > 0) {
      pace_ = clock_.FromNanos(static_cast<uint64_t>(1e9 * threads / plan.target_ops_per_s));
      first_delay_ = pace_ / count * index;
    }
  }
  virtual ~ClientCounts() = default;

  // Until the deadline, a reading of the TickClock. Blocks.
  virtual void Run(uint64_t deadline) = 0;

  void AddTo(PhaseResult& result) const {
    result.ops += ops_;
    result.ops_failed += failed_;
    result.not_found += not_found_;
    if (pace_ != 0) result.ops_due += ops_ + not_begun_;
    result.inserts += inserts_;
    result.deletes += deletes_;
    result.insert_bytes += insert_bytes_;
    result.user_bytes_written += user_bytes();
    for (size_t kind = 0; kind < kLatencyKinds; ++kind) result.latency[kind].Merge(latency_[kind]);
    result.digests.push_back(stream_.digest());
    result.early_choices += stream_.early_choices();
    if (result.error.ok()) result.error = error_;
    asm volatile("" : : "r"(touched()));
  }

 protected:
  const TickClock& clock() const noexcept { return clock_; }
  workloads::OpStream& stream() noexcept { return stream_; }
  // Ticks between the intended starts of two operations of this thread; 0: none is intended.
  uint64_t pace() const noexcept { return pace_; }
  // Ticks before the first of them, so that the threads do not all ask at the same moments.
  uint64_t first_delay() const noexcept { return first_delay_; }
  bool halted() const noexcept {
    return halt_.load(std::memory_order_relaxed) ||
           (plan_.ends != nullptr && plan_.ends->load(std::memory_order_relaxed));
  }

  void Count(const workloads::Operation& op, Outcome outcome, uint64_t nanos) {
    using workloads::OpKind;
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

  // To be called at the end of Run, unless the stream or an error has ended it: counts what was due
  // by then and has not begun. `intended`: when the next operation was to begin.
  void CountNotBegun(uint64_t intended, uint64_t deadline) {
    const uint64_t end = std::min(deadline, clock_.Now());
    if (pace_ == 0 || intended >= end) return;
    not_begun_ = std::min((end - intended + pace_ - 1) / pace_, part_ - std::min(part_, ops_));
  }

  // Ends the phase for everybody.
  void Fail(const Status& error) {
    error_ = error;
    halt_.store(true);
  }

  void WaitUntil(uint64_t intended, uint64_t now) const {
    if (now >= intended) return;
    const uint64_t nanos = clock_.ToNanos(intended - now);
    constexpr uint64_t kSpin = 60'000;  // a sleep is about as late as this
    if (nanos > kSpin) std::this_thread::sleep_for(std::chrono::nanoseconds(nanos - kSpin));
    while (clock_.Now() < intended) {
    }
  }

 private:
  // Bytes of keys and values handed to the store for writing, and a sum that keeps reads alive.
  virtual uint64_t user_bytes() const noexcept = 0;
  virtual uint64_t touched() const noexcept = 0;

  // A missing key that is found is as wrong as a key that is not.
  void CountOdd(const workloads::Operation& op, Outcome outcome, bool missing) {
    using workloads::OpKind;
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
  std::atomic<bool>& halt_;
  LiveCount& live_;
  uint64_t pace_ = 0, first_delay_ = 0;
  uint64_t part_ = UINT64_MAX;  // operations of this thread, as far as that is known
  uint64_t not_begun_ = 0;
  uint64_t ops_ = 0, failed_ = 0, not_found_ = 0, inserts_ = 0, deletes_ = 0, insert_bytes_ = 0;
  std::array<Histogram, kLatencyKinds> latency_;
  Status error_;
};

}  // namespace lsmlab::harness
