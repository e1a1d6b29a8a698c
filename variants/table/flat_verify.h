#pragma once

#include <memory>

#include "engine/parts/internal_iterator.h"
#include "variants/table/flat_file.h"

namespace lsmlab::table_internal {

// Reads everything that the file holds: every block through `entries` (an iterator past the cache),
// filter, index, properties and footer again from the file, and the bytes between them. Checks
// order, filter and index against the entries, and the counts of the properties.
Task<Status> VerifyFlatFile(const FlatFile& file, std::unique_ptr<InternalIterator> entries);

}  // namespace lsmlab::table_internal
