#include <algorithm>
#include <utility>

#include "engine/tree/tree.h"

// A tree's side of batches over several shards.
namespace lsmlab {

Task<Status> Tree::LeadAlone(Writer* writer) {
  if (!queue_.Join(writer)) co_await queue_.Wait(writer);
  LSMLAB_ASSERT(writer->state.load(std::memory_order_acquire) == Writer::kLeader);
  const size_t unpaced = std::exchange(unpaced_bytes_, 0);
  if (!MustMakeRoom()) co_return Status();
  co_return co_await MakeRoom(writer->bytes() + unpaced);
}

Task<Status> Tree::LogPart(const Writer& writer, const BatchPart& part, Sequence first) {
  co_await wal_lock_.Lock();
  BeginRecord(first);
  EncodeBatchPart(encoder_.buffer(), part);
  encoder_.buffer().append(writer.payload);
  encoder_.EndRecord();
  Status status = co_await wal_->Append(encoder_.bytes(), NoteUnsynced());
  // At once: while the other parts are logged nothing more may be acknowledged anywhere.
  if (!status.ok()) SetBackgroundError(status, Severity::kUntilReopen);
  wal_lock_.Unlock();
  co_return status;
}

Status Tree::ApplyPart(const Writer& writer, const BatchPart& part, Sequence first) {
  // A batch counts once, with its first shard.
  const bool first_part = part.participants.front().shard == env_.shard;
  if (!logs_durably()) {
    std::lock_guard guard(mutex_);
    for (const BatchPart::Participant& other : part.participants) {
      if (other.shard != env_.shard) memtable_->AddLogPartner(other.shard);
    }
  }
  Sequence next = first;
  uint64_t bytes = 0;
  LSMLAB_TRY(ApplyWriter(writer, &next, &bytes));
  CounterCells& counters = env_.counters->Local();
  counters.Add(Counter::kBatches, first_part ? 1 : 0);
  counters.Add(Counter::kOperationsWritten, next - first);
  counters.Add(Counter::kUserBytesWritten, bytes);
  counters.Add(Counter::kGroups, 1);
  published_.store(next - 1, std::memory_order_release);
  if (memtable_age_ns_ > 0 && !age_watched_) {
    age_watched_ = true;
    WatchAge();
  }
  return Status();
}

Status Tree::EndAlone(Writer* writer, Status status) {
  if (status.ok() && env_.poisoned->load(std::memory_order_acquire)) status = StopReason();
  queue_.Finish(writer, writer, status);
  return status;
}

void Tree::EndNumbered() noexcept {
  numbered_over_.fetch_add(1, std::memory_order_seq_cst);
  if (numbered_awaited_.load(std::memory_order_seq_cst) > 0) numbered_event_.Notify();
}

Task<void> Tree::AwaitNumbered() {
  const uint64_t begun = numbered_.load(std::memory_order_seq_cst);
  if (numbered_over_.load(std::memory_order_seq_cst) >= begun) co_return;
  // Announced before the look that may end in waiting: EndNumbered looks the other way round.
  numbered_awaited_.fetch_add(1, std::memory_order_seq_cst);
  while (true) {
    const uint64_t ticket = numbered_event_.Ticket();
    if (numbered_over_.load(std::memory_order_seq_cst) >= begun) break;
    co_await numbered_event_.Wait(ticket);
  }
  numbered_awaited_.fetch_sub(1, std::memory_order_seq_cst);
}

std::vector<uint32_t> Tree::LogPartners() const {
  std::lock_guard guard(mutex_);
  std::vector<uint32_t> all = memtable_->log_partners();
  for (const MemtableHandle* handle : sealed_) {
    all.insert(all.end(), handle->log_partners().begin(), handle->log_partners().end());
  }
  return all;
}

// Before the memtable is flushed: a part that is in tables must not outlive the others. It is not
// enough to sync the logs that hold these: a log ends before its first batch that is not whole, so
// the parts of earlier batches in it must be durable too, and so on.
Task<Status> Tree::SyncLogsOf(const MemtableHandle& handle) {
  std::vector<uint32_t> reached = handle.log_partners();
  for (size_t i = 0; i < reached.size(); ++i) {
    for (const uint32_t next : (*env_.shards)[reached[i]]->LogPartners()) {
      const bool known = std::find(reached.begin(), reached.end(), next) != reached.end();
      if (next != env_.shard && !known) reached.push_back(next);
    }
  }
  for (const uint32_t shard : reached) {
    LSMLAB_CO_TRY(co_await (*env_.shards)[shard]->SyncLog());
  }
  // One that failed meanwhile does not vouch for what its log holds.
  for (const uint32_t shard : reached) {
    LSMLAB_CO_TRY((*env_.shards)[shard]->ErrorUntilReopen());
  }
  co_return Status();
}

}  // namespace lsmlab
