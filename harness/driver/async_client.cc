#include "harness/driver/async_client.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/async/sync.h"
#include "engine/async/task.h"
#include "harness/driver/op_executor.h"
#include "workloads/ycsb/record.h"

namespace lsmlab::harness {
namespace {

using workloads::Operation;
using workloads::OpKind;

// An operation that outlives the stream's next one.
struct OwnedOperation {
  Operation op;
  std::string key, value;

  void Take(const Operation& from) {
    op = from;
    key.assign(from.key);
    value.assign(from.value);
    op.key = key;
    op.value = value;
  }
};

class AsyncClient final : public ClientCounts {
 public:
  AsyncClient(StoreAdapter& store, const workloads::WorkloadInfo& workload, const PhasePlan& plan,
              size_t index, std::atomic<bool>& halt, LiveCount& live)
      : ClientCounts(workload, plan, index, halt, live),
        session_(store.NewAsyncSession()),
        depth_(plan.depth),
        blind_(workload.update == workloads::UpdateMode::kBlind),
        raw_(workload.raw_value),
        scan_prefix_bytes_(workload.scan_prefix_bytes) {}

  void Run(uint64_t deadline) override {
    deadline_ = deadline;
    intended_ = clock().Now() + first_delay();
    // One after the other: what never waits is done by the first, as by a thread without depth.
    std::vector<Task<void>> askers;
    for (uint32_t i = 0; i < depth_; ++i) askers.push_back(Ask());
    session_->Run(askers);
    if (!stream_ended_) CountNotBegun(intended_, deadline);
  }

 private:
  // What stays of one coroutine from operation to operation.
  struct Place {
    OwnedOperation owned;
    std::string record, scratch;
  };

  uint64_t user_bytes() const noexcept override { return user_bytes_; }
  uint64_t touched() const noexcept override { return touched_; }

  Task<void> Ask() {
    Place place;
    Operation next;
    while (!ended_ && !halted() && clock().Now() < deadline_) {
      const uint64_t ticket = inserted_.Ticket();
      if (stream().overtakes_insert()) {
        co_await inserted_.Wait(ticket);
        continue;
      }
      if (pace() != 0 && intended_ >= deadline_) break;
      stream_ended_ = !stream().Next(&next);
      if (stream_ended_) break;
      place.owned.Take(next);
      uint64_t begin = clock().Now();
      if (pace() != 0) {
        const uint64_t intended = NextIntended();
        if (intended > begin) {
          auto left = static_cast<int64_t>(clock().ToNanos(intended - begin));
          while (left > kNap && !halted()) {
            co_await session_->Pause(kNap);
            // By the clock: what each nap is late must not add up.
            const uint64_t now = clock().Now();
            left = intended > now ? static_cast<int64_t>(clock().ToNanos(intended - now)) : 0;
          }
          if (left > 0 && !halted()) co_await session_->Pause(left);
          if (halted()) break;
        }
        begin = intended;
      }
      const Outcome outcome = co_await Execute(place);
      const uint64_t end = clock().Now();
      Count(place.owned.op, outcome, end > begin ? clock().ToNanos(end - begin) : 0);
      if (place.owned.op.kind == OpKind::kInsert) inserted_.Notify();
      if (outcome == Outcome::kFailed) {
        Fail(record_error_.ok() ? session_->error() : record_error_);
        break;
      }
    }
    // What ends one ends all, those too that wait for an insert which nobody does any more.
    ended_ = true;
    inserted_.Notify();
  }

  // When the thread's next operation is to begin: all its coroutines draw from one clock, so that
  // those that answer late hold up none that is due.
  uint64_t NextIntended() noexcept { return std::exchange(intended_, intended_ + pace()); }

  // The meaning of each operation: as in OpExecutor.
  Task<Outcome> Execute(Place& place) {
    const Operation& op = place.owned.op;
    switch (op.kind) {
      case OpKind::kInsert:
        co_return co_await Put(op.key, op.value);
      case OpKind::kRead:
        co_return co_await Read(place);
      case OpKind::kUpdate:
        co_return co_await Update(place);
      case OpKind::kReadModifyWrite: {
        const Outcome outcome = co_await Read(place);
        if (outcome != Outcome::kDone) co_return outcome;
        co_return co_await Update(place);
      }
      case OpKind::kDelete:
        co_return co_await session_->Delete(op.key);
      case OpKind::kScan:
        co_return co_await Scan(place, op.scan_length);
      case OpKind::kSeek:
        co_return co_await Scan(place, 1);
    }
    co_return Outcome::kFailed;
  }

  Task<Outcome> Scan(Place& place, uint64_t count) {
    const Slice key = place.owned.op.key;
    const Slice end = EndOfPrefix(key, scan_prefix_bytes_, &place.scratch);
    return session_->Scan(key, end, count, &touched_);
  }

  Task<Outcome> Read(Place& place) {
    const Outcome outcome = co_await session_->Get(place.owned.op.key, &place.record);
    if (outcome == Outcome::kDone) touched_ += TouchBytes(place.record);
    co_return outcome;
  }

  Task<Outcome> Put(Slice key, Slice value) {
    user_bytes_ += key.size() + value.size();
    return session_->Put(key, value);
  }

  Task<Outcome> Update(Place& place) {
    const Operation& op = place.owned.op;
    if (blind_) co_return co_await Put(op.key, op.value);
    const Outcome outcome = co_await Read(place);
    if (outcome != Outcome::kDone) co_return outcome;
    if (raw_ || op.write_field == workloads::kAllFields) co_return co_await Put(op.key, op.value);
    const Status replaced =
        workloads::ReplaceField(place.record, op.write_field, op.value, &place.scratch);
    if (!replaced.ok()) {
      record_error_ = replaced;
      co_return Outcome::kFailed;
    }
    co_return co_await Put(op.key, place.scratch);
  }

  std::unique_ptr<AsyncSession> session_;
  const uint32_t depth_;
  const bool blind_;
  const bool raw_;
  const size_t scan_prefix_bytes_;
  AsyncEvent inserted_;  // an insert is over
  bool ended_ = false;
  bool stream_ended_ = false;
  uint64_t deadline_ = 0;
  uint64_t intended_ = 0;  // ticks: of the next operation
  uint64_t user_bytes_ = 0;
  uint64_t touched_ = 0;
  Status record_error_;
};

}  // namespace

std::unique_ptr<ClientCounts> NewAsyncClient(StoreAdapter& store,
                                             const workloads::WorkloadInfo& workload,
                                             const PhasePlan& plan, size_t index,
                                             std::atomic<bool>& halt, LiveCount& live) {
  return std::make_unique<AsyncClient>(store, workload, plan, index, halt, live);
}

}  // namespace lsmlab::harness
