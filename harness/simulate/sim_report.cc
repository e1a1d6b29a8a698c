#include "harness/simulate/sim_report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace lsmlab::harness {
namespace {

constexpr size_t kCourseRows = 8;

[[gnu::format(printf, 2, 3)]] void AppendText(std::string& text, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  text += line;
}

std::string OrderText(const SimWorkload& w) {
  if (w.order == SimWorkload::Order::kSequential) return "in key order";
  if (w.order == SimWorkload::Order::kUniform) return "uniform";
  char text[32];
  std::snprintf(text, sizeof text, "%s %.2f",
                w.order == SimWorkload::Order::kZipfian ? "zipfian" : "scrambled", w.theta);
  return text;
}

std::string TimeText(double seconds) {
  char text[32];
  if (seconds < 120) {
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  } else if (seconds < 7200) {
    std::snprintf(text, sizeof text, "%.1f min", seconds / 60);
  } else if (seconds < 172800) {
    std::snprintf(text, sizeof text, "%.1f h", seconds / 3600);
  } else {
    std::snprintf(text, sizeof text, "%.1f days", seconds / 86400);
  }
  return text;
}

void AppendHead(const std::string& title, const SimSetup& setup, const Simulation& simulation,
                std::string& text) {
  const SimWorkload& w = setup.workload;
  AppendText(text, "simulated, no data: %s\n", title.c_str());
  if (w.load) AppendText(text, "  load: %s keys once each, ", CountText(w.keys).c_str());
  if (!w.load) text += "  ";
  AppendText(text, "writes: %s to %s keys, %s", SizeText(w.user_bytes).c_str(),
             CountText(w.keys).c_str(), OrderText(w).c_str());
  if (w.delete_share > 0) AppendText(text, ", %.3g %% of them deletes", 100 * w.delete_share);
  const EntryCosts& costs = setup.costs;
  AppendText(
      text,
      "\n  an entry: %.0f bytes of the user's, %.0f in the memtable, %.1f to %.1f in tables\n",
      w.put_bytes(), costs.memtable_put, costs.last_level.put, costs.per_level[0].put);
  const PiecePlan& plan = simulation.plan;
  if (plan.levels_apart > 0) {
    AppendText(text,
               "  in two pieces: levels 0 to %u table by table over the first %s; deeper levels "
               "with\n  tables that stand for %s tables each. Jobs end at once, stalls are not "
               "simulated.\n",
               plan.last_upper_level(), SizeText(plan.upper_bytes).c_str(),
               CountText(plan.unit).c_str());
  } else if (plan.unit > 1) {
    AppendText(text, "  each simulated table stands for %s tables\n", CountText(plan.unit).c_str());
  }
  AppendText(text, "  simulated in %.1f s", simulation.simulated_s);
  const double time_s = simulation.samples.back().totals.time_s;
  if (time_s > 0) AppendText(text, ": %s", TimeText(time_s).c_str());
  text += '\n';
}

// Written and user bytes of one phase up to `at`: what stood before it is not its own.
struct PhaseBytes {
  double user = 0, written = 0;
  std::vector<double> written_by_level, read_by_level;
};

PhaseBytes BytesSince(const SimSample* before, const SimSample& at) {
  PhaseBytes bytes;
  bytes.user = at.totals.user_bytes - (before == nullptr ? 0 : before->totals.user_bytes);
  for (size_t level = 0; level < at.levels.size(); ++level) {
    const bool known = before != nullptr && level < before->levels.size();
    bytes.written_by_level.push_back(at.levels[level].written_bytes -
                                     (known ? before->levels[level].written_bytes : 0));
    bytes.read_by_level.push_back(at.levels[level].read_bytes -
                                  (known ? before->levels[level].read_bytes : 0));
    bytes.written += bytes.written_by_level.back();
  }
  return bytes;
}

void AppendLevels(const SimSample& end, const PhaseBytes& bytes, std::string& text) {
  text += "  level       bytes      target    tables   runs   written per user byte   read\n";
  for (size_t level = 0; level < end.levels.size(); ++level) {
    const LevelFigures& figures = end.levels[level];
    if (figures.tables < 0.5 && bytes.written_by_level[level] <= 0) continue;
    AppendText(text, "  L%-4zu %11s %11s %9s %6.0f %23.2f %6.2f\n", level,
               SizeText(figures.bytes).c_str(),
               figures.target_bytes > 0 ? SizeText(figures.target_bytes).c_str() : "-",
               CountText(figures.tables).c_str(), figures.runs,
               bytes.written_by_level[level] / bytes.user, bytes.read_by_level[level] / bytes.user);
  }
}

void AppendAmplifications(const SimSample& end, const PhaseBytes& bytes, std::string& text) {
  AppendText(
      text,
      "  amplification: write %.2f, space %.2f; read: %.1f runs per seek, %.3f blocks per get "
      "of a\n  missing key, %.3f of a present one\n",
      bytes.written / bytes.user, end.space_amplification(), end.seek_runs(), end.missing_reads,
      end.present_reads);
}

void AppendCourse(const std::vector<const SimSample*>& samples, const SimSample* before,
                  std::string& text) {
  if (samples.size() < 2) return;
  text += "  over time:   user bytes    write amp.: so far, since the row above    space   runs\n";
  const size_t step = (samples.size() + kCourseRows - 1) / kCourseRows;
  const SimSample* above = before;
  for (size_t i = step - 1; i < samples.size(); i += step) {
    const SimSample& sample = *samples[i];
    const PhaseBytes so_far = BytesSince(before, sample), since = BytesSince(above, sample);
    if (since.user <= 0) continue;
    AppendText(text, "  %24s %24.2f %22.2f %8.2f %6.1f\n", SizeText(so_far.user).c_str(),
               so_far.written / so_far.user, since.written / since.user,
               sample.space_amplification(), sample.seek_runs());
    above = &sample;
  }
}

void AppendStalls(const SimSetup& setup, const Simulation& simulation, const SimSample* before,
                  const SimSample& end, const PhaseBytes& bytes, std::string& text) {
  const SimWorkload& w = setup.workload;
  const SimTotals& t = end.totals;
  const double amplification = bytes.written / bytes.user;
  const auto since = [&](double SimTotals::*field) {
    return t.*field - (before == nullptr ? 0 : before->totals.*field);
  };
  if (w.write_rate > 0) {
    AppendText(text, "  stall risk: %s/s of the user's need %s/s of the device",
               SizeText(w.write_rate).c_str(), SizeText(w.write_rate * amplification).c_str());
    if (w.device_write_bandwidth > 0) {
      AppendText(text, ", %.0f %% of what it gives",
                 100 * w.write_rate * amplification / w.device_write_bandwidth);
    }
    text += '\n';
  }
  if (w.device_write_bandwidth > 0) {
    AppendText(text, "  the device bears %s/s of the user's in the long run\n",
               SizeText(w.device_write_bandwidth / amplification).c_str());
  }
  if (!w.timed() || simulation.plan.unit > 1) {
    text += w.timed() ? ""
                      : "  stalls: not simulated without --device-write-bandwidth or "
                        "--job-bandwidth\n";
    return;
  }
  const double time = since(&SimTotals::time_s);
  const auto share = [&](double seconds) { return time > 0 ? 100 * seconds / time : 0; };
  AppendText(text,
             "  stalls: writers slowed %.1f %% of the time, stopped %.1f %% for memtables, %.1f %% "
             "for debt;\n  highest pressure %.2f (1 slows, 2 stops), most runs in level 0 %.0f, "
             "longest job %s (%s read)\n",
             share(since(&SimTotals::slowdown_s)), share(since(&SimTotals::stall_memtable_s)),
             share(since(&SimTotals::stall_debt_s)), t.pressure_most, t.level0_runs_most,
             TimeText(t.longest_job_s).c_str(), SizeText(t.largest_job_bytes).c_str());
  if (time > 0) AppendText(text, "  user bytes taken: %s/s\n", SizeText(bytes.user / time).c_str());
}

// --- NDJSON
// ---------------------------------------------------------------------------------------

void AppendField(std::string& line, const char* name, double value) {
  AppendText(line, "\"%s\":%.10g,", name, value);
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return quoted + '"';
}

std::string HeadLine(const std::string& title, const SimSetup& setup,
                     const Simulation& simulation) {
  const SimWorkload& w = setup.workload;
  std::string line = "{\"simulation\":1,\"title\":" + Quoted(title) +
                     ",\"distribution\":" + Quoted(OrderText(w)) + ",";
  AppendField(line, "user_bytes", w.user_bytes);
  AppendField(line, "keys", w.keys);
  AppendField(line, "key_bytes", w.key_bytes);
  AppendField(line, "value_bytes", w.value_bytes);
  AppendField(line, "delete_share", w.delete_share);
  AppendField(line, "load", w.load ? 1 : 0);
  AppendField(line, "write_rate", w.write_rate);
  AppendField(line, "device_write_bandwidth", w.device_write_bandwidth);
  AppendField(line, "job_bandwidth", w.job_bandwidth);
  AppendField(line, "jobs", w.jobs);
  AppendField(line, "seed", static_cast<double>(w.seed));
  AppendField(line, "levels_apart", simulation.plan.levels_apart);
  AppendField(line, "tables_per_table", simulation.plan.unit);
  line.back() = '}';
  return line;
}

std::string SampleLine(const SimSample& sample) {
  std::string line = "{\"phase\":" + Quoted(std::string(sample.phase)) +
                     ",\"drained\":" + (sample.drained ? "true," : "false,");
  const SimTotals& t = sample.totals;
  AppendField(line, "user_bytes", t.user_bytes);
  AppendField(line, "time_s", t.time_s);
  AppendField(line, "written_bytes", sample.written_bytes());
  AppendField(line, "write_amplification", sample.write_amplification());
  AppendField(line, "space_amplification", sample.space_amplification());
  AppendField(line, "seek_runs", sample.seek_runs());
  AppendField(line, "missing_get_block_reads", sample.missing_reads);
  AppendField(line, "present_get_block_reads", sample.present_reads);
  AppendField(line, "flushes", t.flushes);
  AppendField(line, "pressure", sample.pressure);
  AppendField(line, "slowdown_s", t.slowdown_s);
  AppendField(line, "stall_memtable_s", t.stall_memtable_s);
  AppendField(line, "stall_debt_s", t.stall_debt_s);
  line += "\"levels\":[";
  for (size_t level = 0; level < sample.levels.size(); ++level) {
    const LevelFigures& figures = sample.levels[level];
    line += level > 0 ? ",{" : "{";
    AppendField(line, "level", static_cast<double>(level));
    AppendField(line, "bytes", figures.bytes);
    AppendField(line, "target_bytes", figures.target_bytes);
    AppendField(line, "tables", figures.tables);
    AppendField(line, "runs", figures.runs);
    AppendField(line, "entries", figures.entries);
    AppendField(line, "written_bytes", figures.written_bytes);
    AppendField(line, "read_bytes", figures.read_bytes);
    line.back() = '}';
  }
  return line + "]}";
}

}  // namespace

std::string SimulationText(const std::string& title, const SimSetup& setup,
                           const Simulation& simulation) {
  std::string text;
  AppendHead(title, setup, simulation, text);
  const SimSample* before = nullptr;
  for (const std::string_view phase : {"load", "write"}) {
    std::vector<const SimSample*> samples;
    for (const SimSample& sample : simulation.samples) {
      if (sample.phase == phase) samples.push_back(&sample);
    }
    if (samples.empty()) continue;
    const SimSample& end = *samples.back();
    const PhaseBytes bytes = BytesSince(before, end);
    AppendText(text, "%s, drained:\n", std::string(phase).c_str());
    AppendLevels(end, bytes, text);
    AppendAmplifications(end, bytes, text);
    AppendStalls(setup, simulation, before, end, bytes, text);
    AppendCourse(samples, before, text);
    before = &end;
  }
  return text;
}

std::string SimulationLines(const std::string& title, const SimSetup& setup,
                            const Simulation& simulation) {
  std::string lines = HeadLine(title, setup, simulation) + '\n';
  for (const SimSample& sample : simulation.samples) lines += SampleLine(sample) + '\n';
  return lines;
}

}  // namespace lsmlab::harness
