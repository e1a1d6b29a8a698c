#include "harness/experiment/experiment.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace lsmlab::harness {
namespace {

constexpr char kWhole[] = R"(question = "Which filter?"
base = "baseline"

[engine.memtable]
size = "2MiB"

[peers.rocksdb]
statistics = true

[matrix]
"engine.filter.variant" = ["none", "bloom"]
engine.filter.bits_per_key = [[8], 12]

[[variant]]
engine = "rocksdb"

[[variant]]
name = "tree"
preset = "fast"
set = { "engine.memtable.size" = "4MiB" }

[workload]
files = ["workloads/ycsb/workloada", "workloads/ycsb/workloade"]
recordcount = 1000
lsmlab.readmissing = 0.5
workloade.operationcount = 10

[run]
repetitions = 5
seed = 7
threads = 2
order = "listed"
drain = false
warmup = "read-all"
interval = "250ms"
touch_memory = "3MiB"

[limits]
load = "10s"
timeout = "2m"

[[expect]]
workload = "workloada"
variant = "tree"
base = "rocksdb"
at_least = 1.5
)";

Result<Experiment> Parse(const std::string& text) {
  Result<TomlValue> root = ParseToml(text, "e.toml");
  if (!root.ok()) return root.status();
  return ParseExperiment(root.value(), "e");
}

TEST(Experiment, ReadsEveryTable) {
  const Result<Experiment> parsed = Parse(kWhole);
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  const Experiment& e = parsed.value();
  EXPECT_EQ(e.name, "e");
  EXPECT_EQ(e.question, "Which filter?");
  EXPECT_EQ(e.base_origin, "e.toml:2");
  ASSERT_EQ(e.settings.size(), 2u);
  EXPECT_EQ(e.settings[0].name, "engine.memtable.size");
  EXPECT_EQ(e.settings[0].origin, "e.toml:5");
  EXPECT_EQ(e.settings[1].name, "peers.rocksdb.statistics");
  ASSERT_EQ(e.matrix.size(), 2u);
  EXPECT_EQ(e.matrix[0].name, "engine.filter.variant");
  EXPECT_EQ(e.matrix[1].name, "engine.filter.bits_per_key");
  EXPECT_EQ(e.matrix[1].texts, (std::vector<std::string>{"8", "12"}));
  ASSERT_EQ(e.variants.size(), 2u);
  EXPECT_EQ(e.variants[0].name, "rocksdb");
  EXPECT_EQ(e.variants[1].preset, "fast");
  ASSERT_EQ(e.variants[1].set.size(), 1u);
  EXPECT_EQ(e.variants[1].set[0].layer, kVariantLayer);
}

TEST(Experiment, ReadsWorkloadsRunLimitsAndBars) {
  const Result<Experiment> parsed = Parse(kWhole);
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  const Experiment& e = parsed.value();
  ASSERT_EQ(e.workloads.size(), 2u);
  const workloads::Overrides common = {{"recordcount", "1000"}, {"lsmlab.readmissing", "0.5"}};
  EXPECT_EQ(e.workloads[0].properties, common);
  EXPECT_EQ(e.workloads[1].name, "workloade");
  ASSERT_EQ(e.workloads[1].properties.size(), 3u);  // its own come last and win
  EXPECT_EQ(e.workloads[1].properties[2].first, "operationcount");
  EXPECT_EQ(e.run.repetitions, 5u);
  EXPECT_EQ(e.run.seed, 7u);
  EXPECT_EQ(e.run.threads, 2u);
  EXPECT_FALSE(e.run.interleaved);
  EXPECT_FALSE(e.run.drain);
  EXPECT_EQ(e.run.warmup, Warmup::kReadAll);
  EXPECT_DOUBLE_EQ(e.run.interval_s, 0.25);
  EXPECT_EQ(e.run.touch_bytes, uint64_t{3} << 20);
  EXPECT_DOUBLE_EQ(e.limits.load_seconds, 10);
  EXPECT_DOUBLE_EQ(e.limits.timeout_seconds, 120);
  ASSERT_EQ(e.expect.size(), 1u);
  EXPECT_EQ(e.expect[0], (ExpectBar{"workloada", "run", "tree", "rocksdb", "ops_per_s", 1.5}));
}

TEST(Experiment, AWarmupHasThreeKinds) {
  for (const std::string_view name : kWarmupNames) EXPECT_EQ(NameOf(WarmupOf(name)), name);
  EXPECT_EQ(WarmupOf("scan"), Warmup::kScan);
  EXPECT_EQ(NameOf(WarmupOf("all")), "none");
}

TEST(Experiment, WorkloadsCanBeListedWithNames) {
  const Result<Experiment> parsed = Parse(R"(question = "q"
base = "baseline"
[matrix]
engine.cache.variant = ["none"]
[properties]
recordcount = 5
[[workload]]
file = "w/workloade"
[[workload]]
file = "w/workloade"
name = "small"
recordcount = 6
)");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  ASSERT_EQ(parsed->workloads.size(), 2u);
  EXPECT_EQ(parsed->workloads[0].name, "workloade");
  EXPECT_EQ(parsed->workloads[1].name, "small");
  EXPECT_EQ(parsed->workloads[1].properties.back().second, "6");
}

TEST(Experiment, LoadIsFreshOrCopied) {
  const std::string text(kWhole);
  const size_t run = text.find("[run]\n") + 6;
  const auto with = [&](const std::string& lines) {
    return Parse(text.substr(0, run) + lines + text.substr(run));
  };
  ASSERT_TRUE(with("").ok());
  EXPECT_FALSE(with("").value().run.copied);
  EXPECT_FALSE(with("load = \"fresh\"\nphases = \"load\"\n").value().run.copied);
  EXPECT_TRUE(with("load = \"copied\"\n").value().run.copied);
  EXPECT_EQ(with("load = \"copied\"\nphases = \"load\"\n").status().message(),
            "e.toml:29: [run] load: 'copied' is not allowed; allowed is fresh with phases = "
            "\"load\"");
  EXPECT_NE(with("load = \"copy\"\n").status().message().find("fresh or copied"),
            std::string::npos);
}

TEST(Experiment, MemoryToTouchIsASize) {
  const auto with = [](const std::string& value) {
    std::string text(kWhole);
    const size_t at = text.find("\"3MiB\"");
    return Parse(text.replace(at, 6, value));
  };
  EXPECT_EQ(with("4096").value().run.touch_bytes, 4096u);
  EXPECT_EQ(with("\"1TiB\"").value().run.touch_bytes, uint64_t{1} << 40);
  for (const char* value : {"\"2TiB\"", "\"6 apples\"", "true", "-1"}) {
    const Status refused = with(value).status();
    EXPECT_NE(refused.message().find("[run] touch_memory: '"), std::string::npos);
    EXPECT_NE(refused.message().find("allowed is a size from 0B to 1TiB, written as a number of "
                                     "bytes or with KiB, MiB, GiB or TiB"),
              std::string::npos)
        << refused.message();
  }
}

TEST(Experiment, ShippedOnesAreRead) {
  size_t read = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator("harness/experiments")) {
    if (entry.path().extension() != ".toml") continue;
    const Result<Experiment> e = ReadExperiment(entry.path().string());
    EXPECT_TRUE(e.ok()) << entry.path() << ": " << e.status().message();
    ++read;
  }
  EXPECT_GE(read, 20u);
}

}  // namespace
}  // namespace lsmlab::harness
