#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/parts/tree_shape.h"

namespace lsmlab {

// Everything a store counts, summed over its shards and threads since it was opened. Bytes are as
// handed to the I/O part. A snapshot by value; counters are read relaxed, each by itself exact.
struct StoreStats {
  // Writes.
  uint64_t batches = 0, operations_written = 0, user_bytes_written = 0, groups = 0;
  uint64_t wal_bytes = 0, wal_syncs = 0;
  uint64_t flushes = 0, flush_bytes = 0;
  uint64_t compactions = 0, trivial_moves = 0;
  // Read: bytes of the input tables, whether they came from the device or from the cache.
  uint64_t compaction_bytes_read = 0, compaction_bytes_written = 0;
  uint64_t catalog_bytes = 0;
  // Of value files: written by flushes (in flush_bytes, too), written by compactions (not in
  // compaction_bytes_written), read by these.
  uint64_t value_flush_bytes = 0, value_gc_bytes = 0, value_gc_bytes_read = 0;
  uint64_t slowdowns = 0, slowdown_ns = 0, stalls = 0, stall_ns = 0;
  uint64_t stall_memtable_ns = 0, stall_l0_ns = 0;  // stall_ns by cause
  // Reads.
  uint64_t gets = 0, gets_found = 0, memtable_hits = 0;
  uint64_t seeks = 0, nexts = 0;  // steps of an iterator count when it ends
  uint64_t filter_probes = 0, filter_negatives = 0, filter_false_positives = 0;
  uint64_t cache_hits = 0, cache_misses = 0, cache_inserts = 0, cache_evictions = 0;
  uint64_t cache_bytes = 0, cache_capacity_bytes = 0;
  uint64_t cache_pinned_bytes = 0;  // part of cache_bytes
  uint64_t cache_pins_refused = 0;  // blocks that cache.pin_share had no room for
  uint64_t block_reads = 0, block_read_bytes = 0;
  uint64_t value_reads = 0, value_read_bytes = 0;  // from value files, for readers
  // Calls that worker pools ran for their callers, and those that waited for room in a queue.
  uint64_t read_handovers = 0, write_handovers = 0, handover_waits = 0;
  // State.
  uint64_t fsyncs = 0, device_read_bytes = 0, device_write_bytes = 0;
  uint64_t io_without_ring = 0, io_buffers_refused = 0;  // see IoCounters
  uint64_t table_bytes = 0, tables = 0, pinned_bytes = 0, memtable_bytes = 0;
  uint64_t live_entries_estimate = 0;
  // Value files in use: size on disk; of all records in them; of those that a table refers to.
  uint64_t value_files = 0, value_bytes = 0, value_record_bytes = 0, value_live_bytes = 0;

  // (flush + compaction + value GC bytes) / user bytes; 0 before the first write.
  double WriteAmplification() const noexcept;
};

// Name and value of every counter above, in a fixed order, for reports.
std::vector<std::pair<std::string_view, double>> StatsAsList(const StoreStats& stats);

// One thing the engine did in the background, or made a writer wait for.
struct StoreEvent {
  enum class Kind : uint8_t { kFlush, kCompaction, kMove, kDrop, kStall, kSlowdown, kError };
  Kind kind = Kind::kFlush;
  int64_t start_ns = 0;  // monotonic clock
  int64_t end_ns = 0;
  uint32_t shard = 0, input_level = 0, output_level = 0;
  uint64_t bytes_in = 0, bytes_out = 0;  // of tables and value files
  std::string cause;
};
std::string_view EventKindName(StoreEvent::Kind kind) noexcept;

}  // namespace lsmlab
