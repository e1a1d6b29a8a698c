#pragma once

#include <functional>
#include <string>

#include "engine/base/status.h"
#include "harness/driver/phase.h"
#include "harness/run/run_spec.h"

namespace lsmlab::harness {

// A run in a process of its own: the program starts itself again with the hidden command `child`,
// hands it the spec through a file and hears its progress through a pipe. So no run inherits
// memory, caches or threads of another, and a crash of one leaves the plan alive.
struct ChildOptions {
  std::string spec_path;     // written by the parent, removed by nobody
  std::string records_path;  // written by the child: one line per phase
  double timeout_seconds = 0;
  std::function<void(const std::string& phase, const PhaseProgress& progress)> on_progress;
};

struct ChildOutcome {
  bool interrupted = false;        // the user stopped it
  std::string error;               // empty: it did all it was asked
  std::vector<std::string> lines;  // records as they came
};

// Blocks until the child has ended. InterruptFlag() is passed on to it.
Result<ChildOutcome> RunInChild(const RunSpec& spec, const ChildOptions& options);

// The child's side; the exit code.
int ChildMain(const std::string& spec_path, const std::string& records_path);

}  // namespace lsmlab::harness
