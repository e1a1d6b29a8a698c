#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/status.h"
#include "engine/composition.h"
#include "engine/tree/filter_allocation.h"
#include "harness/simulate/sim_workload.h"

namespace lsmlab::harness {

// What one entry takes in tables of one kind, bytes.
struct StoredEntry {
  double put = 0, tombstone = 0;
  // Of a file, the share that the size of an open file counts: without filter and index.
  double counted_share = 1;
};

// What one entry takes in the parts of a composition, bytes.
struct EntryCosts {
  double memtable_put = 0, memtable_tombstone = 0;
  std::vector<StoredEntry> per_level;      // never empty; the last one repeats
  StoredEntry last_level;                  // tables below which no level holds data
  std::optional<FilterAllocation> filter;  // none: there is no filter

  // Chance that a table of `level` is read for a key that it does not hold, in a tree of this
  // shape: that of a Bloom filter with the best number of probes (Bloom 1970); all our filters are
  // near it.
  double FalsePositives(uint32_t level, std::span<const LevelFill> fill) const;
  const StoredEntry& At(uint32_t level, bool last) const noexcept {
    if (last) return last_level;
    return per_level[level < per_level.size() ? level : per_level.size() - 1];
  }
};

// Measures them: fills a real memtable and builds real tables of the composition with a few MiB of
// entries, in memory. Takes some ten milliseconds. InvalidArgument when keys or values are longer
// than the engine takes; NotSupported when values are stored apart from the keys.
Result<EntryCosts> MeasureEntryCosts(const Composition& composition, const SimWorkload& workload);

}  // namespace lsmlab::harness
