#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engine/composition.h"
#include "harness/simulate/entry_costs.h"
#include "harness/simulate/sim_figures.h"
#include "harness/simulate/sim_tree.h"
#include "harness/simulate/sim_workload.h"

namespace lsmlab::harness {

struct SimSetup {
  Composition composition;  // of which memtable and compaction count
  SimWorkload workload;
  EntryCosts costs;
};

// One tree under one workload, in simulated time, with the real compaction policy and without data.
// What the engine does is done in the same order by the same rules: a memtable is sealed when it is
// full or old, one flush runs at a time, a job's result is fixed when it begins and visible when it
// ends, the policy is asked whenever a job ends or a memtable is sealed, and where age makes
// something due; writers are slowed down and stopped by the pressure as of the last job's end. Jobs
// share the device's bandwidth evenly; without a limit of bandwidth they end at once.
// Deterministic. One user.
class Simulator {
 public:
  explicit Simulator(const SimSetup& setup);

  // The whole workload: load (if any), drained; then the writes, at whose end one sample is taken
  // before and one after everything owed is done. Aborted when writers stop for good, or the policy
  // breaks its contract.
  Status Run();
  const std::vector<SimSample>& samples() const noexcept { return samples_; }
  // The tree as it stands.
  const TreeShape& shape() const noexcept { return tree_.shape(); }

 private:
  struct SimMemtable {
    double writes = 0;
    double begun_s = 0;
    uint64_t log_number = 0;
    double first_position = 0;  // sequential: of the first key, in keys
    Sequence first_sequence = 0, last_sequence = 0;
    double wakes_s = 0;  // when its age is looked at
  };
  struct Job {
    bool flush = false;
    CompactionPlan plan;
    SimTree::Edit edit;
    double bytes_in = 0, bytes_out = 0, begun_s = 0;
    double done = 0;  // 0 to 1
    RunningJobShape shape;
  };
  struct NextEvent {
    enum class Kind : uint8_t { kNone, kJob, kTick, kAge } kind = Kind::kNone;
    double after_s = 0;
    size_t job = 0;
  };

  Status WritePhase(std::string_view phase, double writes, double samples);
  Status Drain();
  double WriterRate() const;
  double WritesPerMemtable() const;
  void Fill(double writes, double seconds);
  Status RotateWhenAllowed();
  bool MustStop() const noexcept;
  void Rotate();
  NextEvent FindNextEvent(double within_s) const;
  double FirstTickOfUse(double within_s) const;
  Status HandleEvent(const NextEvent& event);
  double SpeedOf(const Job& job) const;
  void Advance(double seconds);
  Status Schedule();
  int64_t now_ns() const noexcept;
  void ShowShape();
  void UpdatePressure();
  void AddSample(bool drained);
  // sim_jobs.cc
  void StartFlush();
  Status StartCompaction(CompactionPlan plan);
  Status CheckPlan(const CompactionPlan& plan) const;
  void PlanMerge(Job* job);
  void PlanMove(Job* job);
  void AddOutput(Job* job, const MergedTable& merged, const StoredEntry& cost, uint32_t level,
                 uint32_t run);
  ContentRange MemtableRange(const SimMemtable& memtable);
  void EndJob(size_t index);

  const SimSetup setup_;
  const std::unique_ptr<CompactionPolicy> policy_;
  const ContentModel model_;
  SimTree tree_;
  Random random_;
  // Settings of the memtable.
  const double memtable_bytes_, memtable_age_s_, memtable_smallest_;
  const size_t sealed_max_;

  bool loading_ = false;
  std::string_view phase_;
  SimMemtable memtable_;
  std::deque<SimMemtable> sealed_;  // oldest first
  std::vector<Job> jobs_;
  bool flush_running_ = false;
  uint32_t compactions_running_ = 0;
  std::string policy_state_;
  double pressure_ = 0;
  double tick_s_ = 0, next_tick_s_ = 0;  // how often the policy asks for being asked; 0: never
  double position_ = 0;                  // sequential: of the next key, in keys
  uint64_t next_file_ = 1;
  double writes_ = 0;  // given out so far: sequence numbers
  SimTotals totals_;
  std::vector<double> written_by_level_, read_by_level_;
  std::vector<SimSample> samples_;
};

}  // namespace lsmlab::harness
