#include "harness/run/conductor.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <tuple>

#include "harness/peers/engines.h"
#include "harness/record/json.h"
#include "harness/run/child.h"
#include "harness/run/files.h"
#include "harness/run/interrupt.h"
#include "harness/run/progress.h"
#include "harness/run/run_store.h"
#include "harness/run/touch_memory.h"
#include "variants/nearest.h"

namespace lsmlab::harness {
namespace {

namespace fs = std::filesystem;

using PhaseKey = std::tuple<std::string, std::string, std::string, uint32_t>;

// The path, or what of it exists: the nearest directory above.
std::string ExistingPart(const std::string& path) {
  std::error_code error;
  fs::path part = fs::absolute(path, error);
  while (!fs::exists(part, error) && part.has_relative_path()) part = part.parent_path();
  return part.string();
}

class Conductor {
 public:
  Conductor(const Plan& plan, const ConductOptions& options)
      : plan_(plan),
        options_(options),
        plan_path_(options.directory + "/plan.json"),
        records_path_(options.directory + "/records.ndjson"),
        work_(options.directory + "/work") {}

  Result<ConductOutcome> Run() {
    const Result<bool> started = ReadEarlier();
    if (!started.ok()) return started.status();
    LSMLAB_TRY(CheckRoom());
    if (!started.value()) LSMLAB_TRY(Begin());
    for (const RunSpec& run : plan_.runs) {
      if (!run.copies.empty() && !IsDone(run)) to_copy_.insert(run.copies);
    }
    std::vector<const RunSpec*> todo;
    for (const RunSpec& run : plan_.runs) {
      if (IsDone(run) && to_copy_.count(StoreName(run)) == 0) {
        ++outcome_.skipped;
      } else {
        todo.push_back(&run);
      }
    }
    WatchInterrupts();
    ProgressLine progress(todo.size());
    for (const RunSpec* run : todo) {
      if (InterruptFlag().load()) break;
      LSMLAB_TRY(EnterBlock(run->identity.block));
      LSMLAB_TRY(DoRun(*run, progress));
    }
    outcome_.interrupted = InterruptFlag().load();
    LSMLAB_TRY(RemoveOwnDirectory(work_));
    return outcome_;
  }

 private:
  // Whether the directory holds results, which are then to be gone on with. Makes nothing: what is
  // refused must leave no plan.json, which would be taken for results the next time, and leave
  // results as they were.
  Result<bool> ReadEarlier() {
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
      const Result<size_t> torn = ReadDone();
      if (!torn.ok()) return torn.status();
      LSMLAB_TRY(CheckSamePlan());
      if (torn.value() > 0) LSMLAB_TRY(CutOff(torn.value()));
    }
    return started;
  }

  Status Begin() {
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
    return Status::InvalidArgument(
        Shown(plan_path_) + ": is of another plan, " + Shown(hash.value()) + ", here " +
        plan_.hash +
        " (the experiment, its presets, its workload files or the "
        "command line have changed since); --out names another directory");
  }

  // Complete records only: what was interrupted or failed is done again. All must be of this build:
  // blocks of two builds would be averaged as if they were of one. Gives the size of a last line
  // that was being written at a crash.
  Result<size_t> ReadDone() {
    const Provenance here = FindProvenance(options_.directory);
    std::ifstream file(records_path_);
    size_t number = 0;
    for (std::string line; std::getline(file, line);) {
      ++number;
      if (line.empty()) continue;
      if (file.eof()) return line.size();  // without its newline
      const Result<RecordSummary> summary = SummarizeLine(line);
      if (!summary.ok()) {
        return Status::Corruption(records_path_ + ":" + std::to_string(number) + ": " +
                                  std::string(summary.status().message()));
      }
      const RecordSummary& s = summary.value();
      if (!s.complete) continue;
      const std::string difference = BuildDifference(s.build, here);
      if (!difference.empty()) {
        return Status::InvalidArgument(Shown(records_path_) + ":" + std::to_string(number) +
                                       ": is of another build: " + difference +
                                       "; --out names another directory");
      }
      done_.insert({s.variant, s.workload, s.phase, s.block});
    }
    return size_t{0};
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

  static std::string StoreName(const RunSpec& run) {
    return fs::path(run.directory).filename().string();
  }

  // A store may need three times its user bytes while it compacts. One that is kept holds each
  // record once; half as much again is for keys in indexes, filters and logs.
  Status CheckRoom() const {
    const uint64_t free = FreeDiskBytes(ExistingPart(options_.directory));
    const uint64_t kept = plan_.kept_store_bytes;
    uint64_t needed = 0;
    if (__builtin_mul_overflow(plan_.largest_store_bytes, 3, &needed) ||
        __builtin_add_overflow(needed, kept, &needed) ||
        __builtin_add_overflow(needed, kept / 2, &needed)) {
      needed = UINT64_MAX;
    }
    if (free == 0 || needed <= free) return {};
    return Status::NoSpace(
        Shown(options_.directory) + ": " + ShortCount(static_cast<double>(free)) +
        " bytes free, the largest workload may need " + ShortCount(static_cast<double>(needed)) +
        " (three times its records" + (kept > 0 ? " and the loads that a block keeps)" : ")"));
  }

  // Stores are kept for the runs of their block alone. Nothing that an earlier process has left is
  // taken for one: it may be half written.
  Status EnterBlock(uint32_t block) {
    if (block_ == block) return {};
    block_ = block;
    kept_.clear();
    LSMLAB_TRY(RemoveOwnDirectory(work_));
    return MakeDirectories(work_);
  }

  Status PrepareStore(const RunSpec& run) const {
    if (run.copies.empty()) return {};
    if (kept_.count(run.copies) == 0) {
      return Status::NotFound("the load that this run was to work on a copy of has failed");
    }
    if (!FindEngine(run.identity.engine)->keeps_data) return {};
    return CopyDirectory(work_ + "/" + run.copies, run.directory);
  }

  Result<ChildOutcome> Attempt(const RunSpec& run, ProgressLine& progress) {
    ChildOutcome failed;
    LSMLAB_TRY(TouchMemory(run.touch_bytes));
    if (const Status ready = PrepareStore(run); !ready.ok()) {
      failed.error = ready.message();
      return failed;
    }
    ChildOptions child;
    child.spec_path = work_ + "/spec.json";
    child.records_path = work_ + "/records.ndjson";
    child.timeout_seconds = plan_.timeout_seconds;
    child.on_progress = [&](const std::string& phase, const PhaseProgress& p) {
      progress.Update(phase, p);
    };
    return RunInChild(run, child);
  }

  Status DoRun(const RunSpec& planned, ProgressLine& progress) {
    RunSpec run = planned;
    const std::string name = StoreName(planned);
    run.directory = work_ + "/" + name;
    progress.StartRun(run.identity);
    Result<ChildOutcome> outcome = Attempt(run, progress);
    if (!outcome.ok()) return outcome.status();
    LSMLAB_TRY(KeepRecords(run, outcome.value()));
    const std::string& error = outcome.value().error;
    progress.FinishRun(error.empty() ? "ok" : error);
    if (error.empty()) {
      ++outcome_.done;
    } else {
      ++outcome_.failed;
    }
    if (error.empty() && to_copy_.count(name) != 0) {
      kept_.insert(name);
      return {};
    }
    return RemoveOwnDirectory(run.directory);
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
      record.load = LoadOrigin(run, phase);
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
  std::set<std::string> to_copy_;  // names of stores that runs still to be done work on copies of
  std::set<std::string> kept_;     // those of them that are loaded
  std::optional<uint32_t> block_;
  ConductOutcome outcome_;
};

}  // namespace

Result<ConductOutcome> Conduct(const Plan& plan, const ConductOptions& options) {
  return Conductor(plan, options).Run();
}

}  // namespace lsmlab::harness
