#pragma once

#include <string>

#include "engine/base/status.h"
#include "harness/experiment/plan.h"

namespace lsmlab::harness {

struct ConductOptions {
  std::string directory;  // of the results: plan.json, records.ndjson, work/
  bool resume = false;    // do only what has no complete record yet
};

struct ConductOutcome {
  size_t done = 0, skipped = 0, failed = 0;
  bool interrupted = false;
};

// Does the runs of a plan one after the other, each in a process and a directory of its own, and
// appends their records. A failed run leaves its incomplete record and the rest goes on; an
// interrupt ends the plan. Errors: a result directory that is of another plan or cannot be written,
// too little room on the disk.
Result<ConductOutcome> Conduct(const Plan& plan, const ConductOptions& options);

}  // namespace lsmlab::harness
