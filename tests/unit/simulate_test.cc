// Whole simulations: against figures that can be worked out, against the engine, and in pieces
// against one piece.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "engine/store.h"
#include "harness/simulate/sim_report.h"
#include "tests/support/registered.h"
#include "tests/support/simulated.h"
#include "tests/support/temp_directory.h"

namespace lsmlab::harness {
namespace {

using test::ComposedOf;
using test::SimSettings;
using test::Simulated;
using test::SmallSetup;

TEST(SimulationFigures, ReadsInVainFollowTheFilterBitsOfEachLevel) {
  const auto missing = [](const std::vector<std::pair<std::string, std::string>>& more) {
    const SimSetup setup = SmallSetup("leveled", more);
    const SimSample end = Simulated(setup).samples.back();
    double runs = 0, weighted = 0;
    const std::vector<double> rates = FalsePositivesOf(end.levels, setup.costs);
    for (size_t level = 0; level < rates.size(); ++level) {
      runs += end.levels[level].coverage;
      weighted += rates[level] * end.levels[level].coverage;
    }
    EXPECT_NEAR(end.missing_reads, weighted, 1e-9);
    EXPECT_GT(runs, 2);
    return std::pair(end.missing_reads, runs);
  };
  const auto [uniform, runs] = missing({{"engine.filter.bits_per_key", "5"}});
  EXPECT_NEAR(uniform, runs * std::pow(0.6185, 5), 1e-9);
  const auto [monkey, same] =
      missing({{"engine.filter.bits_per_key", "5"}, {"engine.filter.allocation", "monkey"}});
  EXPECT_NEAR(same, runs, 1e-9);
  EXPECT_LT(monkey, uniform / 1.2);
  const auto [none, still] = missing({{"engine.filter.variant", "none"}});
  EXPECT_NEAR(none, still, 1e-9);
}

TEST(SimulationFigures, TieringWritesAnEntryOncePerLevel) {
  const Simulation simulation = Simulated(SmallSetup("tiered"));
  const SimSample& end = simulation.samples.back();
  // 64 memtables: flush, and levels 1 to 3 of 4, 16 and 64 memtables.
  EXPECT_NEAR(end.write_amplification(), 4, 0.01);
  EXPECT_EQ(end.totals.flushes, 64);
  EXPECT_EQ(end.levels[3].runs, 1);
  EXPECT_NEAR(end.seek_runs(), 1, 0.05);
  EXPECT_NEAR(end.space_amplification(), 1, 0.01);
  EXPECT_NEAR(end.live_bytes, 64 * 100'000, 1000);
}

TEST(SimulationFigures, KeysInOrderAreMovedDownUnwritten) {
  SimSetup setup = SmallSetup("leveled");
  setup.workload.order = SimWorkload::Order::kSequential;
  const SimSample end = Simulated(setup).samples.back();
  EXPECT_NEAR(end.write_amplification(), 1, 0.01);
  EXPECT_GT(end.totals.moves, 30);
}

TEST(SimulationFigures, FifoKeepsItsSizeAndLosesTheRest) {
  const SimSample end =
      Simulated(SmallSetup("fifo", {{"engine.compaction.max_size", "1000000"}})).samples.back();
  EXPECT_NEAR(end.write_amplification(), 1, 0.01);
  EXPECT_LE(end.table_bytes(), 1'000'000);
  EXPECT_NEAR(end.live_bytes, end.table_bytes(), 10'000);
}

// Everything written is deleted again, and the deletes are gone when they reach the deepest level.
TEST(SimulationFigures, DeletesThatAreOldEnoughAreGone) {
  SimSetup setup = SmallSetup("leveled", {{"engine.compaction.delete_ttl", "10s"}});
  setup.workload.keys = 1000;
  setup.workload.user_bytes = 1e6;
  setup.workload.delete_share = 0.5;
  setup.workload.write_rate = 1e4;
  const SimSample end = Simulated(setup).samples.back();
  EXPECT_GT(end.totals.time_s, 90);
  // Half of the 1000 (1 - exp(-1953 / 1000)) keys that 1 MB of writes reach.
  // A tree of four tables with one content each is as coarse as it gets.
  EXPECT_NEAR(end.live_bytes, 429'000, 25'000);
  setup.composition = SmallSetup("leveled").composition;
  EXPECT_LT(Simulated(setup).samples.back().write_amplification(), end.write_amplification());
}

TEST(SimulationTime, ABusyDeviceSlowsAndStopsWriters) {
  SimSetup setup = SmallSetup("leveled");
  setup.workload.user_bytes = 200 * 100'000;
  setup.workload.device_write_bandwidth = 1e6;
  const SimTotals fast = Simulated(setup).samples.back().totals;
  EXPECT_GT(fast.stall_memtable_s + fast.stall_debt_s + fast.slowdown_s, 0.3 * fast.time_s);
  // What is written, the device has written: neither faster nor much slower.
  const SimSample end = Simulated(setup).samples.back();
  EXPECT_NEAR(end.written_bytes() / end.totals.time_s, 1e6, 2e5);
  setup.workload.write_rate = 1e4;
  const SimTotals slow = Simulated(setup).samples.back().totals;
  EXPECT_EQ(slow.stall_memtable_s + slow.stall_debt_s + slow.slowdown_s, 0);
  EXPECT_NEAR(slow.time_s, 200 * 100'000 / 1e4, 60);
}

class SimulatedPolicy : public testing::TestWithParam<const CompactionVariant*> {};

TEST_P(SimulatedPolicy, RunsAndGivesTheSameForTheSameSeed) {
  SimSetup setup = SmallSetup(std::string(GetParam()->name));
  setup.workload.keys = 5000;
  setup.workload.user_bytes = 3e7;
  setup.workload.delete_share = 0.1;
  setup.workload.load = true;
  setup.workload.jobs = 3;
  setup.workload.write_rate = 1e6;
  setup.workload.device_write_bandwidth = 2e7;
  const std::string lines = SimulationLines("t", setup, Simulated(setup));
  EXPECT_EQ(lines, SimulationLines("t", setup, Simulated(setup)));
  EXPECT_NE(lines.find("\"phase\":\"load\""), std::string::npos);
  EXPECT_NE(SimulationText("t", setup, Simulated(setup)).find("amplification: write"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(All, SimulatedPolicy, test::Registered(CompactionVariants()),
                         test::ByVariant());

// --- in two pieces
// --------------------------------------------------------------------------------

class SimulatedInPieces : public testing::TestWithParam<const char*> {};

TEST_P(SimulatedInPieces, AgreesWithOnePiece) {
  SimSetup setup = SmallSetup(GetParam());
  setup.workload.keys = 5e4;
  setup.workload.user_bytes = 1e8;
  const Simulation whole = Simulated(setup);
  ASSERT_EQ(whole.plan.levels_apart, 0u);
  const Simulation pieces = Simulated(setup, {250, 1e9});
  ASSERT_EQ(pieces.plan.levels_apart, 1u);
  const SimSample &a = whole.samples.back(), &b = pieces.samples.back();
  std::printf("%s: write amplification %.2f in one piece, %.2f in two; space %.3f, %.3f\n",
              GetParam(), a.write_amplification(), b.write_amplification(), a.space_amplification(),
              b.space_amplification());
  EXPECT_NEAR(b.write_amplification() / a.write_amplification(), 1, 0.08);
  EXPECT_NEAR(b.space_amplification() / a.space_amplification(), 1, 0.1);
  ASSERT_EQ(a.levels.size(), b.levels.size());
}

INSTANTIATE_TEST_SUITE_P(Policies, SimulatedInPieces,
                         testing::Values("leveled", "tiered", "lazy-leveled"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(SimulatedPieces, ATreeThatHasTooFewLevelsIsRefusedInOneLine) {
  SimSetup setup = SmallSetup("leveled", {{"engine.compaction.max_levels", "3"}});
  setup.workload.user_bytes = 1e15;
  const Result<PiecePlan> plan = PlanPieces(setup, {});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().message().find('\n'), std::string_view::npos);
}

// Where the ratio is large, one level less apart makes the first piece so much smaller.
TEST(SimulatedPieces, AreAboutAlike) {
  SimSetup setup = SmallSetup("leveled", {{"engine.compaction.size_ratio", "50"}});
  setup.workload.user_bytes = 1e12;
  const Result<PiecePlan> plan = PlanPieces(setup, {1000, 3000});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_EQ(plan.value().levels_apart, 1u);
  EXPECT_LT(plan.value().upper_bytes, setup.workload.user_bytes / 10);
}

// Nothing is merged. However many flushes there are, a table must not be as large as what is kept.
TEST(SimulatedPieces, FifoHasTablesLeftToDrop) {
  SimSetup setup = SmallSetup("fifo", {{"engine.compaction.max_size", "1000000"}});
  setup.workload.user_bytes = 20'000 * 100'000.0;
  const Simulation simulation = Simulated(setup, {1000, 3000});
  EXPECT_EQ(simulation.plan.unit, 1);
  const SimSample& end = simulation.samples.back();
  EXPECT_LE(end.table_bytes(), 1'000'000);
  EXPECT_GE(end.table_bytes(), 900'000);
  setup.composition = SmallSetup("none").composition;
  const Simulation unmerged = Simulated(setup, {1000, 30'000});
  EXPECT_EQ(unmerged.plan.unit, 20);
  EXPECT_EQ(unmerged.samples.back().levels[0].tables, 20'000);
}

TEST(SimulatedPieces, AgreeWithOnePieceWhereDeletesAge) {
  SimSetup setup = SmallSetup("leveled", {{"engine.compaction.delete_ttl", "300s"}});
  setup.workload.keys = 5e4;
  setup.workload.user_bytes = 6e8;
  setup.workload.delete_share = 0.1;
  setup.workload.write_rate = 1e5;
  const Simulation whole = Simulated(setup);
  ASSERT_EQ(whole.plan.levels_apart, 0u);
  const Simulation pieces = Simulated(setup, {250, 1e9});
  ASSERT_EQ(pieces.plan.levels_apart, 1u);
  const SimSample &a = whole.samples.back(), &b = pieces.samples.back();
  std::printf("write amplification %.2f in one piece, %.2f in two\n", a.write_amplification(),
              b.write_amplification());
  EXPECT_NEAR(b.write_amplification() / a.write_amplification(), 1, 0.1);
}

// --- the engine
// -----------------------------------------------------------------------------------

// A real store in memory that is drained after every memtable, as a simulated one without limits.
double AmplificationOfEngine(const Composition& composition, const SimWorkload& w,
                             uint64_t memtable_writes) {
  test::TempDirectory directory;
  StoreOptions options;
  options.path = directory.path() + "/store";
  options.composition = composition;
  options.seed = 1;
  auto opened = Store::Open(options);
  LSMLAB_ASSERT(opened.ok());
  const std::unique_ptr<Store> store = std::move(opened).value();
  Random random(7);
  std::string value(static_cast<size_t>(w.value_bytes), '\0');
  const auto writes = static_cast<uint64_t>(w.user_bytes / w.put_bytes());
  for (uint64_t i = 1; i <= writes; ++i) {
    uint64_t state = random.Below(static_cast<uint64_t>(w.keys));
    char key[17];
    std::snprintf(key, sizeof key, "%016llx",
                  static_cast<unsigned long long>(Random::SplitMix(state)));
    for (char& c : value) c = static_cast<char>(random.Next());
    LSMLAB_ASSERT(store->Put(Slice(key, 16), value).ok());
    if (i % memtable_writes == 0) LSMLAB_ASSERT(store->Drain().ok());
  }
  LSMLAB_ASSERT(store->Drain().ok());
  const double amplification = store->Stats().WriteAmplification();
  LSMLAB_ASSERT(store->Close().ok());
  return amplification;
}

class SimulatedEngine : public testing::TestWithParam<const CompactionVariant*> {};

TEST_P(SimulatedEngine, WritesAsMuch) {
  SimSettings settings = {{"engine.memtable.size", "64KiB"},
                          {"engine.wal.variant", "off"},
                          {"engine.io.variant", "simulated"},
                          {"engine.executor.variant", "inline"},
                          {"engine.filter.variant", "bloom"},
                          {"engine.cache.variant", "none"},
                          {"engine.compaction.variant", std::string(GetParam()->name)}};
  for (const auto& [name, text] : SimSettings{{"file_size", "64KiB"},
                                              {"level1_size", "256KiB"},
                                              {"size_ratio", "4"},
                                              {"max_size", "2MiB"}}) {
    const auto known = [&](const SettingSpec& spec) { return spec.name == name; };
    const std::span<const SettingSpec> specs = GetParam()->settings;
    if (std::any_of(specs.begin(), specs.end(), known)) {
      settings.emplace_back("engine.compaction." + name, text);
    }
  }
  SimSetup setup{ComposedOf(settings), {}, {}};
  SimWorkload& w = setup.workload;
  w.key_bytes = 16;
  w.value_bytes = 240;
  w.keys = 16'000;
  w.user_bytes = 8e6;
  Result<EntryCosts> costs = MeasureEntryCosts(setup.composition, w);
  ASSERT_TRUE(costs.ok()) << costs.status().ToString();
  setup.costs = std::move(costs).value();
  const double simulated = Simulated(setup).samples.back().write_amplification();
  const double real = AmplificationOfEngine(
      setup.composition, w, static_cast<uint64_t>(65536 / setup.costs.memtable_put));
  std::printf("%s: engine %.3f, simulated %.3f (%+.1f %%)\n", std::string(GetParam()->name).c_str(),
              real, simulated, 100 * (simulated / real - 1));
  EXPECT_NEAR(simulated / real, 1, 0.1);
}

INSTANTIATE_TEST_SUITE_P(All, SimulatedEngine, test::Registered(CompactionVariants()),
                         test::ByVariant());

}  // namespace
}  // namespace lsmlab::harness
