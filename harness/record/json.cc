#include "harness/record/json.h"

#include <nlohmann/json.hpp>

#include "engine/base/base64.h"

namespace lsmlab::harness {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const TextMap& map) {
  Json object = Json::object();
  for (const auto& [name, text] : map) object[name] = text;
  return object;
}

Json ToJson(const Histogram& h) {
  return {{"count", h.count()},
          {"mean", h.mean()},
          {"min", h.min()},
          {"p50", h.Percentile(50)},
          {"p90", h.Percentile(90)},
          {"p95", h.Percentile(95)},
          {"p99", h.Percentile(99)},
          {"p999", h.Percentile(99.9)},
          {"p9999", h.Percentile(99.99)},
          {"max", h.max()},
          {"hdr", Base64Encode(h.Serialize())}};
}

Json ToJson(const ExpectBar& bar) {
  Json out = {{"workload", bar.workload},
              {"phase", bar.phase},
              {"variant", bar.variant},
              {"base", bar.base},
              {"metric", bar.metric}};
  if (bar.at_least > 0) out["at_least"] = bar.at_least;
  if (bar.at_most > 0) out["at_most"] = bar.at_most;
  return out;
}

Json ToJson(const std::vector<ExpectBar>& bars) {
  Json array = Json::array();
  for (const ExpectBar& bar : bars) array.push_back(ToJson(bar));
  return array;
}

Json Machine(const Provenance& p) {
  return {{"cpu", p.cpu},
          {"cores", p.cores},
          {"cpu_governor", p.cpu_governor},
          {"memory_bytes", p.memory_bytes},
          {"huge_pages", p.huge_pages},
          {"kernel", p.kernel},
          {"filesystem", p.filesystem},
          {"mount_options", p.mount_options},
          {"disk", p.disk},
          {"io_scheduler", p.io_scheduler},
          {"write_cache", p.write_cache}};
}

void PutIdentity(const RunIdentity& id, Json& out) {
  out["experiment"] = id.experiment;
  out["question"] = id.question;
  out["base"] = id.base;
  out["variant"] = id.variant;
  out["engine"] = id.engine;
  out["cell"] = ToJson(id.cell);
  out["workload"] = id.workload;
  out["block"] = id.block;
  out["blocks"] = id.blocks;
  out["order"] = id.order;
  out["seed"] = id.seed;
}

void PutMeasured(const RunRecord& record, Json& out) {
  const PhaseResult& m = *record.measured;
  out["ops"] = m.ops;
  out["ops_failed"] = m.ops_failed;
  if (m.ops_due > 0) out["ops_due"] = m.ops_due;
  out["not_found"] = m.not_found;
  out["elapsed_s"] = m.elapsed_s;
  out["ops_per_s"] = m.elapsed_s > 0 ? static_cast<double>(m.ops) / m.elapsed_s : 0.0;
  out["user_bytes_written"] = m.user_bytes_written;
  if (record.drained_s) {
    out["drained_s"] = *record.drained_s;
    out["drained_ops_per_s"] = static_cast<double>(m.ops) / *record.drained_s;
  }
  Json latency = Json::object();
  for (size_t kind = 0; kind < kLatencyKinds; ++kind) {
    if (m.latency[kind].count() == 0) continue;
    latency[std::string(LatencyKindName(kind))] = ToJson(m.latency[kind]);
  }
  out["latency_ns"] = std::move(latency);
  Json series = Json::array();
  double before = 0;
  for (const SeriesPoint& point : m.series) {
    const double span = point.t_s - before;
    if (span <= 0) continue;
    series.push_back({{"t_s", point.t_s},
                      {"ops", point.ops},
                      {"ops_per_s", static_cast<double>(point.ops) / span}});
    before = point.t_s;
  }
  out["series"] = std::move(series);
}

void PutEvents(const RunRecord& record, Json& out) {
  const int64_t start = record.measured->start_ns;
  Json events = Json::array();
  for (const EngineEvent& e : record.events) {
    if (e.end_ns < start) continue;
    events.push_back({{"t_s", static_cast<double>(e.start_ns - start) * 1e-9},
                      {"duration_s", static_cast<double>(e.end_ns - e.start_ns) * 1e-9},
                      {"kind", e.kind},
                      {"bytes_in", e.bytes_in},
                      {"bytes_out", e.bytes_out},
                      {"level", e.level},
                      {"cause", e.cause}});
  }
  out["events"] = std::move(events);
}

void PutLevels(const RunRecord& record, Json& out) {
  Json levels = Json::array();
  for (const LevelState& l : record.levels) {
    levels.push_back(
        {{"level", l.level}, {"tables", l.tables}, {"bytes", l.bytes}, {"runs", l.runs}});
  }
  out["levels"] = std::move(levels);
}

void PutFigures(const RunRecord& record, Json& out) {
  PutMeasured(record, out);
  PutEvents(record, out);
  PutLevels(record, out);
  Json counters = Json::object();
  for (const auto& [name, value] : record.counters) counters[name] = value;
  for (const auto& [name, value] : record.gauges) counters[name] = value;
  out["counters"] = std::move(counters);
  if (record.write_amplification) out["write_amplification"] = *record.write_amplification;
  if (record.read_amplification) out["read_amplification"] = *record.read_amplification;
  if (record.space_amplification) out["space_amplification"] = *record.space_amplification;
  if (record.memory_headroom) out["memory_headroom"] = *record.memory_headroom;
  out["idle_parts"] = record.idle_parts;
  out["cpu_user_s"] = record.cpu_user_s;
  out["cpu_system_s"] = record.cpu_system_s;
  out["context_switches"] = record.context_switches;
  out["rss_peak_bytes"] = record.rss_peak_bytes;
  out["rss_before_open_bytes"] = record.rss_before_open_bytes;
  if (record.device_read_bytes) out["device_read_bytes"] = *record.device_read_bytes;
  if (record.device_write_bytes) out["device_write_bytes"] = *record.device_write_bytes;
  out["workload_digest"] = record.workload_digest;
}

// Reads the fields of an object with a complete check of their types: a missing or wrong one throws
// nlohmann's exception, which the callers turn into a Status.
TextMap TextMapOf(const Json& object) { return object.get<TextMap>(); }

RunIdentity IdentityOf(const Json& in) {
  RunIdentity id;
  in.at("experiment").get_to(id.experiment);
  in.at("question").get_to(id.question);
  in.at("base").get_to(id.base);
  in.at("variant").get_to(id.variant);
  in.at("engine").get_to(id.engine);
  id.cell = TextMapOf(in.at("cell"));
  in.at("workload").get_to(id.workload);
  in.at("block").get_to(id.block);
  in.at("blocks").get_to(id.blocks);
  in.at("order").get_to(id.order);
  in.at("seed").get_to(id.seed);
  return id;
}

Json SpecJson(const RunSpec& spec) {
  Json out = Json::object();
  PutIdentity(spec.identity, out);
  out["config"] = ToJson(spec.config);
  out["workload_file"] = spec.workload_file;
  out["properties"] = spec.properties;
  out["threads"] = spec.threads;
  out["load"] = spec.load;
  out["run"] = spec.run;
  out["drain"] = spec.drain;
  out["drain_run"] = spec.drain_run;
  out["fresh"] = spec.fresh;
  out["warmup"] = NameOf(spec.warmup);
  out["interval_s"] = spec.interval_s;
  out["load_seconds"] = spec.load_seconds;
  out["run_seconds"] = spec.run_seconds;
  out["directory"] = spec.directory;
  out["copies"] = spec.copies;
  out["touch_bytes"] = spec.touch_bytes;
  out["expect"] = ToJson(spec.expect);
  out["compared_parts"] = spec.compared_parts;
  return out;
}

RunSpec SpecOf(const Json& in) {
  RunSpec spec;
  spec.identity = IdentityOf(in);
  spec.config = TextMapOf(in.at("config"));
  in.at("workload_file").get_to(spec.workload_file);
  in.at("properties").get_to(spec.properties);
  in.at("threads").get_to(spec.threads);
  in.at("load").get_to(spec.load);
  in.at("run").get_to(spec.run);
  in.at("drain").get_to(spec.drain);
  in.at("drain_run").get_to(spec.drain_run);
  in.at("fresh").get_to(spec.fresh);
  spec.warmup = WarmupOf(in.at("warmup").get<std::string>());
  in.at("interval_s").get_to(spec.interval_s);
  in.at("load_seconds").get_to(spec.load_seconds);
  in.at("run_seconds").get_to(spec.run_seconds);
  in.at("directory").get_to(spec.directory);
  in.at("copies").get_to(spec.copies);
  in.at("touch_bytes").get_to(spec.touch_bytes);
  in.at("compared_parts").get_to(spec.compared_parts);
  for (const Json& bar : in.at("expect")) {
    spec.expect.push_back({bar.at("workload"), bar.at("phase"), bar.at("variant"), bar.at("base"),
                           bar.at("metric"), bar.value("at_least", 0.0),
                           bar.value("at_most", 0.0)});
  }
  return spec;
}

// Of the build alone; what is absent stays empty.
Provenance BuildOf(const Json& in) {
  Provenance p;
  p.revision = in.value("revision", "");
  p.dirty = in.value("dirty", false);
  const Json build = in.value("build", Json::object());
  p.compiler = build.value("compiler", "");
  p.flags = build.value("flags", "");
  p.build_type = build.value("type", "");
  p.sanitizer = build.value("sanitizer", "");
  p.plugins = build.value("plugins", std::vector<std::string>());
  return p;
}

// Bytes that are not UTF-8 (a path, a compiler's string) become U+FFFD instead of an exception.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <typename T, typename Read>
Result<T> Guarded(std::string_view text, const char* what, Read read) {
  try {
    return read(Json::parse(text));
  } catch (const nlohmann::json::exception& error) {
    return Status::Corruption(std::string("not ") + what + ": " + error.what());
  }
}

}  // namespace

std::string RecordLine(const RunRecord& record, const Provenance& p) {
  Json out = {{"schema", 1}};
  PutIdentity(record.identity, out);
  out["phase"] = record.phase;
  if (!record.load.empty()) out["load"] = record.load;
  out["complete"] = record.complete;
  if (!record.error.empty()) out["error"] = record.error;
  out["started_at"] = record.started_at;
  if (record.measured) PutFigures(record, out);
  out["memory_capped"] = false;
  out["workload_standard"] = record.workload_deviations.empty();
  out["workload_deviations"] = record.workload_deviations;
  out["workload_ignored"] = record.workload_ignored;
  Json settings = Json::object();
  for (const auto& [name, value] : record.workload_settings) settings[name] = value;
  out["workload_settings"] = std::move(settings);
  out["value_source"] = record.value_source;
  out["warmup"] = record.warmup;
  out["clock"] = record.clock;
  out["config"] = ToJson(record.config);
  out["config_hash"] = record.config_hash;
  out["conditions"] = ToJson(record.conditions);
  if (!record.expect.empty()) out["expect"] = ToJson(record.expect);
  out["revision"] = p.revision;
  out["dirty"] = p.dirty;
  out["build"] = {{"compiler", p.compiler},
                  {"flags", p.flags},
                  {"type", p.build_type},
                  {"sanitizer", p.sanitizer}};
  if (!p.plugins.empty()) out["build"]["plugins"] = p.plugins;
  out["machine"] = Machine(p);
  return Dump(out);
}

std::string SpecText(const RunSpec& spec) { return Dump(SpecJson(spec)); }

Result<RunSpec> ParseSpec(std::string_view text) {
  return Guarded<RunSpec>(text, "a run spec", SpecOf);
}

Result<RecordSummary> SummarizeLine(std::string_view line) {
  return Guarded<RecordSummary>(line, "a record", [](const Json& in) {
    RecordSummary summary;
    in.at("variant").get_to(summary.variant);
    in.at("workload").get_to(summary.workload);
    in.at("phase").get_to(summary.phase);
    in.at("block").get_to(summary.block);
    in.at("complete").get_to(summary.complete);
    summary.config_hash = in.value("config_hash", "");
    summary.workload_digest = in.value("workload_digest", "");
    summary.build = BuildOf(in);
    return summary;
  });
}

std::string PlanText(const std::string& experiment, const std::string& plan_hash,
                     const std::vector<RunSpec>& runs) {
  Json out = {{"schema", 1}, {"experiment", experiment}, {"plan_hash", plan_hash}};
  Json array = Json::array();
  for (const RunSpec& run : runs) array.push_back(SpecJson(run));
  out["runs"] = std::move(array);
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Status ReadFioReport(std::string_view text, bool writes, PhaseResult* result) {
  const auto read = [&](const Json& in) {
    const Json& side = in.at("jobs").at(0).at(writes ? "write" : "read");
    result->ops = side.at("total_ios").get<uint64_t>();
    result->elapsed_s = side.at("runtime").get<double>() * 1e-3;
    const auto kind = writes ? workloads::OpKind::kInsert : workloads::OpKind::kRead;
    Histogram& latency = result->latency[static_cast<size_t>(kind)];
    for (const auto& [nanos, times] : side.at("lat_ns").at("bins").items()) {
      latency.Record(std::strtoull(nanos.c_str(), nullptr, 10), times.get<uint64_t>());
    }
    return true;
  };
  // fio may say things before its report.
  const size_t start = std::min(text.find('{'), text.size());
  auto taken = Guarded<bool>(text.substr(start), "a report of fio", read);
  return taken.ok() ? Status() : taken.status();
}

Result<std::string> PlanHashOf(std::string_view text) {
  return Guarded<std::string>(text, "a plan",
                              [](const Json& in) { return in.at("plan_hash").get<std::string>(); });
}

}  // namespace lsmlab::harness
