#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/parts/tree_shape.h"

// Key ranges of tables, as policies compare them.
namespace lsmlab {

using TableList = std::vector<const TableShape*>;

// Inclusive on both sides.
struct KeyRange {
  std::string_view smallest, largest;
};

// The smallest range that holds all tables. REQUIRES: not empty.
KeyRange HullOf(const TableList& tables);

// All tables of the level that share a key with the range. O(log tables) per run, and its result.
TableList OverlappingTables(const LevelShape& level, const KeyRange& range);

// As OverlappingTables, and then whatever overlaps their hull, until nothing is added: what must be
// merged together so that the rest of the level stays disjoint from it, and in level 0 so that no
// older run with the same keys stays behind.
TableList ClosedTables(const LevelShape& level, const KeyRange& range);

uint64_t TotalBytes(const TableList& tables);
bool AnyBeingCompacted(const TableList& tables);
bool AreDisjoint(TableList tables);

}  // namespace lsmlab
