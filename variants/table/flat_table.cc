#include "variants/table/flat_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/format/table_footer.h"
#include "engine/format/table_properties.h"
#include "variants/table/flat_builder.h"
#include "variants/table/hashed_block.h"
#include "variants/table/restarts_block.h"
#include "variants/table/slotted_block.h"
#include "variants/table/tables.h"

namespace lsmlab {
namespace {

using namespace table_internal;  // NOLINT: the variant's own namespace

using RestartsHash = HashedLayout<RestartsLayout>;
using SlottedHash = HashedLayout<SlottedLayout>;

constexpr uint64_t kMaxPropertiesBytes = 32u << 20;

constexpr SettingSpec kFlatSettings[] = {
    {"block.layout", SettingType::kChoice, "restarts", 0, 0, "restarts|slotted",
     "how entries lie in a block: prefix-compressed, or slots with key heads and whole keys"},
    {"block.size", SettingType::kBytes, "4KiB", 512, 1 << 20, "",
     "bytes of a block before compression; a multiple of 4KiB up to 128KiB counts the 134 bytes "
     "around it in memory; a larger entry gets a block of its own"},
    {"block.alignment", SettingType::kChoice, "packed", 0, 0, "packed|page",
     "where a block starts in the file: right after the one before, or on a page of 4 KiB, so that "
     "reading it touches no page more than it must"},
    {"block.restart_interval", SettingType::kInteger, "16", 1, 1024, "",
     "entries from one whole key to the next, in layout restarts"},
    {"block.search", SettingType::kChoice, "binary", 0, 0, "binary|hash|interpolation",
     "how a point read searches a block: key heads or restart points by halving and wide compares; "
     "a "
     "hash table written with the block; a guess from the first and last head, in layout slotted"},
    {"index.search", SettingType::kChoice, "btree", 0, 0, "btree|binary",
     "how the index in memory finds a block: static B-tree of 8-byte key heads, or halving them"},
};

std::unique_ptr<TableBuilder> MakeFlatBuilder(const TableEnvironment& environment,
                                              const TableBuildContext& context,
                                              FileWriter& writer) {
  const bool slotted = environment.settings.Choice("block.layout") == SlottedLayout::kName;
  if (environment.settings.Choice("block.search") == "hash") {
    if (slotted) return std::make_unique<FlatBuilder<SlottedHash>>(environment, context, writer);
    return std::make_unique<FlatBuilder<RestartsHash>>(environment, context, writer);
  }
  if (slotted) return std::make_unique<FlatBuilder<SlottedLayout>>(environment, context, writer);
  return std::make_unique<FlatBuilder<RestartsLayout>>(environment, context, writer);
}

// By what is written in the table; only how heads are searched is up to today's settings.
Result<std::unique_ptr<Table>> MakeFlatTable(const TableEnvironment& environment,
                                             std::unique_ptr<FlatFile> file) {
  const std::string& layout = file->properties().block_layout;
  std::unique_ptr<Table> table;
  if (layout == RestartsLayout::kName) {
    table = std::make_unique<FlatTable<RestartsLayout>>(std::move(file));
  } else if (layout == RestartsHash::kName) {
    table = std::make_unique<FlatTable<RestartsHash>>(std::move(file));
  } else if (layout == SlottedHash::kName) {
    table = std::make_unique<FlatTable<SlottedHash>>(std::move(file));
  } else if (layout != SlottedLayout::kName) {
    return DamageAt(file->file().path(), file->footer().properties.offset, "a known block layout",
                    "'" + layout + "'");
  } else if (environment.settings.Choice("block.search") == "interpolation") {
    table = std::make_unique<FlatTable<InterpolatedLayout>>(std::move(file));
  } else {
    table = std::make_unique<FlatTable<SlottedLayout>>(std::move(file));
  }
  return table;
}

std::string IdText(const TableId& id) { return HexWord(id.high) + HexWord(id.low).substr(2); }

Task<Result<TableFooter>> ReadFooter(Io& io, IoFile& file, TableId expected_id) {
  const uint64_t size = file.size();
  if (size < kTableFooterBytes) {
    co_return DamageAt(file.path(), 0, "a table of at least 128 bytes", std::to_string(size));
  }
  AlignedBytes bytes(kTableFooterBytes);
  const Status read = co_await ReadInto(io, IoSite::kTableOpen, file, size - kTableFooterBytes,
                                        kTableFooterBytes, bytes.data());
  if (!read.ok()) co_return read;
  Result<TableFooter> footer =
      DecodeTableFooter(Slice(bytes.data(), kTableFooterBytes), size, file.path());
  // An all-zero expected id: the caller does not know it yet.
  if (footer.ok() && !(expected_id == TableId{}) && !(footer->id == expected_id)) {
    co_return DamageAt(file.path(), size - kTableFooterBytes, "table id " + IdText(expected_id),
                       IdText(footer->id));
  }
  co_return footer;
}

Task<Result<TableProperties>> ReadProperties(Io& io, IoFile& file, const TableFooter& footer) {
  const BlockHandle handle = footer.properties;
  if (handle.size == 0 || handle.size > kMaxPropertiesBytes) {
    co_return DamageAt(file.path(), handle.offset, "table properties of 1 byte to 32 MiB",
                       std::to_string(handle.size));
  }
  const size_t stored = static_cast<size_t>(handle.size) + kBlockTrailerBytes;
  AlignedBytes bytes(stored);
  const Status read =
      co_await ReadInto(io, IoSite::kTableOpen, file, handle.offset, stored, bytes.data());
  if (!read.ok()) co_return read;
  const Result<BlockTrailer> trailer = CheckBlockTrailer(
      Slice(bytes.data(), stored), TableSeed(footer.id), handle.offset, file.path());
  if (!trailer.ok()) co_return trailer.status();
  if (trailer->codec != 0) {
    co_return DamageAt(file.path(), handle.offset, "raw table properties", "compressed ones");
  }
  Result<TableProperties> properties =
      DecodeTableProperties(Slice(bytes.data(), static_cast<size_t>(handle.size)));
  if (!properties.ok()) {
    const std::string message(properties.status().message());
    co_return Status::Corruption(file.path() + " offset " + std::to_string(handle.offset) + ": " +
                                 message);
  }
  if (!(properties->id == footer.id) || properties->table_variant != "flat") {
    co_return DamageAt(file.path(), handle.offset, "properties of flat table " + IdText(footer.id),
                       properties->table_variant + " " + IdText(properties->id));
  }
  co_return properties;
}

Task<Result<std::unique_ptr<Table>>> OpenFlat(const TableEnvironment& environment,
                                              std::unique_ptr<IoFile> file, uint64_t file_number,
                                              TableId expected_id) {
  Io& io = *environment.io;
  Result<TableFooter> footer = co_await ReadFooter(io, *file, expected_id);
  if (!footer.ok()) co_return footer.status();
  Result<TableProperties> properties = co_await ReadProperties(io, *file, footer.value());
  if (!properties.ok()) co_return properties.status();
  auto opened = std::make_unique<FlatFile>(environment, std::move(file), file_number,
                                           footer.value(), std::move(properties).value());
  const Status loaded = co_await opened->LoadIndexAndFilter();
  if (!loaded.ok()) co_return loaded;
  co_return MakeFlatTable(environment, std::move(opened));
}

}  // namespace

const TableVariant kFlatTable = {
    "flat", "sorted blocks with index and filter whole, in memory while the table is open",
    kFlatSettings, MakeFlatBuilder, OpenFlat};

}  // namespace lsmlab
