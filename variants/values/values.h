#pragma once

#include "engine/parts/value_store.h"

namespace lsmlab {

// Every value stays in its table.
extern const ValuesVariant kInlineValues;
// Large values live in value files.
extern const ValuesVariant kSeparatedValues;

}  // namespace lsmlab
