// What a simulated tree shows and asks its compaction policy, against what the engine does.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "tests/support/simulated.h"
#include "tests/support/temp_directory.h"
#include "variants/compaction/policies.h"

namespace lsmlab::harness {
namespace {

using test::ComposedOf;
using test::Simulated;
using test::SmallSetup;

// What a policy was asked and has answered, in the run of one test.
struct Asked {
  uint64_t picks = 0, plans = 0;
  uint64_t tables = 0, aged = 0;    // in the shapes it was shown, summed up over all picks
  uint64_t aged_by_lost_alone = 0;  // of these: they have no tombstone
  uint64_t wrong_states = 0;        // shown a state other than the one that its last plan gave
  std::string state;
};

// `leveled`, watched. Every plan gives a state of its own.
class WatchedPolicy final : public CompactionPolicy {
 public:
  static inline Asked* asked = nullptr;  // of the running test

  explicit WatchedPolicy(const SettingBag& bag) : leveled_(kLeveledCompaction.make(bag)) {}
  std::optional<CompactionPlan> Pick(const TreeShape& shape, std::string_view state,
                                     int64_t now_ns) const override {
    ++asked->picks;
    asked->wrong_states += state == asked->state ? 0 : 1;
    for (const LevelShape& level : shape.levels) {
      for (const RunShape& run : level.runs) {
        for (const TableShape& table : run.tables) {
          const bool aged = table.oldest_tombstone_ns != 0;
          ++asked->tables;
          asked->aged += aged ? 1 : 0;
          asked->aged_by_lost_alone += aged && table.tombstones == 0 ? 1 : 0;
        }
      }
    }
    std::optional<CompactionPlan> plan = leveled_->Pick(shape, state, now_ns);
    if (plan.has_value()) plan->next_state = asked->state = std::to_string(++asked->plans);
    return plan;
  }
  void SetTargets(TreeShape& shape) const override { leveled_->SetTargets(shape); }
  double Pressure(const TreeShape& shape) const override { return leveled_->Pressure(shape); }
  std::optional<CompactionPlan> PickRange(const TreeShape& shape, std::string_view begin,
                                          std::string_view end) const override {
    return leveled_->PickRange(shape, begin, end);
  }
  uint32_t levels() const noexcept override { return leveled_->levels(); }
  int64_t check_interval_ns() const noexcept override { return leveled_->check_interval_ns(); }

 private:
  const std::unique_ptr<CompactionPolicy> leveled_;
};

class SimulatedDecisions : public testing::Test {
 protected:
  SimulatedDecisions() { WatchedPolicy::asked = &asked_; }
  static void Watch(Composition* composition) {
    static const CompactionVariant kWatched = {
        .name = "watched",
        .summary = "leveled, watched",
        .settings = kLeveledCompaction.settings,
        .make = [](const SettingBag& bag) -> std::unique_ptr<CompactionPolicy> {
          return std::make_unique<WatchedPolicy>(bag);
        },
    };
    composition->compaction.variant = &kWatched;
  }
  Asked asked_;
};

// As in the engine, the state is the policy's as soon as a job begins.
TEST_F(SimulatedDecisions, JobsSideBySideBuildOnEachOthersState) {
  SimSetup setup = SmallSetup("leveled");
  Watch(&setup.composition);
  setup.workload.jobs = 3;
  setup.workload.user_bytes = 200 * 100'000;
  setup.workload.device_write_bandwidth = 2e6;
  Simulated(setup);
  EXPECT_GT(asked_.plans, 100u);
  EXPECT_EQ(asked_.wrong_states, 0u);
}

// A simulation of months with ages of milliseconds asks about the times at which something is due.
TEST_F(SimulatedDecisions, TimesAtWhichNothingIsDueCostNothing) {
  SimSetup setup = SmallSetup("leveled", {{"engine.compaction.delete_ttl", "10ms"}});
  Watch(&setup.composition);
  setup.workload.keys = 1000;
  setup.workload.delete_share = 0.1;
  setup.workload.write_rate = 1;  // a memtable takes more than a day
  const SimSample end = Simulated(setup).samples.back();
  EXPECT_GT(end.totals.time_s, 1e6);
  EXPECT_LT(asked_.picks, 10'000u);
  // After every flush the deletes go down to the last level, and are gone.
  EXPECT_GE(end.totals.compactions + end.totals.moves + 1, end.totals.flushes);
}

// What is due is done at the first time at which the policy wants to be asked, and not with the
// next flush.
TEST_F(SimulatedDecisions, WhatIsDueIsDoneInTime) {
  SimSetup setup = SmallSetup("fifo", {{"engine.compaction.max_age", "15s"}});
  setup.workload.write_rate = 1e4;  // a memtable takes 10 s
  setup.workload.samples = 640;
  size_t seen = 0;
  for (const SimSample& sample : Simulated(setup).samples) {
    // Of two tables the older one goes when the newer one is 5 s old, or 1/64 of 15 s later.
    const double since_flush = std::fmod(sample.totals.time_s, 10);
    if (sample.totals.time_s < 30 || sample.drained) continue;
    if (since_flush > 0.1 && since_flush < 4.9) {
      EXPECT_NEAR(sample.table_bytes(), 200'000, 2000) << sample.totals.time_s;
    } else if (since_flush > 5.3 && since_flush < 9.9) {
      EXPECT_NEAR(sample.table_bytes(), 100'000, 2000) << sample.totals.time_s;
    } else {
      continue;
    }
    ++seen;
  }
  EXPECT_GT(seen, 400u);
}

// --- lost deletes -------------------------------------------------------------------------------

// Zipfian writes with a few deletes. Most of those that are hit are soon written again.
struct HotWrites {
  static constexpr double kTheta = 1.1;
  explicit HotWrites(const SimWorkload& w) : workload(w) {
    double sum = 0;
    for (double key = 1; key <= w.keys; ++key) cumulated.push_back(sum += std::pow(key, -kTheta));
  }
  void Next(Store* store) {
    const auto rank = std::lower_bound(cumulated.begin(), cumulated.end(),
                                       random.NextDouble() * cumulated.back());
    auto state = static_cast<uint64_t>(rank - cumulated.begin());
    char key[17];
    std::snprintf(key, sizeof key, "%016llx",
                  static_cast<unsigned long long>(Random::SplitMix(state)));
    if (random.NextDouble() < workload.delete_share) {
      LSMLAB_ASSERT(store->Delete(Slice(key, 16)).ok());
      return;
    }
    std::string value(static_cast<size_t>(workload.value_bytes), '\0');
    for (char& c : value) c = static_cast<char>(random.Next());
    LSMLAB_ASSERT(store->Put(Slice(key, 16), value).ok());
  }
  const SimWorkload& workload;
  std::vector<double> cumulated;
  Random random{7};
};

// The ages that policies go by are there in as many tables as in a real store, and most of them by
// values that have taken a delete's place.
TEST_F(SimulatedDecisions, AsManyTablesHaveDeletesToCountAsInTheEngine) {
  SimSetup setup{ComposedOf({{"engine.memtable.size", "64KiB"},
                             {"engine.wal.variant", "off"},
                             {"engine.io.variant", "simulated"},
                             {"engine.executor.variant", "inline"},
                             {"engine.cache.variant", "none"},
                             {"engine.compaction.file_size", "16KiB"},
                             {"engine.compaction.level1_size", "64KiB"},
                             {"engine.compaction.size_ratio", "4"}}),
                 {},
                 {}};
  Watch(&setup.composition);
  SimWorkload& w = setup.workload;
  w.key_bytes = 16;
  w.value_bytes = 240;
  w.keys = 4000;
  w.order = SimWorkload::Order::kZipfian;
  w.theta = HotWrites::kTheta;
  w.delete_share = 0.01;
  w.user_bytes = 5e6;
  Result<EntryCosts> costs = MeasureEntryCosts(setup.composition, w);
  ASSERT_TRUE(costs.ok()) << costs.status().ToString();
  setup.costs = std::move(costs).value();
  Simulated(setup);
  const Asked simulated = std::exchange(asked_, Asked());

  test::TempDirectory directory;
  StoreOptions options;
  options.path = directory.path() + "/store";
  options.composition = setup.composition;
  options.seed = 1;
  auto opened = Store::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  const std::unique_ptr<Store> store = std::move(opened).value();
  HotWrites writes(w);
  const auto count = static_cast<uint64_t>(w.user_bytes / w.mean_write_bytes());
  const auto per_memtable = static_cast<uint64_t>(65536 / setup.costs.memtable_put);
  for (uint64_t i = 1; i <= count; ++i) {
    writes.Next(store.get());
    if (i % per_memtable != 0) continue;
    ASSERT_TRUE(store->Drain().ok());
  }
  ASSERT_TRUE(store->Close().ok());

  const auto shares = [](const Asked& a) {
    return std::pair(static_cast<double>(a.aged) / static_cast<double>(a.tables),
                     static_cast<double>(a.aged_by_lost_alone) / static_cast<double>(a.tables));
  };
  const auto [real, real_lost] = shares(asked_);
  const auto [said, said_lost] = shares(simulated);
  std::printf(
      "tables with deletes to count: engine %.3f, %.3f of them lost alone; simulated %.3f, "
      "%.3f\n",
      real, real_lost, said, said_lost);
  EXPECT_GT(real_lost, 0.05);
  EXPECT_NEAR(said, real, 0.1);
  EXPECT_NEAR(said_lost, real_lost, 0.1);
}

// Nothing is left to be done but for values that have replaced deletes.
TEST_F(SimulatedDecisions, LostDeletesAloneAreAReasonForJobs) {
  SimSetup setup = SmallSetup("leveled");
  setup.workload.keys = 20;  // each memtable writes every key five times
  setup.workload.delete_share = 0.02;
  setup.workload.write_rate = 1e4;
  const auto written = [&](const char* ttl) {
    SimSetup with = SmallSetup("leveled", {{"engine.compaction.delete_ttl", ttl}});
    with.workload = setup.workload;
    return Simulated(with).samples.back();
  };
  const SimSample none = written("0ms"), some = written("5s");
  EXPECT_GT(some.totals.compactions, none.totals.compactions + 10);
}

}  // namespace
}  // namespace lsmlab::harness
