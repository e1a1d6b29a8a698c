#include "tests/support/composition_space.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "engine/base/assert.h"
#include "variants/validity.h"

namespace lsmlab::test {
namespace {

constexpr uint64_t kArraySeed = 1;

// Numbers in the array, separated by '|': one that makes stores so small that a thousand operations
// take every path, or several, where a larger one works differently.
struct SettingLevels {
  std::string_view name;
  std::string_view values;
};
constexpr SettingLevels kLevels[] = {
    {"engine.cache.bytes", "128KiB"},
    {"engine.catalog.edit_log_size", "4KiB"},
    {"engine.catalog.mark_size", "64B|512B"},
    {"engine.codec.dictionary", "0|512"},
    {"engine.codec.level", "1|4"},
    {"engine.compaction.delete_ttl", "0ms|5ms"},
    {"engine.compaction.file_growth", "1|2"},
    {"engine.compaction.file_size", "16KiB"},
    {"engine.compaction.l0_trigger", "2|4"},
    {"engine.compaction.level1_size", "32KiB"},
    {"engine.compaction.size_ratio", "4"},
    {"engine.executor.loops", "2|1|3"},
    {"engine.executor.queue_depth", "64|1"},
    {"engine.executor.read_workers", "0|2"},
    {"engine.executor.seed", "0|7"},
    {"engine.executor.write_workers", "0|2"},
    {"engine.filter.bits_per_key", "10|16,10,4"},
    {"engine.filter.prefix_bytes", "2"},
    {"engine.memtable.buckets", "64"},
    {"engine.memtable.max_age", "0ms|2ms"},
    {"engine.memtable.max_waiting", "1|2"},
    {"engine.memtable.prefix_length", "6"},
    {"engine.memtable.size", "64KiB"},
    {"engine.memtable.smallest", "0|16KiB"},
    // The tenth byte of most keys of key_space.h is their last digit; the first says nothing.
    {"engine.partitioner.shards", "3|1|2|7"},
    {"engine.partitioner.skip_bytes", "9|0"},
    {"engine.table.block.large_values", "0|200"},
    {"engine.table.block.restart_interval", "1|16"},
    {"engine.table.block.size", "512|4KiB"},
    {"engine.table.index.entries_bytes", "256MiB|4KiB"},
    {"engine.table.read_ahead", "8|1"},
    {"engine.values.file_size", "8KiB"},
    {"engine.values.gc_age", "1|0.3"},
    {"engine.values.gc_ratio", "0.5|1"},
    {"engine.values.max_space_amplification", "1.2|1.5"},
    {"engine.values.read_ahead", "16|1"},
    {"engine.values.threshold", "100"},
    {"engine.wal.interval", "1ms"},
    {"engine.wal.segment_size", "64KiB"},
    {"engine.wal.segments", "3"},
};

std::vector<std::string> SplitChoices(std::string_view text) {
  std::vector<std::string> all;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('|', begin), text.size());
    all.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

void AddNew(std::vector<std::string>& values, std::string value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) {
    values.push_back(std::move(value));
  }
}

// The texts that a setting takes in the array, the usual one first.
std::vector<std::string> ValuesOf(const std::string& name, const SettingSpec& spec) {
  for (const SettingLevels& levels : kLevels) {
    if (levels.name == name) return SplitChoices(levels.values);
  }
  std::vector<std::string> values = {std::string(spec.default_value)};
  if (spec.type == SettingType::kBool) {
    AddNew(values, "false");
    AddNew(values, "true");
  } else if (spec.type == SettingType::kChoice) {
    for (std::string& choice : SplitChoices(spec.choices)) AddNew(values, std::move(choice));
  } else if (spec.type == SettingType::kChoiceList) {
    std::string list(spec.choices);
    std::replace(list.begin(), list.end(), '|', ',');
    AddNew(values, std::move(list));
  }
  return values;
}

const SettingSpec* FindSpecOf(const PartInfo& info, size_t variant, std::string_view key) {
  for (std::span<const SettingSpec> specs : {info.settings, info.variants[variant].settings}) {
    for (const SettingSpec& spec : specs) {
      if (spec.name == key) return &spec;
    }
  }
  return nullptr;
}

// Whether kLevels names a setting that some variant has: another name would vary nothing.
bool IsOfSomeVariant(const SettingLevels& levels) {
  const std::string_view rest = levels.name.substr(std::string_view("engine.").size());
  const size_t dot = rest.find('.');
  const PartInfo* info = FindPart(rest.substr(0, dot));
  for (size_t v = 0; info != nullptr && v < info->variants.size(); ++v) {
    if (FindSpecOf(*info, v, rest.substr(dot + 1)) != nullptr) return true;
  }
  return false;
}

std::string NameOf(const PartInfo& info, std::string_view key) {
  return "engine." + std::string(info.name) + "." + std::string(key);
}

// f(rows, member): the rows of the part in the registry, and its place in a composition.
template <typename F>
void AtPart(Part part, F f) {
  switch (part) {
    case Part::kMemtable:
      return f(MemtableVariants(), &Composition::memtable);
    case Part::kWal:
      return f(WalVariants(), &Composition::wal);
    case Part::kTable:
      return f(TableVariants(), &Composition::table);
    case Part::kFilter:
      return f(FilterVariants(), &Composition::filter);
    case Part::kCodec:
      return f(CodecVariants(), &Composition::codec);
    case Part::kCache:
      return f(CacheVariants(), &Composition::cache);
    case Part::kValues:
      return f(ValuesVariants(), &Composition::values);
    case Part::kCompaction:
      return f(CompactionVariants(), &Composition::compaction);
    case Part::kCatalog:
      return f(CatalogVariants(), &Composition::catalog);
    case Part::kIo:
      return f(IoVariants(), &Composition::io);
    case Part::kExecutor:
      return f(ExecutorVariants(), &Composition::executor);
    case Part::kPartitioner:
      return f(PartitionerVariants(), &Composition::partitioner);
  }
}

}  // namespace

CompositionSpace::CompositionSpace() {
  for (const SettingLevels& levels : kLevels) LSMLAB_ASSERT(IsOfSomeVariant(levels));
  for (const PartInfo& info : AllParts()) AddPart(info);
}

void CompositionSpace::AddPart(const PartInfo& info) {
  PartSpace& part = parts_.emplace_back();
  for (const VariantInfo& variant : info.variants) {
    SettingBag& settings = part.settings.emplace_back(DefaultSettings(info.settings));
    const SettingBag own = DefaultSettings(variant.settings);
    for (const auto& [key, value] : own.values()) settings.Set(key, value);
  }
  if (info.variants.size() > 1) {
    part.variant_factor = factors_.size();
    Factor factor{NameOf(info, "variant"), {}, /*early=*/true};
    for (const VariantInfo& variant : info.variants) factor.values.emplace_back(variant.name);
    factors_.push_back(std::move(factor));
    targets_.push_back({parts_.size() - 1, "", {}});
  }
  std::vector<std::string_view> known;
  const auto add = [&](const SettingSpec& spec) {
    if (std::find(known.begin(), known.end(), spec.name) != known.end()) return;
    known.push_back(spec.name);
    AddSetting(info, spec);
  };
  for (const SettingSpec& spec : info.settings) add(spec);
  for (const VariantInfo& variant : info.variants) {
    for (const SettingSpec& spec : variant.settings) add(spec);
  }
}

void CompositionSpace::AddSetting(const PartInfo& info, const SettingSpec& spec) {
  PartSpace& part = parts_.back();
  Factor factor{NameOf(info, spec.name), ValuesOf(NameOf(info, spec.name), spec)};
  Target target{parts_.size() - 1, std::string(spec.name), {}};
  Fixed fixed{factor.name, factor.values.front(), {}};
  for (const std::string& text : factor.values) {
    auto& by_variant = target.values.emplace_back();
    for (size_t v = 0; v < info.variants.size(); ++v) {
      const SettingSpec* own = FindSpecOf(info, v, spec.name);
      std::optional<SettingValue>& value = by_variant.emplace_back();
      if (own == nullptr) continue;
      Result<SettingValue> parsed = ParseSetting(*own, text);
      if (parsed.ok()) value = std::move(parsed).value();
    }
  }
  for (size_t v = 0; v < part.settings.size(); ++v) {
    const std::optional<SettingValue>& value = target.values.front()[v];
    if (value.has_value()) part.settings[v].Set(target.key, *value);
    fixed.of_variant.push_back(value.has_value());
  }
  if (factor.values.size() == 1) {
    if (fixed.text != spec.default_value) part.fixed.push_back(std::move(fixed));
    return;
  }
  part.setting_factors.push_back(factors_.size());
  factors_.push_back(std::move(factor));
  targets_.push_back(std::move(target));
}

bool CompositionSpace::Fits(const PartSpace& part, size_t variant, const Row& row) const {
  return std::all_of(part.setting_factors.begin(), part.setting_factors.end(), [&](size_t f) {
    return row[f] == kOpen || targets_[f].values[static_cast<size_t>(row[f])][variant].has_value();
  });
}

bool CompositionSpace::Assemble(const Row& row, Composition* composition) const {
  for (size_t p = 0; p < parts_.size(); ++p) {
    const PartSpace& part = parts_[p];
    size_t variant = 0;
    const bool chosen = part.variant_factor != kNoFactor && row[part.variant_factor] != kOpen;
    if (chosen) variant = static_cast<size_t>(row[part.variant_factor]);
    while (!Fits(part, variant, row)) {
      if (chosen || ++variant == part.settings.size()) return false;
    }
    AtPart(static_cast<Part>(p), [&](auto rows, auto member) {
      (composition->*member).variant = rows[variant];
      SettingBag& settings = (composition->*member).settings;
      settings = part.settings[variant];
      for (const size_t f : part.setting_factors) {
        if (row[f] == kOpen) continue;
        settings.Set(targets_[f].key, *targets_[f].values[static_cast<size_t>(row[f])][variant]);
      }
    });
  }
  return true;
}

bool CompositionSpace::CanBeCompleted(const Row& row) const { return Repair(row, kRepairs); }

bool CompositionSpace::Repair(const Row& row, int repairs) const {
  Composition composition;
  if (!Assemble(row, &composition)) return false;
  const ValidityRule* rule = FindViolation(composition);
  if (rule == nullptr) return true;
  if (repairs == 0) return false;
  Row changed = row;
  for (size_t f = 0; f < row.size(); ++f) {
    if (row[f] != kOpen) continue;
    for (int v = 0; v < static_cast<int>(factors_[f].values.size()); ++v) {
      changed[f] = v;
      if (Assemble(changed, &composition) && !rule->refuses(composition) &&
          Repair(changed, repairs - 1)) {
        return true;
      }
    }
    changed[f] = kOpen;
  }
  return false;
}

TestComposition CompositionSpace::CompositionOf(const Row& row, std::string name) const {
  TestComposition composition{std::move(name), "", {}};
  for (size_t f = 0; f < row.size(); ++f) {
    if (row[f] == kOpen) continue;
    composition.changes.emplace_back(factors_[f].name,
                                     factors_[f].values[static_cast<size_t>(row[f])]);
  }
  for (const PartSpace& part : parts_) {
    const bool one = part.variant_factor == kNoFactor || row[part.variant_factor] == kOpen;
    const size_t variant = one ? 0 : static_cast<size_t>(row[part.variant_factor]);
    for (const Fixed& fixed : part.fixed) {
      if (fixed.of_variant[variant]) composition.changes.emplace_back(fixed.name, fixed.text);
    }
  }
  return composition;
}

const CompositionArray& CoveringCompositions() {
  static const CompositionArray* const made = [] {
    auto* all = new CompositionArray;
    all->array = MakeCoveringArray(
        all->space.factors(), [&](const Row& row) { return all->space.CanBeCompleted(row); },
        kArraySeed);
    return all;
  }();
  return *made;
}

}  // namespace lsmlab::test
