#include <algorithm>
#include <set>
#include <tuple>

#include "engine/format/file_name.h"
#include "engine/tree/table_output.h"
#include "engine/tree/tree.h"

// Which jobs run, what the current view is, and how the results of jobs become visible.
namespace lsmlab {
namespace {

// Memtables' worth of garbage beyond the bound at which writers begin to be slowed, and the most
// that garbage adds to the pressure.
constexpr double kGarbageMemtables = 8;
constexpr double kMostFromGarbage = 1.9;

}  // namespace

void Tree::InstallViewLocked() {
  auto* fresh = new TreeView(memtable_, sealed_, version_);
  TreeView* old = view_.exchange(fresh, std::memory_order_acq_rel);
  if (old == nullptr) return;
  // No deleter under the mutex: some close files. The flush or the job that the view comes of, or
  // makes room for, collects at its end.
  EpochDefer(old, [](void* view) { static_cast<TreeView*>(view)->Unref(); });
}

TreeShape Tree::ShapeLocked() const {
  TreeShape shape = version_->Shape();
  shape.jobs = jobs_;
  shape.oldest_snapshot_ns = env_.snapshots->OldestTaken();
  for (const MemtableHandle* handle : sealed_) {
    shape.waiting_memtable_bytes += handle->arena().used_bytes();
  }
  policy_->SetTargets(shape);
  return shape;
}

TreeShape Tree::Shape() const {
  std::lock_guard guard(mutex_);
  return ShapeLocked();
}

// Garbage in value files slows writers, too, so that collecting it can keep up; it never stops
// them.
void Tree::UpdatePressureLocked() {
  const TreeShape shape = ShapeLocked();
  const double allowed = kGarbageMemtables * static_cast<double>(memtable_bytes_);
  const double garbage = static_cast<double>(values_->DebtBytes(shape.value_files)) / allowed;
  policy_pressure_ = policy_->Pressure(shape);
  garbage_pressure_ = std::min(garbage, kMostFromGarbage);
  pressure_.store(std::max(policy_pressure_, garbage_pressure_), std::memory_order_relaxed);
}

// Marks the jobs that start now. True: one is owed, waits for its signal, and the caller does not
// know it yet.
bool Tree::PickPlansLocked(std::vector<std::pair<CompactionPlan, Version*>>* plans) {
  while (manual_ == 0 && compactions_running_ < compactions_max_) {
    // Garbage beyond its bound comes first, unless it is the policy's work that holds writers back.
    const bool policy_first = policy_pressure_ >= 1 && policy_pressure_ >= garbage_pressure_;
    std::optional<CompactionPlan> plan;
    if (!policy_first) plan = PickCollectionLocked();
    if (!plan.has_value()) plan = policy_->Pick(ShapeLocked(), policy_state_, WallNanos());
    // What the policy waits for may be inputs of collections: none more until they have ended.
    if (!plan.has_value() && policy_first && compactions_running_ == 0) {
      plan = PickCollectionLocked();
    }
    if (!plan.has_value()) {
      // What is owed later waits for another signal.
      if (compactions_running_ == 0) may_compact_ = !signalled_;
      return false;
    }
    constexpr double kStop = 2;
    if (!may_compact_ && pressure_.load(std::memory_order_relaxed) < kStop) {
      return !std::exchange(told_owed_, true);
    }
    ++compactions_running_;
    MarkInputs(*plan, *version_, true);
    if (!plan->next_state.empty()) policy_state_ = plan->next_state;
    version_->Ref();
    plans->emplace_back(std::move(*plan), version_);
  }
  return false;
}

void Tree::StartCompactions() { MaybeSchedule(/*signal=*/true); }

// Starts whatever may run now; `signal`: compactions, too, that wait for the caller. True: nothing
// runs, and nothing is owed that was not given up. Any thread; cheap when there is nothing to do.
bool Tree::MaybeSchedule(bool signal) {
  bool start_flush = false, owed = false, idle = false;
  std::vector<std::pair<CompactionPlan, Version*>> plans;
  {
    std::lock_guard guard(mutex_);
    if (signal) {
      may_compact_ = true;
      told_owed_ = false;
    }
    // Asked in one piece with the choice: what comes to be owed between the two would be missed.
    const auto idle_now = [this] {
      return compactions_running_ == 0 && manual_ == 0 && !flush_running_ && sealed_.empty();
    };
    if (!background_error_.ok()) return false;
    if (closing_ || env_.read_only) return idle_now();
    if (!flush_running_ && !sealed_.empty()) start_flush = flush_running_ = true;
    owed = PickPlansLocked(&plans);
    idle = idle_now();
  }
  if (owed && env_.on_compaction_owed != nullptr && *env_.on_compaction_owed) {
    (*env_.on_compaction_owed)();
  }
  if (start_flush) SpawnJob(Priority::kFlush, FlushTask());
  for (auto& [plan, version] : plans) {
    SpawnJob(Priority::kCompaction, CompactionTask(std::move(plan), version));
  }
  return idle;
}

// The jobs of one shard share a loop, so that those of several use all loops evenly.
void Tree::SpawnJob(Priority priority, Task<void> job) {
  if (env_.shards != nullptr && env_.executor->loops() > 0) {
    env_.executor->SpawnOn(static_cast<int>(env_.shard), priority, std::move(job), *env_.io);
  } else {
    env_.executor->Spawn(priority, std::move(job), *env_.io);
  }
}

// Asks the policy again and again where time alone may give it a reason.
Task<void> Tree::PolicyTick() {
  if (!BeginTimedJob()) co_return;
  MaybeSchedule();
  env_.executor->SpawnAfter(policy_->check_interval_ns(), Priority::kFlush, PolicyTick(), *env_.io);
  EndTimedJob();
}

void Tree::MarkInputs(const CompactionPlan& plan, const Version& version, bool on) {
  RunningJobShape job;
  job.output_level = plan.output_level;
  job.input_level = plan.output_level;
  for (const PlacedTable& placed : version.tables()) {
    const uint64_t file = placed.table->entry().file;
    if (std::find(plan.inputs.begin(), plan.inputs.end(), file) == plan.inputs.end()) continue;
    LSMLAB_ASSERT(placed.table->being_compacted != on);
    placed.table->being_compacted = on;
    job.input_level = std::min(job.input_level, placed.level);
    job.input_bytes += placed.table->entry().bytes;
  }
  if (on) {
    jobs_.push_back(job);
    return;
  }
  auto same = [&job](const RunningJobShape& j) {
    return j.input_level == job.input_level && j.output_level == job.output_level &&
           j.input_bytes == job.input_bytes;
  };
  auto found = std::find_if(jobs_.begin(), jobs_.end(), same);
  if (found != jobs_.end()) jobs_.erase(found);
}

// A full disk found while building a table can be tried again; everything else holds until the
// store is opened anew.
void Tree::SetBackgroundError(Status status, Severity severity) {
  {
    std::lock_guard guard(mutex_);
    if (!error_until_reopen_) {
      background_error_ = status;
      error_is_full_disk_ = status.code() == StatusCode::kNoSpace;
      error_until_reopen_ =
          severity == Severity::kUntilReopen || status.code() != StatusCode::kNoSpace;
      // No space left means elsewhere that room is all it takes.
      if (error_until_reopen_ && status.code() == StatusCode::kNoSpace) {
        background_error_ = Status::IoError(std::string(status.message()) +
                                            "; nothing is taken until the store is opened again");
      }
      if (!error_until_reopen_) {
        ++full_disk_errors_;
        last_full_disk_error_ = status;
      }
    }
    if (error_until_reopen_) env_.poisoned->store(true, std::memory_order_release);
    has_error_.store(true, std::memory_order_release);
  }
  AddErrorEvent(status.ToString());
  background_event_.Notify();
}

void Tree::AddErrorEvent(std::string cause) {
  StoreEvent event;
  event.kind = StoreEvent::Kind::kError;
  event.start_ns = event.end_ns = NowNanos();
  event.shard = env_.shard;
  event.cause = std::move(cause);
  env_.events->Add(std::move(event));
}

Status Tree::ErrorUntilReopen() const {
  if (!has_error_.load(std::memory_order_acquire)) return Status();
  std::lock_guard guard(mutex_);
  return error_until_reopen_ ? background_error_ : Status();
}

// Lets background work try again after a full disk. REQUIRES: whoever calls it has reported the
// error, or was just asked by the user to do such work.
void Tree::RetryAfterFullDisk() {
  {
    std::lock_guard guard(mutex_);
    if (background_error_.ok() || error_until_reopen_) return;
    background_error_ = Status();
    has_error_.store(false, std::memory_order_release);
  }
  MaybeSchedule();
}

Status Tree::background_error() const {
  std::lock_guard guard(mutex_);
  return background_error_;
}

bool Tree::FailedForSpace() const {
  std::lock_guard guard(mutex_);
  return !background_error_.ok() && error_is_full_disk_;
}

uint64_t Tree::FullDiskErrors() const {
  std::lock_guard guard(mutex_);
  return full_disk_errors_;
}

// For those who wait since there were `errors` of them and whose wait is not over: another caller
// may have let the work be tried again before they saw that it had failed.
Status Tree::FullDiskErrorSinceLocked(uint64_t errors) const {
  return full_disk_errors_ == errors ? Status() : last_full_disk_error_;
}

Status Tree::StopReason() const {
  Status own = background_error();
  if (!own.ok() || !env_.poisoned->load(std::memory_order_acquire)) return own;
  return Status::Aborted(env_.directory +
                         ": another shard of the store has failed; open the store again");
}

// Corruption when tables of a run would overlap: that policies keep them apart is an invariant, and
// no open would take what was committed without it. What the commit itself finishes, `last` or
// null, has no keys yet. REQUIRES: the commit lock.
Status Tree::CheckFits(const VersionEdit& edit, const LastOutput* last) const {
  using Place = std::tuple<uint32_t, uint32_t, Slice, Slice, uint64_t>;  // level, run, keys, file
  std::vector<Place> places;
  std::set<std::pair<uint32_t, uint32_t>> runs;
  std::set<uint64_t> gone;
  for (const RemovedTable& removed : edit.removed) gone.insert(removed.file);
  for (const TableEntry& e : edit.added) {
    runs.emplace(e.level, e.run);
    gone.insert(e.file);
    if (last != nullptr && last->entry().file == e.file) continue;
    places.emplace_back(e.level, e.run, e.smallest_key, e.largest_key, e.file);
  }
  for (const PlacedTable& placed : version_->tables()) {
    const TableEntry& e = placed.table->entry();
    if (runs.count({placed.level, placed.run}) == 0 || gone.count(e.file) > 0) continue;
    places.emplace_back(placed.level, placed.run, e.smallest_key, e.largest_key, e.file);
  }
  std::sort(places.begin(), places.end());
  for (size_t i = 1; i < places.size(); ++i) {
    const auto& [level, run, smallest, largest, file] = places[i];
    const auto& [level_before, run_before, unused, largest_before, file_before] = places[i - 1];
    if (level != level_before || run != run_before || smallest > largest_before) continue;
    return Status::Corruption(PathOf(NumberedFileName("", file, ".sst")) +
                              ": would overlap table " + std::to_string(file_before) +
                              " in a run of level " + std::to_string(level) +
                              "; the job's result was not committed");
  }
  return Status();
}

// The version after the edit, whose `added` tables are open and whose value files are `values`.
// What it does not take over becomes obsolete. REQUIRES: the commit lock; the edit is durable.
Version* Tree::NextVersion(const VersionEdit& edit, const std::vector<TableHandle*>& added,
                           std::vector<LiveValueFile> values) const {
  std::vector<PlacedTable> tables;
  for (const PlacedTable& placed : version_->tables()) {
    const uint64_t file = placed.table->entry().file;
    const bool removed = std::any_of(edit.removed.begin(), edit.removed.end(),
                                     [file](const RemovedTable& r) { return r.file == file; });
    const auto again = std::find_if(edit.added.begin(), edit.added.end(),
                                    [file](const TableEntry& e) { return e.file == file; });
    if (again != edit.added.end()) {
      placed.table->table().SetLevel(again->level);
      tables.push_back({placed.table, again->level, again->run});
    } else if (removed) {
      placed.table->obsolete.store(true, std::memory_order_release);
    } else {
      tables.push_back(placed);
    }
  }
  for (TableHandle* handle : added) {
    tables.push_back({handle, handle->entry().level, handle->entry().run});
  }
  for (const uint64_t file : edit.values_removed) {
    for (const LiveValueFile& old : version_->values()) {
      if (old.handle->entry().file == file) old.handle->obsolete.store(true);
    }
  }
  return new Version(std::move(tables), levels_, std::move(values));
}

// Makes a job's result durable and visible: catalog first, then the view. `output` has the job's
// tables, or is null; `values` are open value files (references taken over); `flushed` is the
// memtable that the edit replaces, or null.
Task<Status> Tree::CommitEdit(uint64_t job, VersionEdit edit, TableOutput* output,
                              MemtableHandle* flushed, std::vector<ValueFileHandle*> values) {
  co_await commit_lock_.Lock();
  Version* replaced = nullptr;
  edit.next_file = next_file_.load(std::memory_order_relaxed);
  edit.last_sequence = published();
  if (edit.policy_state.has_value()) {
    // Jobs that began later may have gone on from this one's.
    std::lock_guard guard(mutex_);
    edit.policy_state = policy_state_;
  }
  std::vector<LiveValueFile> live = NextValueFiles(&edit, values);
  LastOutput* const last = output == nullptr ? nullptr : output->last();
  Status status = ErrorUntilReopen();
  if (status.ok()) status = CheckFits(edit, last);
  if (status.ok()) status = co_await catalog_->Commit(job, edit, last);
  if (status.ok() && last != nullptr) status = co_await output->OpenLast();
  std::vector<TableHandle*> added;
  if (output != nullptr) added = output->TakeTables();
  if (status.ok()) {
    Version* fresh = NextVersion(edit, added, std::move(live));
    std::lock_guard guard(mutex_);
    Version* old = std::exchange(version_, fresh);
    if (flushed != nullptr) {
      LSMLAB_ASSERT(sealed_.back() == flushed);
      sealed_.pop_back();
    }
    InstallViewLocked();
    replaced = old;
  }
  commit_lock_.Unlock();
  if (replaced != nullptr) replaced->Unref();
  // After a failed commit nobody knows whether the edit is durable: its files stay, and the next
  // open keeps or sweeps them. So does everything else: no job may build on the old state.
  if (!status.ok()) SetBackgroundError(status, Severity::kUntilReopen);
  for (TableHandle* handle : added) handle->Unref();
  for (ValueFileHandle* handle : values) handle->Unref();
  if (status.ok() && flushed != nullptr) flushed->Unref();
  co_return status;
}

// After a job: new pressure, next jobs, waiters.
void Tree::EndJob() {
  {
    std::lock_guard guard(mutex_);
    UpdatePressureLocked();
  }
  EpochCollect();
  MaybeSchedule();
  background_event_.Notify();
}

// Makes the names of a job's files durable. After a failed sync the kernel has forgotten the names
// of all jobs, and the next sync finds nothing to do: so one at a time, and after a failure none.
Task<Status> Tree::SyncNames(IoSite site) {
  co_await names_lock_.Lock();
  if (names_lost_.ok()) {
    names_lost_ = co_await SyncDirectory(*env_.io, site, env_.directory);
    if (!names_lost_.ok()) SetBackgroundError(names_lost_, Severity::kUntilReopen);
  }
  Status status = names_lost_;
  names_lock_.Unlock();
  co_return status;
}

// Closes and unlinks. On an event loop each file is a step of its own.
Task<void> Tree::UnlinkDoomed(Priority priority) {
  // What the catalog on the disk names then, nobody knows: the next open sweeps.
  if (!ErrorUntilReopen().ok()) co_return;
  std::vector<DoomedFiles::Doomed> doomed = doomed_->Take();
  const bool on_loops = env_.executor->loops() > 0;
  for (DoomedFiles::Doomed& file : doomed) {
    file.table.reset();
    // A file that cannot be removed now is an orphan at the next open.
    Status ignored = co_await UnlinkFile(*env_.io, IoSite::kSweep, std::move(file.path));
    (void)ignored;
    if (on_loops && &file != &doomed.back()) co_await Yield(*env_.executor, priority);
  }
}

Task<Status> Tree::Flush() {
  const uint64_t errors = FullDiskErrors();
  RetryAfterFullDisk();
  Writer writer;
  writer.rotate = true;
  LSMLAB_CO_TRY(co_await Write(&writer));
  uint64_t newest_log = 0;
  {
    std::lock_guard guard(mutex_);
    if (!sealed_.empty()) newest_log = sealed_.front()->log_number();
  }
  while (true) {
    const uint64_t ticket = background_event_.Ticket();
    Status error = StopReason();
    if (!error.ok()) co_return error;
    {
      std::lock_guard guard(mutex_);
      if (sealed_.empty() || sealed_.back()->log_number() > newest_log) break;
      error = FullDiskErrorSinceLocked(errors);
    }
    if (!error.ok()) co_return error;
    MaybeSchedule();
    co_await background_event_.Wait(ticket);
  }
  co_return Status();
}

Task<Status> Tree::Drain() {
  const uint64_t errors = FullDiskErrors();
  RetryAfterFullDisk();
  LSMLAB_CO_TRY(co_await Flush());
  while (true) {
    const uint64_t ticket = background_event_.Ticket();
    Status error = StopReason();
    if (!error.ok()) co_return error;
    if (MaybeSchedule(/*signal=*/true)) break;
    {
      std::lock_guard guard(mutex_);
      error = FullDiskErrorSinceLocked(errors);
    }
    if (!error.ok()) co_return error;
    co_await background_event_.Wait(ticket);
  }
  // What a reader held until now goes with the next job, and there is none to come.
  EpochCollect();
  co_await UnlinkDoomed();
  co_return Status();
}

// What CompactRange works on: not what is flushed after it has begun, or beside writers it would
// begin with level 0 again and again. A run of level 0 has the number of its memtable's log, which
// a job that rewrites it in place keeps, and memtables are flushed in that order: so what is left
// out is newer than all that is not. (A table's file number says nothing: such a job draws a new
// one.)
TreeShape Tree::ShapeBeforeLocked(uint64_t log_number) const {
  TreeShape shape = ShapeLocked();
  if (shape.levels.empty()) return shape;
  LevelShape& newest = shape.levels[0];
  std::erase_if(newest.runs, [&newest, log_number](const RunShape& run) {
    if (run.run < log_number) return false;
    for (const TableShape& table : run.tables) newest.bytes -= table.bytes;
    return true;
  });
  return shape;
}

Task<Status> Tree::CompactRange(Slice begin, Slice end) {
  const uint64_t errors = FullDiskErrors();
  LSMLAB_CO_TRY(co_await Flush());
  uint64_t first_later_log = 0;  // of the oldest memtable that is not flushed
  {
    std::lock_guard guard(mutex_);
    ++manual_;
    first_later_log = sealed_.empty() ? memtable_->log_number() : sealed_.back()->log_number();
  }
  Status status;
  while (true) {
    const uint64_t ticket = background_event_.Ticket();
    std::optional<CompactionPlan> plan;
    Version* version = nullptr;
    bool wait = false;
    {
      std::lock_guard guard(mutex_);
      status = background_error_;
      wait = compactions_running_ > 0;
      if (!wait && status.ok()) {
        plan = policy_->PickRange(ShapeBeforeLocked(first_later_log), begin, end);
      }
      if (status.ok() && (wait || plan.has_value())) status = FullDiskErrorSinceLocked(errors);
      if (status.ok() && plan.has_value()) {
        ++compactions_running_;
        MarkInputs(*plan, *version_, true);
        version = version_;
        version->Ref();
      }
    }
    if (!status.ok() || (!wait && !plan.has_value())) break;
    if (wait) {
      co_await background_event_.Wait(ticket);
    } else {
      // In the background, as every other: beside callers it has no more than its share.
      SpawnJob(Priority::kCompaction, CompactionTask(std::move(*plan), version));
    }
  }
  {
    std::lock_guard guard(mutex_);
    --manual_;
  }
  MaybeSchedule();
  background_event_.Notify();
  co_return status;
}

Task<Status> Tree::Verify() {
  ViewRef view = CurrentView();
  for (const PlacedTable& placed : view->version()->tables()) {
    LSMLAB_CO_TRY(co_await placed.table->table().Verify());
  }
  co_return co_await VerifyValues(*view->version());
}

void Tree::AddStats(StoreStats* stats) const {
  stats->wal_bytes += wal_->bytes_written();
  stats->wal_syncs += wal_->syncs();
  stats->catalog_bytes += catalog_->bytes_written();
  std::lock_guard guard(mutex_);
  for (const PlacedTable& placed : version_->tables()) {
    stats->table_bytes += placed.table->entry().bytes;
    stats->pinned_bytes += placed.table->table().pinned_bytes();
    stats->live_entries_estimate += placed.table->entry().entries;
    ++stats->tables;
  }
  for (const LiveValueFile& file : version_->values()) {
    stats->value_bytes += file.handle->entry().bytes;
    stats->value_record_bytes += file.handle->entry().record_bytes;
    stats->value_live_bytes += file.live_bytes;
    ++stats->value_files;
  }
  stats->memtable_bytes += memtable_->arena().used_bytes();
  for (const MemtableHandle* handle : sealed_) {
    stats->memtable_bytes += handle->arena().used_bytes();
  }
}

}  // namespace lsmlab
