#pragma once

#include <memory>
#include <vector>

#include "engine/parts/internal_iterator.h"

namespace lsmlab {

using MergeSources = std::vector<std::unique_ptr<InternalIterator>,
                                 FrameAllocator<std::unique_ptr<InternalIterator>>>;

// Merges ordered sources into one order: a sorted list of them, which beats a heap for the few
// sources of a tree. A seek prepares all sources first (their cache misses overlap) and positions
// those that may hold the first entry.
std::unique_ptr<InternalIterator> NewMergingIterator(MergeSources sources);

}  // namespace lsmlab
