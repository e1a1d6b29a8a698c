#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <string_view>

#include "engine/async/frame_pool.h"
#include "engine/base/random.h"
#include "tests/model/model_runner.h"
#include "tests/support/composition_space.h"
#include "tests/support/disk_ios.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_scale.h"
#include "variants/compose.h"
#include "variants/io/ios.h"
#include "variants/io/simulated_io.h"

// The pairwise covering array of all compositions: that it is one, and that each of its rows
// answers one history as the model does.
namespace lsmlab::test {
namespace {

using Assigned = std::vector<std::pair<std::string, std::string>>;
using PairSet = std::set<std::pair<std::string, std::string>>;

void AddPairs(const Assigned& assigned, PairSet* pairs) {
  std::vector<std::string> all;
  for (const auto& [name, text] : assigned) all.push_back(name + " = " + text);
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = i + 1; j < all.size(); ++j) pairs->emplace(all[i], all[j]);
  }
}

Assigned AssignedBy(const std::vector<Factor>& factors, const Row& row) {
  Assigned assigned;
  for (size_t f = 0; f < row.size(); ++f) {
    if (row[f] == kOpen) continue;
    assigned.emplace_back(factors[f].name, factors[f].values[static_cast<size_t>(row[f])]);
  }
  return assigned;
}

Result<ComposedEngine> ComposeAssigned(const Assigned& assigned) {
  std::vector<Assignment> assignments;
  for (const auto& [name, text] : assigned) assignments.push_back({name, text, "drawn", 0});
  return Compose(assignments);
}

// Four factors of three values; the second one has no meaning beside value 2 of the first, and
// value 0 of the third does not go with value 1 of the fourth.
bool Synthetic(const Row& row) {
  return !(row[0] == 2 && row[1] != kOpen) && !(row[2] == 0 && row[3] == 1);
}

TEST(CoveringArray, HoldsEveryPossiblePairInFewRows) {
  std::vector<Factor> factors;
  for (const char* name : {"a", "b", "c", "d"}) factors.push_back({name, {"0", "1", "2"}});
  const CoveringArray array = MakeCoveringArray(factors, Synthetic, 1);
  EXPECT_EQ(array.impossible, 4u);
  EXPECT_EQ(array.pairs, 6u * 9 - 4);
  EXPECT_LE(array.rows.size(), 14u);  // at least 9
  PairSet pairs;
  for (const Row& row : array.rows) {
    EXPECT_TRUE(Synthetic(row));
    EXPECT_EQ(row[1] == kOpen, row[0] == 2);
    AddPairs(AssignedBy(factors, row), &pairs);
  }
  EXPECT_EQ(pairs.size(), array.pairs);
}

TEST(CoveringArray, IsTheSameEveryTime) {
  const CompositionSpace space;
  const auto again = MakeCoveringArray(
      space.factors(), [&](const Row& row) { return space.CanBeCompleted(row); }, 1);
  EXPECT_EQ(again.rows, CoveringCompositions().array.rows);
}

// "name = text" of each variant and each choice of a setting, as the registry lists them.
std::vector<std::string> EveryVariantAndChoice() {
  std::vector<std::string> all;
  const auto add = [&all](const std::string& part, std::span<const SettingSpec> specs) {
    for (const SettingSpec& spec : specs) {
      std::string_view choices = spec.type == SettingType::kChoice ? spec.choices : "";
      if (spec.type == SettingType::kBool) choices = "false|true";
      std::istringstream in{std::string(choices)};
      for (std::string choice; std::getline(in, choice, '|');) {
        all.push_back(part + std::string(spec.name) + " = " + choice);
      }
    }
  };
  for (const PartInfo& part : AllParts()) {
    const std::string name = "engine." + std::string(part.name) + ".";
    add(name, part.settings);
    for (const VariantInfo& variant : part.variants) {
      all.push_back(name + "variant = " + std::string(variant.name));
      add(name, variant.settings);
    }
  }
  return all;
}

TEST(CoveringArray, RowsAreValidAndHoldEveryVariantAndChoice) {
  const auto& [space, array] = CoveringCompositions();
  PairSet pairs;
  std::set<std::string> singles, assigned_texts;
  for (const Row& row : array.rows) {
    const Assigned assigned = space.CompositionOf(row, "row").changes;
    const auto composed = ComposeAssigned(assigned);
    ASSERT_TRUE(composed.ok()) << composed.status().ToString();
    AddPairs(AssignedBy(space.factors(), row), &pairs);
    for (const auto& [name, text] : composed->config) singles.insert(name + " = " + text);
    for (const auto& [name, text] : assigned) assigned_texts.insert(name + " = " + text);
  }
  EXPECT_EQ(pairs.size(), array.pairs);
  for (const std::string& one : EveryVariantAndChoice()) {
    EXPECT_EQ(singles.count(one), 1u) << one;
  }
  // And the numbers that the array gives to others.
  for (const Factor& factor : space.factors()) {
    for (const std::string& value : factor.values) {
      EXPECT_EQ(assigned_texts.count(factor.name + " = " + value), 1u) << factor.name << value;
    }
  }
  std::printf("%zu rows cover %zu pairs of %zu factors; %zu pairs are impossible\n",
              array.rows.size(), array.pairs, space.factors().size(), array.impossible);
}

// By another way than the array was made: compositions drawn at random, of which validation accepts
// some, have no pair that the array lacks.
TEST(CoveringArray, LacksNoPairOfAValidComposition) {
  const auto& [space, array] = CoveringCompositions();
  PairSet pairs;
  for (const Row& row : array.rows) AddPairs(AssignedBy(space.factors(), row), &pairs);
  Random random(TestSeed(2));
  uint64_t valid = 0;
  for (uint64_t drawn = Scaled(2000); drawn > 0; --drawn) {
    std::map<std::string, const VariantInfo*> variants;
    Assigned assigned;
    for (const PartInfo& part : AllParts()) {
      const VariantInfo* variant = &part.variants[random.Below(part.variants.size())];
      variants["engine." + std::string(part.name) + "."] = variant;
      if (part.variants.size() == 1) continue;
      assigned.emplace_back("engine." + std::string(part.name) + ".variant", variant->name);
    }
    for (const Factor& factor : space.factors()) {
      const size_t key = factor.name.find('.', 7) + 1;
      const std::string_view setting = std::string_view(factor.name).substr(key);
      const VariantInfo* variant = variants[factor.name.substr(0, key)];
      const PartInfo* part = FindPart(factor.name.substr(7, key - 8));
      const auto named = [&](const SettingSpec& spec) { return spec.name == setting; };
      if (std::any_of(part->settings.begin(), part->settings.end(), named) ||
          std::any_of(variant->settings.begin(), variant->settings.end(), named)) {
        assigned.emplace_back(factor.name, factor.values[random.Below(factor.values.size())]);
      }
    }
    Assigned all = assigned;
    if (variants["engine.filter."]->name == "prefix-bloom") {
      all.emplace_back("engine.filter.prefix_bytes", "2");
    }
    if (!ComposeAssigned(all).ok()) continue;
    ++valid;
    PairSet found;
    AddPairs(assigned, &found);
    for (const auto& pair : found) {
      ASSERT_EQ(pairs.count(pair), 1u) << pair.first << " and " << pair.second;
    }
  }
  EXPECT_GT(valid, Scaled(2000) / 20);
}

// Where the machine forbids io_uring its rows run on posix.
Settings IoThatWorks() {
  if (Works(kUringIo)) return {};
  return {{"engine.io.fallback", "posix"}};
}

// One history for all rows. Real disks sync slowly, so rows on them do less of it.
TEST(CoveringModel, EveryRowAnswersAsTheModel) {
  const auto& [space, array] = CoveringCompositions();
  const long frames = LiveFrames();
  // Under a sanitizer every fourth row.
  const size_t step = TestScale() < 1 ? 4 : 1;
  for (size_t i = 0; i < array.rows.size(); i += step) {
    ModelRun run;
    const TestComposition row = space.CompositionOf(array.rows[i], "row" + std::to_string(i));
    run.name = row.name;
    for (const auto& [name, text] : row.changes) run.name += " " + name + "=" + text;
    TempDirectory directory;
    run.options.composition = ComposeSmall(row, IoThatWorks());
    const Composition& composition = run.options.composition;
    const bool in_memory = composition.io.variant->name == "simulated";
    auto io = composition.io.variant->make(composition.io.settings);
    ASSERT_TRUE(io.ok()) << io.status().ToString();
    run.options.io = std::move(io).value();
    run.options.path = in_memory ? "/store" : directory.path() + "/store";
    run.seed = TestSeed(7);
    run.options.seed = run.seed;
    run.operations = Scaled(in_memory ? 1000 : 100);
    run.keys = 300;
    ModelRunner runner(run);
    const Status status = runner.Run();
    EXPECT_TRUE(status.ok()) << status.ToString();
    if (!status.ok() || TestScale() < 1) continue;
    EXPECT_GT(runner.flushes(), 0u) << run.name;
    EXPECT_EQ(runner.compactions() > 0, composition.compaction.variant->name != "fifo")
        << run.name << " (fifo is asked to drop nothing here)";
  }
  EXPECT_EQ(LiveFrames(), frames);
}

// A store that is opened with row after row, each time by another composition than wrote it; the
// rows in a drawn order, so that other seeds make other neighbours.
class CoveringTakeover : public testing::TestWithParam<const char*> {};

TEST_P(CoveringTakeover, EveryRowReadsWhatTheOthersWrote) {
  const auto& [space, array] = CoveringCompositions();
  const std::string io_name = GetParam();
  if (io_name == "uring" && !Works(kUringIo)) GTEST_SKIP() << "no io_uring here";
  const long frames = LiveFrames();
  const TempDirectory directory;
  SimDisk::Options disk_options;
  disk_options.implicit_parents = true;
  disk_options.trace = false;
  const auto disk = SimDisk::Make(disk_options);
  Random order(TestSeed(11));
  std::string rows;  // so far
  const auto change = [&](StoreOptions* options) {
    const size_t i = order.Below(array.rows.size());
    rows += " " + std::to_string(i);
    options->composition =
        ComposeSmall(space.CompositionOf(array.rows[i], "row" + std::to_string(i)),
                     {{"engine.io.variant", io_name}, {"engine.partitioner.variant", "single"}});
    const auto& io = options->composition.io;
    if (io_name == "simulated") {
      SimulatedOptions simulated;
      simulated.direct = ParseDirect(io.settings.Choice("direct"));
      options->io = MakeSimulatedIo(disk, simulated);
      return Status();
    }
    Result<std::unique_ptr<Io>> made = io.variant->make(io.settings);
    if (made.ok()) options->io = std::move(made).value();
    return made.status();
  };
  ModelRun run;
  run.name = "takeover on " + io_name;
  run.seed = TestSeed(11);
  run.options.path = io_name == "simulated" ? "/store" : directory.path() + "/store";
  run.options.seed = run.seed;
  ASSERT_TRUE(change(&run.options).ok());
  run.change = change;
  run.operations = Scaled(io_name == "simulated" ? 20'000 : 1500);
  run.keys = 300;
  run.reopen_every = 100;
  {
    ModelRunner runner(run);
    const Status status = runner.Run();
    EXPECT_TRUE(status.ok()) << status.ToString() << ", rows" << rows;
    if (TestScale() >= 1) {
      EXPECT_GT(runner.flushes(), run.operations / run.reopen_every);
      EXPECT_GT(runner.compactions(), run.operations / run.reopen_every);
    }
  }
  run = ModelRun();
  EXPECT_EQ(LiveFrames(), frames);
}

INSTANTIATE_TEST_SUITE_P(Io, CoveringTakeover, testing::Values("simulated", "posix", "uring"),
                         [](const auto& io) { return std::string(io.param); });

}  // namespace
}  // namespace lsmlab::test
