#include "harness/run/idle_parts.h"

#include <algorithm>
#include <string_view>

namespace lsmlab::harness {
namespace {

// A part worked in a phase when one of these counters moved. In the load a filter or a codec is
// built or runs when tables are written; afterwards a filter works by being asked.
struct Signs {
  std::string_view part;
  std::string_view phase;  // empty: both
  std::vector<std::string_view> counters;
};

const std::vector<Signs>& Table() {
  static const std::vector<Signs> table = {
      {"memtable", "", {"operations_written", "memtable_hits", "seeks"}},
      {"wal", "", {"wal_bytes"}},
      {"table", "", {"flushes", "compactions", "block_reads", "cache_hits", "cache_misses"}},
      {"filter", "load", {"flushes", "compactions"}},
      {"filter", "run", {"filter_probes"}},
      {"codec", "load", {"flushes", "compactions"}},
      {"codec", "run", {"flushes", "compactions", "block_reads"}},
      {"cache", "", {"cache_hits", "cache_misses"}},
      {"values", "", {"value_flush_bytes", "value_gc_bytes", "value_reads"}},
      {"compaction", "", {"compactions", "trivial_moves"}},
      {"catalog", "", {"catalog_bytes"}},
  };
  return table;
}

bool Moved(const RunRecord& record, const Signs& signs) {
  bool known = false;
  for (std::string_view name : signs.counters) {
    const auto found = record.counters.find(name);
    if (found == record.counters.end()) continue;
    known = true;
    if (found->second > 0) return true;
  }
  return !known;
}

// A variant that never does anything is not idle: it was chosen to do nothing.
bool IsNull(const RunRecord& record, const std::string& part) {
  const auto variant = record.config.find("engine." + part + ".variant");
  return variant != record.config.end() && (variant->second == "none" || variant->second == "off");
}

}  // namespace

std::vector<std::string> IdleParts(const std::vector<std::string>& parts, const RunRecord& record) {
  std::vector<std::string> idle;
  if (record.identity.engine == "null") return idle;
  for (const std::string& part : parts) {
    for (const Signs& signs : Table()) {
      const bool applies =
          signs.part == part && (signs.phase.empty() || signs.phase == record.phase);
      if (applies && !IsNull(record, part) && !Moved(record, signs)) idle.push_back(part);
    }
  }
  return idle;
}

}  // namespace lsmlab::harness
