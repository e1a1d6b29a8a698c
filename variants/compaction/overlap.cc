#include "variants/compaction/overlap.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace lsmlab {

KeyRange HullOf(const TableList& tables) {
  LSMLAB_ASSERT(!tables.empty());
  KeyRange hull{tables[0]->smallest_key, tables[0]->largest_key};
  for (const TableShape* table : tables) {
    hull.smallest = std::min(hull.smallest, std::string_view(table->smallest_key));
    hull.largest = std::max(hull.largest, std::string_view(table->largest_key));
  }
  return hull;
}

TableList OverlappingTables(const LevelShape& level, const KeyRange& range) {
  TableList found;
  for (const RunShape& run : level.runs) {
    auto table = std::lower_bound(
        run.tables.begin(), run.tables.end(), range.smallest,
        [](const TableShape& t, std::string_view key) { return t.largest_key < key; });
    for (; table != run.tables.end() && table->smallest_key <= range.largest; ++table) {
      found.push_back(&*table);
    }
  }
  return found;
}

TableList ClosedTables(const LevelShape& level, const KeyRange& range) {
  TableList found = OverlappingTables(level, range);
  while (!found.empty()) {
    TableList more = OverlappingTables(level, HullOf(found));
    if (more.size() == found.size()) break;
    found = std::move(more);
  }
  return found;
}

bool AnyBeingCompacted(const TableList& tables) {
  return std::any_of(tables.begin(), tables.end(),
                     [](const TableShape* table) { return table->being_compacted; });
}

bool AreDisjoint(TableList tables) {
  std::sort(tables.begin(), tables.end(), [](const TableShape* a, const TableShape* b) {
    return a->smallest_key < b->smallest_key;
  });
  for (size_t i = 1; i < tables.size(); ++i) {
    if (tables[i]->smallest_key <= tables[i - 1]->largest_key) return false;
  }
  return true;
}

bool MayMoveTo(const TreeShape& shape, uint32_t level, const TableList& tables) {
  for (size_t below = level + 1; below < shape.levels.size(); ++below) {
    if (!shape.levels[below].runs.empty()) return true;
  }
  return std::none_of(tables.begin(), tables.end(),
                      [](const TableShape* table) { return table->tombstones > 0; });
}

}  // namespace lsmlab
