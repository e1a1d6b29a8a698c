#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace lsmlab::test {

// One thing that varies, and the values that it can have.
struct Factor {
  std::string name;
  std::vector<std::string> values;
  bool early = false;  // to be chosen before the others: it decides which of them have a meaning
};

// For each factor the number of its value, or kOpen.
using Row = std::vector<int>;
inline constexpr int kOpen = -1;

// Whether some valid whole row has every value that `row` has. In a whole row a factor is open only
// if it has no meaning beside the others. Must answer the same whenever it is asked.
using CanBeCompleted = std::function<bool(const Row& row)>;

struct CoveringArray {
  std::vector<Row> rows;  // whole and valid
  size_t pairs = 0;       // of values that some valid row has together: each is in a row
  size_t impossible = 0;  // of values that no valid row has together
};

// Few rows that together have every possible pair of values of two different factors. Greedy, after
// AETG (Cohen, Dalal, Fredman, Patton: The AETG System: An Approach to Testing Based on
// Combinatorial Design, IEEE TSE 23(7), 1997), with constraints kept by asking about each partial
// row (Cohen, Dwyer, Shi: Constructing Interaction Test Suites for Highly-Configurable Systems in
// the Presence of Constraints, IEEE TSE 34(5), 2008). The same arguments make the same array.
CoveringArray MakeCoveringArray(const std::vector<Factor>& factors,
                                const CanBeCompleted& can_be_completed, uint64_t seed);

}  // namespace lsmlab::test
