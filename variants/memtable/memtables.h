#pragma once

#include "engine/parts/memtable.h"

namespace lsmlab {

// The built-in memtables, from the plainest to the fastest; each variant says more in its file.
extern const MemtableVariant kSkiplistMemtable;
extern const MemtableVariant kArenaSkiplistMemtable;
extern const MemtableVariant kBtreeMemtable;

}  // namespace lsmlab
