#include "harness/run/conductor.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <tuple>

#include "harness/record/json.h"
#include "harness/run/child.h"
#include "harness/run/files.h"
#include "harness/run/interrupt.h"
#include "harness/run/progress.h"
#include "harness/run/run_store.h"
#include "variants/nearest.h"

namespace lsmlab::harness {
namespace {

namespace fs = std::filesystem;

using PhaseKey = std::tuple<std::string, std::string, std::string, uint32_t>;

class Conductor {
 public:
  Conductor(const Plan& plan, const ConductOptions& options)
      : plan_(plan),
        options_(options),
        plan_path_(options.directory + "/plan.json"),
        records_path_(options.directory + "/records.ndjson"),
        work_(options.directory + "/work") {}

  Result<ConductOutcome> Run() {
    LSMLAB_TRY(PrepareDirectory());
    LSMLAB_TRY(CheckRoom());
    std::vector<const RunSpec*> todo;
    for (const RunSpec& run : plan_.runs) {
      if (IsDone(run)) {
        ++outcome_.skipped;
      } else {
        todo.push_back(&run);
      }
    }
    WatchInterrupts();
    ProgressLine progress(todo.size());
    for (const RunSpec* run : todo) {
      if (InterruptFlag().load()) break;
      LSMLAB_TRY(DoRun(*run, progress));
    }
    outcome_.interrupted = InterruptFlag().load();
    LSMLAB_TRY(RemoveOwnDirectory(work_));
    return outcome_;
  }

 private:
  Status PrepareDirectory() {
    std::error_code error;
    const bool started = fs::exists(plan_path_, error) || fs::exists(records_path_, error);
    if (started && !options_.resume) {
      return Status::InvalidArgument(Shown(options_.directory) +
                                     ": holds results already; --resume "
                                     "finishes them, --out names another directory");
    }
    if (!started && options_.resume) {
      return Status::NotFound(Shown(options_.directory) + ": nothing to resume (no plan.json)");
    }
    if (started) {
      LSMLAB_TRY(CheckSamePlan());
      return ReadDone();
    }
    LSMLAB_TRY(MakeDirectories(options_.directory));
    return WriteWholeFile(plan_path_, PlanText(plan_.experiment, plan_.hash, plan_.runs));
  }

  Status CheckSamePlan() {
    Result<std::string> text = ReadWholeFile(plan_path_, size_t{256} << 20);
    if (!text.ok()) return text.status();
    const Result<std::string> hash = PlanHashOf(text.value());
    if (!hash.ok())
      return Status::Corruption(plan_path_ + ": " + std::string(hash.status().message()));
    if (hash.value() == plan_.hash) return {};
    return Status::InvalidArgument(Shown(plan_path_) +
                                   ": is of another plan (the experiment or its "
                                   "presets have changed since); --out names another directory");
  }

  // Complete records only: what was interrupted or failed is done again.
  Status ReadDone() {
    std::ifstream file(records_path_);
    size_t number = 0;
    for (std::string line; std::getline(file, line);) {
      ++number;
      if (line.empty()) continue;
      const Result<RecordSummary> summary = SummarizeLine(line);
      if (!summary.ok()) {
        if (file.eof()) return CutOff(line.size());  // a line that was being written at a crash
        return Status::Corruption(records_path_ + ":" + std::to_string(number) + ": " +
                                  std::string(summary.status().message()));
      }
      const RecordSummary& s = summary.value();
      if (s.complete) done_.insert({s.variant, s.workload, s.phase, s.block});
    }
    return {};
  }

  Status CutOff(size_t bytes) const {
    std::error_code error;
    fs::resize_file(records_path_, fs::file_size(records_path_, error) - bytes, error);
    return error ? Status::IoError(records_path_ + ": " + error.message()) : Status();
  }

  bool HasPhase(const RunSpec& run, const std::string& phase) const {
    const RunIdentity& id = run.identity;
    return done_.count({id.variant, id.workload, phase, id.block}) != 0;
  }
  bool IsDone(const RunSpec& run) const {
    return (!run.load || HasPhase(run, "load")) && (!run.run || HasPhase(run, "run"));
  }

  // A store may need three times its user bytes while it compacts.
  Status CheckRoom() const {
    const uint64_t free = FreeDiskBytes(options_.directory);
    uint64_t needed = 0;
    if (__builtin_mul_overflow(plan_.largest_store_bytes, 3, &needed)) needed = UINT64_MAX;
    if (free == 0 || needed <= free) return {};
    return Status::NoSpace(Shown(options_.directory) + ": " +
                           ShortCount(static_cast<double>(free)) +
                           " bytes free, the largest workload may need " +
                           ShortCount(static_cast<double>(needed)) + " (three times its records)");
  }

  Status DoRun(const RunSpec& planned, ProgressLine& progress) {
    RunSpec run = planned;
    LSMLAB_TRY(RemoveOwnDirectory(work_));
    LSMLAB_TRY(MakeDirectories(work_));
    run.directory = work_ + "/" + fs::path(planned.directory).filename().string();
    ChildOptions child;
    child.spec_path = work_ + "/spec.json";
    child.records_path = work_ + "/records.ndjson";
    child.timeout_seconds = plan_.timeout_seconds;
    child.on_progress = [&](const std::string& phase, const PhaseProgress& p) {
      progress.Update(phase, p);
    };
    progress.StartRun(run.identity);
    Result<ChildOutcome> outcome = RunInChild(run, child);
    if (!outcome.ok()) return outcome.status();
    LSMLAB_TRY(KeepRecords(run, outcome.value()));
    const std::string& error = outcome.value().error;
    progress.FinishRun(error.empty() ? "ok" : error);
    if (error.empty()) {
      ++outcome_.done;
    } else {
      ++outcome_.failed;
    }
    return {};
  }

  // What the child has measured, and for a phase that it did not reach a record that says why. A
  // phase that an earlier, interrupted run has completed is not repeated in the records.
  Status KeepRecords(const RunSpec& run, const ChildOutcome& outcome) {
    std::set<std::string> seen;
    for (const std::string& line : outcome.lines) {
      const std::string phase = SummarizeLine(line).value().phase;
      seen.insert(phase);
      if (!HasPhase(run, phase)) LSMLAB_TRY(AppendLine(records_path_, line));
    }
    for (const std::string phase : {"load", "run"}) {
      const bool wanted = phase == "load" ? run.load : run.run;
      if (!wanted || seen.count(phase) != 0 || HasPhase(run, phase)) continue;
      RunRecord record;
      record.identity = run.identity;
      record.phase = phase;
      record.error = outcome.error.empty() ? "the run's process left no record" : outcome.error;
      record.started_at = UtcTimestamp();
      record.config = run.config;
      record.config_hash = ConfigHash(run.config);
      LSMLAB_TRY(AppendLine(records_path_, RecordLine(record, FindProvenance(options_.directory))));
    }
    return {};
  }

  const Plan& plan_;
  const ConductOptions& options_;
  const std::string plan_path_, records_path_, work_;
  std::set<PhaseKey> done_;
  ConductOutcome outcome_;
};

}  // namespace

Result<ConductOutcome> Conduct(const Plan& plan, const ConductOptions& options) {
  return Conductor(plan, options).Run();
}

}  // namespace lsmlab::harness
