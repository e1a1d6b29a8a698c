#pragma once

#include <memory>

#include "engine/parts/internal_iterator.h"
#include "engine/tree/version.h"

namespace lsmlab {

// False: the run holds no key of [lower, upper), whose empty bounds are none. Asks the filters that
// know of ranges; counts what they rule out.
bool MayHoldRange(const Run& run, Slice lower, Slice upper, TableReadCounters& counters) noexcept;

// Walks the tables of one run one after the other; opens a table's iterator when it gets there.
// REQUIRES: the run (its version) outlives the iterator.
std::unique_ptr<InternalIterator> NewRunIterator(const Run& run,
                                                 const Table::IteratorOptions& options);

}  // namespace lsmlab
