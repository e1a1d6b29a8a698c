#pragma once

#include <memory>

#include "engine/parts/internal_iterator.h"
#include "engine/tree/version.h"

namespace lsmlab {

// Walks the tables of one run one after the other; opens a table's iterator when it gets there.
// REQUIRES: the run (its version) outlives the iterator.
std::unique_ptr<InternalIterator> NewRunIterator(const Run& run,
                                                 const Table::IteratorOptions& options);

}  // namespace lsmlab
