#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/simulate/entry_costs.h"
#include "harness/simulate/sim_tree.h"

// What a simulation reports.
namespace lsmlab::harness {

struct LevelFigures {
  double bytes = 0, target_bytes = 0, tables = 0, runs = 0, entries = 0;
  double coverage = 0;                       // runs that hold the place of a random key
  double written_bytes = 0, read_bytes = 0;  // by flushes and compactions since the beginning
};

// Sums since the beginning.
struct SimTotals {
  double user_bytes = 0, time_s = 0;
  double flushes = 0, compactions = 0, moves = 0, drops = 0;
  double stall_memtable_s = 0, stall_debt_s = 0, slowdown_s = 0;
  double level0_runs_most = 0, pressure_most = 0;
  double longest_job_s = 0, largest_job_bytes = 0;  // bytes read
};

// One moment of a simulation.
struct SimSample {
  std::string_view phase;  // "load" or "write"
  bool drained = false;    // nothing is owed
  SimTotals totals;
  double pressure = 0;  // of the policy: 1 slows writers down, 2 stops them
  std::vector<LevelFigures> levels;
  double live_bytes = 0;     // keys and values that exist, as the user counts
  double missing_reads = 0;  // blocks read by a Get of a missing key; index and filter in memory
  double present_reads = 0;  // of a key that exists, whichever

  double table_bytes() const noexcept;
  double seek_runs() const noexcept;  // runs that hold the place of a key: what a seek looks at
  double written_bytes() const noexcept;
  double write_amplification() const noexcept;  // 0 before the first write
  double space_amplification() const noexcept;  // 0 in an empty store
};

// Chance, by level, that a table is read for a key that it does not hold.
std::vector<double> FalsePositivesOf(const std::vector<LevelFigures>& levels,
                                     const EntryCosts& costs);
// Blocks that a Get of a missing key reads in vain.
double MissingReads(const std::vector<LevelFigures>& levels, const EntryCosts& costs);

// Levels (but not what was written and read), live_bytes and what reads cost.
void LookAtTree(const SimTree& tree, const ContentModel& model, const EntryCosts& costs,
                double put_bytes, SimSample* sample);

}  // namespace lsmlab::harness
