#include "harness/experiment/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "harness/record/json.h"

namespace lsmlab::harness {
namespace {

constexpr char kText[] = R"(question = "q"
base = "baseline"
[engine.cache]
bytes = "1MiB"
[matrix]
"engine.filter.variant" = ["none", "bloom", "blocked-bloom"]
"engine.memtable.size" = ["64MiB", "1MiB"]
[[variant]]
engine = "rocksdb"
[workload]
files = ["workloads/ycsb/workloada", "workloads/ycsb/workloadc"]
recordcount = 10
[run]
repetitions = 4
seed = 9
)";

Plan Make(const std::string& text, const PlanOptions& options = {"/work", false, {}}) {
  const Result<TomlValue> root = ParseToml(text, "e.toml");
  const Result<Experiment> experiment = ParseExperiment(root.value(), "e");
  EXPECT_TRUE(experiment.ok()) << experiment.status().message();
  Result<Plan> plan = MakePlan(experiment.value(), options);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return std::move(plan).value();
}

TEST(Plan, RowsAreTheBaseTheMatrixAndTheVariants) {
  const Plan plan = Make(kText);
  std::vector<std::string> names;
  for (const PlannedRow& row : plan.rows) names.push_back(row.name);
  // The cell bloom, 64MiB is the base itself and not a second row.
  EXPECT_EQ(names,
            (std::vector<std::string>{
                "baseline", "filter=none memtable.size=64MiB", "filter=none memtable.size=1MiB",
                "filter=bloom memtable.size=1MiB", "filter=blocked-bloom memtable.size=64MiB",
                "filter=blocked-bloom memtable.size=1MiB", "rocksdb"}));
  EXPECT_TRUE(plan.rows[0].cell.empty());
  EXPECT_EQ(plan.rows[3].cell, (TextMap{{"engine.memtable.size", "1MiB"}}));
  EXPECT_EQ(plan.rows[2].compared_parts, (std::vector<std::string>{"filter", "memtable"}));
  for (const PlannedRow& row : plan.rows) {
    EXPECT_EQ(row.setup.config.at("engine.cache.bytes"), "1MiB") << row.name;
  }
}

TEST(Plan, EveryBlockHoldsEveryCellOnceWithItsSeed) {
  const Plan plan = Make(kText);
  ASSERT_EQ(plan.runs.size(), 7u * 2 * 4);
  std::set<std::tuple<uint32_t, std::string, std::string>> cells;
  std::set<std::string> directories;
  for (const RunSpec& run : plan.runs) {
    const RunIdentity& id = run.identity;
    EXPECT_TRUE(cells.insert({id.block, id.variant, id.workload}).second);
    EXPECT_TRUE(directories.insert(run.directory).second);
    EXPECT_EQ(id.seed, 9u + id.block);
    EXPECT_EQ(id.base, "baseline");
  }
}

TEST(Plan, RowsOfAWorkloadStandTogetherInAnOrderOfTheirOwn) {
  const Plan plan = Make(kText);
  std::set<std::vector<std::string>> orders;
  for (size_t begin = 0; begin < plan.runs.size(); begin += 7) {
    std::vector<std::string> order;
    for (size_t i = begin; i < begin + 7; ++i) {
      EXPECT_EQ(plan.runs[i].identity.workload, plan.runs[begin].identity.workload);
      EXPECT_EQ(plan.runs[i].identity.order, i % 14);
      order.push_back(plan.runs[i].identity.variant);
    }
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 4u);
  const Plan listed = Make(std::string(kText) + "order = \"listed\"\n");
  for (size_t i = 0; i < listed.runs.size(); ++i) {
    EXPECT_EQ(listed.runs[i].identity.variant, listed.rows[i % 7].name);
  }
}

TEST(Plan, HashIsTheSameForTheSamePlanWhereverItRuns) {
  const std::string hash = Make(kText).hash;
  EXPECT_EQ(hash, Make(kText, {"/elsewhere", false, {}}).hash);
  EXPECT_NE(hash, Make(kText, {"/work", true, {}}).hash);
  EXPECT_NE(hash, Make(std::string(kText) + "threads = 3\n").hash);
  EXPECT_NE(hash, Make(kText, {"/work", false, {{"engine.cache.bytes", "2MiB", "--set", 3}}}).hash);
}

TEST(Plan, SmokeIsOneBlockOfFewOperations) {
  const std::string text = std::string(kText) + "touch_memory = \"1GiB\"\n";
  const Plan plan = Make(text, {"/work", true, {}});
  EXPECT_EQ(plan.runs.size(), 14u);
  EXPECT_EQ(plan.runs[0].properties.back().first, "operationcount");
  EXPECT_EQ(plan.runs[0].touch_bytes, 0u);
  for (const RunSpec& run : Make(text).runs) EXPECT_EQ(run.touch_bytes, uint64_t{1} << 30);
}

TEST(Plan, SmokeLoadsASliceOfManyKeysAsAllOfItsFew) {
  std::string text(kText);
  text.replace(text.find("recordcount = 10"), 16,
               "recordcount = 9000\ninsertstart = 5000\ninsertcount = 3000");
  for (const RunSpec& run : Make(text, {"/work", true, {}}).runs) {
    const auto workload = workloads::OpenWorkload(run.workload_file, run.properties);
    ASSERT_TRUE(workload.ok()) << workload.status().message();
    EXPECT_EQ(workload.value()->info().load_first, 0u);
    EXPECT_EQ(workload.value()->info().load_count, 2000u);
  }
}

TEST(Plan, SmokeNeedsRoomForItsRecordsAloneAndHasNoBars) {
  std::string text(kText);
  text.replace(text.find("recordcount = 10"), 16, "recordcount = 5000000");
  text += "[[expect]]\nworkload = \"workloada\"\nvariant = \"rocksdb\"\nat_least = 2\n";
  const Plan whole = Make(text), smoke = Make(text, {"/work", true, {}});
  EXPECT_GT(smoke.largest_store_bytes, 0u);
  EXPECT_LT(smoke.largest_store_bytes * 1000, whole.largest_store_bytes);
  EXPECT_EQ(whole.runs[0].expect.size(), 1u);
  EXPECT_TRUE(smoke.runs[0].expect.empty());
}

// Two clients of a store that serves one caller at a time would be a data race.
TEST(Plan, RefusesMoreClientsThanAnExecutorServes) {
  const std::string text = std::string(kText) + R"(threads = 2
[engine.executor]
variant = "inline"
)";
  const Result<TomlValue> root = ParseToml(text, "e.toml");
  const Result<Experiment> experiment = ParseExperiment(root.value(), "e");
  ASSERT_TRUE(experiment.ok()) << experiment.status().message();
  const PlanOptions options{"/work", false, {}};
  const Result<Plan> plan = MakePlan(experiment.value(), options);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().message(),
            "experiment e: row 'baseline', workload 'workloada': 2 client threads, but "
            "engine.executor.variant 'inline' serves one caller at a time; allowed with it is 1");
}

TEST(Plan, BaseCanBeAListedRow) {
  const Plan plan = Make(R"(question = "q"
base = "rocksdb"
[[variant]]
engine = "rocksdb"
[[variant]]
name = "fast"
preset = "fast"
[workload]
file = "workloads/ycsb/workloada"
[[expect]]
workload = "workloada"
variant = "fast"
at_least = 2
[[expect]]
workload = "workloada"
variant = "fast"
metric = "space_amplification"
absolute = true
at_most = 1.5
)");
  ASSERT_EQ(plan.rows.size(), 2u);
  EXPECT_EQ(plan.base, "rocksdb");
  EXPECT_EQ(plan.runs[0].expect.at(0).base, "rocksdb");
  EXPECT_EQ(plan.runs[0].expect.at(0).at_most, 0);
  EXPECT_EQ(plan.runs[0].expect.at(1).base, "");
  EXPECT_EQ(plan.runs[0].expect.at(1).at_most, 1.5);
}

// Three workloads that load the same, two that each load something else.
constexpr char kCopied[] = R"(question = "q"
base = "baseline"
[[variant]]
engine = "rocksdb"
[[variant]]
engine = "null"
[properties]
recordcount = 1000
[[workload]]
file = "workloads/ycsb/workloada"
operationcount = 5
[[workload]]
name = "longer"
file = "workloads/ycsb/workloada"
fieldlength = 200
[[workload]]
file = "workloads/ycsb/workloade"
lsmlab.seekproportion = 0.5
[[workload]]
name = "fewer"
file = "workloads/ycsb/workloada"
recordcount = 999
[[workload]]
file = "workloads/ycsb/workloadd"
[run]
repetitions = 3
load = "copied"
)";

TEST(Plan, CopiedLoadsStandFirstInABlockAndServeTheirClass) {
  const std::map<std::string, std::string> first = {{"workloada", "workloada"},
                                                    {"longer", "longer"},
                                                    {"workloade", "workloada"},
                                                    {"fewer", "fewer"},
                                                    {"workloadd", "workloada"}};
  const Plan plan = Make(kCopied);
  constexpr size_t kLoads = 3 * 3, kBlock = kLoads + 3 * 5;
  ASSERT_EQ(plan.runs.size(), 3 * kBlock);
  std::map<std::string, const RunSpec*> loads;  // by the name of their directory
  for (size_t i = 0; i < plan.runs.size(); ++i) {
    const RunSpec& run = plan.runs[i];
    const bool load = i % kBlock < kLoads;
    EXPECT_EQ(run.load, load) << i;
    EXPECT_EQ(run.run, !load) << i;
    EXPECT_EQ(run.fresh, load) << i;
    EXPECT_EQ(run.identity.block, i / kBlock);
    EXPECT_EQ(run.identity.order, i % kBlock);
    EXPECT_EQ(run.copies.empty(), load) << i;
    if (load) {
      const std::string name = run.directory.substr(run.directory.rfind('/') + 1);
      EXPECT_TRUE(loads.emplace(name, &run).second);
      continue;
    }
    ASSERT_EQ(loads.count(run.copies), 1u) << i;
    const RunIdentity& source = loads[run.copies]->identity;
    EXPECT_EQ(source.block, run.identity.block);
    EXPECT_EQ(source.variant, run.identity.variant);
    EXPECT_EQ(source.seed, run.identity.seed);
    EXPECT_EQ(source.workload, first.at(run.identity.workload));
  }
}

TEST(Plan, CopiedLoadsAreInAnOrderDrawnFromTheSeed) {
  const auto order = [](const std::string& text, bool load) {
    std::vector<std::string> names;
    for (const RunSpec& run : Make(text).runs) {
      if (run.load == load) names.push_back(RunLabel(run.identity));
    }
    return names;
  };
  const std::string text(kCopied), other = text + "seed = 7\n";
  const std::string listed = text + "order = \"listed\"\n";
  for (const bool load : {true, false}) {
    EXPECT_EQ(order(text, load), order(text, load));
    EXPECT_NE(order(text, load), order(other, load));
    EXPECT_NE(order(text, load), order(listed, load));
  }
  EXPECT_EQ(order(listed, true).at(3), "baseline longer block 1");
}

TEST(Plan, CopiedLoadsAreCountedAndHashed) {
  const Plan plan = Make(kCopied);
  const std::string text(kCopied);
  const Plan fresh = Make(text.substr(0, text.find("load = ")));
  EXPECT_EQ(fresh.runs.size(), 3u * 3 * 5);
  EXPECT_EQ(fresh.kept_store_bytes, 0u);
  // Two rows keep data, each three stores of 1000, 1000 and 999 records; one is of longer ones.
  EXPECT_EQ(fresh.largest_store_bytes, plan.largest_store_bytes);
  EXPECT_GT(plan.kept_store_bytes, 2 * plan.largest_store_bytes * 19 / 10);
  EXPECT_LT(plan.kept_store_bytes, 2 * plan.largest_store_bytes * 21 / 10);
  EXPECT_NE(plan.hash, fresh.hash);
  EXPECT_EQ(plan.hash, Make(kCopied, {"/elsewhere", false, {}}).hash);
}

TEST(Plan, SpecsSurviveTheWayToTheChild) {
  const std::string touching = std::string(kText) + "touch_memory = \"1GiB\"\n";
  for (const std::string& text : {std::string(kText), std::string(kCopied), touching}) {
    for (const RunSpec& run : Make(text).runs) {
      const Result<RunSpec> again = ParseSpec(SpecText(run));
      ASSERT_TRUE(again.ok()) << again.status().message();
      EXPECT_EQ(SpecText(again.value()), SpecText(run));
      EXPECT_EQ(again->copies, run.copies);
      EXPECT_EQ(again->touch_bytes, run.touch_bytes);
    }
  }
  EXPECT_FALSE(ParseSpec("{}").ok());
  EXPECT_FALSE(ParseSpec("not json").ok());
  EXPECT_FALSE(SummarizeLine("{\"variant\":1}").ok());
}

}  // namespace
}  // namespace lsmlab::harness
