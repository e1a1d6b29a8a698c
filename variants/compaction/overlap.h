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

bool AnyBeingCompacted(const TableList& tables);
// Whether a job has any table of the level. O(1): no table is without bytes.
inline bool IsBusy(const LevelShape& level) noexcept { return level.bytes_being_compacted > 0; }
bool AreDisjoint(TableList tables);
// Whether tables that share no key with each other, nor with the run that they join in `level`, go
// there as they are. Not those with deletes where no deeper level holds data: a merge drops them
// there, and after a move nothing might ever touch them again.
bool MayMoveTo(const TreeShape& shape, uint32_t level, const TableList& tables);

}  // namespace lsmlab
