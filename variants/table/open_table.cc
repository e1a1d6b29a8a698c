#include "variants/table/open_table.h"

#include <string>
#include <string_view>
#include <utility>

#include "engine/format/table_footer.h"
#include "engine/format/table_properties.h"
#include "variants/table/tables.h"

namespace lsmlab::table_internal {
namespace {

constexpr uint64_t kMaxPropertiesBytes = 32u << 20;

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
  const std::string_view variant =
      footer.format == TableFormat::kFlat ? kFlatTable.name : kPartitionedTable.name;
  if (!(properties->id == footer.id) || properties->table_variant != variant) {
    co_return DamageAt(file.path(), handle.offset,
                       "properties of " + std::string(variant) + " table " + IdText(footer.id),
                       properties->table_variant + " " + IdText(properties->id));
  }
  co_return properties;
}

}  // namespace

Task<Result<std::unique_ptr<Table>>> OpenAnyTable(const TableEnvironment& environment,
                                                  std::unique_ptr<IoFile> file,
                                                  uint64_t file_number, TableId expected_id) {
  Io& io = *environment.io;
  Result<TableFooter> footer = co_await ReadFooter(io, *file, expected_id);
  if (!footer.ok()) co_return footer.status();
  Result<TableProperties> properties = co_await ReadProperties(io, *file, footer.value());
  if (!properties.ok()) co_return properties.status();
  if (footer->format == TableFormat::kPartitioned) {
    auto opened = std::make_unique<PartitionedFile>(environment, std::move(file), file_number,
                                                    footer.value(), std::move(properties).value());
    LSMLAB_CO_TRY(co_await opened->LoadDictionary());
    co_return co_await OpenPartitioned(environment, std::move(opened));
  }
  auto opened = std::make_unique<FlatFile>(environment, std::move(file), file_number,
                                           footer.value(), std::move(properties).value());
  LSMLAB_CO_TRY(co_await opened->LoadDictionary());
  co_return co_await OpenFlat(environment, std::move(opened));
}

Task<Result<TableProperties>> ReadAnyProperties(const TableEnvironment& environment, IoFile& file) {
  Io& io = *environment.io;
  const TableId unknown;
  Result<TableFooter> footer = co_await ReadFooter(io, file, unknown);
  if (!footer.ok()) co_return footer.status();
  co_return co_await ReadProperties(io, file, footer.value());
}

}  // namespace lsmlab::table_internal
