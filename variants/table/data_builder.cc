#include "variants/table/data_builder.h"

#include "variants/table/flat_sections.h"
#include "variants/table/hashed_block.h"
#include "variants/table/partition_sections.h"
#include "variants/table/table_settings.h"

namespace lsmlab::table_internal {
namespace {

template <typename Sections>
std::unique_ptr<TableBuilder> MakeDataBuilder(const TableEnvironment& environment,
                                              const TableBuildContext& context,
                                              FileWriter& writer) {
  const auto make = [&]<typename Layout>() -> std::unique_ptr<TableBuilder> {
    return std::make_unique<DataBuilder<Layout, Sections>>(environment, context, writer);
  };
  const bool slotted = environment.settings.Choice("block.layout") == SlottedLayout::kName;
  if (environment.settings.Choice("block.search") == "hash") {
    return slotted ? make.template operator()<HashedLayout<SlottedLayout>>()
                   : make.template operator()<HashedLayout<RestartsLayout>>();
  }
  return slotted ? make.template operator()<SlottedLayout>()
                 : make.template operator()<RestartsLayout>();
}

}  // namespace

std::unique_ptr<TableBuilder> MakeFlatBuilder(const TableEnvironment& environment,
                                              const TableBuildContext& context,
                                              FileWriter& writer) {
  return MakeDataBuilder<FlatSections>(environment, context, writer);
}

std::unique_ptr<TableBuilder> MakePartitionedBuilder(const TableEnvironment& environment,
                                                     const TableBuildContext& context,
                                                     FileWriter& writer) {
  return MakeDataBuilder<PartitionSections>(environment, context, writer);
}

}  // namespace lsmlab::table_internal
