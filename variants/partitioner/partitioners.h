#pragma once

#include "engine/parts/partitioner.h"

namespace lsmlab {

// One shard holds everything.
extern const PartitionerVariant kSinglePartitioner;
// By a hash of the whole key.
extern const PartitionerVariant kHashPartitioner;
// By one byte of the key.
extern const PartitionerVariant kFirstBytePartitioner;

}  // namespace lsmlab
