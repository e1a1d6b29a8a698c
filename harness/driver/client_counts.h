#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "engine/base/histogram.h"
#include "engine/base/shown.h"
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
  ClientCounts(const workloads::WorkloadInfo& workload, const PhasePlan& plan, size_t index,
               std::atomic<bool>& halt, LiveCount& live)
      : workload_(workload), plan_(plan), stream_(*plan.streams[index]), halt_(halt), live_(live) {
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
    if (result.wrong_answer.empty()) result.wrong_answer = wrong_answer_;
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

  // Nanoseconds after which one who waits looks whether the phase has ended.
  static constexpr int64_t kNap = 100'000'000;

  // False: the phase has ended meanwhile.
  bool WaitUntil(uint64_t intended) const {
    constexpr int64_t kSpin = 60'000;  // a sleep is about as late as this
    for (uint64_t now = clock_.Now(); now < intended; now = clock_.Now()) {
      const auto nanos = static_cast<int64_t>(clock_.ToNanos(intended - now));
      if (nanos <= kSpin) continue;
      if (halted()) return false;
      std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(nanos - kSpin, kNap)));
    }
    return true;
  }

 private:
  // Bytes of keys and values handed to the store for writing, and a sum that keeps reads alive.
  virtual uint64_t user_bytes() const noexcept = 0;
  virtual uint64_t touched() const noexcept = 0;

  // Of all key numbers below recordcount the load may have inserted a slice alone (insertstart and
  // insertcount); those above are asked for when their inserts are done.
  bool WasInserted(uint64_t key_number) const noexcept {
    return key_number >= workload_.record_count ||
           key_number - workload_.load_first < workload_.load_count;
  }

  // A missing key that is found is as wrong as a key that is not.
  bool IsWrong(const workloads::Operation& op, Outcome outcome, bool missing) const noexcept {
    if (!plan_.keeps_data || outcome == Outcome::kFailed) return false;
    if (missing) return outcome == Outcome::kDone;
    return outcome == Outcome::kNotFound && plan_.not_found_is_failure &&
           op.kind != workloads::OpKind::kDelete && WasInserted(op.key_number);
  }

  // Binary keys by their number: messages are text.
  static std::string KeyText(const workloads::Operation& op) {
    const bool is_text =
        std::all_of(op.key.begin(), op.key.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    return is_text ? "'" + Shown(op.key) + "'" : "number " + std::to_string(op.key_number);
  }

  void CountOdd(const workloads::Operation& op, Outcome outcome, bool missing) {
    not_found_ += outcome == Outcome::kNotFound;
    const bool wrong = IsWrong(op, outcome, missing);
    failed_ += wrong || outcome == Outcome::kFailed;
    if (!wrong || !wrong_answer_.empty()) return;
    wrong_answer_ =
        std::string(workloads::OpKindName(op.kind)) + " of key " + KeyText(op) +
        (missing ? ", which was never written, found it" : ", which was written, did not find it");
  }

  const TickClock clock_ = TickClock::Get();
  const workloads::WorkloadInfo& workload_;
  const PhasePlan& plan_;
  workloads::OpStream& stream_;
  std::atomic<bool>& halt_;
  LiveCount& live_;
  uint64_t pace_ = 0, first_delay_ = 0;
  uint64_t part_ = UINT64_MAX;  // operations of this thread, as far as that is known
  uint64_t not_begun_ = 0;
  uint64_t ops_ = 0, failed_ = 0, not_found_ = 0, inserts_ = 0, deletes_ = 0, insert_bytes_ = 0;
  std::array<Histogram, kLatencyKinds> latency_;
  std::string wrong_answer_;
  Status error_;
};

}  // namespace lsmlab::harness
