#include "variants/compose.h"

#include <gtest/gtest.h>

#include <set>

#include "variants/nearest.h"
#include "variants/presets.h"
#include "variants/toml_file.h"
#include "variants/validity.h"

namespace lsmlab {
namespace {

std::string ErrorOf(const std::vector<Assignment>& assignments) {
  const Result<ComposedEngine> composed = Compose(assignments);
  return composed.ok() ? std::string("accepted") : std::string(composed.status().message());
}

TEST(Registry, EveryPartHasVariantsWithDistinctNamesAndParsableDefaults) {
  ASSERT_EQ(AllParts().size(), kPartCount);
  for (const PartInfo& part : AllParts()) {
    EXPECT_FALSE(part.variants.empty()) << part.name;
    EXPECT_EQ(FindPart(part.name), &part);
    std::set<std::string_view> names;
    for (const VariantInfo& variant : part.variants) {
      EXPECT_TRUE(names.insert(variant.name).second) << part.name << " " << variant.name;
      EXPECT_FALSE(variant.summary.empty()) << variant.name;
      std::set<std::string_view> settings;
      for (std::span<const SettingSpec> specs : {part.settings, variant.settings}) {
        for (const SettingSpec& spec : specs) {
          EXPECT_TRUE(settings.insert(spec.name).second)
              << part.name << " " << variant.name << " has two settings called " << spec.name;
          EXPECT_TRUE(ParseSetting(spec, spec.default_value).ok()) << spec.name;
          EXPECT_FALSE(spec.summary.empty()) << spec.name;
        }
      }
    }
  }
}

TEST(Registry, HoldsTheFirstVariants) {
  const std::map<std::string, std::vector<std::string>> expected = {
      {"memtable", {"skiplist", "arena-skiplist", "btree"}},
      {"wal", {"off", "append", "ring"}},
      {"table", {"flat"}},
      {"filter", {"none", "bloom", "blocked-bloom"}},
      {"codec", {"none", "lz4", "zstd"}},
      {"cache", {"none", "lru", "swizzled"}},
      {"values", {"inline"}},
      {"compaction", {"leveled"}},
      {"catalog", {"manifest", "footers"}},
      {"io", {"posix", "uring", "simulated"}},
      {"executor", {"inline", "threads", "reactor"}},
      {"partitioner", {"single", "hash", "first-byte"}},
  };
  for (const auto& [part, variants] : expected) {
    for (const std::string& variant : variants) {
      ASSERT_NE(FindPart(part), nullptr) << part;
      EXPECT_NE(FindPart(part)->Find(variant), nullptr) << part << " " << variant;
    }
  }
}

TEST(Compose, NothingGivenIsEveryDefault) {
  const Result<ComposedEngine> composed = Compose({});
  ASSERT_TRUE(composed.ok()) << composed.status().message();
  const Composition& c = composed->composition;
  EXPECT_EQ(c.memtable.variant->name, "arena-skiplist");
  EXPECT_EQ(c.memtable.settings.Bytes("size"), 64u << 20);
  EXPECT_EQ(c.partitioner.variant->name, "single");
  EXPECT_NE(c.filter_by_name("bloom"), nullptr);
  EXPECT_EQ(c.filter_by_name("blom"), nullptr);
  EXPECT_EQ(c.codec_by_id(0)->name, "none");
  EXPECT_EQ(c.codec_by_id(200), nullptr);
  EXPECT_NE(c.table_by_name("flat"), nullptr);
}

TEST(Compose, ResolvedConfigurationNamesEverySettingAndComposesTheSameAgain) {
  const std::vector<Assignment> given = {{"engine.memtable.size", "4MiB", "a", 0},
                                         {"engine.codec.per_level", "none,lz4", "a", 0},
                                         {"engine.cache.variant", "swizzled", "a", 0}};
  const Result<ComposedEngine> first = Compose(given);
  ASSERT_TRUE(first.ok()) << first.status().message();
  EXPECT_EQ(first->config.at("engine.memtable.size"), "4MiB");
  EXPECT_EQ(first->config.at("engine.codec.per_level"), "none,lz4");
  EXPECT_EQ(first->config.at("engine.wal.variant"), "append");
  EXPECT_EQ(first->config.count("engine.wal.interval"), 1u);
  const Result<ComposedEngine> again = ComposeConfig(first->config);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->config, first->config);
  EXPECT_EQ(ConfigHash(again->config), ConfigHash(first->config));
  auto other = first->config;
  other["engine.memtable.size"] = "8MiB";
  EXPECT_NE(ConfigHash(other), ConfigHash(first->config));
}

TEST(Compose, HigherLayersWinWhateverTheirOrder) {
  const Result<ComposedEngine> composed = Compose(std::vector<Assignment>{
      {"engine.memtable.size", "8MiB", "command line", 3},
      {"engine.memtable.size", "1MiB", "preset", 0},
      {"engine.memtable.size", "2MiB", "preset again", 0},
  });
  ASSERT_TRUE(composed.ok());
  EXPECT_EQ(composed->config.at("engine.memtable.size"), "8MiB");
  const Result<ComposedEngine> later = Compose(std::vector<Assignment>{
      {"engine.memtable.size", "1MiB", "preset", 0},
      {"engine.memtable.size", "2MiB", "preset again", 0},
  });
  ASSERT_TRUE(later.ok());
  EXPECT_EQ(later->config.at("engine.memtable.size"), "2MiB");
}

TEST(Compose, SettingOfAnotherVariantIsDroppedOnlyWhenALaterLayerChoseTheVariant) {
  const std::vector<Assignment> overruled = {{"engine.cache.variant", "lru", "preset:1", 0},
                                             {"engine.cache.bytes", "1MiB", "preset:2", 0},
                                             {"engine.cache.variant", "none", "--set", 3}};
  const Result<ComposedEngine> composed = Compose(overruled);
  ASSERT_TRUE(composed.ok()) << composed.status().message();
  ASSERT_EQ(composed->dropped.size(), 1u);
  EXPECT_EQ(composed->dropped[0], "preset:2: engine.cache.bytes");
  EXPECT_EQ(composed->config.count("engine.cache.bytes"), 0u);

  EXPECT_EQ(ErrorOf({{"engine.cache.variant", "none", "--set", 3},
                     {"engine.cache.bytes", "1MiB", "--set", 3}}),
            "--set: engine.cache.bytes: is a setting of lru, clock, s3-fifo or swizzled, but "
            "engine.cache.variant "
            "is 'none'");
  // A name that no variant has is a mistake in every layer.
  EXPECT_NE(ErrorOf({{"engine.cache.byte", "1MiB", "preset:2", 0},
                     {"engine.cache.variant", "none", "--set", 3}}),
            "accepted");
}

struct BadCase {
  Assignment assignment;
  std::vector<std::string> parts;  // all must be in the message
};

TEST(Compose, RefusesWithOriginNameValueAllowedAndNearestSpelling) {
  const std::vector<BadCase> cases = {
      {{"engine.memtabel.size", "1MiB", "x.toml:3", 0},
       {"x.toml:3", "memtabel", "did you mean 'memtable'?", "partitioner"}},
      {{"engine.memtable.variant", "skip-list", "x.toml:4", 0},
       {"x.toml:4", "skip-list", "arena-skiplist", "did you mean 'skiplist'?"}},
      {{"engine.memtable.sise", "1MiB", "--set", 3}, {"--set", "did you mean 'size'?"}},
      {{"engine.memtable.size", "1", "x.toml:5", 0}, {"x.toml:5", "\"1\"", "64KiB", "4GiB"}},
      {{"engine.memtable.size", "99999999999999999999", "x.toml:5", 0}, {"x.toml:5", "4GiB"}},
      {{"engine.memtable.size", "-1", "x.toml:5", 0}, {"-1"}},
      {{"engine.memtable.size", "1e30", "x.toml:5", 0}, {"1e30"}},
      {{"engine.filter.bits_per_key", "nan", "x.toml:5", 0}, {"nan"}},
      {{"engine.wal.sync", "grup", "x.toml:6", 0}, {"grup", "did you mean 'group'?"}},
      {{"engine.codec.per_level", "none,lzzz4", "x.toml:7", 0}, {"none|lz4|zstd"}},
      {{"engine.memtable", "btree", "x.toml:8", 0}, {"names a part but no setting"}},
      {{"memtable.size", "1MiB", "x.toml:9", 0}, {"unknown name", "engine.<part>.<setting>"}},
      {{"engine.memtable.va\x1briant", "btree", "x.toml:10", 0}, {"va?riant"}},
  };
  for (const BadCase& bad : cases) {
    const std::string error = ErrorOf({bad.assignment});
    for (const std::string& part : bad.parts) {
      EXPECT_NE(error.find(part), std::string::npos) << error << "\nlacks " << part;
    }
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(Validity, RefusesPromisesThatNothingCouldKeep) {
  const std::string error = ErrorOf(
      {{"engine.wal.variant", "off", "x.toml:1", 0}, {"engine.wal.sync", "group", "x.toml:2", 0}});
  EXPECT_NE(error.find("x.toml:2: engine.wal.sync = 'group' is refused"), std::string::npos)
      << error;
  for (const char* sync : {"every", "interval"}) {
    EXPECT_NE(ErrorOf({{"engine.wal.variant", "off", "a", 0}, {"engine.wal.sync", sync, "a", 0}}),
              "accepted")
        << sync;
  }
  EXPECT_NE(ErrorOf({{"engine.executor.variant", "inline", "a", 0},
                     {"engine.wal.sync", "interval", "a", 0}}),
            "accepted");
  const Assignment interval = {"engine.wal.sync", "interval", "a", 0};
  const Assignment loops = {"engine.executor.variant", "reactor", "a", 0};
  EXPECT_EQ(ErrorOf({loops, interval}), "accepted");
  EXPECT_NE(ErrorOf({loops, interval, {"engine.executor.seed", "1", "a", 0}}), "accepted");
  EXPECT_EQ(ErrorOf({{"engine.wal.variant", "off", "a", 0}}), "accepted");
}

TEST(Validity, RefusesFiltersThatCannotWork) {
  const Assignment monkey = {"engine.filter.allocation", "monkey", "x.toml:3", 0};
  EXPECT_EQ(ErrorOf({monkey}), "accepted");
  std::string error = ErrorOf({monkey, {"engine.filter.variant", "none", "x.toml:4", 0}});
  EXPECT_NE(error.find("x.toml:3: engine.filter.allocation = 'monkey' is refused"),
            std::string::npos)
      << error;
  error = ErrorOf({monkey, {"engine.filter.bits_per_key", "10,5", "x.toml:4", 0}});
  EXPECT_NE(error.find("x.toml:4: engine.filter.bits_per_key"), std::string::npos) << error;
  const Assignment prefix = {"engine.filter.variant", "prefix-bloom", "x.toml:5", 0};
  error = ErrorOf({prefix});
  EXPECT_NE(error.find("allowed with it are 1 to 256"), std::string::npos) << error;
  EXPECT_EQ(ErrorOf({prefix, {"engine.filter.prefix_bytes", "8", "x.toml:6", 0}}), "accepted");
}

TEST(Validity, ACacheThatKeepsNothingPinsNothing) {
  const Assignment pin = {"engine.cache.pin", "metadata+level0", "x.toml:7", 0};
  for (const char* cache : {"lru", "clock", "s3-fifo", "swizzled"}) {
    EXPECT_EQ(ErrorOf({pin, {"engine.cache.variant", cache, "a", 0}}), "accepted");
  }
  const std::string error = ErrorOf({pin, {"engine.cache.variant", "none", "a", 0}});
  EXPECT_NE(error.find("x.toml:7: engine.cache.pin = 'metadata+level0' is refused: "
                       "engine.cache.variant is 'none'"),
            std::string::npos)
      << error;
}

TEST(Validity, DictionariesNeedACodecThatTakesThem) {
  const Assignment dictionary = {"engine.codec.dictionary", "4KiB", "x:1", 0};
  for (const char* codec : {"none", "lz4", "zstd"}) {
    const std::string error = ErrorOf({dictionary, {"engine.codec.variant", codec, "x:2", 0}});
    if (std::string(codec) == "zstd") {
      EXPECT_EQ(error, "accepted");
    } else {
      EXPECT_NE(error.find("x:1: engine.codec.dictionary = '4KiB' is refused: a dictionary needs a "
                           "codec that takes one"),
                std::string::npos)
          << error;
    }
  }
  EXPECT_EQ(ErrorOf({dictionary, {"engine.codec.per_level", "none,lz4,zstd", "x:2", 0}}),
            "accepted");
  const std::string few = ErrorOf(
      {{"engine.codec.dictionary", "255", "x:1", 0}, {"engine.codec.variant", "zstd", "x:2", 0}});
  EXPECT_NE(few.find("allowed are 0 and 256 or more"), std::string::npos) << few;
}

TEST(Validity, ASlotHoldsAGroupOrFollowsTheMemtable) {
  const Assignment ring = {"engine.wal.variant", "ring", "x:1", 0};
  const std::string few = ErrorOf({ring, {"engine.wal.segment_size", "16383", "x:2", 0}});
  EXPECT_NE(few.find("x:2: engine.wal.segment_size = '16383B' is refused"), std::string::npos)
      << few;
  EXPECT_NE(few.find("allowed are 0 and 16KiB or more"), std::string::npos) << few;
  EXPECT_EQ(ErrorOf({ring, {"engine.wal.segment_size", "16KiB", "x:2", 0}}), "accepted");
  EXPECT_EQ(ErrorOf({ring, {"engine.wal.segment_size", "0", "x:2", 0}}), "accepted");
}

TEST(Validity, TableSettingsThatGoTogether) {
  const std::string error = ErrorOf({{"engine.table.block.search", "interpolation", "x:3", 0}});
  EXPECT_NE(error.find("x:3: engine.table.block.search = 'interpolation' is refused"),
            std::string::npos)
      << error;
  EXPECT_EQ(ErrorOf({{"engine.table.block.search", "interpolation", "a", 0},
                     {"engine.table.block.layout", "slotted", "a", 0}}),
            "accepted");
  const Assignment entries = {"engine.table.index.entries", "hash", "x:4", 0};
  EXPECT_NE(ErrorOf({entries}).find("x:4: engine.table.index.entries = 'hash' is refused"),
            std::string::npos);
  EXPECT_EQ(ErrorOf({entries, {"engine.table.block.layout", "slotted", "a", 0}}), "accepted");
  EXPECT_NE(ErrorOf({entries, {"engine.table.variant", "partitioned", "a", 0}})
                .find("is a setting of flat"),
            std::string::npos);
  for (const char* size : {"4KiB", "6KiB"}) {
    const std::string pages = ErrorOf({{"engine.table.variant", "partitioned", "a", 0},
                                       {"engine.table.block.alignment", "page", "a", 0},
                                       {"engine.table.block.size", size, "a", 0}});
    EXPECT_EQ(pages == "accepted", std::string(size) == "4KiB") << pages;
  }
}

TEST(Presets, AreListedLoadedAndComposed) {
  const std::vector<std::string> names = PresetNames();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).count("baseline"), 1u);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).count("fast"), 1u);
  for (const std::string& name : names) {
    const Result<Preset> preset = LoadPreset(name);
    ASSERT_TRUE(preset.ok()) << preset.status().message();
    EXPECT_FALSE(preset->summary.empty());
    EXPECT_EQ(ErrorOf(preset->assignments), "accepted") << name;
  }
  const Result<Preset> by_path = LoadPreset("variants/presets/fast.toml");
  ASSERT_TRUE(by_path.ok());
  EXPECT_EQ(by_path->name, "fast");
}

TEST(Presets, UnknownNamesGetTheNearest) {
  const Result<Preset> preset = LoadPreset("basline");
  ASSERT_FALSE(preset.ok());
  EXPECT_NE(std::string(preset.status().message()).find("did you mean 'baseline'?"),
            std::string::npos);
}

TEST(Toml, ValuesKeepTheirLinesAndOrder) {
  const Result<TomlValue> root =
      ParseToml("a = 1\n[engine.table]\nblock.layout = \"slotted\"\nlist = [\"x\", \"y\"]\n", "f");
  ASSERT_TRUE(root.ok()) << root.status().message();
  std::vector<TomlLeaf> leaves;
  ASSERT_TRUE(FlattenToml(root.value(), "", &leaves).ok());
  ASSERT_EQ(leaves.size(), 3u);
  EXPECT_EQ(leaves[0].name + "=" + leaves[0].text + " " + leaves[0].origin, "a=1 f:1");
  EXPECT_EQ(leaves[1].name + "=" + leaves[1].text, "engine.table.block.layout=slotted");
  EXPECT_EQ(leaves[1].origin, "f:3");
  EXPECT_EQ(leaves[2].name + "=" + leaves[2].text + " " + leaves[2].origin,
            "engine.table.list=x,y f:4");
}

TEST(Toml, RefusesHostileText) {
  for (const std::string& text :
       {std::string("a = \n"), std::string("a = 1\na = 2\n"), std::string("a = 2024-01-01\n"),
        std::string("a = \"\xff\xfe\"\n"), "a = " + std::string(1000, '[') + std::string(1000, ']'),
        "a = " + std::string(20, '[') + std::string(20, ']') + "\n"}) {
    const Result<TomlValue> root = ParseToml(text, "f");
    ASSERT_FALSE(root.ok()) << text.substr(0, 40);
    const std::string message(root.status().message());
    EXPECT_EQ(message.rfind("f:", 0), 0u) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  EXPECT_FALSE(ReadTomlFile("/dev/zero").ok());
  EXPECT_FALSE(ReadTomlFile("/no/such/file").ok());
}

TEST(Nearest, FindsWhatWasMeantAndNothingElse) {
  const std::vector<std::string_view> known = {"skiplist", "btree", "vector"};
  EXPECT_EQ(NearestName("skilpist", known), "skiplist");
  EXPECT_EQ(NearestName("btre", known), "btree");
  EXPECT_EQ(NearestName("quantum", known), "");
  EXPECT_EQ(NearestName(std::string(5000, 'x'), known), "");
  EXPECT_EQ(JoinNames(known), "skiplist, btree or vector");
}

}  // namespace
}  // namespace lsmlab
