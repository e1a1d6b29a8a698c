#include "variants/compose.h"

#include <algorithm>
#include <optional>

#include "engine/base/checksum.h"
#include "variants/nearest.h"
#include "variants/validity.h"

namespace lsmlab {
namespace {

constexpr std::string_view kPrefix = "engine.";
constexpr std::string_view kVariantKey = "variant";

Status Refuse(const Assignment& a, const std::string& what) {
  return Status::InvalidArgument(a.origin + ": " + Shown(a.name) + what);
}

const SettingSpec* FindSpec(std::span<const SettingSpec> specs, std::string_view name) {
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [&](const SettingSpec& spec) { return spec.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

std::vector<std::string_view> NamesOf(std::span<const SettingSpec> specs) {
  std::vector<std::string_view> names;
  for (const SettingSpec& spec : specs) names.push_back(spec.name);
  return names;
}

std::vector<std::string_view> VariantNames(const PartInfo& part) {
  std::vector<std::string_view> names;
  for (const VariantInfo& variant : part.variants) names.push_back(variant.name);
  return names;
}

// What was assigned below "engine.<part>.": the winner of each key.
struct PartTexts {
  const Assignment* variant = nullptr;
  std::map<std::string, const Assignment*, std::less<>> settings;
};

void Take(const Assignment& a, const Assignment*& slot) {
  if (slot == nullptr || a.layer >= slot->layer) slot = &a;
}

Status UnknownPart(const Assignment& a, std::string_view part) {
  std::vector<std::string_view> names;
  for (const PartInfo& info : AllParts()) names.push_back(info.name);
  return Refuse(a, ": unknown part '" + Shown(part) + "', known are " + JoinNames(names) +
                       DidYouMean(part, names));
}

Status Sort(std::span<const Assignment> assignments, std::array<PartTexts, kPartCount>& parts) {
  for (const Assignment& a : assignments) {
    const std::string_view name = a.name;
    if (!name.starts_with(kPrefix)) {
      return Refuse(a, ": unknown name; settings of the engine are called engine.<part>.<setting>");
    }
    const size_t dot = name.find('.', kPrefix.size());
    const std::string_view part_name = name.substr(kPrefix.size(), dot - kPrefix.size());
    const PartInfo* part = FindPart(part_name);
    if (part == nullptr) return UnknownPart(a, part_name);
    if (dot == std::string_view::npos || dot + 1 == name.size()) {
      return Refuse(a, ": names a part but no setting; write " + std::string(kPrefix) +
                           std::string(part_name) + ".variant or .<setting>");
    }
    PartTexts& texts = parts[static_cast<size_t>(part->part)];
    const std::string_view key = name.substr(dot + 1);
    Take(a, key == kVariantKey ? texts.variant : texts.settings[std::string(key)]);
  }
  return {};
}

Status UnknownKey(const Assignment& a, const PartInfo& part, const VariantInfo& variant,
                  std::string_view key) {
  std::vector<std::string_view> owners;
  for (const VariantInfo& other : part.variants) {
    if (FindSpec(other.settings, key) != nullptr) owners.push_back(other.name);
  }
  const std::string variant_name(variant.name);
  if (!owners.empty()) {
    return Refuse(a, ": is a setting of " + JoinNames(owners) + ", but engine." +
                         std::string(part.name) + ".variant is '" + variant_name + "'");
  }
  std::vector<std::string_view> known = NamesOf(part.settings);
  for (const SettingSpec& spec : variant.settings) known.push_back(spec.name);
  known.push_back(kVariantKey);
  return Refuse(a, ": unknown setting '" + Shown(key) + "' of " + std::string(part.name) + " '" +
                       variant_name + "', known are " + JoinNames(known) + DidYouMean(key, known));
}

Status BadValue(const Assignment& a, const SettingSpec& spec, const Status& why) {
  std::vector<std::string_view> choices;
  for (size_t begin = 0; begin < spec.choices.size();) {
    const size_t end = std::min(spec.choices.find('|', begin), spec.choices.size());
    choices.push_back(spec.choices.substr(begin, end - begin));
    begin = end + 1;
  }
  const std::string hint = choices.empty() ? std::string() : DidYouMean(a.text, choices);
  return Refuse(a, ": " + std::string(why.message()) + hint);
}

bool SomeVariantKnows(const PartInfo& part, std::string_view key) {
  return std::any_of(part.variants.begin(), part.variants.end(), [&](const VariantInfo& variant) {
    return FindSpec(variant.settings, key) != nullptr;
  });
}

// One part: its variant and the bag of all its settings.
class PartComposer {
 public:
  PartComposer(const PartInfo& part, const PartTexts& texts, ComposedEngine& out)
      : part_(part), texts_(texts), out_(out) {}

  Status Run(std::string* variant_name, SettingBag* bag) {
    variant_ = &part_.variants.front();
    if (const Assignment* chosen = texts_.variant; chosen != nullptr) {
      variant_ = part_.Find(chosen->text);
      if (variant_ == nullptr) {
        const std::vector<std::string_view> known = VariantNames(part_);
        return Refuse(*chosen, ": unknown variant '" + Shown(chosen->text) + "', known are " +
                                   JoinNames(known) + DidYouMean(chosen->text, known));
      }
    }
    for (std::span<const SettingSpec> specs : {part_.settings, variant_->settings}) {
      const SettingBag defaults = DefaultSettings(specs);
      for (const auto& [name, value] : defaults.values()) bag->Set(name, value);
    }
    for (const auto& [key, assignment] : texts_.settings) LSMLAB_TRY(Assign(key, *assignment, bag));
    const std::string prefix = std::string(kPrefix) + std::string(part_.name) + ".";
    out_.config[prefix + std::string(kVariantKey)] = variant_->name;
    for (const auto& [name, value] : bag->values()) {
      out_.config[prefix + name] = FormatSetting(*Spec(name), value);
    }
    *variant_name = variant_->name;
    return {};
  }

 private:
  const SettingSpec* Spec(std::string_view key) const {
    const SettingSpec* spec = FindSpec(variant_->settings, key);
    return spec != nullptr ? spec : FindSpec(part_.settings, key);
  }

  Status Assign(std::string_view key, const Assignment& a, SettingBag* bag) {
    const SettingSpec* spec = Spec(key);
    if (spec == nullptr) {
      const bool overruled = texts_.variant != nullptr && texts_.variant->layer > a.layer;
      if (!overruled || !SomeVariantKnows(part_, key)) return UnknownKey(a, part_, *variant_, key);
      out_.dropped.push_back(a.origin + ": " + a.name);
      return {};
    }
    Result<SettingValue> value = ParseSetting(*spec, a.text);
    if (!value.ok()) return BadValue(a, *spec, value.status());
    bag->Set(key, std::move(value).value());
    return {};
  }

  const PartInfo& part_;
  const PartTexts& texts_;
  ComposedEngine& out_;
  const VariantInfo* variant_ = nullptr;
};

template <typename V>
const V* ByName(std::span<const V* const> rows, std::string_view name) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const V* row) { return row->name == name; });
  return found == rows.end() ? nullptr : *found;
}

using Parts = std::array<PartTexts, kPartCount>;

template <typename V>
Status Choose(Part part, std::span<const V* const> rows, const Parts& texts, ComposedEngine& out,
              Choice<V>& choice) {
  const auto index = static_cast<size_t>(part);
  std::string name;
  LSMLAB_TRY(PartComposer(AllParts()[index], texts[index], out).Run(&name, &choice.settings));
  choice.variant = ByName(rows, name);
  return {};
}

Status ChooseAll(const Parts& texts, ComposedEngine& out) {
  Composition& c = out.composition;
  LSMLAB_TRY(Choose(Part::kMemtable, MemtableVariants(), texts, out, c.memtable));
  LSMLAB_TRY(Choose(Part::kWal, WalVariants(), texts, out, c.wal));
  LSMLAB_TRY(Choose(Part::kTable, TableVariants(), texts, out, c.table));
  LSMLAB_TRY(Choose(Part::kFilter, FilterVariants(), texts, out, c.filter));
  LSMLAB_TRY(Choose(Part::kCodec, CodecVariants(), texts, out, c.codec));
  LSMLAB_TRY(Choose(Part::kCache, CacheVariants(), texts, out, c.cache));
  LSMLAB_TRY(Choose(Part::kValues, ValuesVariants(), texts, out, c.values));
  LSMLAB_TRY(Choose(Part::kCompaction, CompactionVariants(), texts, out, c.compaction));
  LSMLAB_TRY(Choose(Part::kCatalog, CatalogVariants(), texts, out, c.catalog));
  LSMLAB_TRY(Choose(Part::kIo, IoVariants(), texts, out, c.io));
  LSMLAB_TRY(Choose(Part::kExecutor, ExecutorVariants(), texts, out, c.executor));
  return Choose(Part::kPartitioner, PartitionerVariants(), texts, out, c.partitioner);
}

void SetReaders(Composition& c) {
  c.filter_by_name = [](std::string_view name) { return ByName(FilterVariants(), name); };
  c.codec_by_name = [](std::string_view name) { return ByName(CodecVariants(), name); };
  c.table_by_name = [](std::string_view name) { return ByName(TableVariants(), name); };
  c.codec_by_id = [](uint8_t id) -> const CodecVariant* {
    for (const CodecVariant* row : CodecVariants()) {
      if (row->id == id) return row;
    }
    return nullptr;
  };
}

// Where the value that a rule blames was set; its default may be to blame as well.
std::string OriginOf(std::span<const Assignment> assignments, std::string_view name) {
  const Assignment* last = nullptr;
  for (const Assignment& a : assignments) {
    if (a.name == name) Take(a, last);
  }
  return last == nullptr ? "default" : last->origin;
}

}  // namespace

Result<ComposedEngine> Compose(std::span<const Assignment> assignments) {
  Parts parts;
  LSMLAB_TRY(Sort(assignments, parts));
  ComposedEngine out;
  LSMLAB_TRY(ChooseAll(parts, out));
  SetReaders(out.composition);
  if (const ValidityRule* rule = FindViolation(out.composition); rule != nullptr) {
    return Status::NotSupported(
        OriginOf(assignments, rule->setting) + ": " + std::string(rule->setting) + " = '" +
        out.config.find(rule->setting)->second + "' is refused: " + std::string(rule->reason));
  }
  return out;
}

Result<ComposedEngine> ComposeConfig(
    const std::map<std::string, std::string, std::less<>>& config) {
  std::vector<Assignment> assignments;
  for (const auto& [name, text] : config) assignments.push_back({name, text, "configuration", 0});
  return Compose(assignments);
}

std::string ConfigHash(const std::map<std::string, std::string, std::less<>>& config) {
  std::string all;
  for (const auto& [name, text] : config) all += name + '=' + text + '\n';
  constexpr char kDigits[] = "0123456789abcdef";
  uint64_t hash = Checksum(all, 0);
  std::string digits(16, '0');
  for (size_t i = digits.size(); i-- > 0; hash >>= 4) digits[i] = kDigits[hash & 15];
  return digits;
}

}  // namespace lsmlab
