#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "engine/tree/shard_merge.h"
#include "engine/tree/store_impl.h"

namespace lsmlab {

// The user's iterator: one walk per shard, merged. `release` (kMaxSequence: none) is a snapshot
// number to give back at the end.
std::unique_ptr<Iterator> NewStoreIterator(StoreImpl& store, ShardWalks shards, Sequence release);
// The awaitable one.
std::unique_ptr<AsyncIterator> NewAsyncStoreIterator(StoreImpl& store, ShardWalks shards,
                                                     Sequence release);

}  // namespace lsmlab
