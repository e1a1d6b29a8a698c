#pragma once

#include "engine/parts/compaction_policy.h"

namespace lsmlab {

// One run per level below level 0, merged file by file.
extern const CompactionVariant kLeveledCompaction;

}  // namespace lsmlab
