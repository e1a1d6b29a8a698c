#pragma once

#include <span>
#include <string_view>

#include "engine/composition.h"

namespace lsmlab {

// One kind of composition that is refused although each of its settings is allowed by itself.
struct ValidityRule {
  std::string_view setting;  // dotted name of the setting to blame
  std::string_view reason;   // one line, completes "X is refused: ..."
  bool (*refuses)(const Composition& composition);
};

// The whole table. A composition is valid when no rule refuses it.
std::span<const ValidityRule> ValidityRules() noexcept;

// The first rule that refuses it, or null.
const ValidityRule* FindViolation(const Composition& composition);

}  // namespace lsmlab
