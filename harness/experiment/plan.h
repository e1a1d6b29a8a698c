#pragma once

#include <string>
#include <vector>

#include "harness/experiment/experiment.h"
#include "harness/peers/engines.h"
#include "harness/run/run_spec.h"

namespace lsmlab::harness {

// One row of the comparison, resolved and checked.
struct PlannedRow {
  std::string name;
  EngineSetup setup;
  TextMap cell;                             // what differs from the base row
  std::vector<std::string> compared_parts;  // the parts that do
};

struct PlanOptions {
  std::string directory;  // stores go below it; every run has one of its own
  bool smoke = false;  // one repetition, few records and operations, no bars: does it work at all?
  std::vector<Assignment> overrides;  // from the command line
};

// The validated plan: every run, in the order in which they are to be done.
struct Plan {
  std::string experiment, question, base;
  std::vector<PlannedRow> rows;
  std::vector<RunSpec> runs;
  double timeout_seconds = 0;
  uint64_t largest_store_bytes = 0;  // user bytes after the load of the largest workload
  uint64_t kept_store_bytes = 0;     // user bytes of the loads that a block keeps to copy them
  std::string hash;                  // over everything above that shapes a figure
};

// Composes every row, opens every workload, crosses them and lays the repetitions out: interleaved
// means that each block holds every row once per workload, in an order drawn from the seed, so that
// slow drifts of the machine fall on all rows alike. With copied loads a block begins with one run
// per row and load class that only loads, under the name of the class's first workload; the others
// only run, on copies of these stores. Errors name file and line.
Result<Plan> MakePlan(const Experiment& experiment, const PlanOptions& options);

// The base row's name for an experiment: a preset's file name or a row.
std::string RowNameOfPreset(const std::string& preset);

// What differs between two configurations: settings of `other` with another or no value in `base`.
TextMap Difference(const ConfigMap& base, const ConfigMap& other);

}  // namespace lsmlab::harness
