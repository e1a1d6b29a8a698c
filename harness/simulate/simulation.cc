#include "harness/simulate/simulation.h"

#include <algorithm>
#include <cmath>

#include "engine/base/clock.h"

namespace lsmlab::harness {
namespace {

// How many times the first piece fills the levels that are taken from it: where tables go down one
// by one, which is dear, and where whole levels do, which comes in large steps.
constexpr double kFillingsByTable = 2;
constexpr double kFillingsByLevel = 4;
// Tables that are left of a tree where nothing is merged, if it has so many.
constexpr double kFewestUnmerged = 100;

double BytesOr(const SettingBag& bag, std::string_view name, double otherwise) {
  return bag.Has(name) ? static_cast<double>(bag.Bytes(name)) : otherwise;
}

double MemtableUserBytes(const SimSetup& setup) {
  return static_cast<double>(setup.composition.memtable.settings.Bytes("size")) *
         setup.workload.put_bytes() / setup.costs.memtable_put;
}

double AllUserBytes(const SimWorkload& w) {
  return w.user_bytes + (w.load ? w.keys * w.load_share * w.put_bytes() : 0);
}

// The tables of a tree to which so much was written, roughly.
double TablesOf(const SimSetup& setup, double user_bytes) {
  const SimWorkload& w = setup.workload;
  const SettingBag& settings = setup.composition.compaction.settings;
  if (!settings.Has("file_size") || !settings.Has("size_ratio")) {
    return std::min(user_bytes, BytesOr(settings, "max_size", user_bytes)) /
           MemtableUserBytes(setup);
  }
  const double data = std::min(user_bytes, w.keys * w.put_bytes());
  return data * setup.costs.last_level.put / w.put_bytes() / BytesOr(settings, "file_size", 1);
}

// Everything that is counted in bytes, `unit` times as large.
void Enlarge(double unit, uint32_t levels_apart, Composition* c) {
  const auto grow = [unit](SettingBag& bag, const char* name) {
    if (!bag.Has(name)) return;
    const double grown = std::min(static_cast<double>(bag.Bytes(name)) * unit, 0x1p62);
    bag.Set(name, static_cast<int64_t>(grown));
  };
  grow(c->memtable.settings, "size");
  SettingBag& compaction = c->compaction.settings;
  for (const char* name : {"file_size", "level1_size"}) grow(compaction, name);
  if (compaction.Has("max_levels")) {
    compaction.Set("max_levels", compaction.Integer("max_levels") - levels_apart);
  }
}

Result<std::vector<SimSample>> RunPiece(const SimSetup& setup) {
  Simulator simulator(setup);
  LSMLAB_TRY(simulator.Run());
  return simulator.samples();
}

// What an upper level writes and reads per user byte, and what it looks like.
struct UpperPiece {
  std::vector<double> written, read;  // by level
  SimSample end;
};

Result<UpperPiece> RunUpperPiece(SimSetup setup, const PiecePlan& plan, bool load) {
  SimWorkload& w = setup.workload;
  w.samples = 2;
  w.load = load;
  if (load) {
    w.load_share = std::min(1.0, plan.upper_bytes / (w.keys * w.put_bytes()));
    w.user_bytes = 0;
  } else {
    w.user_bytes = std::min(plan.upper_bytes, w.user_bytes);
  }
  Result<std::vector<SimSample>> samples = RunPiece(setup);
  if (!samples.ok()) return samples.status();
  UpperPiece piece;
  const SimSample& half = samples.value()[0];
  piece.end = samples.value()[1];
  const double user = piece.end.totals.user_bytes - half.totals.user_bytes;
  for (size_t level = 0; level < piece.end.levels.size(); ++level) {
    const LevelFigures& from = half.levels[level];
    const LevelFigures& to = piece.end.levels[level];
    piece.written.push_back((to.written_bytes - from.written_bytes) / user);
    piece.read.push_back((to.read_bytes - from.read_bytes) / user);
  }
  return piece;
}

// Blocks that a Get of a key that only the deepest level holds reads in vain.
double ReadsAboveTheLast(std::vector<LevelFigures> levels, const EntryCosts& costs) {
  const auto holds = [](const LevelFigures& level) { return level.coverage > 0; };
  const auto last = std::find_if(levels.rbegin(), levels.rend(), holds);
  if (last != levels.rend()) last->coverage = 0;
  return MissingReads(levels, costs);
}

// A sample of the second piece with the upper levels of the first. `before`: the sample at the end
// of the phase before, put together.
SimSample PutTogether(const PiecePlan& plan, const UpperPiece& upper, const SimSample& deep,
                      const SimSample& before, const EntryCosts& costs) {
  const size_t apart = plan.levels_apart;
  SimSample whole = deep;
  whole.levels.assign(deep.levels.size() + apart, {});
  const double user = deep.totals.user_bytes - before.totals.user_bytes;
  for (size_t level = 0; level < whole.levels.size(); ++level) {
    LevelFigures& figures = whole.levels[level];
    if (level > plan.last_upper_level()) {
      figures = deep.levels[level - apart];
      figures.tables *= plan.unit;
      continue;
    }
    figures = upper.end.levels[level];
    figures.written_bytes = upper.written[level] * user;
    figures.read_bytes = upper.read[level] * user;
    if (level >= before.levels.size()) continue;
    figures.written_bytes += before.levels[level].written_bytes;
    figures.read_bytes += before.levels[level].read_bytes;
  }
  whole.missing_reads = MissingReads(whole.levels, costs);
  const double more =
      ReadsAboveTheLast(whole.levels, costs) - ReadsAboveTheLast(deep.levels, costs);
  if (whole.present_reads > 0) whole.present_reads = std::max(1.0, whole.present_reads + more);
  whole.totals.flushes *= plan.unit;
  return whole;
}

// How many times more tables or flushes than the limits allow a piece has.
double ExcessOf(const SimSetup& setup, double user_bytes, const SimLimits& limits) {
  return std::max(TablesOf(setup, user_bytes) / limits.tables,
                  user_bytes / MemtableUserBytes(setup) / limits.flushes);
}

// User bytes that fill the levels which the first piece of `plan` is for.
double UpperBytes(const SimSetup& setup, const PiecePlan& plan) {
  const SettingBag& settings = setup.composition.compaction.settings;
  const double ratio = settings.Real("size_ratio");
  // What level 1 collects: as it is told to, or the runs of level 0 that come at a time.
  const double runs =
      settings.Has("l0_trigger") ? static_cast<double>(settings.Integer("l0_trigger")) : ratio;
  const auto memtable = static_cast<double>(setup.composition.memtable.settings.Bytes("size"));
  double level1 = std::max(BytesOr(settings, "level1_size", 0), runs * memtable);
  // A level is tiered only when there is a deeper one, and that comes when it is full.
  if (setup.composition.compaction.variant->name == "lazy-leveled") level1 *= ratio;
  const double stored = setup.costs.At(1, false).put / setup.workload.put_bytes();
  const double deepest = level1 * plan.unit * std::pow(ratio, plan.taken - 1.0);
  const double fillings = settings.Has("pick") ? kFillingsByTable : kFillingsByLevel;
  return fillings * deepest * ratio / (ratio - 1) / stored;
}

// Nothing is merged, so tables are what memtables become, and a flush costs little: as many go into
// one as there are too many, but some tables must be left to be dropped.
PiecePlan PlanUnmerged(double tables, double excess) {
  PiecePlan plan;
  plan.unit = std::clamp(tables / kFewestUnmerged, 1.0, excess);
  return plan;
}

}  // namespace

Result<PiecePlan> PlanPieces(const SimSetup& setup, const SimLimits& limits) {
  const SettingBag& settings = setup.composition.compaction.settings;
  const double user_bytes = AllUserBytes(setup.workload);
  const double excess = ExcessOf(setup, user_bytes, limits);
  if (excess <= 1) return PiecePlan();
  const double tables = TablesOf(setup, user_bytes);
  if (!settings.Has("size_ratio")) return PlanUnmerged(tables, excess);
  const double ratio = settings.Real("size_ratio");
  const int64_t levels = settings.Has("max_levels") ? settings.Integer("max_levels") : 7;
  // The more levels apart, the smaller is the second piece and the larger the first one: where the
  // ratio is large, by so much that the last step down would not be worth it.
  PiecePlan best, plan;
  plan.taken = settings.Has("pick") ? 2 : 1;
  double least = excess;
  while (plan.unit < excess) {
    ++plan.levels_apart;
    plan.unit *= ratio;
    // Level 0 and one to look at must be left of the second piece.
    if (levels - plan.last_upper_level() < 2) {
      return Status::NotSupported(
          "the simulation: the tree has " + CountText(tables) + " tables and " +
          CountText(user_bytes / MemtableUserBytes(setup)) + " flushes, too many for its " +
          std::to_string(levels) + " levels of size ratio " + CountText(ratio) +
          "; larger tables, memtables or more levels make it possible, or a larger --table-limit");
    }
    plan.upper_bytes = UpperBytes(setup, plan);
    if (plan.upper_bytes >= user_bytes) break;
    const double larger = std::max(excess / plan.unit, ExcessOf(setup, plan.upper_bytes, limits));
    if (larger >= least) continue;
    least = larger;
    best = plan;
  }
  return best;
}

Result<Simulation> RunSimulation(const SimSetup& setup, const SimLimits& limits) {
  const int64_t begun = NowNanos();
  Result<PiecePlan> planned = PlanPieces(setup, limits);
  if (!planned.ok()) return planned.status();
  Simulation simulation;
  simulation.plan = planned.value();
  const PiecePlan& plan = simulation.plan;
  SimSetup deep = setup;
  if (plan.unit > 1) {
    Enlarge(plan.unit, plan.levels_apart, &deep.composition);
    deep.workload.device_write_bandwidth = deep.workload.job_bandwidth = 0;
  }
  Result<std::vector<SimSample>> samples = RunPiece(deep);
  if (!samples.ok()) return samples.status();
  simulation.samples = std::move(samples).value();
  if (plan.levels_apart > 0) {
    SimSetup upper = setup;
    upper.workload.device_write_bandwidth = upper.workload.job_bandwidth = 0;
    SimSample before;
    for (const bool load : {true, false}) {
      const std::string_view phase = load ? "load" : "write";
      if (load && !setup.workload.load) continue;
      if (!load && setup.workload.user_bytes <= 0) continue;
      const Result<UpperPiece> piece = RunUpperPiece(upper, plan, load);
      if (!piece.ok()) return piece.status();
      SimSample last = before;
      for (SimSample& sample : simulation.samples) {
        if (sample.phase != phase) continue;
        sample = PutTogether(plan, piece.value(), sample, before, setup.costs);
        last = sample;
      }
      before = last;
    }
  } else {
    for (SimSample& sample : simulation.samples) {
      for (LevelFigures& level : sample.levels) level.tables *= plan.unit;
      sample.totals.flushes *= plan.unit;
    }
  }
  simulation.simulated_s = static_cast<double>(NowNanos() - begun) * 1e-9;
  return simulation;
}

}  // namespace lsmlab::harness
