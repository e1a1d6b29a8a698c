#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"
#include "engine/parts/block.h"

namespace lsmlab {

// How much of a value file a table's entries refer to.
struct ValueFileUse {
  uint64_t file = 0;
  uint64_t bytes = 0;  // of the records referred to
};

// What the catalog keeps of a table: enough to place it without opening it.
struct TableEntry {
  uint64_t file = 0;  // NNNNNN.sst
  TableId id;
  uint32_t tree = 0, level = 0, run = 0;
  uint64_t bytes = 0, entries = 0, tombstones = 0, raw_bytes = 0;
  std::string smallest_key, largest_key;
  Tag smallest_tag = 0, largest_tag = 0;
  Sequence min_sequence = 0, max_sequence = 0;
  int64_t created_ns = 0, oldest_tombstone_ns = 0;
  bool last_level = false;
  std::optional<Sequence> sequence_override;  // ingested tables
  // By rising file number. The live bytes of a value file are the sum over all tables, so that
  // nothing about its garbage has to be kept, or can go wrong, apart from them.
  std::vector<ValueFileUse> values;
};

// What the catalog keeps of a value file (value_file.h).
struct ValueFileEntry {
  uint64_t file = 0;  // NNNNNN.val
  TableId id;
  uint32_t tree = 0;
  uint64_t bytes = 0;                      // of the whole file
  uint64_t records = 0, record_bytes = 0;  // live and dead ones
  int64_t created_ns = 0;                  // since 1970
};

struct RemovedTable {
  uint64_t file = 0;
};

// One atomic change of a tree: all of it is visible after a crash, or none.
struct VersionEdit {
  uint32_t tree = 0;
  std::optional<uint64_t> log_number;     // logs below are not needed any more
  std::optional<Sequence> last_sequence;  // at least every sequence in the tables
  std::optional<uint64_t> next_file;      // numbers below are used up
  // Of a clean close: the newest log segment and its size, so that a cut or missing one is noticed.
  std::optional<uint64_t> closed_log, closed_log_bytes;
  std::optional<std::string> policy_state;
  std::vector<TableEntry> added;
  std::vector<RemovedTable> removed;
  std::vector<ValueFileEntry> values_added;
  std::vector<uint64_t> values_removed;  // file numbers: no table refers to them any more
  // It is a part of a larger one, which goes on with the next edit: only both together count. The
  // numbers stand in the last part.
  bool continues = false;
};

inline constexpr size_t kMaxPolicyStateBytes = 4096;
inline constexpr uint32_t kMaxLevels = 32;
inline constexpr size_t kMaxEditBytes = 16u << 20;
inline constexpr size_t kMaxTables = 1u << 20;
inline constexpr size_t kMaxValueFiles = 1u << 20;

// Grammar at the encoder (version_edit.cc). Decode is safe on hostile bytes: limits are checked
// before allocation; an unknown mandatory field is refused, an unknown optional one skipped.
void EncodeVersionEdit(const VersionEdit& edit, std::string& out);
Status DecodeVersionEdit(Slice bytes, VersionEdit* edit);

// The sum of all edits of a shard.
struct CatalogState {
  uint64_t log_number = 0;
  Sequence last_sequence = 0;
  uint64_t next_file = 1;
  uint64_t closed_log = 0;  // 0: none; of interest while it is not below log_number
  uint64_t closed_log_bytes = 0;
  std::string policy_state;
  std::vector<TableEntry> tables;           // in order of file number
  std::vector<ValueFileEntry> value_files;  // in order of file number
};
// Corruption when the edit removes what is not there, or adds a file twice. A removed file may be
// added again by the same edit: a move; not so a value file. Whether tables and value files fit
// each other is for the tree to check: a snapshot of the state comes in several edits.
Status CheckEdit(const VersionEdit& edit, const CatalogState& state);
// Numbers and sequence never go back: the larger one stays. On failure the state is unchanged.
// REQUIRES: the edit is whole.
Status ApplyEdit(const VersionEdit& edit, CatalogState* state);

}  // namespace lsmlab
