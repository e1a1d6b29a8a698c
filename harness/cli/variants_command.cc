#include <cstdio>
#include <string>

#include "harness/cli/command.h"
#include "harness/peers/engines.h"
#include "variants/nearest.h"
#include "variants/presets.h"
#include "variants/registry.h"
#include "variants/validity.h"

namespace lsmlab::harness {
namespace {

constexpr OptionSpec kOptions[] = {
    {"part", "PART", "only this part"},
};

std::string Range(const SettingSpec& spec) {
  switch (spec.type) {
    case SettingType::kBool:
      return "true or false";
    case SettingType::kChoice:
      return std::string(spec.choices);
    case SettingType::kChoiceList:
      return "per level: " + std::string(spec.choices);
    default:
      break;
  }
  if (spec.min == 0 && spec.max == 0) return {};
  const auto text = [&](double bound) {
    if (spec.type == SettingType::kReal || spec.type == SettingType::kRealList) {
      return FormatSetting(spec, spec.type == SettingType::kReal
                                     ? SettingValue(bound)
                                     : SettingValue(std::vector<double>{bound}));
    }
    constexpr double kEnd = 9.2e18;
    return FormatSetting(spec, static_cast<int64_t>(bound < kEnd ? bound : kEnd));
  };
  return text(spec.min) + " to " + text(spec.max);
}

void PrintSettings(std::span<const SettingSpec> settings, const char* indent) {
  for (const SettingSpec& spec : settings) {
    std::printf("%s%-22s default %-12s %s\n", indent, std::string(spec.name).c_str(),
                std::string(spec.default_value).c_str(), Range(spec).c_str());
    std::printf("%s%-22s   %s\n", indent, "", std::string(spec.summary).c_str());
  }
}

void PrintPart(const PartInfo& part) {
  const std::string name(part.name);
  std::printf("engine.%s: %s\n", name.c_str(), std::string(part.summary).c_str());
  PrintSettings(part.settings, "  ");
  for (const VariantInfo& variant : part.variants) {
    const char* note = &variant == &part.variants.front() ? " (default)" : "";
    std::printf("  %s%s: %s\n", std::string(variant.name).c_str(), note,
                std::string(variant.summary).c_str());
    PrintSettings(variant.settings, "    ");
  }
  std::puts("");
}

void PrintPresets() {
  std::puts("presets (variants/presets/):");
  for (const std::string& name : PresetNames()) {
    const Result<Preset> preset = LoadPreset(name);
    std::printf("  %-14s %s\n", name.c_str(),
                preset.ok() ? preset.value().summary.c_str()
                            : std::string(preset.status().message()).c_str());
  }
}

int Run(const ParsedOptions& options) {
  if (options.Has("part")) {
    const std::string name = options.Get("part");
    if (const PartInfo* part = FindPart(name); part != nullptr) {
      PrintPart(*part);
      return kExitDone;
    }
    std::vector<std::string_view> known;
    for (const PartInfo& part : AllParts()) known.push_back(part.name);
    return FailUsage(Status::InvalidArgument("--part: unknown part '" + Shown(name) +
                                             "', known are " + JoinNames(known) +
                                             DidYouMean(name, known)));
  }
  for (const PartInfo& part : AllParts()) PrintPart(part);
  std::puts("refused compositions:");
  for (const ValidityRule& rule : ValidityRules()) {
    std::printf("  %s: %s\n", std::string(rule.setting).c_str(), std::string(rule.reason).c_str());
  }
  std::puts("");
  PrintPresets();
  std::puts("\nother engines (--engine):");
  for (const EngineInfo& engine : Engines()) {
    std::printf("  %-14s %s\n", std::string(engine.name).c_str(),
                std::string(engine.summary).c_str());
    PrintSettings(engine.settings, "    ");
  }
  std::puts("\nhow a row is driven (driver.*):");
  PrintSettings(DriverSettings(), "    ");
  return kExitDone;
}

}  // namespace

const Command kVariantsCommand = {{"variants", "list every part, variant, setting and preset", "",
                                   0, 0, "lsmlab variants --part memtable", kOptions},
                                  Run};

}  // namespace lsmlab::harness
