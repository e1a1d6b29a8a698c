#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "engine/tree/store_impl.h"
#include "engine/tree/tree_iterator.h"

namespace lsmlab {

using ShardWalk = std::pair<Tree*, std::unique_ptr<TreeIterator>>;
using ShardWalks = std::vector<ShardWalk, FrameAllocator<ShardWalk>>;

// The user's iterator: one walk per shard, merged. `release` (kMaxSequence: none) is a snapshot
// number to give back at the end.
std::unique_ptr<Iterator> NewStoreIterator(StoreImpl& store, ShardWalks shards, Sequence release);

}  // namespace lsmlab
