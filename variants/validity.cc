#include "variants/validity.h"

#include <algorithm>
#include <string>

#include "variants/registry.h"

namespace lsmlab {
namespace {

// Of a table variant that may not have the setting.
bool TableHas(const Composition& c, std::string_view setting, std::string_view value) {
  const SettingBag& table = c.table.settings;
  return table.Has(setting) && table.Choice(setting) == value;
}

bool LogIsOff(const Composition& c) { return c.wal.variant->name == "off"; }
bool SpreadsBits(const Composition& c) {
  return c.filter.settings.Choice("allocation") == "monkey";
}

// Of the codecs that write tables.
bool SomeCodecTakesDictionaries(const Composition& c) {
  std::vector<std::string> names = c.codec.settings.ChoiceList("per_level");
  if (names.empty()) names.emplace_back(c.codec.variant->name);
  const std::span<const CodecVariant* const> rows = CodecVariants();
  return std::any_of(rows.begin(), rows.end(), [&](const CodecVariant* row) {
    if (std::find(names.begin(), names.end(), row->name) == names.end()) return false;
    const std::unique_ptr<Codec> codec = row->make(DefaultSettings(row->settings));
    return codec != nullptr && codec->takes_dictionaries();
  });
}

// Which compositions are refused. Everything else that the settings' own ranges allow is a sensible
// composition: the tests draw theirs from it.
constexpr ValidityRule kRules[] = {
    {"engine.wal.sync",
     "engine.wal.variant is 'off', which keeps nothing that could be synced; "
     "allowed with it is 'none'",
     [](const Composition& c) { return LogIsOff(c) && c.wal.settings.Choice("sync") != "none"; }},
    {"engine.wal.sync",
     "a sync every t ms needs a thread, and engine.executor.variant 'inline', as any with a seed, "
     "has none; allowed with it are 'none', 'group' and 'every'",
     [](const Composition& c) {
       return ServesOneCaller(*c.executor.variant, c.executor.settings) &&
              c.wal.settings.Choice("sync") == "interval";
     }},
    {"engine.filter.allocation",
     "'monkey' spreads filter bits over the levels, and engine.filter.variant is 'none'; allowed "
     "with it is 'uniform'",
     [](const Composition& c) { return SpreadsBits(c) && c.filter.variant->name == "none"; }},
    {"engine.filter.prefix_bytes",
     "engine.filter.variant 'prefix-bloom' needs to know how long a prefix is; allowed with it "
     "are 1 to 256",
     [](const Composition& c) {
       return c.filter.variant->name == "prefix-bloom" &&
              c.filter.settings.Integer("prefix_bytes") == 0;
     }},
    {"engine.filter.bits_per_key",
     "'monkey' of engine.filter.allocation makes the bits of each level out of one average; "
     "allowed with it is one number",
     [](const Composition& c) {
       return SpreadsBits(c) && c.filter.settings.RealList("bits_per_key").size() != 1;
     }},
    {"engine.codec.dictionary",
     "a dictionary needs a codec that takes one, and neither engine.codec.variant nor "
     "engine.codec.per_level names one; allowed is 0, or 'zstd' among them",
     [](const Composition& c) {
       return c.codec.settings.Bytes("dictionary") != 0 && !SomeCodecTakesDictionaries(c);
     }},
    {"engine.codec.dictionary", "so few bytes hold no dictionary; allowed are 0 and 256 or more",
     [](const Composition& c) {
       const uint64_t bytes = c.codec.settings.Bytes("dictionary");
       return bytes != 0 && bytes < 256;
     }},
    {"engine.wal.segment_size", "so few bytes hold no group; allowed are 0 and 16KiB or more",
     [](const Composition& c) {
       if (!c.wal.settings.Has("segment_size")) return false;
       const uint64_t bytes = c.wal.settings.Bytes("segment_size");
       return bytes != 0 && bytes < (16u << 10);
     }},
    {"engine.table.block.alignment",
     "a block that is no multiple of 4KiB would leave part of its pages empty; "
     "engine.table.block.size is to be one",
     [](const Composition& c) {
       return TableHas(c, "block.alignment", "page") &&
              c.table.settings.Bytes("block.size") % 4096 != 0;
     }},
    {"engine.table.block.search",
     "interpolation guesses among key heads, which engine.table.block.layout 'restarts' has not; "
     "allowed with it are 'binary' and 'hash'",
     [](const Composition& c) {
       return TableHas(c, "block.search", "interpolation") &&
              TableHas(c, "block.layout", "restarts");
     }},
    {"engine.table.index.entries",
     "'hash' knows at which byte an entry starts, which says nothing in "
     "engine.table.block.layout 'restarts'; allowed with it is 'none'",
     [](const Composition& c) {
       return TableHas(c, "index.entries", "hash") && TableHas(c, "block.layout", "restarts");
     }},
    {"engine.cache.pin",
     "engine.cache.variant is 'none', which keeps no block at all; allowed with it is 'none'",
     [](const Composition& c) {
       return c.cache.variant->name == "none" && c.cache.settings.Choice("pin") != "none";
     }},
    {"engine.values.variant",
     "engine.compaction.variant is 'fifo', whose max_size counts the bytes of tables; "
     "allowed with it is 'inline'",
     [](const Composition& c) {
       return c.compaction.variant->name == "fifo" && c.values.variant->name != "inline";
     }},
};

}  // namespace

std::span<const ValidityRule> ValidityRules() noexcept { return kRules; }

const ValidityRule* FindViolation(const Composition& composition) {
  for (const ValidityRule& rule : kRules) {
    if (rule.refuses(composition)) return &rule;
  }
  return nullptr;
}

}  // namespace lsmlab
