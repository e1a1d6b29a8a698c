#include "harness/peers/config_view.h"

#include "engine/base/real_text.h"

namespace lsmlab::harness {
namespace {

// Settings that only some variants of a part have: another variant does not use the thing.
uint64_t BytesOr(const SettingBag& bag, std::string_view name, uint64_t otherwise) {
  return bag.Has(name) ? bag.Bytes(name) : otherwise;
}
int IntegerOr(const SettingBag& bag, std::string_view name, int otherwise) {
  return bag.Has(name) ? static_cast<int>(bag.Integer(name)) : otherwise;
}

std::vector<std::string> CodecsOf(const Composition& c) {
  const std::vector<std::string>& per_level = c.codec.settings.ChoiceList("per_level");
  if (per_level.empty()) return {std::string(c.codec.variant->name)};
  return per_level;
}

std::string Compression(const SharedConditions& shared) {
  std::string text;
  for (const std::string& codec : shared.codec_per_level) {
    text += (text.empty() ? "" : ",") + codec;
  }
  if (shared.dictionary_bytes == 0) return text;
  return text + ", dictionaries of " + std::to_string(shared.dictionary_bytes);
}

std::string FilterBits(const SharedConditions& shared) {
  std::string text;
  for (const double bits : shared.filter_bits_per_key) {
    text += (text.empty() ? "" : ",") + RealText(bits);
  }
  return text.empty() ? "0" : text;
}

std::string Durability(const SharedConditions& shared) {
  if (!shared.log) return "none";
  if (shared.sync == "group" || shared.sync == "every") return "power loss";
  return "process kill";
}

}  // namespace

SharedConditions ShareConditions(const Composition& c) {
  SharedConditions shared;
  shared.memtable_bytes = c.memtable.settings.Bytes("size");
  shared.waiting_memtables = static_cast<int>(c.memtable.settings.Integer("max_waiting"));
  shared.log = c.wal.variant->name != "off";
  shared.sync = c.wal.settings.Choice("sync");
  shared.block_bytes = c.table.settings.Bytes("block.size");
  shared.page_blocks = c.table.settings.Has("block.alignment") &&
                       c.table.settings.Choice("block.alignment") == "page";
  shared.restart_interval = IntegerOr(c.table.settings, "block.restart_interval", 16);
  if (c.filter.variant->name != "none") {
    shared.filter_bits_per_key = c.filter.settings.RealList("bits_per_key");
  }
  shared.cache_bytes = BytesOr(c.cache.settings, "bytes", 0);
  shared.codec_per_level = CodecsOf(c);
  shared.zstd_level = IntegerOr(c.codec.settings, "level", 1);
  shared.dictionary_bytes = c.codec.settings.Bytes("dictionary");
  shared.background_threads = IntegerOr(c.executor.settings, "background", 1);
  shared.direct = c.io.settings.Has("direct") ? c.io.settings.Choice("direct") : "none";
  shared.compacts = c.compaction.variant->name != "none";
  shared.forgets = c.compaction.variant->name == "fifo";
  const SettingBag& compaction = c.compaction.settings;
  shared.file_bytes = BytesOr(compaction, "file_size", uint64_t{64} << 20);
  shared.level1_bytes = BytesOr(compaction, "level1_size", uint64_t{256} << 20);
  shared.l0_trigger = IntegerOr(compaction, "l0_trigger", 4);
  shared.l0_slowdown = IntegerOr(compaction, "l0_slowdown", 20);
  shared.l0_stop = IntegerOr(compaction, "l0_stop", 36);
  shared.shards = IntegerOr(c.partitioner.settings, "shards", 1);
  if (compaction.Has("size_ratio")) {
    shared.size_ratio = compaction.Real("size_ratio");
  }
  return shared;
}

std::map<std::string, std::string> ConditionsOf(const EngineSetup& setup, uint32_t threads) {
  if (setup.engine == "null") return {{"threads", std::to_string(threads)}};
  const std::string depth = std::to_string(setup.driver.depth);
  const SharedConditions shared = ShareConditions(setup.composed.composition);
  std::map<std::string, std::string> conditions = {
      {"durability", Durability(shared)},
      {"wal_sync", shared.log ? shared.sync : "off"},
      {"cache_bytes", std::to_string(shared.cache_bytes)},
      {"compression", Compression(shared)},
      {"memtable_bytes", std::to_string(shared.memtable_bytes)},
      {"file_bytes", std::to_string(shared.file_bytes)},
      {"level1_bytes", std::to_string(shared.level1_bytes)},
      {"size_ratio", RealText(shared.size_ratio)},
      {"block_bytes", std::to_string(shared.block_bytes)},
      {"filter_bits_per_key", FilterBits(shared)},
      {"threads", std::to_string(threads)},
      {"depth", depth},
      {"background_threads", std::to_string(shared.background_threads)},
      {"direct_io", shared.direct},
  };
  if (shared.page_blocks) conditions["block_alignment"] = "page";
  const auto amend = FindEngine(setup.engine)->amend_conditions;
  if (amend != nullptr) amend(setup, threads, conditions);
  return conditions;
}

// Stated only where it is not what every engine has.
void AmendOurConditions(const EngineSetup& setup, uint32_t,
                        std::map<std::string, std::string>& conditions) {
  const Composition& c = setup.composed.composition;
  for (const char* pool : {"read_workers", "write_workers"}) {
    const int workers = IntegerOr(c.executor.settings, pool, 0);
    if (workers > 0) conditions[pool] = std::to_string(workers);
  }
  if (c.executor.settings.Has("loops")) {
    conditions["background_threads"] =
        "loops: " + std::to_string(c.executor.settings.Integer("loops"));
  }
  const int shards = ShareConditions(c).shards;
  if (shards > 1) conditions["shards"] = std::to_string(shards);
  if (c.compaction.variant->name != "leveled") {
    conditions["compaction"] = c.compaction.variant->name;
  } else if (c.compaction.settings.Bool("dynamic_levels")) {
    conditions["compaction"] = "leveled, dynamic level sizes";
  }
  if (c.filter.settings.Has("allocation") && c.filter.settings.Choice("allocation") != "uniform") {
    conditions["filter_allocation"] = c.filter.settings.Choice("allocation");
  }
  if (c.cache.settings.Has("fill_by") && c.cache.settings.Choice("fill_by") != "reads") {
    conditions["cache_filled_by"] = "reads, " + c.cache.settings.Choice("fill_by");
  }
}

}  // namespace lsmlab::harness
