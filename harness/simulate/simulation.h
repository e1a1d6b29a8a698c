#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/status.h"
#include "harness/simulate/simulator.h"

// A whole simulation, however large the tree.
namespace lsmlab::harness {

// How a tree of too many tables is simulated: in two pieces.
//
// Levels of a tree with a size ratio T are alike: each takes in what the one above gives away, in
// portions of a T-th of its size. So the upper levels are simulated as they are, table by table,
// until they are full and the level below them is in use; and the whole time is simulated once more
// with memtable, tables and level sizes T^n times as large, so that n levels are missing, and with
// them all but a T^n-th of tables and jobs. Levels 0 to n + 2 come from the first piece (what they
// write and read: the mean of its second half), everything deeper from the second one, whose own
// first two levels are unlike those that they stand for (one level where whole levels are merged).
// Both have the real number of keys, so that newer versions meet older ones in the right level.
//
// Limits: what waits for what across the two pieces is lost, so jobs end at once and stalls are not
// simulated; picks choose among fewer tables; sizes counted from the deepest level upwards are not
// known to the first piece, and its levels share the time of delete_ttl among themselves alone.
struct PiecePlan {
  uint32_t levels_apart = 0;  // n; 0: one piece
  uint32_t taken = 0;         // levels of the second piece, below its level 0, that are left out
  double unit = 1;            // T^n: what stands for one table in the second piece
  double upper_bytes = 0;     // user bytes that the first piece writes
  // The deepest level that comes from the first piece.
  uint32_t last_upper_level() const noexcept { return levels_apart + taken; }
};

struct Simulation {
  PiecePlan plan;
  std::vector<SimSample> samples;  // of both pieces put together; the last one is the end
  double simulated_s = 0;          // it took, of real time
};

// What one piece is meant to have at most. Where the ratio is large, so are the steps between the
// sizes that the pieces can have, and the larger one may have several times as many.
struct SimLimits {
  double tables = 10'000;
  double flushes = 30'000;
};

// The pieces for a setup. NotSupported when no number of levels makes the tree small enough.
Result<PiecePlan> PlanPieces(const SimSetup& setup, const SimLimits& limits);

// Errors as PlanPieces and Simulator::Run.
Result<Simulation> RunSimulation(const SimSetup& setup, const SimLimits& limits);

}  // namespace lsmlab::harness
