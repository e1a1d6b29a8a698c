#pragma once

#include "engine/parts/wal.h"

namespace lsmlab {

// Keeps nothing: what was not flushed is lost.
extern const WalVariant kOffWal;
// One growing file per memtable.
extern const WalVariant kAppendWal;
// Prewritten segments that are used again.
extern const WalVariant kRingWal;

}  // namespace lsmlab
