#include "engine/format/version_fold.h"
#include "engine/tree/step_work.h"
#include "engine/tree/table_output.h"
#include "engine/tree/tree.h"
#include "engine/tree/value_output.h"

// Flush: a sealed memtable becomes one table of level 0, its large values value files.
namespace lsmlab {
namespace {

// See IsBeingRead.
constexpr uint64_t kWritesPerRead = 16;
constexpr uint64_t kLargeMemtable = 1000;  // entries: those of several steps

}  // namespace

// One memtable. Another task goes on with the next, so that what others have queued meanwhile gets
// its turn; `flush_running_` stays on from the one to the other, so there is never a second flush.
Task<void> Tree::FlushTask() {
  MemtableHandle* oldest = nullptr;
  {
    std::lock_guard guard(mutex_);
    if (!sealed_.empty() && !closing_) oldest = sealed_.back();
  }
  Status status;
  if (oldest != nullptr) {
    status = co_await FlushOne(oldest);
    // At once: until it is known, others may rely on what this shard has lost.
    if (!status.ok()) SetBackgroundError(status, Severity::kMayRetry);
    // Writers that wait for room need not wait until old files are gone.
    background_event_.Notify();
    co_await UnlinkDoomed(Priority::kFlush);
  }
  bool more = false;
  {
    std::lock_guard guard(mutex_);
    more = status.ok() && !sealed_.empty() && !closing_;
    flush_running_ = more;
  }
  if (more) SpawnJob(Priority::kFlush, FlushTask());
  // After an error, too: somebody may have let it be tried again while this job was in the way.
  EndJob();
}

// Whether readers have asked since the flush before at least once for every kWritesPerRead entries:
// while nobody reads, as in a bulk load, filling the cache costs more than it will ever give.
bool Tree::IsBeingRead(uint64_t entries) {
  const uint64_t reads = env_.counters->Sum(Counter::kGets) + env_.counters->Sum(Counter::kSeeks);
  const uint64_t since = reads - std::exchange(reads_at_last_flush_, reads);
  return since >= entries / kWritesPerRead;
}

// Writes what is to be kept of the memtable: entries to `output`, large values to `values`.
Task<Status> Tree::WriteMemtable(MemtableHandle* handle, bool nothing_below, TableOutput* output,
                                 ValueOutput* values) {
  std::vector<Sequence> snapshots = env_.snapshots->All();
  VersionFold fold(std::move(snapshots));
  std::string reference;
  auto entries = handle->memtable().NewIterator();
  Status status = co_await entries->SeekToFirst();
  StepWork step(*env_.executor);
  while (status.ok() && entries->valid()) {
    const Slice key = entries->key();
    Tag tag = entries->tag();
    Slice value = entries->value();
    if (fold.Keep(key, tag, nothing_below)) {
      if (!output->open()) LSMLAB_CO_TRY(co_await output->Begin());
      if (TagKind(tag) == EntryKind::kPut && value.size() >= separate_from_) {
        LSMLAB_CO_TRY(co_await values->Add(key, value, &reference));
        tag = MakeTag(TagSequence(tag), EntryKind::kPutInValueFile);
        value = reference;
      }
      LSMLAB_CO_TRY(output->Add(key, tag, value));
      if (output->NeedsFlush()) LSMLAB_CO_TRY(co_await output->FlushPieces());
    }
    if (fold.lost_delete()) output->AddLostDelete();
    if (step.Add(entries->key().size() + entries->value().size())) {
      co_await Yield(*env_.executor, Priority::kFlush);
    }
    status = co_await entries->Next();
  }
  co_return status;
}

Task<Status> Tree::FlushOne(MemtableHandle* handle) {
  StoreEvent event;
  event.kind = StoreEvent::Kind::kFlush;
  event.start_ns = NowNanos();
  event.shard = env_.shard;
  event.bytes_in = handle->arena().used_bytes();
  const uint64_t job = catalog_->BeginJob({}, Catalog::JobKind::kFlush);
  // Some memtables sort their entries now, in one go: of many entries that is a step of its own.
  const bool in_steps = handle->memtable().entries() >= kLargeMemtable;
  if (in_steps) co_await Yield(*env_.executor, Priority::kFlush);
  handle->memtable().Seal();
  if (in_steps) co_await Yield(*env_.executor, Priority::kFlush);

  TableBuildContext context;
  context.now_ns = WallNanos();
  context.oldest_tombstone_ns = handle->begun_ns();
  context.expected_keys = handle->memtable().entries();
  context.reason = TableBuildContext::Reason::kFlush;
  std::vector<LevelFill> fill;
  {
    std::lock_guard guard(mutex_);
    context.last_level = version_->tables().empty();
    context.level_bytes = version_->LevelBytes();
    fill = version_->Fill();
  }
  fill[0].entries += context.expected_keys;
  ++fill[0].runs;
  context.filter_bits_per_key = filter_allocation_.BitsPerKey(0, fill);
  const bool nothing_below = context.last_level;
  TableOutput output(*this, std::move(context), IoSite::kFlush, job);
  output.KeepBlocks(cache_fill_ == CacheFill::kWrites && IsBeingRead(handle->memtable().entries()));
  ValueOutput values(*this);
  Status status = co_await WriteMemtable(handle, nothing_below, &output, &values);
  if (status.ok()) status = co_await CommitFlush(handle, job, &output, &values);
  co_await output.Settle();
  co_await values.Settle();
  LSMLAB_CO_TRY(std::move(status));
  event.bytes_out = output.bytes() + values.bytes();
  CounterCells& counters = env_.counters->Local();
  counters.Add(Counter::kFlushes, 1);
  counters.Add(Counter::kFlushBytes, event.bytes_out);
  counters.Add(Counter::kValueFlushBytes, values.bytes());
  event.end_ns = NowNanos();
  env_.events->Add(std::move(event));
  co_return Status();
}

// Finishes what was written, and puts it in the memtable's place.
Task<Status> Tree::CommitFlush(MemtableHandle* handle, uint64_t job, TableOutput* output,
                               ValueOutput* values) {
  LSMLAB_CO_TRY(co_await values->Finish());
  // Runs of level 0 are numbered by the log segment: memtables are flushed in that order.
  LSMLAB_CO_TRY(co_await output->End(static_cast<uint32_t>(handle->log_number())));
  LSMLAB_CO_TRY(co_await SyncLogsOf(*handle));
  VersionEdit edit;
  {
    std::lock_guard guard(mutex_);
    // The oldest log still needed is that of the next memtable.
    edit.log_number =
        sealed_.size() > 1 ? sealed_[sealed_.size() - 2]->log_number() : memtable_->log_number();
  }
  edit.added = output->entries();
  const uint64_t log_number = *edit.log_number;
  LSMLAB_CO_TRY(co_await CommitEdit(job, std::move(edit), output, handle, values->TakeFiles()));
  // Logs that could not be deleted are tried again at the next flush, or swept at the next open.
  if (!ErrorUntilReopen().ok()) co_return Status();
  Status released = co_await wal_->Release(log_number);
  (void)released;
  co_return Status();
}

}  // namespace lsmlab
