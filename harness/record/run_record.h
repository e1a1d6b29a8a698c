#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/driver/adapter.h"
#include "harness/driver/phase.h"

// One record: what results/SCHEMA.md describes, as plain values. Whoever measures fills it, whoever
// writes or prints it never measures.
namespace lsmlab::harness {

using TextMap = std::map<std::string, std::string, std::less<>>;

// What the experiment expects of a metric of `variant`: of its ratio to that of `base` or, without
// one, of itself. Bounds of 0 are none; with neither the figure is only shown.
struct ExpectBar {
  std::string workload, phase, variant, base, metric;
  double at_least = 0, at_most = 0;
  bool operator==(const ExpectBar&) const = default;
};

// A run of the plan, by which it is found again.
struct RunIdentity {
  std::string experiment, question, base;
  std::string variant, engine, workload;
  TextMap cell;
  uint32_t block = 0, blocks = 1;  // which repetition, of how many that are planned
  uint32_t order = 0;
  uint64_t seed = 0;
};

struct RunRecord {
  RunIdentity identity;
  std::string phase;  // "load" or "run"
  std::string load;   // "fresh", "copied"; empty: the store was there already
  bool complete = false;
  std::string error;  // empty: none
  std::string started_at;

  // Of the measured phase; absent when it never ran.
  std::optional<PhaseResult> measured;
  std::optional<double> drained_s;

  std::vector<EngineEvent> events;
  std::vector<LevelState> levels;
  CounterMap counters;  // of the phase
  CounterMap gauges;    // at its end
  std::optional<double> write_amplification, read_amplification, space_amplification;
  // Memory allowed (1.2 x (memtables + cache) + 64 MiB) / memory taken since before the store was
  // opened; 1 for the null store, which is the row to compare with.
  std::optional<double> memory_headroom;
  std::vector<std::string> idle_parts;

  double cpu_user_s = 0, cpu_system_s = 0;
  uint64_t context_switches = 0, rss_peak_bytes = 0, rss_before_open_bytes = 0;
  std::optional<uint64_t> device_read_bytes, device_write_bytes;

  std::string workload_digest;
  std::vector<std::string> workload_deviations;
  std::vector<std::string> workload_ignored;  // properties without meaning here
  std::string value_source;
  std::vector<std::pair<std::string, std::string>> workload_settings;
  TextMap config;
  std::string config_hash;
  TextMap conditions;
  std::string warmup;
  std::string clock;  // "tsc" or "clock_gettime"
  std::vector<ExpectBar> expect;
};

}  // namespace lsmlab::harness
