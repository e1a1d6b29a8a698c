#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "engine/composition.h"
#include "tests/support/compositions.h"
#include "tests/support/covering_array.h"
#include "variants/registry.h"

namespace lsmlab::test {

// Every composition that validation accepts, as far as tests can tell it from others: which variant
// fills each part, and each setting that is a choice. All of them come from the registry, so a new
// variant, or a setting with choices, takes part by being there. Numbers keep their default, or
// have the values that a table in the .cc names.
class CompositionSpace {
 public:
  CompositionSpace();

  // "engine.<part>.variant" and "engine.<part>.<setting>", with their texts.
  const std::vector<Factor>& factors() const noexcept { return factors_; }

  // Whether variants/validity.cc accepts some composition with these values. What it refuses is
  // changed in one of the open settings so that the rule is satisfied, up to kRepairs times; a rule
  // that no one change satisfies counts as one that these values can never satisfy.
  bool CanBeCompleted(const Row& row) const;

  // The composition that a whole row stands for, small as the others of compositions.h.
  TestComposition CompositionOf(const Row& row, std::string name) const;

 private:
  static constexpr int kRepairs = 4;
  static constexpr size_t kNoFactor = SIZE_MAX;

  // What a factor sets. `values[v][i]` is its value v for variant i of its part; none: the variant
  // has no such setting, or not this choice of it.
  struct Target {
    size_t part = 0;
    std::string key;  // empty: the variant itself
    std::vector<std::vector<std::optional<SettingValue>>> values;
  };
  // Settings with one value in the array.
  struct Fixed {
    std::string name, text;
    std::vector<bool> of_variant;  // which variants of the part have it
  };
  // One part, by variant.
  struct PartSpace {
    std::vector<SettingBag> settings;  // all settings of part and variant, with their first values
    size_t variant_factor = kNoFactor;
    std::vector<size_t> setting_factors;
    std::vector<Fixed> fixed;
  };

  void AddPart(const PartInfo& info);
  // The last part's.
  void AddSetting(const PartInfo& info, const SettingSpec& spec);
  // Whether the row's settings of a part fit the variant.
  bool Fits(const PartSpace& part, size_t variant, const Row& row) const;
  // The composition of a row whose open factors have their first value. False: a setting that is
  // not open has no meaning beside its part's variant.
  bool Assemble(const Row& row, Composition* composition) const;
  bool Repair(const Row& row, int repairs) const;

  std::vector<Factor> factors_;
  std::vector<Target> targets_;
  std::vector<PartSpace> parts_;
};

// The array of all compositions, made once.
struct CompositionArray {
  CompositionSpace space;
  CoveringArray array;
};
const CompositionArray& CoveringCompositions();

}  // namespace lsmlab::test
