#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/base/epoch.h"
#include "engine/parts/tree_shape.h"
#include "engine/tree/table_handle.h"

namespace lsmlab {

// A sorted run: tables with disjoint key ranges, in key order, and the 8-byte heads of their first
// and last keys (after the run's common prefix) to find the one table that may hold a key.
struct Run {
  uint32_t number = 0;
  std::vector<TableHandle*> tables;
  std::string prefix;
  std::vector<uint64_t> first_heads, last_heads;
  // Of each table. Beside each other, so that a negative answer touches no table.
  std::vector<TableFilter> filters;

  // Index of the first table whose largest key is >= key; tables.size() when there is none.
  size_t Find(Slice key) const noexcept;
  // Index of the table whose range holds the key; tables.size() when there is none.
  size_t FindHolder(Slice key) const noexcept;
  void BuildIndex();
};

// Where a table stands: the same open table may have another place in the next version (a move).
struct PlacedTable {
  TableHandle* table;
  uint32_t level;
  uint32_t run;
};

// The set of tables at one moment: immutable, counted. A level is a list of runs, newest first;
// level 0 has one table per run, a leveled level one run.
class Version {
 public:
  // Takes its own reference to every table. REQUIRES: tables of one (level, run) are disjoint.
  Version(std::vector<PlacedTable> tables, uint32_t levels);

  void Ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const std::vector<std::vector<Run>>& levels() const noexcept { return levels_; }
  const std::vector<PlacedTable>& tables() const noexcept { return tables_; }
  size_t run_count() const noexcept { return run_count_; }

  // Point read from memory, newest run to oldest. False: a block is missing (see Table::TryGet).
  bool TryGet(const LookupKey& lookup, LookupFold& fold, const ReadGuard& guard,
              TableReadCounters& counters) const noexcept;
  // The same with loading. REQUIRES: the version is held by a counted reference.
  Task<Status> Get(const LookupKey& lookup, LookupFold& fold, TableReadCounters& counters) const;
  void PrefetchGet(const LookupKey& lookup) const noexcept;

  // Without targets and jobs. REQUIRES: the tree's mutex is held, for `being_compacted`.
  TreeShape Shape() const;
  // Bytes of each level. Needs no lock.
  std::vector<uint64_t> LevelBytes() const;
  uint64_t bytes() const noexcept;

 private:
  ~Version();
  std::atomic<uint32_t> references_{1};
  std::vector<PlacedTable> tables_;
  std::vector<std::vector<Run>> levels_;
  size_t run_count_ = 0;
};

}  // namespace lsmlab
