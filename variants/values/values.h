#pragma once

#include "engine/parts/value_store.h"

namespace lsmlab {

// Every value stays in its table.
extern const ValuesVariant kInlineValues;

}  // namespace lsmlab
