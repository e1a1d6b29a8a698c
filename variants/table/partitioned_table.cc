#include "variants/table/partitioned_table.h"

#include <utility>

#include "variants/table/make_table.h"
#include "variants/table/open_table.h"
#include "variants/table/table_settings.h"
#include "variants/table/tables.h"

namespace lsmlab {
namespace table_internal {

Task<Result<std::unique_ptr<Table>>> OpenPartitioned(const TableEnvironment& environment,
                                                     std::unique_ptr<PartitionedFile> file) {
  const Status loaded = co_await file->LoadTopIndex();
  if (!loaded.ok()) co_return loaded;
  co_return MakeTable<PartitionedTable>(environment, std::move(file));
}

}  // namespace table_internal

const TableVariant kPartitionedTable = {
    "partitioned",
    "sorted blocks, index and filter in pieces of 4 KiB that come and go with the cache",
    table_internal::kTableSettings,
    table_internal::MakePartitionedBuilder,
    table_internal::OpenAnyTable,
    table_internal::ReadAnyProperties};

}  // namespace lsmlab
