#include <algorithm>
#include <cmath>

#include "harness/simulate/simulator.h"

// Flushes and compactions of the simulator: what they give is worked out when they begin, as
// flush.cc and compaction.cc of the engine read a fixed version.
namespace lsmlab::harness {
namespace {

uint64_t ToWhole(double value) { return static_cast<uint64_t>(std::llround(value)); }

// The place of a key, as a position.
uint64_t PositionOf(double key, double keys) {
  return static_cast<uint64_t>(std::clamp(key / keys, 0.0, 1.0) *
                               static_cast<double>(kKeySpaceEnd));
}

// `oldest_ns`: of the deletes that it was made of.
void SetOldestDelete(int64_t oldest_ns, SimTable* table, TableShape* shape) {
  const bool lost = !table->range.lost_deletes.empty();
  table->oldest_delete_ns = lost || table->range.content.deletes > 0 ? oldest_ns : 0;
  shape->oldest_tombstone_ns = lost || shape->tombstones > 0 ? oldest_ns : 0;
}

// The entries of an output come from the inputs that it overlaps.
void TakeSequences(const std::vector<const TableShape*>& inputs, SimTree::Edit* edit) {
  for (TableShape& output : edit->shapes) output.min_sequence = kMaxSequence;
  for (const TableShape* input : inputs) {
    size_t i = 0;
    const auto behind = std::partition_point(
        edit->added.begin(), edit->added.end(),
        [&](const SimTable& table) { return KeyAt(table.range.end - 1) < input->smallest_key; });
    for (i = static_cast<size_t>(behind - edit->added.begin()); i < edit->added.size(); ++i) {
      if (KeyAt(edit->added[i].range.begin) > input->largest_key) break;
      TableShape& output = edit->shapes[i];
      output.min_sequence = std::min(output.min_sequence, input->min_sequence);
      output.max_sequence = std::max(output.max_sequence, input->max_sequence);
    }
  }
}

}  // namespace

ContentRange Simulator::MemtableRange(const SimMemtable& memtable) {
  const SimWorkload& w = setup_.workload;
  ContentRange range{0, kKeySpaceEnd, {}, {}};
  const bool stretch = w.order == SimWorkload::Order::kSequential && memtable.writes < w.keys;
  if (stretch) {
    range.begin = PositionOf(memtable.first_position, w.keys);
    range.end = PositionOf(memtable.first_position + memtable.writes, w.keys);
    range.end = std::max(range.end, range.begin + 1);
  } else {
    // The first and last key are somewhat off the ends.
    const double gap = static_cast<double>(kKeySpaceEnd) / (2 + memtable.writes);
    range.begin += static_cast<uint64_t>(random_.NextDouble() * gap);
    range.end -= static_cast<uint64_t>(random_.NextDouble() * gap);
  }
  // All that was written lies within the range.
  const double share =
      static_cast<double>(range.end - range.begin) / static_cast<double>(kKeySpaceEnd);
  if (loading_) {
    range.content.loaded = stretch ? 1 : std::min(1.0, memtable.writes / w.keys / share);
    return range;
  }
  const bool all = w.order == SimWorkload::Order::kSequential;
  range.content.draws = all ? model_.popularity().draws_of_all() : memtable.writes / share;
  if (w.delete_share > 0) range.content.deletes = range.content.draws;
  return range;
}

void Simulator::StartFlush() {
  const SimMemtable& memtable = sealed_.front();
  flush_running_ = true;
  Job job;
  job.flush = true;
  job.begun_s = totals_.time_s;
  MergedTable table;
  table.range = MemtableRange(memtable);
  ContentRange& range = table.range;
  if (tree_.empty()) range.content.deletes = 0;
  const double share =
      static_cast<double>(range.end - range.begin) / static_cast<double>(kKeySpaceEnd);
  table.puts = share * model_.Puts(range.content);
  table.tombstones = share * model_.Tombstones(range.content);
  range.lost_deletes =
      StretchOfKeys(share * model_.LostDeletes(range.content), {range.begin, range.end});
  job.bytes_in = memtable.writes / WritesPerMemtable() * memtable_bytes_;
  if (table.puts + table.tombstones >= 0.5) {
    AddOutput(&job, table, setup_.costs.At(0, tree_.empty()), 0,
              static_cast<uint32_t>(memtable.log_number));
    TableShape& shape = job.edit.shapes.back();
    shape.min_sequence = memtable.first_sequence;
    shape.max_sequence = memtable.last_sequence;
    const int64_t begun_ns =
        now_ns() - static_cast<int64_t>((totals_.time_s - memtable.begun_s) * 1e9);
    SetOldestDelete(begun_ns, &job.edit.added.back(), &shape);
  }
  jobs_.push_back(std::move(job));
}

void Simulator::AddOutput(Job* job, const MergedTable& merged, const StoredEntry& cost,
                          uint32_t level, uint32_t run) {
  SimTable table{next_file_++, level, run, merged.range, 0};
  TableShape shape;
  shape.bytes =
      std::max<uint64_t>(1, ToWhole(merged.puts * cost.put + merged.tombstones * cost.tombstone));
  shape.entries = std::max<uint64_t>(1, ToWhole(merged.puts + merged.tombstones));
  shape.tombstones = std::min(shape.entries, ToWhole(merged.tombstones));
  shape.created_ns = now_ns();
  job->bytes_out += static_cast<double>(shape.bytes);
  job->edit.added.push_back(table);
  job->edit.shapes.push_back(std::move(shape));
}

Status Simulator::CheckPlan(const CompactionPlan& plan) const {
  const char* wrong = nullptr;
  if (plan.inputs.empty()) wrong = "has no inputs";
  if (plan.output_level >= tree_.shape().levels.size()) wrong = "names a level that does not exist";
  for (const uint64_t file : plan.inputs) {
    const SimTable* table = tree_.Find(file);
    if (table == nullptr) {
      wrong = "names a table that does not exist";
    } else if (tree_.ShapeOf(*table).being_compacted) {
      wrong = "names a table that another job has";
    }
  }
  if (wrong == nullptr) return {};
  return Status::Aborted("the simulation: a plan of the compaction policy (" +
                         std::string(plan.cause) + ") " + wrong);
}

Status Simulator::StartCompaction(CompactionPlan plan) {
  LSMLAB_TRY(CheckPlan(plan));
  std::sort(plan.inputs.begin(), plan.inputs.end());
  Job job;
  job.plan = std::move(plan);
  job.begun_s = totals_.time_s;
  job.shape.output_level = job.shape.input_level = job.plan.output_level;
  for (const uint64_t file : job.plan.inputs) {
    const SimTable& table = *tree_.Find(file);
    job.shape.input_level = std::min(job.shape.input_level, table.level);
    job.shape.input_bytes += tree_.ShapeOf(table).bytes;
  }
  job.edit.removed = job.plan.inputs;
  if (job.plan.kind == CompactionPlan::Kind::kMerge) PlanMerge(&job);
  if (job.plan.kind == CompactionPlan::Kind::kMove) PlanMove(&job);
  // Jobs side by side build on each other's.
  if (!job.plan.next_state.empty()) policy_state_ = job.plan.next_state;
  tree_.MarkCompacted(job.plan.inputs, true);
  ++compactions_running_;
  jobs_.push_back(std::move(job));
  return {};
}

void Simulator::PlanMove(Job* job) {
  std::vector<SimTable> tables;
  for (const uint64_t file : job->plan.inputs) tables.push_back(*tree_.Find(file));
  std::sort(tables.begin(), tables.end(),
            [](const SimTable& a, const SimTable& b) { return a.range.begin < b.range.begin; });
  for (SimTable& table : tables) {
    job->edit.shapes.push_back(tree_.ShapeOf(table));
    table.level = job->plan.output_level;
    table.run = job->plan.output_run;
    job->edit.added.push_back(table);
  }
}

void Simulator::PlanMerge(Job* job) {
  const CompactionPlan& plan = job->plan;
  std::vector<ContentRange> ranges;
  std::vector<const TableShape*> shapes;
  int64_t oldest_delete_ns = 0;
  uint64_t begin = kKeySpaceEnd, end = 0;
  for (const uint64_t file : plan.inputs) {
    const SimTable& table = *tree_.Find(file);
    const TableShape& shape = tree_.ShapeOf(table);
    ranges.push_back(table.range);
    shapes.push_back(&shape);
    begin = std::min(begin, table.range.begin);
    end = std::max(end, table.range.end);
    job->bytes_in += static_cast<double>(shape.bytes);
    const int64_t oldest = table.oldest_delete_ns;
    if (oldest != 0 && (oldest_delete_ns == 0 || oldest < oldest_delete_ns)) {
      oldest_delete_ns = oldest;
    }
    read_by_level_[table.level] += static_cast<double>(shape.bytes);
  }
  std::vector<ContentRange> older;
  if (model_.delete_share() > 0) {
    older = tree_.OlderThan(plan.output_level, begin, end, plan.inputs);
  }
  const StoredEntry& cost =
      setup_.costs.At(plan.output_level, !tree_.HoldsDataBelow(plan.output_level));
  const CutRule cut{static_cast<double>(plan.output_file_bytes), cost.put * cost.counted_share,
                    cost.tombstone * cost.counted_share};
  for (const MergedTable& merged : MergeContents(model_, ranges, older, cut, random_)) {
    AddOutput(job, merged, cost, plan.output_level, plan.output_run);
  }
  TakeSequences(shapes, &job->edit);
  for (size_t i = 0; i < job->edit.added.size(); ++i) {
    SetOldestDelete(oldest_delete_ns, &job->edit.added[i], &job->edit.shapes[i]);
  }
}

// Commits the job's result.
void Simulator::EndJob(size_t index) {
  Job job = std::move(jobs_[index]);
  jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(index));
  totals_.longest_job_s = std::max(totals_.longest_job_s, totals_.time_s - job.begun_s);
  if (job.flush) {
    flush_running_ = false;
    sealed_.pop_front();
    ++totals_.flushes;
    written_by_level_[0] += job.bytes_out;
    tree_.Apply(std::move(job.edit));
    totals_.level0_runs_most = std::max(totals_.level0_runs_most,
                                        static_cast<double>(tree_.shape().levels[0].runs.size()));
    return;
  }
  --compactions_running_;
  switch (job.plan.kind) {
    case CompactionPlan::Kind::kMerge:
      ++totals_.compactions;
      written_by_level_[job.plan.output_level] += job.bytes_out;
      totals_.largest_job_bytes = std::max(totals_.largest_job_bytes, job.bytes_in);
      break;
    case CompactionPlan::Kind::kMove:
      ++totals_.moves;
      break;
    case CompactionPlan::Kind::kDrop:
      ++totals_.drops;
      break;
  }
  tree_.Apply(std::move(job.edit));
}

}  // namespace lsmlab::harness
