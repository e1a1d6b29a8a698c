#pragma once

#include "engine/parts/table.h"

// The built-in tables; see variants/registry.cc for the list of all variants.
namespace lsmlab {

extern const TableVariant kFlatTable;
extern const TableVariant kPartitionedTable;

}  // namespace lsmlab
