#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "harness/cli/command.h"
#include "harness/cli/python_package.h"
#include "harness/experiment/plan.h"
#include "harness/record/provenance.h"
#include "harness/run/child.h"
#include "harness/run/conductor.h"
#include "variants/home.h"
#include "variants/nearest.h"

namespace lsmlab::harness {
namespace {

namespace fs = std::filesystem;

constexpr char kRunsDirectory[] = "results/runs";

constexpr OptionSpec kOptions[] = {
    {"out", "DIR", "where results go; without it results/runs/<name>-<time>"},
    {"resume", "", "finish what is missing in --out, or in the newest results of this name"},
    {"smoke", "", "one repetition with few records: does it work at all? bars are not judged"},
    {"set", "NAME=VALUE", "a setting for every row, above the file's; may be given again"},
    {"no-report", "", "no table, plots and page at the end; bars are judged all the same"},
};

// "results/runs/<name>-20240501-123000".
std::string NewDirectory(const std::string& name) {
  std::string stamp;
  for (char c : UtcTimestamp()) {
    if (c == 'T') stamp += '-';
    if (c >= '0' && c <= '9') stamp += c;
  }
  return std::string(kRunsDirectory) + "/" + name + "-" + stamp;
}

// The newest directory that NewDirectory has made for this name; empty: there is none.
std::string NewestDirectory(const std::string& name) {
  std::string newest;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(kRunsDirectory, error)) {
    const std::string path = entry.path().string();
    const std::string stem = entry.path().filename().string();
    const bool ours = stem.starts_with(name + "-") && stem.size() == name.size() + 16;
    if (ours && path > newest) newest = path;
  }
  return newest;
}

Result<std::vector<Assignment>> Overrides(const ParsedOptions& options) {
  std::vector<Assignment> overrides;
  for (const std::string& text : options.All("set")) {
    Result<std::pair<std::string, std::string>> parts = SplitAssignment("--set", text);
    if (!parts.ok()) return parts.status();
    overrides.push_back({parts->first, parts->second, "--set", kCommandLineLayer});
  }
  return overrides;
}

int Report(const std::string& directory) {
  for (const char* what : {"table", "report"}) {
    const Result<int> code = RunResultsPackage({what, directory});
    if (!code.ok()) return FailRun(code.status());
    if (code.value() != 0) return kExitFailed;
  }
  std::printf("plots: %s/plots/\nrecords: %s/records.ndjson\n", directory.c_str(),
              directory.c_str());
  return kExitDone;
}

int Finish(const Plan& plan, const ConductOutcome& outcome, const std::string& directory,
           bool report) {
  std::printf("%s: %zu runs done, %zu done before, %zu failed; records in %s\n",
              plan.experiment.c_str(), outcome.done, outcome.skipped, outcome.failed,
              directory.c_str());
  if (outcome.interrupted) {
    return FailRun(
        Status::Aborted("interrupted; go on with: lsmlab run EXPERIMENT.toml --resume "
                        "--out " +
                        directory));
  }
  const int code = report ? Report(directory) : kExitDone;
  if (code != kExitDone) return code;
  const bool expects = !plan.runs.empty() && !plan.runs.front().expect.empty();
  if (expects) {
    const Result<int> verdict = RunResultsPackage({"speed", directory});
    if (!verdict.ok()) return FailRun(verdict.status());
    if (verdict.value() != 0) return kExitFailed;
  }
  return outcome.failed == 0 ? kExitDone : kExitFailed;
}

int Run(const ParsedOptions& options) {
  const Result<Experiment> experiment = ReadExperiment(FindShippedFile(options.positional()[0]));
  if (!experiment.ok()) return FailUsage(experiment.status());
  const bool resume = options.Has("resume");
  const std::string& name = experiment.value().name;
  std::string directory = options.Get("out");
  if (directory.empty()) directory = resume ? NewestDirectory(name) : NewDirectory(name);
  if (directory.empty()) {
    return FailUsage(Status::NotFound("--resume: no results of '" + Shown(name) + "' in " +
                                      kRunsDirectory + "; --out names a directory"));
  }
  PlanOptions plan_options;
  plan_options.directory = directory + "/work";
  plan_options.smoke = options.Has("smoke");
  Result<std::vector<Assignment>> overrides = Overrides(options);
  if (!overrides.ok()) return FailUsage(overrides.status());
  plan_options.overrides = std::move(overrides).value();
  const Result<Plan> plan = MakePlan(experiment.value(), plan_options);
  if (!plan.ok()) return FailUsage(plan.status());
  std::printf("%s: %s\n%zu runs\n", name.c_str(), plan.value().question.c_str(),
              plan.value().runs.size());
  const Result<ConductOutcome> outcome = Conduct(plan.value(), {directory, resume});
  if (!outcome.ok()) {
    const StatusCode code = outcome.status().code();
    const bool usage = code == StatusCode::kInvalidArgument || code == StatusCode::kNotFound;
    return usage ? FailUsage(outcome.status()) : FailRun(outcome.status());
  }
  const int code = Finish(plan.value(), outcome.value(), directory, !options.Has("no-report"));
  if (plan_options.smoke && !experiment.value().expect.empty()) {
    std::printf("--smoke: bars are not judged; so few operations say nothing about them\n");
  }
  return code;
}

int RunChild(const ParsedOptions& options) {
  return ChildMain(options.positional()[0], options.positional()[1]);
}

}  // namespace

const Command kRunCommand = {
    {"run", "do an experiment, then print its table and write plots and page", "EXPERIMENT.toml", 1,
     1, "lsmlab run harness/experiments/quickstart.toml", kOptions},
    Run};

const Command kChildCommand = {
    {"child", "one run of a plan, started by `run`", "SPEC RECORDS", 2, 2, "", {}}, RunChild, true};

}  // namespace lsmlab::harness
