#pragma once

#include "engine/parts/partitioner.h"
#include "engine/parts/value_store.h"

// Test doubles for the parts that have one variant so far, so that what the engine does for several
// shards and for separated values runs and is tested.
namespace lsmlab::test {

// Three shards by the key's last byte (an empty key: shard 0), so that neighbours in key order
// mostly live in different shards.
extern const PartitionerVariant kThreeShards;

// Values above 1,024 bytes go to one file per flush, NNNNNN.val. The reference is {u64 file, u64
// offset, u32 length, u64 checksum}. Files are never removed.
extern const ValuesVariant kFileValues;
inline constexpr size_t kFileValuesAbove = 1024;

}  // namespace lsmlab::test
