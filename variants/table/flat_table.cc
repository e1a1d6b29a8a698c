#include "variants/table/flat_table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "variants/table/entry_indexed_table.h"
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

namespace {

Result<std::unique_ptr<Table>> MakeFlatTable(const TableEnvironment& environment,
                                             std::unique_ptr<FlatFile> file) {
  const std::string& layout = file->properties().block_layout;
  std::unique_ptr<Table> table;
  if (layout == RestartsLayout::kName) {
    table = std::make_unique<FlatTable<RestartsLayout>>(std::move(file));
  } else if (layout == SlottedLayout::kName &&
             environment.settings.Choice("block.search") != "interpolation") {
    table = std::make_unique<FlatTable<SlottedLayout>>(std::move(file));
  } else {
    return MakeOtherFlatTable(environment, std::move(file));
  }
  return table;
}

template <size_t M, size_t N>
constexpr std::array<SettingSpec, M + N> Joined(const SettingSpec (&a)[M],
                                                const SettingSpec (&b)[N]) {
  std::array<SettingSpec, M + N> all{};
  std::copy(a, a + M, all.begin());
  std::copy(b, b + N, all.begin() + M);
  return all;
}

constexpr auto kFlatSettings = Joined(kTableSettings, kEntryIndexSettings);

}  // namespace

Task<Result<std::unique_ptr<Table>>> OpenFlat(const TableEnvironment& environment,
                                              std::unique_ptr<FlatFile> file) {
  const Status loaded = co_await file->LoadIndexAndFilter();
  if (!loaded.ok()) co_return loaded;
  const FlatFile& opened = *file;
  Result<std::unique_ptr<Table>> table = MakeFlatTable(environment, std::move(file));
  if (!table.ok() || !WantsEntryIndex(environment, opened)) co_return table;
  std::unique_ptr<Table> plain = std::move(table).value();
  co_return co_await AddEntryIndex(environment, opened, std::move(plain));
}

}  // namespace table_internal

const TableVariant kFlatTable = {
    "flat",
    "sorted blocks with index and filter whole, in memory while the table is open",
    table_internal::kFlatSettings,
    table_internal::MakeFlatBuilder,
    table_internal::OpenAnyTable,
    table_internal::ReadAnyProperties};

}  // namespace lsmlab
