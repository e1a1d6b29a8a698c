#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/task.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

// What the driver asks of any engine. The same operations, with the same work around them
// (driver/op_executor.h), whoever answers.
namespace lsmlab::harness {

enum class Outcome : uint8_t { kDone, kNotFound, kFailed };

// One byte of every 64 of a value, so that each of its cache lines has really arrived. Returns a
// sum, so that the reads cannot be left out.
inline uint64_t TouchBytes(Slice value) noexcept {
  uint64_t sum = 0;
  for (size_t i = 0; i < value.size(); i += 64) sum += static_cast<unsigned char>(value[i]);
  return sum;
}

// Why the last operation of a session that failed did.
class SessionError {
 public:
  const Status& error() const noexcept { return error_; }

 protected:
  ~SessionError() = default;
  Outcome Fail(Status status) {
    error_ = std::move(status);
    return Outcome::kFailed;
  }

 private:
  Status error_;
};

// One client thread's way to the store. One thread at a time; made, used and destroyed while the
// adapter lives. After kFailed, error() says why.
class StoreSession : public SessionError {
 public:
  virtual ~StoreSession() = default;
  // `value` lives until the next call on this session.
  virtual Outcome Get(Slice key, Slice* value) = 0;
  virtual Outcome Put(Slice key, Slice value) = 0;
  virtual Outcome Delete(Slice key) = 0;
  // From the first key >= `key`, up to `count` entries with keys below `end` (empty: all); touches
  // key and value of each (TouchBytes) and adds the touched bytes to `sum`. kNotFound when the
  // first of them is not `key` itself, or there is none.
  virtual Outcome Scan(Slice key, Slice end, uint64_t count, uint64_t* sum) = 0;
};

// The same for a client thread that has several operations under way: each call is a task of that
// thread, whose arguments outlive it. After kFailed, error() says why.
class AsyncSession : public SessionError {
 public:
  virtual ~AsyncSession() = default;
  virtual Task<Outcome> Get(Slice key, std::string* value) = 0;
  virtual Task<Outcome> Put(Slice key, Slice value) = 0;
  virtual Task<Outcome> Delete(Slice key) = 0;
  // As StoreSession::Scan.
  virtual Task<Outcome> Scan(Slice key, Slice end, uint64_t count, uint64_t* sum) = 0;
  // Lets the others go on for so long. REQUIRES: the thread is an event loop.
  virtual Task<void> Pause(int64_t nanos) = 0;
  // Starts the tasks in order and drives the calling thread until all have ended.
  virtual void Run(std::vector<Task<void>>& tasks) = 0;
};

// Counter name (results/SCHEMA.md) -> value since the store was opened.
using CounterMap = std::map<std::string, double, std::less<>>;

// Something the engine did in the background. Times of the monotonic clock.
struct EngineEvent {
  std::string kind;  // "flush", "compaction", "stall", "slowdown", ...
  std::string cause;
  int64_t start_ns = 0, end_ns = 0;
  uint64_t bytes_in = 0, bytes_out = 0;
  uint32_t level = 0;
};

struct LevelState {
  uint32_t level = 0;
  uint64_t tables = 0, bytes = 0, runs = 0;
};

struct PhasePlan;
struct PhaseResult;

class StoreAdapter {
 public:
  virtual ~StoreAdapter() = default;
  // True: the adapter does whole phases by itself (Drive) and answers no single operations.
  virtual bool drives_itself() const noexcept { return false; }
  // A phase with as many clients as the plan has streams, whose operations it does not take.
  // REQUIRES: drives_itself().
  virtual PhaseResult Drive(bool load, const PhasePlan& plan);
  // Any thread.
  virtual std::unique_ptr<StoreSession> NewSession() = 0;
  // Any thread. Null: the engine has no such calls.
  virtual std::unique_ptr<AsyncSession> NewAsyncSession() { return nullptr; }
  // Writes memtables out and waits until no compaction is owed.
  virtual Status Drain() = 0;
  // Merges everything into the last level. Any thread, beside sessions.
  virtual Status CompactAll() { return Status::NotSupported("this engine compacts nothing"); }
  // Counters that only grow, so that a phase is the difference of two snapshots.
  virtual CounterMap Counters() = 0;
  // Figures of this moment ("table_bytes", "memtable_bytes", "cache_bytes", "pinned_bytes").
  virtual CounterMap Gauges() = 0;
  virtual std::vector<EngineEvent> TakeEvents() = 0;
  virtual std::vector<LevelState> Levels() = 0;
  // How it reads and writes files: "posix", "uring", ...; what was asked for may not be to be had.
  // Empty: it has none.
  virtual std::string IoBackend() const { return "posix"; }
  // No session is left. Further calls: only destruction.
  virtual Status Close() = 0;
};

}  // namespace lsmlab::harness
