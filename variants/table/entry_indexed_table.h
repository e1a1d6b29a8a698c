#pragma once

#include <memory>

#include "engine/parts/table.h"
#include "variants/table/flat_file.h"

namespace lsmlab::table_internal {

// Settings of flat tables that are for this alone.
inline constexpr SettingSpec kEntryIndexSettings[] = {
    {"index.entries", SettingType::kChoice, "none", 0, 0, "none|hash",
     "hash: a hash table in memory from all keys to their entries takes the place of filter, index "
     "and search in point reads, about 9 bytes per key; a table is read whole when it is opened; "
     "needs layout slotted"},
    {"index.entries_bytes", SettingType::kBytes, "256MiB", 0, int64_t{1} << 44, "",
     "memory that the tables of a shard may use for that; a table opened when it is used up goes "
     "without"},
};

// Whether tables of this environment are to have a hash index over their entries, and this one can.
bool WantsEntryIndex(const TableEnvironment& environment, const FlatFile& file) noexcept;

// Reads all blocks of `plain`, an open table over `file`, which it owns, and returns a table that
// finds entries by hash and leaves everything else to `plain`. Without memory, or when a block
// cannot be read, the table remains what it was: who reads that block will say why.
Task<std::unique_ptr<Table>> AddEntryIndex(const TableEnvironment& environment,
                                           const FlatFile& file, std::unique_ptr<Table> plain);

}  // namespace lsmlab::table_internal
