#pragma once

#include <string>

#include "harness/simulate/simulation.h"

namespace lsmlab::harness {

// What a person wants to see: what was simulated, levels at the end, amplification, the course over
// time, stall risk. `title` names the composition. Plain text, at most 100 columns.
std::string SimulationText(const std::string& title, const SimSetup& setup,
                           const Simulation& simulation);

// One JSON object per line: first what was simulated, then one sample each; all figures in base
// units. For the results package (results/SCHEMA.md).
std::string SimulationLines(const std::string& title, const SimSetup& setup,
                            const Simulation& simulation);

}  // namespace lsmlab::harness
