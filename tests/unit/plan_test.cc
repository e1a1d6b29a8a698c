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
  const Plan plan = Make(kText, {"/work", true, {}});
  EXPECT_EQ(plan.runs.size(), 14u);
  EXPECT_EQ(plan.runs[0].properties.back().first, "operationcount");
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
)");
  ASSERT_EQ(plan.rows.size(), 2u);
  EXPECT_EQ(plan.base, "rocksdb");
  EXPECT_EQ(plan.runs[0].expect.at(0).base, "rocksdb");
}

TEST(Plan, SpecsSurviveTheWayToTheChild) {
  const Plan plan = Make(kText);
  for (const RunSpec& run : plan.runs) {
    const Result<RunSpec> again = ParseSpec(SpecText(run));
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(SpecText(again.value()), SpecText(run));
  }
  EXPECT_FALSE(ParseSpec("{}").ok());
  EXPECT_FALSE(ParseSpec("not json").ok());
  EXPECT_FALSE(SummarizeLine("{\"variant\":1}").ok());
}

}  // namespace
}  // namespace lsmlab::harness
