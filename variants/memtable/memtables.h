#pragma once

#include "engine/parts/memtable.h"

namespace lsmlab {

// The built-in memtables; each variant says more in its file.
extern const MemtableVariant kSkiplistMemtable;
extern const MemtableVariant kArenaSkiplistMemtable;
extern const MemtableVariant kBtreeMemtable;
extern const MemtableVariant kVectorMemtable;
extern const MemtableVariant kHashSkiplistMemtable;
extern const MemtableVariant kArtMemtable;

}  // namespace lsmlab
