#include "engine/stats.h"

namespace lsmlab {

double StoreStats::WriteAmplification() const noexcept {
  if (user_bytes_written == 0) return 0;
  return static_cast<double>(flush_bytes + compaction_bytes_written + value_gc_bytes) /
         static_cast<double>(user_bytes_written);
}

std::vector<std::pair<std::string_view, double>> StatsAsList(const StoreStats& s) {
  const std::pair<std::string_view, uint64_t> rows[] = {
      {"batches", s.batches},
      {"operations_written", s.operations_written},
      {"user_bytes_written", s.user_bytes_written},
      {"groups", s.groups},
      {"wal_bytes", s.wal_bytes},
      {"wal_syncs", s.wal_syncs},
      {"flushes", s.flushes},
      {"flush_bytes", s.flush_bytes},
      {"compactions", s.compactions},
      {"trivial_moves", s.trivial_moves},
      {"compaction_bytes_read", s.compaction_bytes_read},
      {"compaction_bytes_written", s.compaction_bytes_written},
      {"catalog_bytes", s.catalog_bytes},
      {"value_flush_bytes", s.value_flush_bytes},
      {"value_gc_bytes", s.value_gc_bytes},
      {"value_gc_bytes_read", s.value_gc_bytes_read},
      {"slowdowns", s.slowdowns},
      {"slowdown_ns", s.slowdown_ns},
      {"stalls", s.stalls},
      {"stall_ns", s.stall_ns},
      {"stall_memtable_ns", s.stall_memtable_ns},
      {"stall_l0_ns", s.stall_l0_ns},
      {"gets", s.gets},
      {"gets_found", s.gets_found},
      {"memtable_hits", s.memtable_hits},
      {"seeks", s.seeks},
      {"nexts", s.nexts},
      {"filter_probes", s.filter_probes},
      {"filter_negatives", s.filter_negatives},
      {"filter_false_positives", s.filter_false_positives},
      {"cache_hits", s.cache_hits},
      {"cache_misses", s.cache_misses},
      {"cache_inserts", s.cache_inserts},
      {"cache_evictions", s.cache_evictions},
      {"cache_bytes", s.cache_bytes},
      {"cache_capacity_bytes", s.cache_capacity_bytes},
      {"cache_pinned_bytes", s.cache_pinned_bytes},
      {"cache_pins_refused", s.cache_pins_refused},
      {"block_reads", s.block_reads},
      {"block_read_bytes", s.block_read_bytes},
      {"value_reads", s.value_reads},
      {"value_read_bytes", s.value_read_bytes},
      {"read_handovers", s.read_handovers},
      {"write_handovers", s.write_handovers},
      {"handover_waits", s.handover_waits},
      {"fsyncs", s.fsyncs},
      {"device_read_bytes", s.device_read_bytes},
      {"device_write_bytes", s.device_write_bytes},
      {"io_without_ring", s.io_without_ring},
      {"io_buffers_refused", s.io_buffers_refused},
      {"table_bytes", s.table_bytes},
      {"tables", s.tables},
      {"pinned_bytes", s.pinned_bytes},
      {"memtable_bytes", s.memtable_bytes},
      {"live_entries_estimate", s.live_entries_estimate},
      {"value_files", s.value_files},
      {"value_bytes", s.value_bytes},
      {"value_record_bytes", s.value_record_bytes},
      {"value_live_bytes", s.value_live_bytes},
  };
  std::vector<std::pair<std::string_view, double>> list;
  for (const auto& [name, value] : rows) list.emplace_back(name, static_cast<double>(value));
  return list;
}

std::string_view EventKindName(StoreEvent::Kind kind) noexcept {
  switch (kind) {
    case StoreEvent::Kind::kFlush:
      return "flush";
    case StoreEvent::Kind::kCompaction:
      return "compaction";
    case StoreEvent::Kind::kMove:
      return "move";
    case StoreEvent::Kind::kDrop:
      return "drop";
    case StoreEvent::Kind::kStall:
      return "stall";
    case StoreEvent::Kind::kSlowdown:
      return "slowdown";
    case StoreEvent::Kind::kError:
      return "error";
  }
  return "unknown";
}

}  // namespace lsmlab
