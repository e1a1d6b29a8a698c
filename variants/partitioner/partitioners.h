#pragma once

#include "engine/parts/partitioner.h"

namespace lsmlab {

// One shard holds everything.
extern const PartitionerVariant kSinglePartitioner;

}  // namespace lsmlab
