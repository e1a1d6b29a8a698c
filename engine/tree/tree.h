#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/async/sync.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/composition.h"
#include "engine/format/file_writer.h"
#include "engine/format/wal_record.h"
#include "engine/store.h"
#include "engine/tree/counters.h"
#include "engine/tree/event_log.h"
#include "engine/tree/group_company.h"
#include "engine/tree/log_replay.h"
#include "engine/tree/snapshot_list.h"
#include "engine/tree/tree_iterator.h"
#include "engine/tree/version.h"
#include "engine/tree/view.h"
#include "engine/tree/write_queue.h"

namespace lsmlab {

class Tree;

// What the shards of a store share. Outlives every tree.
struct TreeEnvironment {
  const Composition* composition = nullptr;
  Io* io = nullptr;
  Executor* executor = nullptr;
  BlockCache* cache = nullptr;
  Counters* counters = nullptr;
  EventLog* events = nullptr;
  SnapshotList* snapshots = nullptr;
  std::atomic<Sequence>* sequence = nullptr;  // last number given out, store-wide
  // Set for good by the first shard that may acknowledge nothing more: no other one may either.
  std::atomic<bool>* poisoned = nullptr;
  // All shards of the store by number, this one too; null when it is the only one.
  const std::vector<std::unique_ptr<Tree>>* shards = nullptr;
  std::string directory;  // of this shard
  uint64_t store_id = 0;
  uint32_t shard = 0;
  uint64_t seed = 0;  // of table ids
  const std::function<void()>* on_compaction_owed = nullptr;
  bool read_only = false;
};

class TableOutput;
class TreeFiles;
class ValueOutput;
class ValueMover;

// Where a point read puts its value: exactly one is set.
struct ReadTarget {
  std::string* text = nullptr;
  PinnedValue* pinned = nullptr;
};

// One LSM tree with its log and catalog: a shard. Write path (tree_write.cc), read path
// (tree_read.cc), recovery (tree_open.cc), background work (tree_background.cc, flush.cc,
// compaction.cc), separated values (tree_values.cc).
//
// Thread safety: reads from any thread, never waiting for writers; writes from any thread, grouped
// by the write queue, whose leader is the one writer; background jobs change the set of tables
// under `commit_lock_`. `mutex_` guards the pointers that make up the current view and the job
// lists; it is a leaf lock, never held across a suspension or I/O.
class Tree {
 public:
  explicit Tree(TreeEnvironment environment);
  // REQUIRES: closed, or never opened; no reader.
  ~Tree();

  // Opening, first half: reads catalog and log; changes nothing that a second crash would miss.
  // `create`: make a new one. `cut`: what an earlier recovery decided about the log.
  Task<Status> Recover(bool create, std::optional<LogCut> cut);
  // Between the halves: what the log held, for CutIncompleteBatches. Null after Start.
  LogReplay* replay() noexcept { return replay_.get(); }
  // Wal::WriteAgain.
  Task<Status> WriteLogAgain() { return wal_->WriteAgain(); }
  // Second half: flushes what counts of the log, begins a new one, sweeps orphans.
  Task<Status> Start();
  // Ends background work, syncs the log and writes its end mark.
  Task<Status> Close();

  // `writer` lives until the task ends.
  Task<Status> Write(Writer* writer);

  // The steps of a batch over several shards, in this one (tree_batch.cc). StoreImpl::WriteAcross
  // takes the lead in all its shards, in ascending order, before it draws numbers, and keeps it to
  // the end: so no group comes between the parts of a batch in any shard.
  //
  // Until `writer` is the leader of a group of its own and the tree has room for it. Leads also
  // when the status is an error. REQUIRES: writer->alone.
  Task<Status> LeadAlone(Writer* writer);
  // Leader: puts the part into the log, durable if groups are.
  Task<Status> LogPart(const Writer& writer, const BatchPart& part, Sequence first);
  // Leader, after all parts are logged: into the memtable, and visible.
  Status ApplyPart(const Writer& writer, const BatchPart& part, Sequence first);
  // Leader: nothing can be acknowledged after a batch of which not all parts were logged.
  void FailBatch(const Status& status) { SetBackgroundError(status, Severity::kUntilReopen); }
  // Leader: lets the next group begin. Returns what the writer is to be told.
  Status EndAlone(Writer* writer, Status status);
  // Leader, several shards: around the drawing of numbers and the moment from which what carries
  // them is visible, or has failed.
  void BeginNumbered() noexcept { numbered_.fetch_add(1, std::memory_order_seq_cst); }
  void EndNumbered() noexcept;
  // Until everything that has drawn a number by now is visible, or has failed. Waits for no writer
  // that has not, so a stall of writers is none of readers.
  Task<void> AwaitNumbered();
  bool keeps_log() const noexcept { return wal_->keeps_records(); }
  bool logs_durably() const noexcept {
    return sync_mode_ == SyncMode::kGroup || sync_mode_ == SyncMode::kEvery;
  }
  // Of flushes and compactions.
  WritePace write_pace() const noexcept {
    return logs_durably() ? WritePace::kBesideSyncs : WritePace::kFast;
  }
  uint64_t log_number() const noexcept { return memtable_->log_number(); }  // leader
  // The shards whose logs hold parts of the batches that this one's memtables hold parts of, where
  // these may not be durable; some maybe more than once. From any thread.
  std::vector<uint32_t> LogPartners() const;
  // Makes durable what the log holds. By the leader; where log_is_shared_ also by any other task,
  // beside it.
  Task<Status> SyncLog();

  // See Store::Get. `snapshot` kMaxSequence: now. The key outlives the returned task.
  ValueOrTask<Status> Get(Slice key, ReadTarget target, Sequence snapshot);
  // All at one moment; statuses[i] and values[i] belong to keys[i]. REQUIRES: spans of equal size.
  Task<Status> MultiGet(std::span<const Slice> keys, std::span<std::string> values,
                        std::span<Status> statuses, Sequence snapshot);
  std::unique_ptr<TreeIterator> NewIterator(Sequence snapshot, const ReadOptions& options);
  // The value behind a reference that stands for `key` in a table of the version, for a reader. The
  // arguments outlive the task.
  Task<Result<BlockRef>> ReadUserValue(const Version& version, Slice key, Slice reference);
  // Where the value lies, while the version lives.
  Result<const ValueFile*> FindValue(const Version& version, Slice reference,
                                     ValueReference* at) const;
  // One read of a value file for a reader was that of so many bytes.
  void CountValueRead(uint64_t bytes) noexcept;
  size_t read_ahead() const noexcept { return read_ahead_; }

  uint32_t shard() const noexcept { return env_.shard; }
  // The error after which this shard is to be reopened; ok: none.
  Status ErrorUntilReopen() const;
  Sequence published() const noexcept { return published_.load(std::memory_order_acquire); }

  Task<Status> Flush();
  Task<Status> CompactRange(Slice begin, Slice end);
  Task<Status> Drain();
  void StartCompactions();
  Task<Status> Verify();

  void AddStats(StoreStats* stats) const;
  TreeShape Shape() const;

 private:
  // tree_open.cc
  Status CheckNumbers(const CatalogState& state) const;
  Status CheckPlaces(const CatalogState& state) const;
  Task<Status> OpenTables(const CatalogState& state);
  Task<Status> OpenFiles(const CatalogState& state, std::vector<PlacedTable>* tables,
                         std::vector<LiveValueFile>* values);
  Task<Status> ReplayLog(const CatalogState& state, std::optional<LogCut> cut);
  Task<Status> TakeOverReplay();
  Task<Status> FlushRecovered(MemtableHandle* recovered, uint64_t log_number);
  Task<Status> Sweep();
  void SetUpTableEnvironment();
  std::string PathOf(std::string_view name) const;
  Task<Result<TableHandle*>> OpenTable(TableEntry entry);

  // tree_write.cc
  Task<Status> LeadGroup(Writer* leader);
  Task<void> Gather();
  Task<Status> MakeRoom(size_t bytes);
  Task<Status> Stall();
  void BeginRecord(Sequence first);
  void EncodeGroup(const Writer* leader, const Writer* last, Sequence first);
  Task<Status> LogGroup(const Writer* leader, const Writer* last, Sequence first);
  bool NoteUnsynced();
  Task<Status> SyncLogsOf(const MemtableHandle& handle);
  Task<Status> SyncOpenLog();
  Task<void> IntervalSync();
  void WatchAge();
  bool SealsWithoutWaiting(uint64_t log_number);
  Task<void> SealAged(uint64_t log_number);
  Task<void> PolicyTick();
  bool BeginTimedJob();
  void EndTimedJob();
  Task<Status> RotateMemtable();
  Status ApplyGroup(const Writer* leader, const Writer* last, Sequence first);
  bool MemtableIsFull() const noexcept;
  bool MustMakeRoom() const noexcept;
  Status ApplyWriter(const Writer& writer, Sequence* next, uint64_t* bytes);
  int64_t SlowdownNanos(size_t bytes);

  // tree_read.cc
  bool TryGetInView(const TreeView& view, const LookupKey& lookup, LookupFold& fold,
                    const ReadGuard& guard) noexcept;
  Status Deliver(const LookupFold& fold, TreeView* view, ReadTarget target);
  Task<Status> GetSlow(Slice key, ReadTarget target, Sequence snapshot, ViewRef view);
  Task<Status> GetValue(Slice key, ReadTarget target, Sequence snapshot, ViewRef view,
                        std::string reference);
  static void AddReadCounters(CounterCells& counters, const TableReadCounters& read) noexcept;
  ViewRef CurrentView();

  // tree_background.cc
  bool MaybeSchedule(bool signal = false);
  void SpawnJob(Priority priority, Task<void> job);
  bool PickPlansLocked(std::vector<std::pair<CompactionPlan, Version*>>* plans);
  void InstallViewLocked();
  void UpdatePressureLocked();
  TreeShape ShapeLocked() const;
  TreeShape ShapeBeforeLocked(uint64_t log_number) const;
  void EndJob();
  enum class Severity : uint8_t { kMayRetry, kUntilReopen };
  void SetBackgroundError(Status status, Severity severity);
  void AddErrorEvent(std::string cause);
  void RetryAfterFullDisk();
  Status background_error() const;
  bool FailedForSpace() const;
  uint64_t FullDiskErrors() const;
  Status FullDiskErrorSinceLocked(uint64_t errors) const;
  // Why nothing may be acknowledged: the error of this shard, or that another one has failed.
  Status StopReason() const;
  Task<Status> CommitEdit(uint64_t job, VersionEdit edit, TableOutput* output,
                          MemtableHandle* flushed,
                          std::vector<ValueFileHandle*> values = std::vector<ValueFileHandle*>());
  Status CheckFits(const VersionEdit& edit, const LastOutput* last) const;
  Version* NextVersion(const VersionEdit& edit, const std::vector<TableHandle*>& added,
                       std::vector<LiveValueFile> values) const;
  Task<Status> SyncNames(IoSite site);
  Task<void> UnlinkDoomed(Priority priority = Priority::kForeground);

  // tree_values.cc
  void SetUpValues();
  Task<Result<ValueFileHandle*>> OpenValueFile(const ValueFileEntry& entry);
  Status CheckValueFiles(const CatalogState& state) const;
  std::vector<LiveValueFile> NextValueFiles(VersionEdit* edit,
                                            const std::vector<ValueFileHandle*>& added) const;
  std::optional<CompactionPlan> PickCollectionLocked() const;
  Task<Status> VerifyValues(const Version& version) const;
  Task<Status> VerifyReferences(const TableHandle& table) const;

  // flush.cc, compaction.cc
  Task<void> FlushTask();
  bool IsBeingRead(uint64_t entries);
  Task<Status> FlushOne(MemtableHandle* handle);
  Task<Status> CommitFlush(MemtableHandle* handle, uint64_t job, TableOutput* output,
                           ValueOutput* values);
  Task<Status> WriteMemtable(MemtableHandle* handle, bool nothing_below, TableOutput* output,
                             ValueOutput* values);
  Task<void> CompactionTask(CompactionPlan plan, Version* version);
  Task<Status> RunPlan(const CompactionPlan& plan, Version* version, StoreEvent* event);
  Task<Status> Merge(const CompactionPlan& plan, Version* version, uint64_t job, VersionEdit* edit,
                     StoreEvent* event);
  Task<Status> CommitMerge(const CompactionPlan& plan, uint64_t job, VersionEdit* edit,
                           TableOutput* output, ValueMover* mover);
  struct MergeInputs;
  void PrepareMerge(const CompactionPlan& plan, const Version& version, MergeInputs* inputs);
  Task<Status> MergeEntries(const CompactionPlan& plan, MergeInputs* inputs, TableOutput* output,
                            ValueMover* mover);
  void MarkInputs(const CompactionPlan& plan, const Version& version, bool on);

  friend class TableOutput;
  friend class TreeFiles;
  friend class ValueOutput;
  friend class ValueMover;

  TreeEnvironment env_;
  TableEnvironment table_env_;
  const FilterAllocation filter_allocation_;
  std::vector<std::shared_ptr<const Codec>> codecs_;    // for writing, per level
  std::vector<std::unique_ptr<const Codec>> decoders_;  // for reading, by id
  std::unique_ptr<CompactionPolicy> policy_;
  std::unique_ptr<TreeFiles> files_;
  std::unique_ptr<Wal> wal_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<ValueStore> values_;
  std::unique_ptr<const Codec> value_codec_;  // for writing values; null: none
  uint8_t value_codec_id_ = 0;
  std::shared_ptr<DoomedFiles> doomed_ = std::make_shared<DoomedFiles>();

  // Settings, read once.
  size_t memtable_bytes_ = 0;
  const Arena::Reserve memtable_reserve_;  // one memtable's memory, from flush to next
  size_t sealed_max_ = 0;
  int64_t memtable_age_ns_ = 0;        // 0: no limit
  std::atomic<uint64_t> aged_log_{0};  // log number of the memtable that has reached it
  size_t memtable_smallest_ = 0;       // for the age
  enum class SyncMode : uint8_t { kNone, kInterval, kGroup, kEvery } sync_mode_ = SyncMode::kNone;
  int64_t sync_interval_ns_ = 0;
  // What a leader on an event loop waits for; on other threads for nothing.
  enum class Gathers : uint8_t { kNothing, kTurn, kCompany } gathers_ = Gathers::kNothing;
  enum class CacheFill : uint8_t { kReads, kCompactions, kWrites } cache_fill_ = CacheFill::kReads;
  bool signalled_ = false;  // compactions wait for StartCompactions
  bool align_outputs_ = false;
  uint32_t levels_ = 0;
  int compactions_max_ = 1;
  size_t separate_from_ = SIZE_MAX;  // bytes of a value that goes to a value file
  size_t read_ahead_ = 1;

  std::unique_ptr<LogReplay> replay_;  // while opening
  uint64_t largest_log_ = 0;           // that recovery saw

  // Where others than the leader sync the log (a timer, or another shard's flush, while the leader
  // may wait for that): held by whoever uses it. Never held while waiting for anything but I/O.
  bool log_is_shared_ = false;
  AsyncMutex wal_lock_;
  bool wal_closed_ = false;            // guarded by wal_lock_
  std::atomic<bool> unsynced_{false};  // changed under wal_lock_

  // The leader's (one at a time).
  WriteQueue queue_;
  GroupCompany company_;
  WalRecordEncoder encoder_;
  uint64_t dense_number_ = 0;
  bool age_watched_ = false;  // the memtable's, by a timer
  size_t unpaced_bytes_ = 0;  // of the last group's members: the next leader waits for them, too
  int64_t slowdown_debt_ns_ = 0;
  uint64_t reads_at_last_flush_ = 0;  // the flush worker's

  // Several shards: groups that have drawn numbers; those of them that are over; who waits for it.
  std::atomic<uint64_t> numbered_{0}, numbered_over_{0};
  std::atomic<uint32_t> numbered_awaited_{0};
  AsyncEvent numbered_event_;

  std::atomic<Sequence> published_{0};
  std::atomic<TreeView*> view_{nullptr};
  std::atomic<double> pressure_{0};
  std::atomic<uint64_t> next_file_{1};
  std::atomic<bool> has_error_{false};

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  MemtableHandle* memtable_ = nullptr;
  std::vector<MemtableHandle*> sealed_;  // newest first
  Version* version_ = nullptr;
  std::string policy_state_;
  double policy_pressure_ = 0, garbage_pressure_ = 0;  // pressure_ is the larger one
  std::vector<RunningJobShape> jobs_;
  bool flush_running_ = false;
  int compactions_running_ = 0;
  int manual_ = 0;  // CompactRange calls that hold automatic compaction back
  // With signalled starts: whether compactions may start until none is owed, and whether the caller
  // was told that one is.
  bool may_compact_ = true;
  bool told_owed_ = false;
  int timed_jobs_ = 0;
  bool closing_ = false;
  Status background_error_;
  bool error_until_reopen_ = false;
  bool error_is_full_disk_ = false;  // what the first error came from
  uint64_t full_disk_errors_ = 0;    // of jobs that can be tried again
  Status last_full_disk_error_;
  Random ids_;

  AsyncMutex commit_lock_;
  AsyncMutex names_lock_;        // held while the directory is synced
  Status names_lost_;            // why its names may be lost; guarded by names_lock_
  AsyncEvent background_event_;  // after every job and commit
};

}  // namespace lsmlab
