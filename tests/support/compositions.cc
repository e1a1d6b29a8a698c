#include "tests/support/compositions.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "tests/support/part_doubles.h"
#include "variants/compose.h"
#include "variants/presets.h"
#include "variants/registry.h"

namespace lsmlab::test {
namespace {

// The smallest that the ranges of the settings allow; of a ring log, what a memory disk has room
// for.
const Settings kSmall = {
    {"engine.memtable.size", "64KiB"},
    {"engine.table.block.size", "512"},
    {"engine.compaction.file_size", "16KiB"},
    {"engine.compaction.level1_size", "32KiB"},
    {"engine.compaction.size_ratio", "4"},
    {"engine.catalog.edit_log_size", "4KiB"},
    {"engine.cache.bytes", "128KiB"},
    {"engine.wal.segment_size", "64KiB"},
    {"engine.wal.segments", "3"},
};

// Value files so small that garbage is collected after a few hundred writes.
const Settings kSeparated = {
    {"engine.values.variant", "separated"},
    {"engine.values.threshold", "100"},
    {"engine.values.file_size", "8KiB"},
};

[[noreturn]] void Give(const std::string& name, const Status& status) {
  std::fprintf(stderr, "composition %s: %s\n", name.c_str(), status.ToString().c_str());
  std::abort();
}

std::string TestName(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
  return text;
}

bool Lists(std::span<const SettingSpec> specs, std::string_view setting) {
  return std::any_of(specs.begin(), specs.end(),
                     [&](const SettingSpec& spec) { return spec.name == setting; });
}

// Whether the variant that `made` chooses has the setting "engine.<part>.<setting>".
bool Applies(const std::vector<Assignment>& made, std::string_view name) {
  const std::string_view rest = name.substr(7);
  const std::string_view part_name = rest.substr(0, rest.find('.'));
  const std::string_view setting = rest.substr(part_name.size() + 1);
  const PartInfo* part = FindPart(part_name);
  std::string_view variant = part->variants.front().name;
  for (const Assignment& assignment : made) {
    if (assignment.name == "engine." + std::string(part_name) + ".variant") {
      variant = assignment.text;
    }
  }
  // What nobody has is a mistake, which Compose reports.
  const bool known = std::any_of(part->variants.begin(), part->variants.end(),
                                 [&](const VariantInfo& v) { return Lists(v.settings, setting); });
  return !known || Lists(part->Find(variant)->settings, setting);
}

void Add(std::vector<Assignment>& to, const Settings& settings, int layer) {
  for (const auto& [name, text] : settings) to.push_back({name, text, "test", layer});
}

// Leaves out what the chosen variants do not have.
void AddWhereItApplies(std::vector<Assignment>& to, const Settings& settings, int layer) {
  for (const auto& [name, text] : settings) {
    if (Applies(to, name)) to.push_back({name, text, "test", layer});
  }
}

}  // namespace

Composition ComposeSmall(const TestComposition& wanted, const Settings& more) {
  std::vector<Assignment> assignments;
  if (!wanted.preset.empty()) {
    auto preset = LoadPreset(wanted.preset, 0);
    if (!preset.ok()) Give(wanted.name, preset.status());
    assignments = preset->assignments;
  }
  AddWhereItApplies(assignments, kSmall, 1);
  Add(assignments, wanted.changes, 2);
  AddWhereItApplies(assignments, more, 3);
  auto composed = Compose(assignments);
  if (!composed.ok()) Give(wanted.name, composed.status());
  Composition composition = composed->composition;
  if (wanted.partitioner != nullptr) composition.partitioner = {wanted.partitioner, {}};
  return composition;
}

TestComposition RingComposition(bool direct) {
  TestComposition ring = {"wal_ring",
                          "",
                          {{"engine.wal.variant", "ring"},
                           {"engine.wal.segment_size", "64KiB"},
                           {"engine.wal.segments", "3"}}};
  if (direct) {
    ring.name += "_direct";
    ring.changes.emplace_back("engine.io.direct", "writes");
  }
  return ring;
}

std::vector<TestComposition> ShardedCompositions() {
  return {
      {"hash_2", "", {{"engine.partitioner.variant", "hash"}, {"engine.partitioner.shards", "2"}}},
      {"first_byte_7",
       "",
       {{"engine.partitioner.variant", "first-byte"},
        {"engine.partitioner.shards", "7"},
        {"engine.partitioner.skip_bytes", kLastDigit}}}};
}

TestComposition PooledComposition() {
  return {"pools",
          "textbook",
          {{"engine.executor.read_workers", "2"},
           {"engine.executor.write_workers", "2"},
           {"engine.executor.queue_depth", "1"}}};
}

std::vector<TestComposition> MainPresets() {
  return {{"baseline", "baseline", {}}, {"fast", "fast", {}}};
}

std::vector<TestComposition> OtherPresets() {
  std::vector<TestComposition> all;
  for (const std::string& name : PresetNames()) {
    if (name == "baseline" || name == "fast") continue;
    all.push_back({TestName(name), name, {}});
    // Whole pages, as its alignment asks, and values of which some are separated.
    if (name == "shard-per-core") {
      all.back().changes = {{"engine.table.block.size", "4KiB"},
                            {"engine.values.threshold", "100"},
                            {"engine.values.file_size", "8KiB"}};
    }
  }
  return all;
}

std::vector<TestComposition> SeparatedCompositions() {
  // Collected by compactions that pass, and by those that the bound on space makes.
  Settings bounded = kSeparated;
  for (const auto& [name, text] : Settings{{"engine.values.gc_ratio", "1"},
                                           {"engine.values.max_space_amplification", "1.2"},
                                           {"engine.values.codec", "lz4"},
                                           {"engine.compaction.variant", "tiered"},
                                           {"engine.table.block.layout", "slotted"}}) {
    bounded.emplace_back(name, text);
  }
  return {{"separated", "", kSeparated}, {"separated_bounded_tiered", "", bounded}};
}

std::vector<TestComposition> FootersCompositions() {
  const Settings footers = {{"engine.catalog.variant", "footers"},
                            {"engine.catalog.mark_size", "128"}};
  TestComposition plain = {"catalog_footers", "", footers};
  TestComposition separated = SeparatedCompositions().back();
  separated.name = "footers_" + separated.name;
  separated.changes.insert(separated.changes.end(), footers.begin(), footers.end());
  return {plain, separated};
}

std::vector<TestComposition> OnePartVariations() {
  std::vector<TestComposition> all;
  for (const char* part_name : {"memtable", "table", "filter", "codec", "cache", "compaction"}) {
    const PartInfo* part = FindPart(part_name);
    for (size_t i = 1; i < part->variants.size(); ++i) {
      const std::string variant(part->variants[i].name);
      if (variant == "fifo") continue;  // loses data on purpose
      const std::string name = "engine." + std::string(part_name) + ".variant";
      Settings changes = {{name, variant}};
      if (variant == "prefix-bloom") changes.push_back({"engine.filter.prefix_bytes", "2"});
      all.push_back({TestName(std::string(part_name) + " " + variant), "", std::move(changes)});
    }
  }
  all.push_back({"partitioned_pages_hash_aligned",
                 "",
                 {{"engine.table.variant", "partitioned"},
                  {"engine.table.block.layout", "slotted"},
                  {"engine.table.block.search", "hash"},
                  {"engine.table.block.size", "4KiB"},
                  {"engine.table.block.alignment", "page"},
                  {"engine.table.index.search", "binary"},
                  {"engine.table.output.cut", "aligned"},
                  {"engine.cache.variant", "swizzled"},
                  {"engine.cache.fill_by", "writes"}}});
  all.push_back({"layout_slotted", "", {{"engine.table.block.layout", "slotted"}}});
  all.push_back(
      {"slotted_zstd_last",
       "",
       {{"engine.table.block.layout", "slotted"}, {"engine.codec.per_level", "none,lz4,zstd"}}});
  all.push_back(
      {"round_robin_dynamic",
       "",
       {{"engine.compaction.pick", "round-robin"}, {"engine.compaction.dynamic_levels", "true"}}});
  all.push_back({"filter_monkey", "", {{"engine.filter.allocation", "monkey"}}});
  for (const char* variant : {"lru", "swizzled"}) {
    all.push_back({TestName(std::string(variant) + " filled by writes"),
                   "",
                   {{"engine.cache.variant", variant}, {"engine.cache.fill_by", "writes"}}});
  }
  all.push_back({"partitioned_pinned",
                 "",
                 {{"engine.table.variant", "partitioned"},
                  {"engine.cache.pin", "metadata+level0"},
                  {"engine.cache.pin_share", "0.7"}}});
  all.push_back({"slotted_entry_index",
                 "",
                 {{"engine.table.block.layout", "slotted"},
                  {"engine.table.index.entries", "hash"},
                  {"engine.table.index.entries_bytes", "4KiB"}}});
  all.push_back({"sync_group", "", {{"engine.wal.sync", "group"}}});
  all.push_back({"sync_every", "", {{"engine.wal.sync", "every"}}});
  all.push_back({"wal_off", "", {{"engine.wal.variant", "off"}}});
  all.push_back(RingComposition(true));
  all.push_back({"one_waiting", "", {{"engine.memtable.max_waiting", "1"}}});
  all.push_back({"three_shards", "", {}, &kThreeShards});
  for (const TestComposition& separated : SeparatedCompositions()) all.push_back(separated);
  for (const TestComposition& footers : FootersCompositions()) all.push_back(footers);
  all.push_back({"three_shards_separated", "", kSeparated, &kThreeShards});
  return all;
}

}  // namespace lsmlab::test
