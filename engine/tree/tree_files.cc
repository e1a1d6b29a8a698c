#include "engine/tree/tree_files.h"

#include "engine/base/clock.h"
#include "engine/base/shown.h"
#include "engine/format/file_name.h"
#include "engine/format/value_file.h"
#include "engine/tree/tree.h"

namespace lsmlab {
namespace {

// What an entry and a table's properties both say, as a message shows it.
template <typename Facts>
std::string TextOf(const Facts& facts) {
  return std::to_string(facts.entries) + " entries of sequences " +
         std::to_string(facts.min_sequence) + " to " + std::to_string(facts.max_sequence) +
         " from '" + Shown(facts.smallest_key) + "' (" + std::to_string(facts.smallest_tag) +
         ") to '" + Shown(facts.largest_key) + "' (" + std::to_string(facts.largest_tag) + ")";
}

}  // namespace

TableEntry EntryOf(const TableProperties& properties, uint64_t file, uint64_t bytes) {
  TableEntry entry;
  entry.file = file;
  entry.id = properties.id;
  entry.tree = properties.tree;
  entry.level = properties.level;
  entry.bytes = bytes;
  entry.entries = properties.entries;
  entry.tombstones = properties.tombstones;
  entry.raw_bytes = properties.raw_key_bytes + properties.raw_value_bytes;
  entry.smallest_key = properties.smallest_key;
  entry.largest_key = properties.largest_key;
  entry.smallest_tag = properties.smallest_tag;
  entry.largest_tag = properties.largest_tag;
  entry.min_sequence = properties.min_sequence;
  entry.max_sequence = properties.max_sequence;
  entry.created_ns = properties.created_ns;
  entry.oldest_tombstone_ns = properties.oldest_tombstone_ns;
  entry.last_level = properties.last_level;
  return entry;
}

Status CheckEntry(const TableEntry& entry, const TableProperties& properties,
                  const std::string& path) {
  if (entry.smallest_key == properties.smallest_key &&
      entry.smallest_tag == properties.smallest_tag &&
      entry.largest_key == properties.largest_key && entry.largest_tag == properties.largest_tag &&
      entry.min_sequence == properties.min_sequence &&
      entry.max_sequence == properties.max_sequence && entry.entries == properties.entries) {
    return Status();
  }
  return Status::Corruption(path + ": the catalog's entry is not this table's: expected " +
                            TextOf(entry) + ", found " + TextOf(properties));
}

Task<Result<ShardFiles::TableFacts>> TreeFiles::ReadTable(uint64_t file) {
  std::string path = tree_.PathOf(NumberedFileName("", file, ".sst"));
  // Never a direct file: what the catalog writes itself is not made for that.
  auto opened = co_await OpenFile(*tree_.env_.io, IoSite::kRecovery, OpenMode::kRead, path);
  if (!opened.ok()) {
    if (!opened.status().IsNotFound()) co_return opened.status();
    co_return Status::Corruption(path + ": the catalog names this table, but it is missing");
  }
  const TableVariant& variant = *tree_.env_.composition->table.variant;
  auto properties = co_await variant.read_properties(tree_.table_env_, *opened.value());
  if (!properties.ok()) co_return properties.status();
  TableFacts facts;
  facts.entry = EntryOf(properties.value(), file, opened.value()->size());
  facts.mark = std::move(properties->catalog_mark);
  co_return facts;
}

Task<Result<ValueFileEntry>> TreeFiles::ReadValueFile(uint64_t file) {
  std::string path = tree_.PathOf(NumberedFileName("", file, ".val"));
  auto opened = co_await OpenFile(*tree_.env_.io, IoSite::kRecovery, OpenMode::kRead, path);
  if (!opened.ok()) {
    if (!opened.status().IsNotFound()) co_return opened.status();
    co_return Status::Corruption(path + ": tables refer to this value file, but it is missing");
  }
  co_return co_await ValueFile::ReadEntry(*tree_.env_.io, *opened.value(), file);
}

uint64_t TreeFiles::NewFileNumber() {
  return tree_.next_file_.fetch_add(1, std::memory_order_relaxed);
}

Task<Result<uint64_t>> TreeFiles::WriteEmptyTable(uint64_t file, std::string mark) {
  const std::string unfinished = tree_.PathOf(NumberedFileName("", file, kUnfinishedTable));
  TableBuildContext context;
  context.now_ns = WallNanos();
  {
    std::lock_guard guard(tree_.mutex_);
    context.id.high = tree_.ids_.Next();
    context.id.low = tree_.ids_.Next();
  }
  auto opened = co_await OpenFile(*tree_.env_.io, IoSite::kCatalog, OpenMode::kCreate, unfinished);
  if (!opened.ok()) co_return opened.status();
  FileWriter writer(*tree_.env_.io, IoSite::kCatalog, std::move(opened).value());
  const TableVariant& variant = *tree_.env_.composition->table.variant;
  const std::unique_ptr<TableBuilder> builder =
      variant.make_builder(tree_.table_env_, context, writer);
  LSMLAB_CO_TRY(builder->Finish(mark, nullptr));
  LSMLAB_CO_TRY(co_await writer.Finish(Slice()));
  LSMLAB_CO_TRY(co_await RenameFile(*tree_.env_.io, IoSite::kCatalog, unfinished,
                                    tree_.PathOf(NumberedFileName("", file, ".sst"))));
  co_return writer.offset();
}

Task<Status> TreeFiles::SyncNames(IoSite site) { return tree_.SyncNames(site); }

}  // namespace lsmlab
