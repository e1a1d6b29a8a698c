#include "harness/simulate/sim_tree.h"

#include <algorithm>
#include <map>

#include "engine/base/assert.h"

namespace lsmlab::harness {
namespace {

auto FirstNotBefore(std::vector<TableShape>& tables, const std::string& key) {
  return std::lower_bound(
      tables.begin(), tables.end(), key,
      [](const TableShape& table, const std::string& k) { return table.largest_key < k; });
}

auto FindRun(std::vector<RunShape>& runs, uint32_t number) {
  return std::lower_bound(runs.begin(), runs.end(), number,
                          [](const RunShape& run, uint32_t n) { return run.run > n; });
}

// Puts `fresh` in the place of `count` tables from `at` on. Most jobs give about as many tables as
// they take: what lies behind need hardly move.
void Exchange(std::vector<TableShape>& tables, size_t at, size_t count,
              std::vector<TableShape> fresh) {
  const size_t common = std::min(count, fresh.size());
  const auto begin = tables.begin() + static_cast<std::ptrdiff_t>(at);
  const auto rest =
      std::move(fresh.begin(), fresh.begin() + static_cast<std::ptrdiff_t>(common), begin);
  if (count > common) {
    tables.erase(rest, begin + static_cast<std::ptrdiff_t>(count));
  } else {
    tables.insert(rest,
                  std::make_move_iterator(fresh.begin() + static_cast<std::ptrdiff_t>(common)),
                  std::make_move_iterator(fresh.end()));
  }
}

}  // namespace

std::string KeyAt(uint64_t position) {
  std::string key(8, '\0');
  for (int i = 0; i < 8; ++i)
    key[static_cast<size_t>(i)] = static_cast<char>(position >> (56 - 8 * i));
  return key;
}

SimTree::SimTree(uint32_t levels) { shape_.levels.resize(levels); }

const SimTable* SimTree::Find(uint64_t file) const {
  const auto found = tables_.find(file);
  return found == tables_.end() ? nullptr : &found->second;
}

SimTree::Place SimTree::PlaceOf(const SimTable& table) {
  RunShape& run = RunOf(table.level, table.run);
  const auto found = FirstNotBefore(run.tables, KeyAt(table.range.begin));
  LSMLAB_ASSERT(found != run.tables.end() && found->file == table.file);
  return {&run, static_cast<size_t>(found - run.tables.begin())};
}

const TableShape& SimTree::ShapeOf(const SimTable& table) const {
  const Place place = const_cast<SimTree*>(this)->PlaceOf(table);
  return place.run->tables[place.index];
}

RunShape& SimTree::RunOf(uint32_t level, uint32_t number) {
  std::vector<RunShape>& runs = shape_.levels[level].runs;
  auto found = FindRun(runs, number);
  if (found == runs.end() || found->run != number) {
    found = runs.insert(found, RunShape{number, {}});
  }
  return *found;
}

bool SimTree::HoldsDataBelow(uint32_t level) const {
  for (size_t below = level + 1; below < shape_.levels.size(); ++below) {
    if (!shape_.levels[below].runs.empty()) return true;
  }
  return false;
}

std::vector<ContentRange> SimTree::OlderThan(uint32_t level, uint64_t begin, uint64_t end,
                                             const std::vector<uint64_t>& inputs) const {
  std::vector<ContentRange> older;
  const std::string smallest = KeyAt(begin), largest = KeyAt(end - 1);
  for (size_t below = level; below < shape_.levels.size(); ++below) {
    for (const RunShape& run : shape_.levels[below].runs) {
      auto table = FirstNotBefore(const_cast<RunShape&>(run).tables, smallest);
      for (; table != run.tables.end() && table->smallest_key <= largest; ++table) {
        if (std::binary_search(inputs.begin(), inputs.end(), table->file)) continue;
        ContentRange range = tables_.at(table->file).range;
        range.begin = std::max(range.begin, begin);
        range.end = std::min(range.end, end);
        older.push_back(range);
      }
    }
  }
  return older;
}

void SimTree::CountLevel(uint32_t level, const TableShape& table, int sign) {
  LevelShape& shape = shape_.levels[level];
  shape.bytes += static_cast<uint64_t>(sign) * table.bytes;
  if (table.being_compacted) {
    shape.bytes_being_compacted += static_cast<uint64_t>(sign) * table.bytes;
  }
}

void SimTree::MarkCompacted(const std::vector<uint64_t>& files, bool on) {
  for (const uint64_t file : files) {
    const SimTable& table = tables_.at(file);
    const Place place = PlaceOf(table);
    TableShape& shape = place.run->tables[place.index];
    LSMLAB_ASSERT(shape.being_compacted != on);
    CountLevel(table.level, shape, -1);
    shape.being_compacted = on;
    CountLevel(table.level, shape, 1);
  }
}

void SimTree::Insert(RunShape& run, std::vector<TableShape> fresh) {
  const auto at = FirstNotBefore(run.tables, fresh.front().smallest_key);
  const bool together = at == run.tables.end() || fresh.back().largest_key < at->smallest_key;
  if (together) {
    Exchange(run.tables, static_cast<size_t>(at - run.tables.begin()), 0, std::move(fresh));
    return;
  }
  for (TableShape& table : fresh) {
    const auto place = FirstNotBefore(run.tables, table.smallest_key);
    LSMLAB_ASSERT(place == run.tables.end() || table.largest_key < place->smallest_key);
    run.tables.insert(place, std::move(table));
  }
}

std::vector<SimTree::Group> SimTree::GroupByRun(const std::vector<uint64_t>& files) const {
  std::map<std::pair<uint32_t, uint32_t>, std::vector<const SimTable*>> by_run;
  for (const uint64_t file : files) {
    const SimTable& table = tables_.at(file);
    by_run[{table.level, table.run}].push_back(&table);
  }
  std::vector<Group> groups;
  for (auto& [where, tables] : by_run) {
    std::sort(tables.begin(), tables.end(),
              [](const SimTable* a, const SimTable* b) { return a->range.begin < b->range.begin; });
    groups.push_back({where.first, where.second, KeyAt(tables.front()->range.begin),
                      KeyAt(tables.back()->range.end - 1), std::move(tables)});
  }
  return groups;
}

// Takes the group's tables out of their run. `shapes` take their place, and are empty then, when
// they belong to the same run and fit in between its neighbours.
void SimTree::TakeOut(const Group& group, std::vector<TableShape>* shapes) {
  for (const SimTable* table : group.tables) CountLevel(group.level, ShapeOf(*table), -1);
  const Place first = PlaceOf(*group.tables.front());
  std::vector<TableShape>& all = first.run->tables;
  const size_t end = first.index + group.tables.size();
  if (end > all.size() || all[end - 1].file != group.tables.back()->file) {
    for (const SimTable* table : group.tables) {
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(PlaceOf(*table).index));
    }
    return;
  }
  std::vector<TableShape> instead;
  if (!shapes->empty() && shapes->front().level == group.level &&
      shapes->front().run == group.run &&
      (first.index == 0 || all[first.index - 1].largest_key < shapes->front().smallest_key) &&
      (end == all.size() || shapes->back().largest_key < all[end].smallest_key)) {
    instead.swap(*shapes);
  }
  Exchange(all, first.index, group.tables.size(), std::move(instead));
}

void SimTree::Apply(Edit edit) {
  for (size_t i = 0; i < edit.added.size(); ++i) {
    const SimTable& table = edit.added[i];
    TableShape& shape = edit.shapes[i];
    shape.file = table.file;
    shape.level = table.level;
    shape.run = table.run;
    shape.smallest_key = KeyAt(table.range.begin);
    shape.largest_key = KeyAt(table.range.end - 1);
    CountLevel(shape.level, shape, 1);
  }
  const std::vector<Group> groups = GroupByRun(edit.removed);
  for (const Group& group : groups) TakeOut(group, &edit.shapes);
  for (const uint64_t file : edit.removed) tables_.erase(file);
  for (const SimTable& table : edit.added) tables_.emplace(table.file, table);
  if (!edit.shapes.empty()) {
    Insert(RunOf(edit.added[0].level, edit.added[0].run), std::move(edit.shapes));
  }
  for (const Group& group : groups) {
    std::vector<RunShape>& runs = shape_.levels[group.level].runs;
    const auto run = FindRun(runs, group.run);
    if (run != runs.end() && run->run == group.run && run->tables.empty()) runs.erase(run);
    RefreshAbove(group.level, group.smallest, group.largest);
  }
  if (edit.added.empty()) return;
  for (const SimTable& table : edit.added) {
    const Place place = PlaceOf(table);
    TableShape& shape = place.run->tables[place.index];
    shape.next_level_overlap_bytes = OverlapBelow(shape);
  }
  RefreshAbove(edit.added[0].level, KeyAt(edit.added.front().range.begin),
               KeyAt(edit.added.back().range.end - 1));
}

uint64_t SimTree::OverlapBelow(const TableShape& table) const {
  if (table.level + 1 >= shape_.levels.size()) return 0;
  uint64_t bytes = 0;
  for (const RunShape& run : shape_.levels[table.level + 1].runs) {
    auto below = FirstNotBefore(const_cast<RunShape&>(run).tables, table.smallest_key);
    for (; below != run.tables.end() && below->smallest_key <= table.largest_key; ++below) {
      bytes += below->bytes;
    }
  }
  return bytes;
}

// The overlaps that tables of the level above have with a changed stretch of `level`.
void SimTree::RefreshAbove(uint32_t level, const std::string& smallest,
                           const std::string& largest) {
  if (level == 0) return;
  for (RunShape& run : shape_.levels[level - 1].runs) {
    auto table = FirstNotBefore(run.tables, smallest);
    for (; table != run.tables.end() && table->smallest_key <= largest; ++table) {
      table->next_level_overlap_bytes = OverlapBelow(*table);
    }
  }
}

}  // namespace lsmlab::harness
