#include <cstdio>
#include <string>
#include <vector>

#include "harness/cli/command.h"
#include "harness/cli/engine_options.h"
#include "harness/cli/python_package.h"
#include "harness/experiment/experiment.h"
#include "harness/run/files.h"
#include "harness/simulate/sim_report.h"
#include "variants/presets.h"

namespace lsmlab::harness {
namespace {

constexpr OptionSpec kOptions[] = {
    {"preset", "NAME", "a preset, by name or path; default baseline"},
    {"set", "NAME=VALUE",
     "a setting above the preset's, as engine.compaction.variant=tiered; "
     "repeatable"},
    {"user-bytes", "SIZE", "keys and values written, as 100TB or 4GiB; default 100GiB"},
    {"key-space", "N", "keys that the writes go to, as 1e9; default: user bytes / entry bytes"},
    {"key-bytes", "N", "of one key; default 24"},
    {"entry-bytes", "N", "of one key and value; default 1024"},
    {"compressibility", "X", "of values, for the composition's codecs; default 1: not at all"},
    {"stored-bytes", "N",
     "of one entry in a table, instead of what a sample table of the "
     "composition says"},
    {"distribution", "NAME",
     "uniform (default), sequential, zipfian:THETA, or scrambled:THETA, which is what YCSB calls "
     "zipfian"},
    {"delete-share", "X", "of the writes, 0 to 1; default 0"},
    {"load", "", "before the writes, every key is written once, and the tree drained"},
    {"write-rate", "SIZE",
     "user bytes per second; default: as fast as they are taken; ages of "
     "tables and deletes need it"},
    {"device-write-bandwidth", "SIZE", "bytes per second of all jobs; default: without limit"},
    {"job-bandwidth", "SIZE", "bytes per second that one job reads; default: without limit"},
    {"jobs", "N", "background threads, and compactions at the same time; default: the executor's"},
    {"samples", "N", "points over time, 2 to 10000; default 100"},
    {"seed", "N", "of the sizes of outputs; default 42"},
    {"table-limit", "N",
     "tables simulated one by one; default 10000; a larger tree is simulated "
     "in two pieces"},
    {"out", "DIR", "write DIR/simulation.ndjson and draw it into DIR/plots/"},
};

constexpr double kMost = 0x1p60;  // bytes, keys

// Reads an option if it is there; `read` takes its name and text.
template <typename Read, typename T>
Status ReadInto(const ParsedOptions& options, const char* name, Read read, T* value) {
  if (!options.Has(name)) return {};
  auto result = read("--" + std::string(name), options.Get(name));
  if (!result.ok()) return result.status();
  *value = static_cast<T>(result.value());
  return {};
}

Status ReadEntry(const ParsedOptions& options, SimWorkload* w) {
  const auto key = [](const std::string& o, const std::string& t) {
    return ParseCount(o, t, 1, 65535);
  };
  const auto entry = [](const std::string& o, const std::string& t) {
    return ParseSize(o, t, 1, 0x1p26);
  };
  const auto real = [](const std::string& o, const std::string& t) {
    return ParseNumber(o, t, 1, 50);
  };
  double entry_bytes = 1024;
  LSMLAB_TRY(ReadInto(options, "key-bytes", key, &w->key_bytes));
  LSMLAB_TRY(ReadInto(options, "entry-bytes", entry, &entry_bytes));
  LSMLAB_TRY(ReadInto(options, "compressibility", real, &w->compressibility));
  w->value_bytes = entry_bytes - w->key_bytes;
  if (w->value_bytes >= 0) return {};
  return Status::InvalidArgument("--entry-bytes: " + SizeText(entry_bytes) +
                                 " is less than the key of " + SizeText(w->key_bytes) +
                                 " (--key-bytes) in it");
}

Result<SimWorkload> ReadSimWorkload(const ParsedOptions& options) {
  SimWorkload w;
  LSMLAB_TRY(ReadEntry(options, &w));
  const auto size = [](const std::string& o, const std::string& t) {
    return ParseSize(o, t, 0, kMost);
  };
  const auto rate = [](const std::string& o, const std::string& t) {
    return ParseSize(o, t, 1, kMost);
  };
  const auto keys = [](const std::string& o, const std::string& t) {
    return ParseNumber(o, t, 1, kMost);
  };
  const auto share = [](const std::string& o, const std::string& t) {
    return ParseNumber(o, t, 0, 1);
  };
  const auto jobs = [](const std::string& o, const std::string& t) {
    return ParseCount(o, t, 1, 1024);
  };
  const auto samples = [](const std::string& o, const std::string& t) {
    return ParseCount(o, t, 2, 10000);
  };
  const auto seed = [](const std::string& o, const std::string& t) {
    return ParseCount(o, t, 0, INT64_MAX);
  };
  w.user_bytes = 100 * 0x1p30;
  LSMLAB_TRY(ReadInto(options, "user-bytes", size, &w.user_bytes));
  w.keys = std::max(1.0, w.user_bytes / w.put_bytes());
  LSMLAB_TRY(ReadInto(options, "key-space", keys, &w.keys));
  LSMLAB_TRY(ReadInto(options, "delete-share", share, &w.delete_share));
  LSMLAB_TRY(ReadInto(options, "write-rate", rate, &w.write_rate));
  LSMLAB_TRY(ReadInto(options, "device-write-bandwidth", rate, &w.device_write_bandwidth));
  LSMLAB_TRY(ReadInto(options, "job-bandwidth", rate, &w.job_bandwidth));
  LSMLAB_TRY(ReadInto(options, "jobs", jobs, &w.jobs));
  LSMLAB_TRY(ReadInto(options, "samples", samples, &w.samples));
  LSMLAB_TRY(ReadInto(options, "seed", seed, &w.seed));
  LSMLAB_TRY(ParseDistribution("--distribution", options.Get("distribution", "uniform"), &w));
  w.load = options.Has("load");
  if (w.user_bytes <= 0 && !w.load) {
    return Status::InvalidArgument("--user-bytes: 0 without --load leaves nothing to do");
  }
  return w;
}

Result<Composition> ReadComposition(const ParsedOptions& options) {
  const Result<std::vector<Assignment>> assignments = ReadEngineOptions(options);
  if (!assignments.ok()) return assignments.status();
  Result<ComposedEngine> composed = Compose(assignments.value());
  if (!composed.ok()) return composed.status();
  return composed.value().composition;
}

Result<SimSetup> ReadSetup(const ParsedOptions& options) {
  Result<Composition> composition = ReadComposition(options);
  if (!composition.ok()) return composition.status();
  Result<SimWorkload> workload = ReadSimWorkload(options);
  if (!workload.ok()) return workload.status();
  SimSetup setup{std::move(composition).value(), std::move(workload).value(), {}};
  const SettingBag& executor = setup.composition.executor.settings;
  if (!options.Has("jobs") && executor.Has("background")) {
    setup.workload.jobs = static_cast<uint32_t>(executor.Integer("background"));
  }
  Result<EntryCosts> costs = MeasureEntryCosts(setup.composition, setup.workload);
  if (!costs.ok()) return costs.status();
  setup.costs = std::move(costs).value();
  if (!options.Has("stored-bytes")) return setup;
  const Result<double> stored = ParseSize("--stored-bytes", options.Get("stored-bytes"), 1, 0x1p26);
  if (!stored.ok()) return stored.status();
  for (StoredEntry& level : setup.costs.per_level) level.put = stored.value();
  setup.costs.last_level.put = stored.value();
  return setup;
}

int Run(const ParsedOptions& options) {
  const Result<SimSetup> setup = ReadSetup(options);
  if (!setup.ok()) return FailUsage(setup.status());
  SimLimits limits;
  if (options.Has("table-limit")) {
    const Result<uint64_t> tables =
        ParseCount("--table-limit", options.Get("table-limit"), 100, 10'000'000);
    if (!tables.ok()) return FailUsage(tables.status());
    limits.flushes *= static_cast<double>(tables.value()) / limits.tables;
    limits.tables = static_cast<double>(tables.value());
  }
  std::string title = options.Get("preset", "baseline");
  for (const std::string& text : options.All("set")) title += " " + text;
  const Result<Simulation> simulation = RunSimulation(setup.value(), limits);
  if (!simulation.ok()) return FailRun(simulation.status());
  std::fputs(SimulationText(title, setup.value(), simulation.value()).c_str(), stdout);
  if (!options.Has("out")) return kExitDone;
  const std::string out = options.Get("out");
  Status status = MakeDirectories(out);
  if (status.ok()) {
    status = WriteWholeFile(out + "/simulation.ndjson",
                            SimulationLines(title, setup.value(), simulation.value()));
  }
  if (!status.ok()) return FailRun(status);
  std::printf("samples: %s/simulation.ndjson\n", out.c_str());
  const Result<int> drawn = RunResultsPackage({"simulation", out});
  return drawn.ok() ? drawn.value() : FailRun(drawn.status());
}

}  // namespace

const Command kSimulateCommand = {
    {"simulate", "run a compaction policy on a tree of any size without data", "", 0, 0,
     "lsmlab simulate --preset baseline --user-bytes 100TB --key-space 1e10", kOptions},
    Run};

}  // namespace lsmlab::harness
