#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/parts/table.h"
#include "variants/table/hashed_block.h"
#include "variants/table/restarts_block.h"
#include "variants/table/slotted_block.h"

namespace lsmlab::table_internal {

// The table of an open file, by the block layout that is written in it; only how heads are searched
// is up to today's settings. Damage: an unknown layout.
template <template <typename> class TableOf, typename File>
Result<std::unique_ptr<Table>> MakeTable(const TableEnvironment& environment,
                                         std::unique_ptr<File> file) {
  const std::string& layout = file->properties().block_layout;
  std::unique_ptr<Table> table;
  if (layout == RestartsLayout::kName) {
    table = std::make_unique<TableOf<RestartsLayout>>(std::move(file));
  } else if (layout == HashedLayout<RestartsLayout>::kName) {
    table = std::make_unique<TableOf<HashedLayout<RestartsLayout>>>(std::move(file));
  } else if (layout == HashedLayout<SlottedLayout>::kName) {
    table = std::make_unique<TableOf<HashedLayout<SlottedLayout>>>(std::move(file));
  } else if (layout != SlottedLayout::kName) {
    return DamageAt(file->file().path(), file->footer().properties.offset, "a known block layout",
                    "'" + layout + "'");
  } else if (environment.settings.Choice("block.search") == "interpolation") {
    table = std::make_unique<TableOf<InterpolatedLayout>>(std::move(file));
  } else {
    table = std::make_unique<TableOf<SlottedLayout>>(std::move(file));
  }
  return table;
}

}  // namespace lsmlab::table_internal
