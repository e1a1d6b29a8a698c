#include <algorithm>
#include <utility>

#include "engine/parts/mailboxes.h"
#include "engine/tree/pacing.h"
#include "engine/tree/tree.h"

// The write path: writers join the queue, its leader logs and applies a whole group.
// Order: log, sync, memtable, publish, acknowledge.
namespace lsmlab {
namespace {

// A group's size bounds how long its first member waits for the last one's bytes.
constexpr size_t kGroupBytesMax = 1u << 20;
// Delays below this are saved up: sleeping has a grain of tens of microseconds.
constexpr int64_t kSlowdownGrainNanos = 1'000'000;
// How soon an aged memtable that could not be sealed without waiting is looked at again.
constexpr int64_t kAgedAgainLeastNanos = 1'000'000;
constexpr int64_t kAgedAgainMostNanos = 1'000'000'000;

}  // namespace

Task<Status> Tree::Write(Writer* writer) {
  if (gathers_ == Gathers::kCompany) company_.Arrive();
  if (!queue_.Join(writer)) {
    co_await queue_.Wait(writer);
    if (writer->state.load(std::memory_order_acquire) == Writer::kDone) {
      co_return std::move(writer->status);
    }
  }
  co_return co_await LeadGroup(writer);
}

// Runs as the only leader. Leaves the result with every member and hands over.
Task<Status> Tree::LeadGroup(Writer* leader) {
  Status status;
  if (leader->needs_room()) {
    const size_t unpaced = std::exchange(unpaced_bytes_, 0);
    if (MustMakeRoom()) status = co_await MakeRoom(leader->bytes() + unpaced);
  } else if (env_.poisoned->load(std::memory_order_acquire)) {
    status = StopReason();
  }
  if (gathers_ != Gathers::kNothing && leader->count > 0) co_await Gather();
  Writer* last = queue_.Gather(leader, sync_mode_ == SyncMode::kEvery ? 0 : kGroupBytesMax);
  const bool took_all = last->newer == nullptr;
  uint32_t operations = 0, writers = 0;
  for (Writer* w = leader;; w = w->newer) {
    operations += w->count;
    ++writers;
    if (status.ok() && w != leader) unpaced_bytes_ += w->bytes();
    if (w == last) break;
  }
  const int64_t logging = gathers_ == Gathers::kCompany ? NowNanos() : 0;
  int64_t logged = logging;
  if (status.ok() && operations > 0) {
    if (env_.shards != nullptr) BeginNumbered();
    const Sequence first = env_.sequence->fetch_add(operations, std::memory_order_acq_rel) + 1;
    if (wal_->keeps_records()) {
      if (!log_is_shared_) {
        EncodeGroup(leader, last, first);
        status = co_await wal_->Append(encoder_.bytes(), NoteUnsynced());
      } else {
        status = co_await LogGroup(leader, last, first);
      }
      if (gathers_ == Gathers::kCompany) logged = NowNanos();
    }
    if (status.ok()) status = ApplyGroup(leader, last, first);
    if (status.ok()) {
      published_.store(first + operations - 1, std::memory_order_release);
      if (memtable_age_ns_ > 0 && !age_watched_) {
        age_watched_ = true;
        WatchAge();
      }
    } else {
      // The log may hold part of the group: nothing can be acknowledged after it until reopen.
      SetBackgroundError(status, Severity::kUntilReopen);
    }
    if (env_.shards != nullptr) EndNumbered();
  }
  if (status.ok() && unsynced_ && leader->sync_log) status = co_await SyncLog();
  if (status.ok() && last->rotate && memtable_->memtable().entries() > 0) {
    status = co_await RotateMemtable();
  }
  if (status.ok() && env_.poisoned->load(std::memory_order_acquire)) status = StopReason();
  if (gathers_ == Gathers::kCompany) company_.EndGroup(writers, logged - logging, took_all);
  queue_.Finish(leader, last, status);
  co_return status;
}

// On an event loop, others are to come before the leader looks who is there: those whom the group
// before has served write again, where they share this loop, in this turn. One record then carries
// all the loop's writers instead of one or half of them; one sync, those of other loops, too.
Task<void> Tree::Gather() {
  if (env_.executor->mailboxes()->CurrentLoop() < 0) co_return;
  co_await Yield(*env_.executor, Priority::kForeground);
  if (gathers_ != Gathers::kCompany) co_return;
  const int64_t limit = NowNanos() + company_.patience_ns();
  while (!company_.IsComplete() && NowNanos() < limit) {
    co_await Yield(*env_.executor, Priority::kForeground);
  }
  company_.EndWait();
}

// The same where others than the leader may sync this log.
Task<Status> Tree::LogGroup(const Writer* leader, const Writer* last, Sequence first) {
  co_await wal_lock_.Lock();
  EncodeGroup(leader, last, first);
  Status status = co_await wal_->Append(encoder_.bytes(), NoteUnsynced());
  wal_lock_.Unlock();
  co_return status;
}

// Before an append. True: it is to be durable. False: the log will hold what is not, and where the
// setting says so is synced in a while.
bool Tree::NoteUnsynced() {
  if (logs_durably()) return true;
  if (!unsynced_.load(std::memory_order_relaxed)) {
    unsynced_.store(true, std::memory_order_relaxed);
    if (sync_mode_ == SyncMode::kInterval) {
      env_.executor->SpawnAfter(sync_interval_ns_, Priority::kForeground, IntervalSync(), *env_.io);
    }
  }
  return false;
}

void Tree::BeginRecord(Sequence first) {
  const WalPosition position = wal_->position();
  const WalIdentity identity{env_.store_id, env_.shard, position.log_number, position.incarnation};
  encoder_.Begin(identity, position.synced_offset);
  encoder_.BeginRecord(first, ++dense_number_);
}

void Tree::EncodeGroup(const Writer* leader, const Writer* last, Sequence first) {
  BeginRecord(first);
  for (const Writer* w = leader;; w = w->newer) {
    if (!w->payload.empty()) {
      encoder_.buffer().append(w->payload);
    } else if (w->count != 0) {
      EncodeOperation(encoder_.buffer(), w->kind, 0, w->key, w->value);
    }
    if (w == last) break;
  }
  encoder_.EndRecord();
}

Task<Status> Tree::SyncLog() {
  if (!wal_->keeps_records()) co_return Status();
  if (log_is_shared_) co_await wal_lock_.Lock();
  Status status = co_await SyncOpenLog();
  if (log_is_shared_) wal_lock_.Unlock();
  co_return status;
}

// REQUIRES: whoever calls it is the only user of the log.
Task<Status> Tree::SyncOpenLog() {
  if (wal_closed_) co_return Status();
  Status status = co_await wal_->Sync();
  // A failed sync of another file may have lost the name of a segment.
  if (status.ok()) status = ErrorUntilReopen();
  if (status.ok()) {
    unsynced_.store(false, std::memory_order_relaxed);
  } else {
    SetBackgroundError(status, Severity::kUntilReopen);
  }
  co_return status;
}

// With sync = interval: the first write after a sync asks for the next one. It goes before flushes:
// it bounds what can be lost. Not by the queue: there it would wait for a leader that stalls, and
// hold a thread of the background meanwhile.
Task<void> Tree::IntervalSync() {
  if (!BeginTimedJob()) co_return;
  Status ignored = co_await SyncLog();
  (void)ignored;  // a failure stands in background_error_
  EndTimedJob();
}

// REQUIRES: leader.
void Tree::WatchAge() {
  env_.executor->SpawnAfter(memtable_age_ns_, Priority::kForeground,
                            SealAged(memtable_->log_number()), *env_.io);
}

// The memtable of that log has reached its age, unless it was full before. From here on it counts
// as full, so the next writer seals it; without one this does, where it need not wait for a flush
// or a compaction, which may need the very thread it would wait on. Else it looks again.
Task<void> Tree::SealAged(uint64_t log_number) {
  if (!BeginTimedJob()) co_return;
  bool small = false, sealed = false;
  {
    std::lock_guard guard(mutex_);
    sealed = memtable_->log_number() != log_number;
    small = memtable_->arena().used_bytes() < memtable_smallest_;
  }
  if (!sealed && !small) {
    aged_log_.store(log_number, std::memory_order_relaxed);
    Writer writer;
    writer.alone = true;
    if (queue_.JoinEmpty(&writer)) {
      Status status;
      if (SealsWithoutWaiting(log_number)) status = co_await RotateMemtable();
      queue_.Finish(&writer, &writer, status);
    }
    std::lock_guard guard(mutex_);
    sealed = memtable_->log_number() != log_number;
  }
  // A failed store seals nothing any more.
  if (!sealed && ErrorUntilReopen().ok()) {
    const int64_t again =
        small ? memtable_age_ns_
              : std::clamp(memtable_age_ns_ / 64, kAgedAgainLeastNanos, kAgedAgainMostNanos);
    env_.executor->SpawnAfter(again, Priority::kForeground, SealAged(log_number), *env_.io);
  }
  EndTimedJob();
}

// REQUIRES: leader.
bool Tree::SealsWithoutWaiting(uint64_t log_number) {
  if (has_error_.load(std::memory_order_acquire) || !MemtableIsFull()) return false;
  if (pressure_.load(std::memory_order_relaxed) >= 2) return false;
  std::lock_guard guard(mutex_);
  return memtable_->log_number() == log_number && sealed_.size() < sealed_max_;
}

// False: the tree is closing. Close waits for those that have begun.
bool Tree::BeginTimedJob() {
  std::lock_guard guard(mutex_);
  if (closing_) return false;
  ++timed_jobs_;
  return true;
}

void Tree::EndTimedJob() {
  {
    std::lock_guard guard(mutex_);
    --timed_jobs_;
  }
  background_event_.Notify();
}

Status Tree::ApplyGroup(const Writer* leader, const Writer* last, Sequence first) {
  Sequence next = first;
  uint64_t writers = 0;
  uint64_t bytes = 0;
  for (const Writer* w = leader;; w = w->newer) {
    LSMLAB_TRY(ApplyWriter(*w, &next, &bytes));
    writers += w->count > 0 ? 1 : 0;  // a barrier writes nothing
    if (w == last) break;
  }
  CounterCells& counters = env_.counters->Local();
  counters.Add(Counter::kBatches, writers);
  counters.Add(Counter::kOperationsWritten, next - first);
  counters.Add(Counter::kUserBytesWritten, bytes);
  counters.Add(Counter::kGroups, 1);
  return Status();
}

// Adds the bytes of keys and values to `bytes`.
Status Tree::ApplyWriter(const Writer& writer, Sequence* next, uint64_t* bytes) {
  Memtable& memtable = memtable_->memtable();
  if (writer.payload.empty()) {
    if (writer.count == 0) return Status();
    memtable.Add(writer.key, MakeTag((*next)++, writer.kind), writer.value);
    *bytes += writer.key.size() + writer.value.size();
    return Status();
  }
  OperationReader reader(writer.payload);
  Operation operation;
  while (reader.Next(&operation)) {
    memtable.Add(operation.key, MakeTag((*next)++, operation.kind), operation.value);
    *bytes += operation.key.size() + operation.value.size();
  }
  return reader.status();
}

bool Tree::MemtableIsFull() const noexcept {
  return memtable_->arena().used_bytes() >= memtable_bytes_ || wal_->segment_is_full() ||
         aged_log_.load(std::memory_order_relaxed) == memtable_->log_number();
}

bool Tree::MustMakeRoom() const noexcept {
  return MemtableIsFull() || pressure_.load(std::memory_order_relaxed) > 1 ||
         has_error_.load(std::memory_order_acquire) ||
         env_.poisoned->load(std::memory_order_acquire);
}

// Before a group: pace, rotate a full memtable, stop while too much is owed.
Task<Status> Tree::MakeRoom(size_t bytes) {
  if (has_error_.load(std::memory_order_acquire) ||
      env_.poisoned->load(std::memory_order_acquire)) {
    Status status = StopReason();
    // A full disk may have room again: flushes try anew, this write is still refused.
    RetryAfterFullDisk();
    if (!status.ok()) co_return status;
  }
  const int64_t delay = SlowdownNanos(bytes);
  if (delay > 0) {
    const int64_t start = NowNanos();
    co_await Yield(*env_.executor, Priority::kForeground, delay);
    const int64_t end = NowNanos();
    CounterCells& counters = env_.counters->Local();
    counters.Add(Counter::kSlowdowns, 1);
    counters.Add(Counter::kSlowdownNanos, static_cast<uint64_t>(end - start));
    env_.events->AddPause(env_.shard, start, end);
  }
  if (!MemtableIsFull()) co_return Status();
  if (memtable_->memtable().entries() == 0) co_return Status();
  LSMLAB_CO_TRY(co_await Stall());
  co_return co_await RotateMemtable();
}

// Waits until a sealed memtable may be added and the tree owes less than the stop limit.
Task<Status> Tree::Stall() {
  int64_t start = 0;
  Counter cause = Counter::kStallMemtableNanos;
  const char* cause_name = "memtables waiting for flush";
  while (true) {
    const uint64_t ticket = background_event_.Ticket();
    Status error = StopReason();
    if (!error.ok()) co_return error;
    bool memtables_full;
    {
      std::lock_guard guard(mutex_);
      memtables_full = sealed_.size() >= sealed_max_;
    }
    const bool debt = pressure_.load(std::memory_order_relaxed) >= 2;
    if (!memtables_full && !debt) break;
    if (start == 0) {
      start = NowNanos();
      if (!memtables_full) {
        cause = Counter::kStallL0Nanos;
        cause_name = "compaction owed";
      }
    }
    MaybeSchedule();
    co_await background_event_.Wait(ticket);
  }
  if (start == 0) co_return Status();
  StoreEvent event;
  event.kind = StoreEvent::Kind::kStall;
  event.start_ns = start;
  event.end_ns = NowNanos();
  event.shard = env_.shard;
  event.cause = cause_name;
  CounterCells& counters = env_.counters->Local();
  const auto waited = static_cast<uint64_t>(event.end_ns - event.start_ns);
  counters.Add(Counter::kStalls, 1);
  counters.Add(Counter::kStallNanos, waited);
  counters.Add(cause, waited);
  env_.events->Add(std::move(event));
  co_return Status();
}

// How long this write is to be held back now. Grows from nothing at pressure 1, geometrically, to
// the slowest rate just before writers would have to stop.
int64_t Tree::SlowdownNanos(size_t bytes) {
  const double pressure = pressure_.load(std::memory_order_relaxed);
  if (pressure <= 1) {
    slowdown_debt_ns_ = 0;
    return 0;
  }
  slowdown_debt_ns_ +=
      static_cast<int64_t>(static_cast<double>(bytes) / PacedBytesPerSecond(pressure) * 1e9);
  if (slowdown_debt_ns_ < kSlowdownGrainNanos) return 0;
  return std::exchange(slowdown_debt_ns_, 0);
}

// Seals the memtable and starts a new one with a new log segment. REQUIRES: leader.
Task<Status> Tree::RotateMemtable() {
  const uint64_t log_number = next_file_.fetch_add(1, std::memory_order_relaxed);
  if (log_is_shared_) co_await wal_lock_.Lock();
  Status status = co_await wal_->StartSegment(log_number);
  if (log_is_shared_) wal_lock_.Unlock();
  if (!status.ok()) {
    SetBackgroundError(status, Severity::kUntilReopen);
    co_return status;
  }
  auto* fresh = new MemtableHandle(env_.composition->memtable, log_number);
  {
    std::lock_guard guard(mutex_);
    sealed_.insert(sealed_.begin(), memtable_);
    memtable_ = fresh;
    age_watched_ = false;
    InstallViewLocked();
  }
  MaybeSchedule();
  co_return Status();
}

}  // namespace lsmlab
