#pragma once

#include "engine/parts/compaction_policy.h"

namespace lsmlab {

// One run per level below level 0, merged file by file.
extern const CompactionVariant kLeveledCompaction;
// The same with as many runs in level 0 as the size ratio says.
extern const CompactionVariant kOneLevelingCompaction;
// As many runs in every level.
extern const CompactionVariant kTieredCompaction;
// As many in every level but the deepest, which is one run.
extern const CompactionVariant kLazyLeveledCompaction;
// Drops the oldest data.
extern const CompactionVariant kFifoCompaction;
// Leaves everything as it is.
extern const CompactionVariant kNoCompaction;

}  // namespace lsmlab
