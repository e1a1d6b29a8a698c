#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/base/random.h"
#include "harness/simulate/table_content.h"

// What a merge of simulated tables gives.
namespace lsmlab::harness {

// Positions of keys: [0, kKeySpaceEnd).
inline constexpr uint64_t kKeySpaceEnd = uint64_t{1} << 62;

// The positions [begin, end).
struct Stretch {
  uint64_t begin = 0, end = 0;
  bool empty() const noexcept { return begin >= end; }
  // As far as both reach, and what lies between them.
  void Widen(const Stretch& other) noexcept {
    if (other.empty()) return;
    *this = empty() ? other : Stretch{std::min(begin, other.begin), std::max(end, other.end)};
  }
};

// Content over [begin, end).
struct ContentRange {
  uint64_t begin = 0, end = 0;
  TableContent content;
  Stretch lost_deletes;  // as TableProperties::lost_deletes and its first and last key
};

struct MergedTable {
  ContentRange range;
  double puts = 0, tombstones = 0;  // entries
};

// Where an output ends, as TableOutput of the engine decides it.
struct CutRule {
  double file_bytes = 0;                      // 0: never
  double put_bytes = 1, tombstone_bytes = 1;  // of one entry, as the size of an open file counts it
};

// From the first to the last of `count` keys that lie evenly over `within`; nowhere for less than
// half a key.
Stretch StretchOfKeys(double count, const Stretch& within);

// Merges `inputs` (any overlap, any order). Where `older` (ranges, disjoint or not) holds nothing,
// tombstones are dropped, and lost deletes forgotten. The number of entries in a real output varies
// by its square root; so do these, drawn from `random`. Results are in key order and disjoint; less
// than half an entry in all is nothing. O(n log n).
std::vector<MergedTable> MergeContents(const ContentModel& model,
                                       const std::vector<ContentRange>& inputs,
                                       const std::vector<ContentRange>& older, const CutRule& cut,
                                       Random& random);

}  // namespace lsmlab::harness
