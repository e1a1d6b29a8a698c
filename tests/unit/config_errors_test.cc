#include <gtest/gtest.h>

#include "harness/experiment/experiment.h"
#include "harness/experiment/plan.h"
#include "harness/peers/engines.h"

// Every mistake in an experiment gives one line: file and line, what was found, what is allowed,
// the nearest spelling.
namespace lsmlab::harness {
namespace {

constexpr char kHead[] = "question = \"q\"\nbase = \"baseline\"\n";
constexpr char kMatrix[] = "[matrix]\n\"engine.cache.variant\" = [\"none\"]\n";
constexpr char kWorkload[] = "[workload]\nfile = \"workloads/ycsb/workloada\"\nrecordcount = 10\n";

std::string ErrorOf(const std::string& text) {
  const Result<TomlValue> root = ParseToml(text, "e.toml");
  if (!root.ok()) return std::string(root.status().message());
  const Result<Experiment> experiment = ParseExperiment(root.value(), "e");
  if (!experiment.ok()) return std::string(experiment.status().message());
  const Result<Plan> plan = MakePlan(experiment.value(), {"/nowhere", false, {}});
  return plan.ok() ? "accepted" : std::string(plan.status().message());
}

struct BadCase {
  std::string text;
  std::vector<std::string> parts;
};

void Check(const std::vector<BadCase>& cases) {
  for (const BadCase& bad : cases) {
    const std::string error = ErrorOf(bad.text);
    for (const std::string& part : bad.parts) {
      EXPECT_NE(error.find(part), std::string::npos) << error << "\nlacks: " << part;
    }
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

const std::string& Whole() {
  static const std::string whole = std::string(kHead) + kMatrix + kWorkload;
  return whole;
}

TEST(ConfigErrors, TheUnharmedExperimentIsAccepted) { EXPECT_EQ(ErrorOf(Whole()), "accepted"); }

TEST(ConfigErrors, UnknownAndMissingKeys) {
  Check({
      {"qestion = \"q\"\n", {"e.toml:1", "unknown key 'qestion'", "did you mean 'question'?"}},
      {Whole() + "[run]\nrepetition = 3\n", {"e.toml:9", "did you mean 'repetitions'?"}},
      {Whole() + "[limits]\ntimeoutt = \"3s\"\n", {"e.toml:9", "did you mean 'timeout'?"}},
      {Whole() + "[[variant]]\nnam = \"x\"\n", {"e.toml:9", "[[variant]]", "'name'"}},
      {"base = \"baseline\"\n", {"e.toml: question is missing"}},
      {"question = \"q\"\n", {"base is missing"}},
      {std::string(kHead) + kMatrix, {"[workload]"}},
      {std::string(kHead) + kWorkload, {"nothing to compare"}},
      {Whole() + "[[expect]]\nat_least = 2\n", {"e.toml:8", "needs workload"}},
  });
}

TEST(ConfigErrors, ValuesOutOfRange) {
  Check({
      {Whole() + "[run]\nrepetitions = 0\n", {"e.toml:9", "'0'", "from 1 to 1000"}},
      {Whole() + "[run]\nthreads = 1000000\n", {"e.toml:9", "from 1 to 1024"}},
      {Whole() + "[run]\nseed = -1\n", {"e.toml:9", "'-1'"}},
      {Whole() + "[run]\nseed = 1.5\n", {"e.toml:9", "'1.5'"}},
      {Whole() + "[run]\norder = \"interleafed\"\n", {"did you mean 'interleaved'?"}},
      {Whole() + "[run]\ndrain = \"yes\"\n", {"true or false"}},
      {Whole() + "[run]\ninterval = \"10\"\n", {"written with ms, s or m"}},
      {Whole() + "[limits]\ntimeout = \"inf\"\n", {"e.toml:9"}},
      {"question = 5\n", {"e.toml:1", "a string"}},
      {Whole() + "[[expect]]\nat_least = nan\n", {"e.toml:9", "nan"}},
      {std::string(kHead) + "[matrix]\n\"engine.cache.variant\" = \"none\"\n" + kWorkload,
       {"e.toml:4", "an array of the values"}},
      {std::string(kHead) + "[matrix]\n\"engine.cache.variant\" = []\n" + kWorkload,
       {"an array of the values"}},
  });
}

TEST(ConfigErrors, WhatOnlyTheRegistryKnows) {
  Check({
      {std::string(kHead) + "[matrix]\n\"engine.cache.variant\" = [\"lri\"]\n" + kWorkload,
       {"e.toml:4", "unknown variant 'lri'", "did you mean 'lru'?"}},
      {std::string(kHead) + "[matrix]\n\"engine.cach.variant\" = [\"lru\"]\n" + kWorkload,
       {"e.toml:4", "unknown part 'cach'"}},
      {Whole() + "[engine.memtable]\nsize = \"1KB\"\n", {"e.toml:9", "engine.memtable.size"}},
      {Whole() + "[[variant]]\nengine = \"rocksd\"\n", {"e.toml:8", "did you mean 'rocksdb'?"}},
      {Whole() + "[[variant]]\nname = \"x\"\npreset = \"fst\"\n", {"did you mean 'fast'?"}},
      {Whole() + "[peers.rocksdb]\nstatistic = true\n", {"e.toml:9", "'statistics'"}},
      {Whole() + "[peers.rockdb]\nstatistics = true\n", {"e.toml:9", "unknown engine"}},
      {"question = \"q\"\nbase = \"basline\"\n" + std::string(kMatrix) + kWorkload,
       {"e.toml:2", "did you mean 'baseline'?"}},
      {Whole() + "[engine.wal]\nvariant = \"off\"\nsync = \"every\"\n", {"e.toml:10", "refused"}},
  });
}

TEST(ConfigErrors, WorkloadsAndRows) {
  Check({
      {std::string(kHead) + kMatrix + "[workload]\nfile = \"no/such/file\"\n", {"e.toml:5"}},
      {Whole() + "recordcounts = 4\n", {"e.toml:8: unknown property \"recordcounts\""}},
      {Whole() + "readproportion = -1\n", {"e.toml:8: readproportion = \"-1\""}},
      {Whole() + "workloada.operationcount = \"x\"\n", {"e.toml:8: operationcount = \"x\""}},
      {Whole() + "[properties]\ntarget = -5\n", {"e.toml:9: target = \"-5\""}},
      {Whole() + "[properties]\nrecordcount = \"x\"\n", {"accepted"}},  // the nearer one counts
      {Whole() + "[properties]\nlsmlab.update = \"blnd\"\n", {"e.toml:9: lsmlab.update", "blind"}},
      {std::string(kHead) + kMatrix + "[[workload]]\nfile = \"workloads/ycsb/workloada\"\n" +
           "fieldcount = 0\n",
       {"e.toml:7: fieldcount = \"0\""}},
      {Whole() + "threadcount = 5000\n", {"5000 client threads", "up to 1024"}},
      {Whole() + "[[variant]]\nengine = \"rocksdb\"\n[engine.wal]\nsync = \"interval\"\n",
       {"e.toml:11: engine.wal.sync: 'interval' has no equal in rocksdb", "none, group and every"}},
      {Whole() + "[[variant]]\nname = \"cache=none\"\n", {"two rows are called 'cache=none'"}},
      {Whole() + "[[expect]]\nworkload = \"workloada\"\nvariant = \"fastt\"\nat_least = 1\n",
       {"e.toml:8: [[expect]] variant: no such variant as 'fastt'"}},
      {Whole() + "[[expect]]\nworkload = \"workloadb\"\nvariant = \"baseline\"\nat_least = 1\n",
       {"no such workload", "did you mean 'workloada'?"}},
      {Whole() + "[[expect]]\nworkload = \"workloada\"\nvariant = \"baseline\"\nat_least = 2\n" +
           "at_most = 1\n",
       {"e.toml:8: [[expect]] at_least is above at_most"}},
  });
}

TEST(Engines, PeerSettingsAreCheckedAndResolved) {
  const Result<EngineSetup> setup =
      SetUpEngine("rocksdb", {{"peers.rocksdb.statistics", "true", "a", 0},
                              {"peers.rocksdb.statistics", "false", "b", 3}});
  ASSERT_TRUE(setup.ok()) << setup.status().message();
  EXPECT_FALSE(setup->peer.Bool("statistics"));
  EXPECT_EQ(setup->config.at("peers.rocksdb.statistics"), "false");
  const Result<EngineSetup> again = SetUpEngine("rocksdb", setup->config);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->config, setup->config);
  EXPECT_EQ(ConditionsOf(setup.value(), 2).at("durability"), "process kill");
}

TEST(Engines, BothSidesOfAComparisonStateTheSameConditions) {
  const std::vector<Assignment> shared = {{"engine.memtable.size", "2MiB", "a", 0},
                                          {"engine.codec.per_level", "none,lz4", "a", 0},
                                          {"engine.wal.sync", "group", "a", 0}};
  const Result<EngineSetup> ours = SetUpEngine("lsmlab", shared);
  const Result<EngineSetup> theirs = SetUpEngine("rocksdb", shared);
  ASSERT_TRUE(ours.ok() && theirs.ok());
  EXPECT_EQ(ConditionsOf(ours.value(), 1), ConditionsOf(theirs.value(), 1));
  EXPECT_EQ(ConditionsOf(ours.value(), 1).at("compression"), "none,lz4");
  EXPECT_EQ(ConditionsOf(ours.value(), 1).at("durability"), "power loss");
}

// A peer's own settings, and what it cannot do otherwise, show in the table.
TEST(Engines, ConditionsSayWhatAnEngineReallyDoes) {
  const auto conditions = [](const char* engine, const std::vector<Assignment>& more,
                             uint32_t threads) {
    const Result<EngineSetup> setup = SetUpEngine(engine, more);
    EXPECT_TRUE(setup.ok()) << setup.status().message();
    return ConditionsOf(setup.value(), threads);
  };
  const std::vector<Assignment> every = {{"engine.wal.sync", "every", "a", 0}};
  EXPECT_EQ(conditions("rocksdb", every, 1).at("wal_sync"), "every");
  EXPECT_EQ(conditions("rocksdb", every, 2).at("wal_sync"), "group");
  EXPECT_EQ(conditions("lsmlab", every, 2).at("wal_sync"), "every");
  std::vector<Assignment> pages = {{"engine.table.block.alignment", "page", "a", 0}};
  EXPECT_EQ(conditions("lsmlab", pages, 1).at("block_alignment"), "page");
  EXPECT_EQ(conditions("rocksdb", pages, 1).at("block_alignment"), "page");
  pages.push_back({"engine.codec.variant", "lz4", "a", 0});
  EXPECT_EQ(conditions("lsmlab", pages, 1).at("block_alignment"), "page");
  EXPECT_EQ(conditions("rocksdb", pages, 1).count("block_alignment"), 0u);
  const std::vector<Assignment> bits = {{"engine.filter.bits_per_key", "12,8,1", "a", 0}};
  EXPECT_EQ(conditions("lsmlab", bits, 1).at("filter_bits_per_key"), "12,8,1");
  EXPECT_EQ(conditions("rocksdb", bits, 1).at("filter_bits_per_key"), "12");
  const std::vector<Assignment> monkey = {{"engine.filter.allocation", "monkey", "a", 0}};
  EXPECT_EQ(conditions("lsmlab", monkey, 1).at("filter_allocation"), "monkey");
  EXPECT_EQ(conditions("rocksdb", monkey, 1).count("filter_allocation"), 0u);
  const std::vector<Assignment> none = {{"engine.filter.variant", "none", "a", 0}};
  EXPECT_EQ(conditions("lsmlab", none, 1).at("filter_bits_per_key"), "0");
  EXPECT_EQ(conditions("rocksdb", none, 1).at("filter_bits_per_key"), "0");
  const std::vector<Assignment> one = {{"engine.executor.background", "1", "a", 0}};
  EXPECT_NE(conditions("rocksdb", one, 1), conditions("lsmlab", one, 1));
  const auto tuned = conditions("rocksdb",
                                {{"peers.rocksdb.block_size", "16KiB", "a", 0},
                                 {"peers.rocksdb.subcompactions", "2", "a", 0},
                                 {"peers.rocksdb.level_sizes", "dynamic", "a", 0},
                                 {"peers.rocksdb.cache_filled_by", "flushes", "a", 0},
                                 {"peers.rocksdb.verify_checksums", "false", "a", 0}},
                                1);
  EXPECT_EQ(tuned.at("block_bytes"), "16384");
  EXPECT_EQ(tuned.at("background_threads"), "2, compactions in 2");
  EXPECT_EQ(tuned.at("compaction"), "leveled, dynamic level sizes");
  EXPECT_EQ(tuned.at("cache_filled_by"), "reads, flushes");
  EXPECT_EQ(tuned.at("checksums"), "not verified");
  const auto loops = conditions("lsmlab",
                                {{"engine.executor.variant", "reactor", "a", 0},
                                 {"engine.executor.loops", "2", "a", 0},
                                 {"engine.cache.fill_by", "writes", "a", 0}},
                                1);
  EXPECT_EQ(loops.at("background_threads"), "loops: 2");
  EXPECT_EQ(loops.at("cache_filled_by"), "reads, writes");
  EXPECT_EQ(conditions("fio", {{"peers.fio.direct", "false", "a", 0}}, 1).at("direct_io"), "none");
  EXPECT_EQ(conditions("fio", {}, 1).count("cache_bytes"), 0u);
}

// Before anything runs, with the place that counts.
TEST(Engines, RocksdbRefusesWhatItHasNoEqualOf) {
  const Result<EngineSetup> setup = SetUpEngine(
      "rocksdb",
      {{"engine.wal.sync", "interval", "--set", 3}, {"engine.wal.sync", "group", "e.toml:4", 1}});
  EXPECT_EQ(setup.status().message(),
            "--set: engine.wal.sync: 'interval' has no equal in rocksdb; allowed for a comparison "
            "with it are none, group and every");
  EXPECT_TRUE(SetUpEngine("lsmlab", {{"engine.wal.sync", "interval", "--set", 3}}).ok());
}

// What a peer does not have stands beside what both have, so that the table marks the row.
TEST(Engines, WhatOnlyOursHasIsStated) {
  const std::vector<Assignment> shared = {{"engine.partitioner.variant", "hash", "a", 0},
                                          {"engine.partitioner.shards", "3", "a", 0},
                                          {"engine.compaction.variant", "tiered", "a", 0}};
  const Result<EngineSetup> ours = SetUpEngine("lsmlab", shared);
  const Result<EngineSetup> theirs = SetUpEngine("rocksdb", shared);
  ASSERT_TRUE(ours.ok() && theirs.ok());
  EXPECT_EQ(ConditionsOf(ours.value(), 1).at("shards"), "3");
  EXPECT_EQ(ConditionsOf(ours.value(), 1).at("compaction"), "tiered");
  EXPECT_EQ(ConditionsOf(theirs.value(), 1).count("shards"), 0u);
  const Result<EngineSetup> dynamic =
      SetUpEngine("lsmlab", {{"engine.compaction.dynamic_levels", "true", "a", 0}});
  ASSERT_TRUE(dynamic.ok());
  EXPECT_EQ(ConditionsOf(dynamic.value(), 1).at("compaction"), "leveled, dynamic level sizes");
}

}  // namespace
}  // namespace lsmlab::harness
