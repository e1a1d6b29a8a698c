#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/run_record.h"
#include "workloads/workload.h"

namespace lsmlab::harness {

// What is read before the run phase, so that it begins with a filled cache.
enum class Warmup : uint8_t {
  kNone,
  kScan,     // a scan of everything
  kReadAll,  // the scan, then a get of every key
};
inline constexpr std::string_view kWarmupNames[] = {"none", "scan", "read-all"};
inline std::string_view NameOf(Warmup warmup) { return kWarmupNames[static_cast<size_t>(warmup)]; }
// kNone for a name that is none of them.
inline Warmup WarmupOf(std::string_view name) {
  size_t i = std::size(kWarmupNames);
  while (--i > 0 && kWarmupNames[i] != name) {
  }
  return static_cast<Warmup>(i);
}

// One run, whole: what a fresh process needs to do it. Handed to the child through a file.
struct RunSpec {
  RunIdentity identity;
  TextMap config;             // resolved: SetUpEngine(engine, config)
  std::string workload_file;  // path
  workloads::Overrides properties;
  uint32_t threads = 1;
  bool load = true, run = true;  // phases
  bool drain = true;             // reach the drained tree after the load, before the run
  bool drain_run = false;        // and after the run, whose counters then hold that work
  bool fresh = true;             // the load creates the store; false: it exists already
  Warmup warmup = Warmup::kNone;
  double interval_s = 0.1;
  double load_seconds = 0, run_seconds = 0;  // limits; 0: none
  uint64_t touch_bytes = 0;                  // TouchMemory before the run's process starts
  std::string directory;                     // of the store
  // Name of the directory, beside `directory`, whose store is copied there first; empty: none is.
  std::string copies;
  std::vector<ExpectBar> expect;
  std::vector<std::string> compared_parts;  // what the experiment varies
};

// The variant, workload and phase of a record, for messages and for what a resumed run skips.
std::string RunLabel(const RunIdentity& identity);
// RunRecord::load for a phase of this run.
std::string LoadOrigin(const RunSpec& spec, std::string_view phase);

}  // namespace lsmlab::harness
