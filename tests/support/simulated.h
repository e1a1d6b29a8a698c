#pragma once

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/assert.h"
#include "harness/simulate/simulation.h"
#include "variants/compose.h"

// Small simulations.
namespace lsmlab::test {

using SimSettings = std::vector<std::pair<std::string, std::string>>;

inline Composition ComposedOf(const SimSettings& settings) {
  std::vector<Assignment> assignments;
  for (const auto& [name, text] : settings) assignments.push_back({name, text, "test", 0});
  Result<ComposedEngine> composed = Compose(assignments);
  if (!composed.ok()) std::fprintf(stderr, "%s\n", composed.status().ToString().c_str());
  LSMLAB_ASSERT(composed.ok());
  return composed.value().composition;
}

// 1,000-byte entries that take as much everywhere, memtables of 100 of them.
inline harness::SimSetup SmallSetup(const std::string& policy, const SimSettings& more = {}) {
  SimSettings settings = {{"engine.memtable.size", "100000"},
                          {"engine.compaction.variant", policy}};
  if (policy != "none" && policy != "fifo") {
    settings.emplace_back("engine.compaction.size_ratio", "4");
    settings.emplace_back("engine.compaction.file_size", "100000");
  }
  if (policy == "leveled" || policy == "one-leveling") {
    settings.emplace_back("engine.compaction.level1_size", "400000");
  }
  settings.insert(settings.end(), more.begin(), more.end());
  harness::SimSetup setup{ComposedOf(settings), {}, {}};
  setup.workload.user_bytes = 64 * 100'000;
  setup.workload.keys = 1e9;
  setup.workload.key_bytes = 24;
  setup.workload.value_bytes = 976;
  setup.workload.samples = 4;
  setup.costs.memtable_put = setup.costs.memtable_tombstone = 1000;
  setup.costs.last_level = {1000, 30, 1};
  setup.costs.per_level = {setup.costs.last_level};
  if (setup.composition.filter.variant->name != "none") {
    setup.costs.filter.emplace(setup.composition.filter.settings);
  }
  return setup;
}

inline harness::Simulation Simulated(const harness::SimSetup& setup,
                                     const harness::SimLimits& limits = {}) {
  Result<harness::Simulation> simulation = harness::RunSimulation(setup, limits);
  if (!simulation.ok()) std::fprintf(stderr, "%s\n", simulation.status().ToString().c_str());
  LSMLAB_ASSERT(simulation.ok());
  return std::move(simulation).value();
}

}  // namespace lsmlab::test
