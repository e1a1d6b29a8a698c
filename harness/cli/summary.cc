#include "harness/cli/summary.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>

#include "engine/base/shown.h"
#include "harness/run/progress.h"

namespace lsmlab::harness {
namespace {

// However long the line is: names of rows hold every --set, errors hold paths.
[[gnu::format(printf, 2, 3)]] void Append(std::string& text, const char* format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, format, arguments);
  va_end(arguments);
  const size_t end = text.size();
  text.resize(end + static_cast<size_t>(std::max(size, 0)) + 1);
  std::vsnprintf(text.data() + end, text.size() - end, format, again);
  va_end(again);
  text.pop_back();  // the terminating zero
}

std::string Time(uint64_t nanos) {
  char text[32];
  const auto n = static_cast<double>(nanos);
  if (n < 1e4) {
    std::snprintf(text, sizeof text, "%.0f ns", n);
  } else if (n < 1e7) {
    std::snprintf(text, sizeof text, "%.1f us", n / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.1f ms", n / 1e6);
  }
  return text;
}

void AppendLatencies(const PhaseResult& measured, std::string& text) {
  for (size_t kind = 0; kind < kLatencyKinds; ++kind) {
    const Histogram& h = measured.latency[kind];
    if (h.count() == 0) continue;
    Append(text, "  %-12s %9" PRIu64 " ops  mean %-9s p50 %-9s p99 %-9s p99.9 %-9s max %s\n",
           std::string(LatencyKindName(kind)).c_str(), h.count(),
           Time(static_cast<uint64_t>(h.mean())).c_str(), Time(h.Percentile(50)).c_str(),
           Time(h.Percentile(99)).c_str(), Time(h.Percentile(99.9)).c_str(), Time(h.max()).c_str());
  }
}

double At(const CounterMap& map, std::string_view name) {
  const auto found = map.find(name);
  return found == map.end() ? 0 : found->second;
}

std::string Mebibytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", bytes / (1 << 20));
  return text;
}

void AppendParts(const RunRecord& record, std::string& text) {
  const CounterMap& c = record.counters;
  if (c.empty()) return;
  const auto time = [&](std::string_view name) {
    if (c.count(name) == 0) return std::string("not counted");
    return Time(static_cast<uint64_t>(At(c, name)));
  };
  Append(text, "  flushes %.0f, compactions %.0f, stalled %s, slowed %s\n", At(c, "flushes"),
         At(c, "compactions"), time("stall_ns").c_str(), time("slowdown_ns").c_str());
  if (c.count("cache_hits") == 0) {  // RocksDB without peers.rocksdb.statistics
    text += "  cache and filter: not counted\n";
    return;
  }
  const double lookups = At(c, "cache_hits") + At(c, "cache_misses");
  if (lookups > 0) {
    Append(text, "  cache: %.2f %% hits of %.0f; ", 100 * At(c, "cache_hits") / lookups, lookups);
  } else {
    text += "  cache: not asked; ";
  }
  Append(text, "filter: %.0f probes, %.0f negatives, %.0f false positives\n",
         At(c, "filter_probes"), At(c, "filter_negatives"), At(c, "filter_false_positives"));
}

// How evenly the partitioner has spread what is in the tables.
void AppendShards(const RunRecord& record, std::string& text) {
  const double shards = At(record.gauges, "shards");
  if (shards <= 1 || record.gauges.count("shard_imbalance") == 0) return;
  Append(text, "  shards: %.0f, the largest holds %.2f times the mean\n", shards,
         At(record.gauges, "shard_imbalance"));
}

void AppendAmplification(const RunRecord& record, std::string& text) {
  const auto figure = [](const std::optional<double>& value) {
    char number[32];
    if (!value) return std::string("-");
    std::snprintf(number, sizeof number, "%.2f", *value);
    return std::string(number);
  };
  Append(text, "  amplification: write %s, read %s reads of blocks and values per get, space %s\n",
         figure(record.write_amplification).c_str(), figure(record.read_amplification).c_str(),
         figure(record.space_amplification).c_str());
}

void AppendProcess(const RunRecord& record, std::string& text) {
  Append(text, "  cpu %.2f s user, %.2f s system; peak memory %s", record.cpu_user_s,
         record.cpu_system_s, Mebibytes(static_cast<double>(record.rss_peak_bytes)).c_str());
  if (record.device_read_bytes && record.device_write_bytes) {
    Append(text, "; device read %s, written %s",
           Mebibytes(static_cast<double>(*record.device_read_bytes)).c_str(),
           Mebibytes(static_cast<double>(*record.device_write_bytes)).c_str());
  }
  text += "\n  levels:";
  for (const LevelState& level : record.levels) {
    if (level.tables == 0) continue;
    Append(text, " L%u %" PRIu64 " tables %s;", level.level, level.tables,
           Mebibytes(static_cast<double>(level.bytes)).c_str());
  }
  text += '\n';
}

}  // namespace

std::string SummaryText(const RunRecord& record) {
  std::string text;
  const RunIdentity& id = record.identity;
  Append(text, "%s %s %s%s%s\n", id.variant.c_str(), id.workload.c_str(), record.phase.c_str(),
         record.complete ? "" : ": NOT COMPLETE: ", record.complete ? "" : record.error.c_str());
  if (!record.measured) return text;
  const PhaseResult& m = *record.measured;
  Append(text, "  %" PRIu64 " ops in %.3f s: %s ops/s", m.ops, m.elapsed_s,
         ShortCount(m.elapsed_s > 0 ? static_cast<double>(m.ops) / m.elapsed_s : 0).c_str());
  if (record.drained_s) {
    Append(text, "; drained after %.3f s: %s ops/s", *record.drained_s,
           ShortCount(static_cast<double>(m.ops) / *record.drained_s).c_str());
  }
  if (m.ops_failed > 0) Append(text, "; %" PRIu64 " FAILED", m.ops_failed);
  text += '\n';
  AppendLatencies(m, text);
  AppendParts(record, text);
  AppendShards(record, text);
  if (!record.counters.empty()) AppendAmplification(record, text);
  AppendProcess(record, text);
  Append(text, "  stream digest %s\n", record.workload_digest.c_str());
  for (const std::string& property : record.workload_ignored) {
    Append(text, "  ignored, it has no meaning here: %s\n", Shown(property).c_str());
  }
  return text;
}

}  // namespace lsmlab::harness
