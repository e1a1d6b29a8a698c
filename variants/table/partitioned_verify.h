#pragma once

#include <memory>

#include "engine/parts/internal_iterator.h"
#include "variants/table/partitioned_file.h"

namespace lsmlab::table_internal {

// As VerifyFlatFile: everything that the file holds, every partition and every block through
// `entries` (an iterator past the cache), and the bytes between them.
Task<Status> VerifyPartitionedFile(const PartitionedFile& file,
                                   std::unique_ptr<InternalIterator> entries);

}  // namespace lsmlab::table_internal
