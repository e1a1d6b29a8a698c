#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/format/entry.h"

// An immutable description of a tree, as compaction policies and reports see it. Plain values: it
// can be written by hand in a test, or simulated at sizes that no disk here holds.
//
// Made by a version of the tree (engine/tree/version.h) or by the simulator; from then on it is its
// holder's alone and refers to nothing outside it. Invariants: a table's level and run are those it
// is listed under; overlaps and being_compacted are as of the moment it was made; targets are what
// the policy's SetTargets has filled in last. Nothing here fails or waits.
namespace lsmlab {

struct TableShape {
  uint64_t file = 0;
  uint32_t level = 0, run = 0;
  uint64_t bytes = 0, entries = 0, tombstones = 0;
  int64_t created_ns = 0, oldest_tombstone_ns = 0;  // since 1970; 0: none. See TableProperties
  std::string smallest_key, largest_key;            // inclusive
  Sequence min_sequence = 0, max_sequence = 0;
  uint64_t next_level_overlap_bytes = 0;
  // Its share, by the bytes it refers to, of the garbage in value files.
  uint64_t value_garbage_bytes = 0;
  bool being_compacted = false;
};

// A sorted run: tables with disjoint key ranges, in key order. Level 0: one table per run.
struct RunShape {
  uint32_t run = 0;  // larger is newer within a level
  std::vector<TableShape> tables;
};

struct LevelShape {
  std::vector<RunShape> runs;  // newest first
  uint64_t bytes = 0;          // of all tables
  uint64_t target_bytes = 0;   // 0: no target
  uint64_t bytes_being_compacted = 0;
};

struct RunningJobShape {
  uint32_t input_level = 0, output_level = 0;
  uint64_t input_bytes = 0;
};

// A value file in use. Rising numbers: later made.
struct ValueFileShape {
  uint64_t file = 0;
  uint64_t bytes = 0;       // of all its records
  uint64_t live_bytes = 0;  // of those that a table refers to
  uint64_t garbage_bytes() const noexcept { return bytes - live_bytes; }
};

struct TreeShape {
  std::vector<LevelShape> levels;
  std::vector<RunningJobShape> jobs;
  std::vector<ValueFileShape> value_files;  // by rising number
  uint64_t waiting_memtable_bytes = 0;
  // When the oldest snapshot alive was taken, since 1970; 0: none lives. What it sees stays.
  int64_t oldest_snapshot_ns = 0;
};

}  // namespace lsmlab
