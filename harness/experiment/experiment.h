#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/run/run_spec.h"
#include "variants/compose.h"
#include "variants/toml_file.h"

// An experiment as its file says it: docs/experiments.md. Parsed and checked against the format,
// but not yet against the parts; experiment/plan.h does that.
namespace lsmlab::harness {

// A named row of the comparison.
struct VariantEntry {
  std::string name;    // empty: made from what it sets
  std::string engine;  // "lsmlab", "rocksdb", "null"
  std::string preset;  // empty: the experiment's
  std::vector<Assignment> set;
  std::string origin;
};

// One factor of the matrix: the values that a setting takes in turn.
struct Factor {
  std::string name;
  std::vector<std::string> texts;
  std::string origin;
};

struct WorkloadEntry {
  std::string file;
  std::string name;  // empty: the file's stem
  workloads::Overrides properties;
  workloads::Origins origins;  // of these properties
  std::string origin;
};

struct RunSettings {
  uint32_t repetitions = 3;
  uint64_t seed = 42;
  uint32_t threads = 0;  // 0: what the workload file says
  bool interleaved = true;
  bool drain = true;
  bool drain_run = false;
  bool load = true, run = true;
  bool copied = false;  // one load for all workloads of a row that load the same, then copies of it
  Warmup warmup = Warmup::kNone;
  double interval_s = 0.1;
  uint64_t touch_bytes = 0;  // of memory, before each run: TouchMemory
};

struct Limits {
  double load_seconds = 0, run_seconds = 0;  // a phase ends then, complete; 0: none
  double timeout_seconds = 0;                // a whole run is killed then, incomplete; 0: none
};

struct Experiment {
  std::string name;  // the file's stem
  std::string question;
  std::string base;  // a preset, or the name of a row
  std::string base_origin;
  std::vector<Assignment> settings;  // engine.* and peers.* for every row
  std::vector<Factor> matrix;
  std::vector<VariantEntry> variants;
  std::vector<WorkloadEntry> workloads;
  RunSettings run;
  Limits limits;
  std::vector<ExpectBar> expect;
  std::vector<std::string> expect_origins;  // of each of them
};

// Layers of assignments, lowest first.
constexpr int kPresetLayer = 0;
constexpr int kExperimentLayer = 1;
constexpr int kVariantLayer = 2;
constexpr int kCommandLineLayer = 3;

// Errors: as ReadTomlFile; InvalidArgument names file and line, what was found, what is allowed and
// the nearest spelling.
Result<Experiment> ReadExperiment(const std::string& path);
Result<Experiment> ParseExperiment(const TomlValue& root, const std::string& name);

}  // namespace lsmlab::harness
