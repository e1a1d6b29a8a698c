#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "harness/run/run_spec.h"

namespace lsmlab::harness {

// Hears how a run goes. Called from one thread at a time.
struct RunListener {
  std::function<void(const std::string& phase, const PhaseProgress& progress)> on_progress;
  std::function<void(RunRecord record)> on_record;  // one per phase, in order
};

// Does the run in this process: opens the store, loads, drains, warms up, runs, closes. Every phase
// of the spec gives one record, also when it failed or was interrupted (then incomplete). The
// returned Status is the first failure; `stop`, set from outside, ends the run early.
Status ExecuteRun(const RunSpec& spec, const std::atomic<bool>& stop, const RunListener& listener);

}  // namespace lsmlab::harness
