#pragma once

#include "engine/parts/partitioner.h"

// Test doubles for the parts that have one variant so far, so that what the engine does for several
// shards runs and is tested.
namespace lsmlab::test {

// Three shards by the key's last byte (an empty key: shard 0), so that neighbours in key order
// mostly live in different shards.
extern const PartitionerVariant kThreeShards;

}  // namespace lsmlab::test
