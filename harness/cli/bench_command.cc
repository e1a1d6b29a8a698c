#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "harness/cli/command.h"
#include "harness/cli/engine_options.h"
#include "harness/cli/summary.h"
#include "harness/experiment/plan.h"
#include "harness/record/json.h"
#include "harness/run/files.h"
#include "harness/run/interrupt.h"
#include "harness/run/run_store.h"
#include "variants/home.h"
#include "variants/nearest.h"
#include "variants/presets.h"
#include "workloads/shipped.h"

namespace lsmlab::harness {
namespace {

namespace fs = std::filesystem;

constexpr OptionSpec kOptions[] = {
    {"preset", "NAME", "a preset, by name or path; default baseline"},
    {"set", "NAME=VALUE", "a setting above the preset's, as engine.memtable.size=4MiB; repeatable"},
    {"engine", "NAME", "lsmlab (default), rocksdb, null or fio"},
    {"workload", "FILE", "a YCSB property file or a name of `lsmlab workloads`; default ycsb-a"},
    {"property,p", "NAME=VALUE", "a property above the file's; repeatable"},
    {"threads", "N", "client threads; default: the workload's threadcount"},
    {"seed", "N", "of the operation stream; default 42"},
    {"db", "DIR", "directory of the store; without it a fresh one, removed at the end"},
    {"load-only", "", "only fill the store (needs --db)"},
    {"run-only", "", "only run, on a store that --load-only has filled (needs --db)"},
    {"keep", "", "leave the store where it is"},
    {"drain", "", "reach the drained tree after the load (the default)"},
    {"no-drain", "", "begin the run phase with the load's debt"},
    {"warmup", "none|scan|read-all",
     "before the run phase scan everything, or get every record too; default none"},
    {"out", "DIR", "append the records to DIR/records.ndjson"},
};

struct Bench {
  RunSpec spec;
  std::string out;
  std::vector<fs::path> made;  // directories that were made for `out`, the deepest first
  bool remove = false;         // the store, when done
};

Result<std::string> WorkloadPath(const std::string& given) {
  for (const workloads::ShippedWorkload& workload : workloads::ShippedWorkloads()) {
    if (workload.name == given) return FindShippedFile(workload.path);
  }
  const std::string path = FindShippedFile(given);
  std::error_code error;
  if (fs::exists(path, error)) return path;
  std::vector<std::string_view> known;
  for (const workloads::ShippedWorkload& workload : workloads::ShippedWorkloads()) {
    known.push_back(workload.name);
  }
  return Status::NotFound("--workload: no file and no shipped workload '" + Shown(given) +
                          "', shipped are " + JoinNames(known) + DidYouMean(given, known));
}

Result<EngineSetup> ReadEngine(const ParsedOptions& options) {
  const Result<std::vector<Assignment>> assignments = ReadEngineOptions(options);
  if (!assignments.ok()) return assignments.status();
  const std::string engine = options.Get("engine", "lsmlab");
  if (FindEngine(engine) == nullptr) {
    return Status::InvalidArgument("--engine: " + UnknownEngineMessage(engine));
  }
  return SetUpEngine(engine, assignments.value());
}

Status ReadWorkload(const ParsedOptions& options, RunSpec* spec, workloads::WorkloadInfo* info) {
  Result<std::string> path = WorkloadPath(options.Get("workload", "ycsb-a"));
  if (!path.ok()) return path.status();
  spec->workload_file = std::move(path).value();
  for (const std::string& text : options.All("property")) {
    Result<std::pair<std::string, std::string>> parts = SplitAssignment("-p", text);
    if (!parts.ok()) return parts.status();
    spec->properties.push_back(std::move(parts).value());
  }
  const Result<std::unique_ptr<workloads::Workload>> workload =
      workloads::OpenWorkload(spec->workload_file, spec->properties);
  if (!workload.ok()) return workload.status();
  spec->identity.workload = fs::path(spec->workload_file).stem().string();
  *info = workload.value()->info();
  spec->threads = info->thread_count;
  return {};
}

Status ReadPhases(const ParsedOptions& options, RunSpec* spec) {
  spec->load = !options.Has("run-only");
  spec->run = !options.Has("load-only");
  spec->fresh = spec->load;
  spec->drain = !options.Has("no-drain");
  if (!spec->load && !spec->run) {
    return Status::InvalidArgument("--load-only and --run-only leave nothing to do");
  }
  if (options.Has("drain") && options.Has("no-drain")) {
    return Status::InvalidArgument("--drain and --no-drain exclude each other");
  }
  if ((!spec->load || !spec->run) && !options.Has("db")) {
    return Status::InvalidArgument(
        "--load-only and --run-only need --db, the store to fill or use");
  }
  const std::string warmup = options.Get("warmup", "none");
  spec->warmup = WarmupOf(warmup);
  if (NameOf(spec->warmup) != warmup) {
    return Status::InvalidArgument("--warmup: '" + Shown(warmup) +
                                   "' is not allowed; allowed is none, scan or read-all");
  }
  return {};
}

Result<Bench> ReadBench(const ParsedOptions& options) {
  Bench bench;
  RunSpec& spec = bench.spec;
  Result<EngineSetup> setup = ReadEngine(options);
  if (!setup.ok()) return setup.status();
  spec.config = setup.value().config;
  RunIdentity& id = spec.identity;
  id.experiment = "bench";
  id.engine = setup.value().engine;
  // Records of one file are told apart by name.
  const std::string preset = RowNameOfPreset(options.Get("preset", "baseline"));
  id.variant = id.engine == "lsmlab" ? preset : id.engine;
  if (id.engine != "lsmlab" && options.Has("preset")) id.variant += " as " + preset;
  for (const std::string& text : options.All("set")) id.variant += " " + text;
  id.base = id.variant;
  workloads::WorkloadInfo info;
  LSMLAB_TRY(ReadWorkload(options, &spec, &info));
  if (setup.value().driver.threads != 0) spec.threads = setup.value().driver.threads;
  LSMLAB_TRY(ReadPhases(options, &spec));
  Result<uint64_t> seed = ParseCount("--seed", options.Get("seed", "42"), 0, INT64_MAX);
  if (!seed.ok()) return seed.status();
  id.seed = seed.value();
  if (options.Has("threads")) {
    Result<uint64_t> threads = ParseCount("--threads", options.Get("threads"), 1, kMaxClients);
    if (!threads.ok()) return threads.status();
    spec.threads = static_cast<uint32_t>(threads.value());
  }
  LSMLAB_TRY(CheckClients(setup.value(), info, spec.threads, "bench"));
  for (const PartInfo& part : AllParts()) spec.compared_parts.emplace_back(part.name);
  spec.directory = options.Get("db");
  bench.out = options.Get("out");
  if (!bench.out.empty()) {
    for (const std::string& text : options.All("property")) id.workload += " " + text;
  }
  bench.remove = !options.Has("keep") && !options.Has("db");
  return bench;
}

// A real disk where there is one: /tmp often lives in memory.
std::string TemporaryParent() {
  const char* directory = std::getenv("TMPDIR");
  return directory != nullptr && *directory != '\0' ? directory : "/var/tmp";
}

// Before anything is measured, for what cannot be made.
Status MakeDirectoriesOf(Bench* bench) {
  if (!bench->out.empty()) {
    std::error_code error;
    for (fs::path path = fs::absolute(bench->out, error);
         !fs::exists(path, error) && path.has_relative_path(); path = path.parent_path()) {
      bench->made.push_back(path);
    }
    LSMLAB_TRY(MakeDirectories(bench->out));
  }
  if (!bench->spec.directory.empty()) return {};
  Result<std::string> made = MakeFreshDirectory(TemporaryParent(), "lsmlab-bench-");
  if (!made.ok()) return made.status();
  bench->spec.directory = made.value() + "/store";
  return {};
}

// One that holds something stays.
void RemoveUnusedOut(const Bench& bench) {
  std::error_code error;
  for (const fs::path& path : bench.made) fs::remove(path, error);
}

void ShowProgress(const std::string& phase, const PhaseProgress& p) {
  if (isatty(STDERR_FILENO) == 0 || p.elapsed_s <= 0) return;
  const double share =
      p.total_ops > 0 ? 100.0 * static_cast<double>(p.ops) / static_cast<double>(p.total_ops) : 0;
  const double rate = static_cast<double>(p.ops) / p.elapsed_s;
  const double left =
      p.total_ops > p.ops && rate > 0 ? static_cast<double>(p.total_ops - p.ops) / rate : 0;
  std::fprintf(stderr, "\r\033[K%s %.0f %%, %.0f ops/s, %.0f s left", phase.c_str(), share, rate,
               left);
  std::fflush(stderr);
}

// `measured`: whether any phase began. Where none did there is no record: the store was refused,
// and the message says why.
Status Execute(const Bench& bench, bool* measured) {
  const Provenance provenance = FindProvenance(ParentDirectory(bench.spec.directory));
  Status writing;
  RunListener listener;
  listener.on_progress = ShowProgress;
  listener.on_record = [&](RunRecord record) {
    if (isatty(STDERR_FILENO) != 0) std::fputs("\r\033[K", stderr);
    *measured |= record.measured.has_value();
    if (!*measured) return;
    std::fputs(SummaryText(record).c_str(), stdout);
    if (bench.out.empty() || !writing.ok()) return;
    writing = AppendLine(bench.out + "/records.ndjson", RecordLine(record, provenance));
  };
  WatchInterrupts();
  const Status status = ExecuteRun(bench.spec, InterruptFlag(), listener);
  return status.ok() ? writing : status;
}

int Run(const ParsedOptions& options) {
  Result<Bench> bench = ReadBench(options);
  if (!bench.ok()) return FailUsage(bench.status());
  bool measured = false;
  Status status = MakeDirectoriesOf(&bench.value());
  const bool begun = status.ok();
  if (begun) status = Execute(bench.value(), &measured);
  if (!measured) RemoveUnusedOut(bench.value());
  if (!begun) return FailRun(status);
  const std::string& store = bench.value().spec.directory;
  if (bench.value().remove) {
    const Status removed = RemoveOwnDirectory(ParentDirectory(store));
    if (!removed.ok()) return FailRun(removed);
  } else if (measured) {
    std::printf("store: %s\n", store.c_str());
  }
  if (measured && !bench.value().out.empty()) {
    std::printf("records: %s/records.ndjson\n", bench.value().out.c_str());
  }
  return status.ok() ? kExitDone : FailRun(status);
}

}  // namespace

const Command kBenchCommand = {
    {"bench", "measure one composition with one workload", "", 0, 0,
     "lsmlab bench --preset baseline --workload workloads/ycsb/workloada -p recordcount=100000",
     kOptions},
    Run};

}  // namespace lsmlab::harness
