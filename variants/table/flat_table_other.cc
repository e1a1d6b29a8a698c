#include "variants/table/flat_table.h"
#include "variants/table/make_table.h"
#include "variants/table/open_table.h"

// Flat tables of the block layouts and searches that flat_table.cc has not: apart from those, so
// that how the compiler inlines the ones that presets use does not depend on how many there are.
namespace lsmlab::table_internal {

extern template class FlatTable<RestartsLayout>;
extern template class FlatTable<SlottedLayout>;
extern template class FlatIterator<RestartsCursor>;
extern template class FlatIterator<SlottedCursor>;

Result<std::unique_ptr<Table>> MakeOtherFlatTable(const TableEnvironment& environment,
                                                  std::unique_ptr<FlatFile> file) {
  return MakeTable<FlatTable>(environment, std::move(file));
}

}  // namespace lsmlab::table_internal
