#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/base/coding.h"
#include "engine/base/epoch.h"
#include "engine/parts/tree_shape.h"
#include "engine/tree/filter_allocation.h"
#include "engine/tree/table_handle.h"
#include "engine/tree/value_file_handle.h"

namespace lsmlab {

// A sorted run: tables with disjoint key ranges, in key order, and the 8-byte heads of their first
// and last keys (after the run's common prefix) to find the one table that may hold a key.
struct Run {
  uint32_t number = 0;
  std::vector<TableHandle*> tables;
  std::string prefix;
  std::vector<uint64_t> first_heads, last_heads;  // filled up to kHeadsAtOnce with the maximum
  // Of each table. Beside each other, so that a negative answer touches no table.
  std::vector<TableFilter> filters;
  std::vector<uint64_t> value_garbage;  // of each table; see TableShape

  // Index of the first table whose largest key is >= key; tables.size() when there is none.
  size_t Find(Slice key) const noexcept;
  // Index of the table whose range holds the key; tables.size() when there is none.
  size_t FindHolder(Slice key) const noexcept {
    if (!prefix.empty() && !key.starts_with(prefix)) return tables.size();
    const uint64_t head = HeadOf(key, prefix.size());
    const size_t i = CountBelow(head);
    if (last_heads[i] == head || first_heads[i] == head) [[unlikely]]
      return FindHolderAmongTies(key);
    return first_heads[i] < head ? i : tables.size();
  }
  void BuildIndex();

 private:
  static constexpr size_t kHeadsAtOnce = 8;
  // The first eight bytes of the key after `skip`, zero padded, as an integer in key order.
  static uint64_t HeadOf(Slice key, size_t skip) noexcept {
    if (key.size() >= skip + 8) [[likely]] {
      return __builtin_bswap64(LoadLe<uint64_t>(key.data() + skip));
    }
    return HeadOfShort(key, skip);
  }
  static uint64_t HeadOfShort(Slice key, size_t skip) noexcept;
  // How many of the tables' last keys have heads below `head`; below the padded size. Without a
  // branch on what is compared: keys are random, and every wrong guess would end the run-ahead into
  // the next run's memory. What lies behind the window that the halving leaves is not below.
  size_t CountBelow(uint64_t head) const noexcept {
    const uint64_t* base = last_heads.data();
    size_t n = last_heads.size();
    while (n > 4 * kHeadsAtOnce) {
      const size_t half = n / 2 / kHeadsAtOnce * kHeadsAtOnce;
      base += base[half - 1] < head ? half : 0;
      n -= half;
    }
    size_t below = static_cast<size_t>(base - last_heads.data());
    for (size_t i = 0; i < n; i += kHeadsAtOnce) {
      uint64_t part = 0;
      for (size_t j = 0; j < kHeadsAtOnce; ++j) part += base[i + j] < head;
      below += part;
    }
    return below;
  }
  size_t FindHolderAmongTies(Slice key) const noexcept;
};

// Where a table stands: the same open table may have another place in the next version (a move).
struct PlacedTable {
  TableHandle* table;
  uint32_t level;
  uint32_t run;
};

// A value file, and how many bytes of it the tables of a version refer to.
struct LiveValueFile {
  ValueFileHandle* handle;
  uint64_t live_bytes;
};

// The set of tables at one moment, with the value files they refer to: immutable, counted. A level
// is a list of runs, newest first; level 0 has one table per run, a leveled level one run.
class Version {
 public:
  // Takes its own reference to every file. `values`: by rising file number. REQUIRES: tables of one
  // (level, run) are disjoint; every value file that a table refers to is there.
  Version(std::vector<PlacedTable> tables, uint32_t levels, std::vector<LiveValueFile> values = {});

  void Ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const std::vector<std::vector<Run>>& levels() const noexcept { return levels_; }
  const std::vector<PlacedTable>& tables() const noexcept { return tables_; }
  size_t run_count() const noexcept { return order_.size(); }
  const std::vector<LiveValueFile>& values() const noexcept { return values_; }
  // Null: there is none.
  const ValueFileHandle* FindValueFile(uint64_t file) const noexcept;
  std::vector<ValueFileShape> ValueFileShapes() const;

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
  // Entries and runs of each level. Needs no lock.
  std::vector<LevelFill> Fill() const;
  uint64_t bytes() const noexcept;

 private:
  ~Version();
  std::atomic<uint32_t> references_{1};
  std::vector<PlacedTable> tables_;
  std::vector<LiveValueFile> values_;
  std::vector<std::vector<Run>> levels_;
  std::vector<const Run*> order_;  // all runs, newest first
};

}  // namespace lsmlab
