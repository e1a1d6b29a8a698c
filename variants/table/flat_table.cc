#include "variants/table/flat_table.h"

#include <utility>

#include "variants/table/open_table.h"
#include "variants/table/restarts_block.h"
#include "variants/table/slotted_block.h"
#include "variants/table/table_settings.h"
#include "variants/table/tables.h"

namespace lsmlab {
namespace table_internal {

template class FlatTable<RestartsLayout>;
template class FlatTable<SlottedLayout>;
template class FlatIterator<RestartsCursor>;
template class FlatIterator<SlottedCursor>;

Task<Result<std::unique_ptr<Table>>> OpenFlat(const TableEnvironment& environment,
                                              std::unique_ptr<FlatFile> file) {
  const Status loaded = co_await file->LoadIndexAndFilter();
  if (!loaded.ok()) co_return loaded;
  const std::string& layout = file->properties().block_layout;
  std::unique_ptr<Table> table;
  if (layout == RestartsLayout::kName) {
    table = std::make_unique<FlatTable<RestartsLayout>>(std::move(file));
  } else if (layout == SlottedLayout::kName &&
             environment.settings.Choice("block.search") != "interpolation") {
    table = std::make_unique<FlatTable<SlottedLayout>>(std::move(file));
  } else {
    co_return MakeOtherFlatTable(environment, std::move(file));
  }
  co_return table;
}

}  // namespace table_internal

const TableVariant kFlatTable = {
    "flat",
    "sorted blocks with index and filter whole, in memory while the table is open",
    table_internal::kTableSettings,
    table_internal::MakeFlatBuilder,
    table_internal::OpenAnyTable,
    table_internal::ReadAnyProperties};

}  // namespace lsmlab
