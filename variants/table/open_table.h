#pragma once

#include <memory>

#include "engine/parts/table.h"
#include "variants/table/flat_file.h"
#include "variants/table/partitioned_file.h"

namespace lsmlab::table_internal {

// The second half of opening: index and filter into memory, and the table of the file's layout.
Task<Result<std::unique_ptr<Table>>> OpenFlat(const TableEnvironment& environment,
                                              std::unique_ptr<FlatFile> file);
Result<std::unique_ptr<Table>> MakeOtherFlatTable(const TableEnvironment& environment,
                                                  std::unique_ptr<FlatFile> file);
Task<Result<std::unique_ptr<Table>>> OpenPartitioned(const TableEnvironment& environment,
                                                     std::unique_ptr<PartitionedFile> file);

// TableVariant::open of every variant here: which one has written the table, its footer says.
Task<Result<std::unique_ptr<Table>>> OpenAnyTable(const TableEnvironment& environment,
                                                  std::unique_ptr<IoFile> file,
                                                  uint64_t file_number, TableId expected_id);

// TableVariant::read_properties of every variant here.
Task<Result<TableProperties>> ReadAnyProperties(const TableEnvironment& environment, IoFile& file);

}  // namespace lsmlab::table_internal
