#include <algorithm>
#include <deque>
#include <utility>

#include "engine/format/version_fold.h"
#include "engine/tree/merging_iterator.h"
#include "engine/tree/output_cut.h"
#include "engine/tree/run_iterator.h"
#include "engine/tree/step_work.h"
#include "engine/tree/table_output.h"
#include "engine/tree/tree.h"
#include "engine/tree/value_output.h"

// Compaction: carries out one plan of the policy.
namespace lsmlab {
namespace {

bool IsInput(const CompactionPlan& plan, uint64_t file) {
  return std::find(plan.inputs.begin(), plan.inputs.end(), file) != plan.inputs.end();
}

// The inputs as runs, in the order of the version. Index by run keeps ordered tables together.
std::deque<Run> InputRuns(const CompactionPlan& plan, const Version& version) {
  std::deque<Run> runs;
  for (const std::vector<Run>& level : version.levels()) {
    for (const Run& run : level) {
      Run chosen;
      chosen.number = run.number;
      for (TableHandle* table : run.tables) {
        if (IsInput(plan, table->entry().file)) chosen.tables.push_back(table);
      }
      if (chosen.tables.empty()) continue;
      chosen.BuildIndex();
      runs.push_back(std::move(chosen));
    }
  }
  return runs;
}

// The tree as it will be with the plan's outputs, if nothing were merged away.
std::vector<LevelFill> FillAfter(const CompactionPlan& plan, const Version& version) {
  std::vector<LevelFill> fill(version.levels().size());
  uint64_t merged = 0;
  bool joins = false;
  for (size_t level = 0; level < version.levels().size(); ++level) {
    for (const Run& run : version.levels()[level]) {
      uint64_t left = 0;
      for (const TableHandle* table : run.tables) {
        const TableEntry& entry = table->entry();
        (IsInput(plan, entry.file) ? merged : left) += entry.entries;
      }
      if (left == 0) continue;
      fill[level].entries += left;
      ++fill[level].runs;
      joins |= level == plan.output_level && run.number == plan.output_run;
    }
  }
  fill[plan.output_level].entries += merged;
  fill[plan.output_level].runs += joins ? 0 : 1;
  return fill;
}

// The keys that `rule` ends outputs at: the first ones of the tables below the output level,
// rising, or the last ones of the inputs, which are one run.
std::vector<std::string> BoundariesOf(CompactionPlan::Cut rule, const CompactionPlan& plan,
                                      const Version& version, const std::deque<Run>& inputs) {
  std::vector<std::string> keys;
  if (rule == CompactionPlan::Cut::kInPlace) {
    LSMLAB_ASSERT(inputs.size() == 1);
    for (const TableHandle* table : inputs.front().tables) {
      keys.push_back(table->entry().largest_key);
    }
  } else if (rule == CompactionPlan::Cut::kAligned &&
             plan.output_level + 1 < version.levels().size()) {
    for (const Run& run : version.levels()[plan.output_level + 1]) {
      for (const TableHandle* table : run.tables) keys.push_back(table->entry().smallest_key);
    }
    std::sort(keys.begin(), keys.end());
  }
  return keys;
}

}  // namespace

// Everything that may hold older versions of keys in the inputs and is not an input itself.
class OlderData {
 public:
  OlderData(const CompactionPlan& plan, const Version& version) {
    for (size_t level = plan.output_level; level < version.levels().size(); ++level) {
      for (const Run& run : version.levels()[level]) {
        Run others;
        for (TableHandle* table : run.tables) {
          if (!IsInput(plan, table->entry().file)) others.tables.push_back(table);
        }
        if (others.tables.empty()) continue;
        others.BuildIndex();
        runs_.push_back(std::move(others));
      }
    }
  }
  bool MayHold(Slice key) const noexcept {
    for (const Run& run : runs_) {
      if (run.FindHolder(key) != run.tables.size()) return true;
    }
    return false;
  }

 private:
  std::vector<Run> runs_;
};

namespace {

// Whether the block that the merge has entered last was in the cache. What it becomes is worth
// keeping there, or every compaction would cost the readers their cache.
class Warmth {
 public:
  explicit Warmth(const TableReadCounters& blocks) noexcept : blocks_(blocks) {}
  bool Changed() noexcept {
    const bool missed = blocks_.cache_misses != misses_;
    const bool hit = blocks_.cache_hits != hits_;
    if (!missed && !hit) return false;
    misses_ = blocks_.cache_misses;
    hits_ = blocks_.cache_hits;
    const bool before = std::exchange(warm_, !missed);
    return before != warm_;
  }
  bool warm() const noexcept { return warm_; }

 private:
  const TableReadCounters& blocks_;
  uint32_t misses_ = 0, hits_ = 0;
  bool warm_ = false;
};

// The ranges of keys in which deletes are lost in the inputs, for a walk over rising keys.
class LostDeletes {
 public:
  explicit LostDeletes(const std::deque<Run>& inputs) {
    for (const Run& run : inputs) {
      for (const TableHandle* table : run.tables) {
        const TableProperties& p = table->table().properties();
        if (p.lost_deletes) ranges_.emplace_back(p.first_lost_key, p.last_lost_key);
      }
    }
    std::sort(ranges_.begin(), ranges_.end());
  }
  // REQUIRES: no smaller key than that of the call before.
  bool MayHold(Slice key) noexcept {
    for (; begun_ < ranges_.size() && ranges_[begun_].first <= key; ++begun_) {
      last_ = std::max(last_, ranges_[begun_].second);
    }
    return begun_ > 0 && key <= last_;
  }

 private:
  std::vector<std::pair<Slice, Slice>> ranges_;  // the tables' own keys
  size_t begun_ = 0;                             // of them
  Slice last_;                                   // key of any of those
};

StoreEvent::Kind EventOf(CompactionPlan::Kind kind) noexcept {
  switch (kind) {
    case CompactionPlan::Kind::kMove:
      return StoreEvent::Kind::kMove;
    case CompactionPlan::Kind::kDrop:
      return StoreEvent::Kind::kDrop;
    default:
      return StoreEvent::Kind::kCompaction;
  }
}

Catalog::JobKind JobOf(CompactionPlan::Kind kind) noexcept {
  switch (kind) {
    case CompactionPlan::Kind::kMove:
      return Catalog::JobKind::kMove;
    case CompactionPlan::Kind::kDrop:
      return Catalog::JobKind::kDrop;
    default:
      return Catalog::JobKind::kCompaction;
  }
}

}  // namespace

// Owns one reference to `version`, whose tables it reads. Clears the marks of its inputs.
Task<void> Tree::CompactionTask(CompactionPlan plan, Version* version) {
  StoreEvent event;
  event.start_ns = NowNanos();
  event.shard = env_.shard;
  event.cause = std::string(plan.cause);
  Status status = co_await RunPlan(plan, version, &event);
  event.end_ns = NowNanos();
  bool given_up = false;
  {
    std::lock_guard guard(mutex_);
    given_up = closing_ && status.code() == StatusCode::kAborted;
  }
  if (status.ok()) env_.events->Add(std::move(event));
  // Before it counts as ended: Close, which waits for that, must not miss it.
  if (!status.ok() && !given_up) SetBackgroundError(std::move(status), Severity::kMayRetry);
  {
    std::lock_guard guard(mutex_);
    MarkInputs(plan, *version, false);
    UpdatePressureLocked();
  }
  version->Unref();
  EpochCollect();
  // Writers that wait for room need not wait until old files are gone; who drains does.
  background_event_.Notify();
  co_await UnlinkDoomed(Priority::kCompaction);
  {
    std::lock_guard guard(mutex_);
    --compactions_running_;
  }
  EndJob();
}

Task<Status> Tree::RunPlan(const CompactionPlan& plan, Version* version, StoreEvent* event) {
  const bool move = plan.kind == CompactionPlan::Kind::kMove;
  event->kind = EventOf(plan.kind);
  event->output_level = plan.output_level;
  event->input_level = plan.output_level;
  const uint64_t job = catalog_->BeginJob(plan.inputs, JobOf(plan.kind));
  VersionEdit edit;
  if (!plan.next_state.empty()) edit.policy_state = plan.next_state;
  for (const PlacedTable& placed : version->tables()) {
    const TableEntry& entry = placed.table->entry();
    if (!IsInput(plan, entry.file)) continue;
    event->input_level = std::min(event->input_level, placed.level);
    event->bytes_in += entry.bytes;
    edit.removed.push_back(RemovedTable{entry.file});
    if (move) {
      TableEntry moved = entry;
      moved.level = plan.output_level;
      moved.run = plan.output_run;
      edit.added.push_back(std::move(moved));
    }
  }
  if (plan.kind == CompactionPlan::Kind::kMerge) {
    co_return co_await Merge(plan, version, job, &edit, event);
  }
  env_.counters->Add(Counter::kTrivialMoves, move ? 1 : 0);
  co_return co_await CommitEdit(job, std::move(edit), nullptr, nullptr);
}

// What one merge reads, and what its outputs are told.
struct Tree::MergeInputs {
  MergeInputs(const CompactionPlan& plan, const Version& version)
      : runs(InputRuns(plan, version)), older(plan, version), lost_deletes(runs) {}
  // Whether a delete that was lost in the inputs stays so in the output that has taken the key.
  bool StaysLost(Slice key, bool for_snapshot) noexcept {
    return lost_deletes.MayHold(key) && (for_snapshot || older.MayHold(key));
  }
  std::deque<Run> runs;
  const OlderData older;
  LostDeletes lost_deletes;
  TableReadCounters blocks;
  MergeSources sources;
  TableBuildContext context;
  CompactionPlan::Cut cut = CompactionPlan::Cut::kBySize;
  std::vector<std::string> boundaries;
};

void Tree::PrepareMerge(const CompactionPlan& plan, const Version& version, MergeInputs* inputs) {
  Table::IteratorOptions read;
  read.fill_cache = false;
  read.site = IoSite::kCompactionRead;
  read.counters = &inputs->blocks;
  TableBuildContext& context = inputs->context;
  context.level = plan.output_level;
  context.reason = TableBuildContext::Reason::kCompaction;
  context.now_ns = WallNanos();
  context.last_level = true;
  context.level_bytes = version.LevelBytes();
  for (size_t level = plan.output_level + 1; level < context.level_bytes.size(); ++level) {
    if (context.level_bytes[level] > 0) context.last_level = false;
  }
  inputs->cut = plan.cut;
  if (align_outputs_ && plan.cut == CompactionPlan::Cut::kBySize) {
    inputs->cut = CompactionPlan::Cut::kAligned;
  }
  inputs->boundaries = BoundariesOf(inputs->cut, plan, version, inputs->runs);
  uint64_t input_bytes = 0;
  uint64_t input_entries = 0;
  for (const Run& run : inputs->runs) {
    inputs->sources.push_back(NewRunIterator(run, read));
    for (const TableHandle* table : run.tables) {
      input_bytes += table->entry().bytes;
      input_entries += table->entry().entries;
      const int64_t age = table->entry().oldest_tombstone_ns;
      if (age != 0 && (context.oldest_tombstone_ns == 0 || age < context.oldest_tombstone_ns)) {
        context.oldest_tombstone_ns = age;
      }
    }
  }
  context.filter_bits_per_key =
      filter_allocation_.BitsPerKey(plan.output_level, FillAfter(plan, version));
  // Keys of one output: its share of the inputs.
  if (input_bytes > 0) {
    const double share =
        static_cast<double>(plan.output_file_bytes) / static_cast<double>(input_bytes);
    context.expected_keys =
        share >= 1 ? input_entries
                   : static_cast<uint64_t>(static_cast<double>(input_entries) * share) + 1;
  }
}

// Everything that is to be kept, in order, into tables and value files.
Task<Status> Tree::MergeEntries(const CompactionPlan& plan, MergeInputs* inputs,
                                TableOutput* output, ValueMover* mover) {
  std::vector<Sequence> snapshots = env_.snapshots->All();
  VersionFold fold(std::move(snapshots));
  OutputCut cut(inputs->cut, plan.output_file_bytes, std::move(inputs->boundaries));
  auto merged = NewMergingIterator(std::move(inputs->sources));
  Warmth warmth(inputs->blocks);
  StepWork step(*env_.executor);
  uint64_t moved = 0;  // bytes of values, by the step before
  Status status = co_await merged->SeekToFirst();
  while (status.ok() && merged->valid()) {
    const Slice key = merged->key();
    Tag tag = merged->tag();
    const bool tombstone = TagKind(tag) == EntryKind::kDelete;
    if (fold.Keep(key, tag, tombstone && !inputs->older.MayHold(key))) {
      if (cut.EndsBefore(key, output->open() ? output->open_bytes() : 0) && output->open()) {
        LSMLAB_CO_TRY(co_await output->FinishTable(plan.output_run));
      }
      if (!output->open()) LSMLAB_CO_TRY(co_await output->Begin());
      if (cache_fill_ != CacheFill::kReads && warmth.Changed()) output->KeepBlocks(warmth.warm());
      Slice value = merged->value();
      if (mover->Concerns(tag, value)) LSMLAB_CO_TRY(co_await mover->Move(key, &tag, &value));
      LSMLAB_CO_TRY(output->Add(key, tag, value));
      cut.Took(key, output->open_bytes());
      if (inputs->StaysLost(key, fold.for_snapshot())) output->AddLostDelete();
      if (output->NeedsFlush()) LSMLAB_CO_TRY(co_await output->FlushPieces());
    }
    if (fold.lost_delete()) output->AddLostDelete();
    const uint64_t values = mover->bytes_moved() - std::exchange(moved, mover->bytes_moved());
    if (step.Add(merged->key().size() + merged->value().size() + values)) {
      co_await Yield(*env_.executor, Priority::kCompaction);
      std::lock_guard guard(mutex_);
      if (closing_) co_return Status::Aborted("the store is closing");
    }
    status = co_await merged->Next();
  }
  co_return status;
}

// `event` knows the bytes of the input tables.
Task<Status> Tree::Merge(const CompactionPlan& plan, Version* version, uint64_t job,
                         VersionEdit* edit, StoreEvent* event) {
  MergeInputs inputs(plan, *version);
  PrepareMerge(plan, *version, &inputs);
  TableOutput output(*this, std::move(inputs.context), IoSite::kCompactionWrite, job);
  ValueMover mover(*this, *version);
  Status status = co_await MergeEntries(plan, &inputs, &output, &mover);
  if (status.ok()) status = co_await CommitMerge(plan, job, edit, &output, &mover);
  co_await output.Settle();
  co_await mover.output().Settle();
  CounterCells& counters = env_.counters->Local();
  // Whatever came of the job.
  counters.Add(Counter::kValueGcBytes, mover.output().bytes());
  counters.Add(Counter::kValueGcBytesRead, mover.bytes_read());
  LSMLAB_CO_TRY(std::move(status));
  counters.Add(Counter::kCompactions, 1);
  counters.Add(Counter::kCompactionBytesRead, event->bytes_in);
  counters.Add(Counter::kCompactionBytesWritten, output.bytes());
  event->bytes_in += mover.bytes_read();
  event->bytes_out = output.bytes() + mover.output().bytes();
  co_return Status();
}

Task<Status> Tree::CommitMerge(const CompactionPlan& plan, uint64_t job, VersionEdit* edit,
                               TableOutput* output, ValueMover* mover) {
  LSMLAB_CO_TRY(co_await mover->output().Finish());
  LSMLAB_CO_TRY(co_await output->End(plan.output_run));
  edit->added = output->entries();
  co_return co_await CommitEdit(job, std::move(*edit), output, nullptr,
                                mover->output().TakeFiles());
}

}  // namespace lsmlab
