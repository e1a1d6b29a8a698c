#include <algorithm>
#include <map>

#include "engine/format/block_trailer.h"
#include "engine/format/file_name.h"
#include "engine/tree/tree.h"

// Separated values: the value files of a version, reading them, and when their garbage is
// collected.
//
// Which bytes of a value file are garbage is kept nowhere by itself: it is what no table of the
// version refers to, and each table's entry in the catalog lists how much it refers to. So an edit
// that exchanges tables changes the garbage with them, all or nothing, and a file that no table
// refers to any more leaves the catalog in that same edit. What is live is therefore right after
// every crash.
namespace lsmlab {
namespace {

// A compaction made for collecting moves about so many value files' worth of live values: it holds
// its inputs back from the policy meanwhile.
constexpr uint64_t kCollectedFiles = 4;

using LiveBytes = std::map<uint64_t, uint64_t>;  // by value file

uint64_t BytesIn(const TableEntry& table, const std::vector<uint64_t>& files) {
  uint64_t bytes = 0;
  for (const ValueFileUse& use : table.values) {
    if (std::binary_search(files.begin(), files.end(), use.file)) bytes += use.bytes;
  }
  return bytes;
}

}  // namespace

void Tree::SetUpValues() {
  const Composition& c = *env_.composition;
  values_ = c.values.variant->make(c.values.settings);
  separate_from_ = values_->threshold_bytes();
  read_ahead_ = values_->read_ahead();
  const CodecVariant* codec = c.codec_by_name(values_->codec());
  LSMLAB_ASSERT(codec != nullptr);
  const SettingBag settings =
      codec == c.codec.variant ? c.codec.settings : DefaultSettings(codec->settings);
  value_codec_ = codec->make(settings);
  value_codec_id_ = codec->id;
}

Task<Result<ValueFileHandle*>> Tree::OpenValueFile(const ValueFileEntry& entry) {
  std::string path = PathOf(NumberedFileName("", entry.file, ".val"));
  auto file = co_await OpenFile(*env_.io, IoSite::kValueRead, OpenMode::kRead, path);
  if (!file.ok()) {
    if (!file.status().IsNotFound()) co_return file.status();
    co_return Status::Corruption(path + ": the catalog names this value file, but it is missing");
  }
  auto opened =
      co_await ValueFile::Open(*env_.io, std::move(file).value(), entry, table_env_.codec_by_id);
  if (!opened.ok()) co_return opened.status();
  co_return new ValueFileHandle(entry, std::move(opened).value(), std::move(path), doomed_);
}

// Tables and value files must fit each other.
Status Tree::CheckValueFiles(const CatalogState& state) const {
  LiveBytes live;
  for (const TableEntry& table : state.tables) {
    for (const ValueFileUse& use : table.values) {
      uint64_t& bytes = live[use.file];
      if (__builtin_add_overflow(bytes, use.bytes, &bytes)) bytes = UINT64_MAX;
    }
  }
  for (const ValueFileEntry& file : state.value_files) {
    const auto at = live.find(file.file);
    if (at == live.end() || at->second == 0 || at->second > file.record_bytes) {
      return Status::Corruption(PathOf(NumberedFileName("", file.file, ".val")) +
                                ": expected tables that refer to 1 to " +
                                std::to_string(file.record_bytes) + " bytes of it, found " +
                                std::to_string(at == live.end() ? 0 : at->second));
    }
    live.erase(at);
  }
  if (live.empty()) return Status();
  return Status::Corruption(PathOf(NumberedFileName("", live.begin()->first, ".val")) +
                            ": tables refer to it, but the catalog does not know it");
}

Result<const ValueFile*> Tree::FindValue(const Version& version, Slice reference,
                                         ValueReference* at) const {
  if (!DecodeValueReference(reference, at)) {
    return Status::Corruption(env_.directory + ": expected a reference to a value, found " +
                              std::to_string(reference.size()) + " other bytes");
  }
  const ValueFileHandle* handle = version.FindValueFile(at->file);
  if (handle != nullptr) return &handle->file();
  return DamageAt(PathOf(NumberedFileName("", at->file, ".val")), at->offset,
                  "a value file in a table's list, as an entry refers to it", "none");
}

void Tree::CountValueRead(uint64_t bytes) noexcept {
  CounterCells& counters = env_.counters->Local();
  counters.Add(Counter::kValueReads, 1);
  counters.Add(Counter::kValueReadBytes, bytes);
}

Task<Result<BlockRef>> Tree::ReadUserValue(const Version& version, Slice key, Slice reference) {
  ValueReference at;
  const Result<const ValueFile*> file = FindValue(version, reference, &at);
  if (!file.ok()) co_return file.status();
  Result<BlockRef> value = co_await file.value()->Read(at, key);
  CountValueRead(file.value()->ReadBytes(at.offset, at.size));
  co_return value;
}

// The value files after the edit; completes the edit by what it means for them. `added` are those
// that the job has written. REQUIRES: the commit lock.
std::vector<LiveValueFile> Tree::NextValueFiles(VersionEdit* edit,
                                                const std::vector<ValueFileHandle*>& added) const {
  if (version_->values().empty() && added.empty()) return {};
  LiveBytes gained, lost;
  for (const TableEntry& table : edit->added) {
    for (const ValueFileUse& use : table.values) gained[use.file] += use.bytes;
  }
  std::vector<uint64_t> removed;
  for (const RemovedTable& table : edit->removed) removed.push_back(table.file);
  std::sort(removed.begin(), removed.end());
  for (const PlacedTable& placed : version_->tables()) {
    const TableEntry& table = placed.table->entry();
    if (!std::binary_search(removed.begin(), removed.end(), table.file)) continue;
    for (const ValueFileUse& use : table.values) lost[use.file] += use.bytes;
  }
  std::vector<LiveValueFile> all = version_->values();
  for (ValueFileHandle* handle : added) all.push_back({handle, 0});
  std::sort(all.begin(), all.end(), [](const LiveValueFile& a, const LiveValueFile& b) {
    return a.handle->entry().file < b.handle->entry().file;
  });
  std::vector<LiveValueFile> next;
  for (LiveValueFile file : all) {
    const uint64_t number = file.handle->entry().file;
    const bool is_new = file.live_bytes == 0;
    file.live_bytes += gained[number];
    LSMLAB_ASSERT(file.live_bytes >= lost[number]);
    file.live_bytes -= lost[number];
    if (file.live_bytes > 0) next.push_back(file);
    if (file.live_bytes > 0 && is_new) edit->values_added.push_back(file.handle->entry());
    if (file.live_bytes == 0 && !is_new) edit->values_removed.push_back(number);
  }
  return next;
}

// A rewrite of tables, where they are, that refer to files whose garbage takes too much space.
// Nothing when none does, or when running jobs hold all such tables.
std::optional<CompactionPlan> Tree::PickCollectionLocked() const {
  if (version_->values().empty()) return std::nullopt;
  const std::vector<uint64_t> overdue = values_->Overdue(version_->ValueFileShapes());
  if (overdue.empty()) return std::nullopt;
  const Run* best = nullptr;
  uint32_t best_level = 0;
  uint64_t most = 0;
  for (uint32_t level = 0; level < version_->levels().size(); ++level) {
    for (const Run& run : version_->levels()[level]) {
      uint64_t bytes = 0;
      for (const TableHandle* table : run.tables) {
        if (!table->being_compacted) bytes += BytesIn(table->entry(), overdue);
      }
      if (bytes <= most) continue;
      best = &run;
      best_level = level;
      most = bytes;
    }
  }
  if (best == nullptr) return std::nullopt;
  CompactionPlan plan;
  plan.output_level = best_level;
  plan.output_run = best->number;
  plan.cut = CompactionPlan::Cut::kInPlace;
  plan.cause = "value garbage";
  uint64_t moved = 0;
  for (const TableHandle* table : best->tables) {
    const uint64_t bytes = BytesIn(table->entry(), overdue);
    if (table->being_compacted || bytes == 0) continue;
    if (moved > 0 && moved + bytes > kCollectedFiles * values_->file_bytes()) continue;
    moved += bytes;
    plan.inputs.push_back(table->entry().file);
    plan.output_file_bytes = std::max(plan.output_file_bytes, table->entry().bytes);
  }
  // References to later files may be longer, and what they add is not to be a table of its own.
  plan.output_file_bytes += plan.output_file_bytes / 8;
  // Level 0 has one table per run.
  if (best_level == 0) plan.output_file_bytes = UINT64_MAX;
  return plan;
}

// What the table's entries refer to is what its entry in the catalog says.
Task<Status> Tree::VerifyReferences(const TableHandle& table) const {
  Table::IteratorOptions options;
  options.fill_cache = false;
  auto entries = table.table().NewIterator(options);
  LiveBytes found;
  Status status = co_await entries->SeekToFirst();
  while (status.ok() && entries->valid()) {
    ValueReference at;
    if (TagKind(entries->tag()) == EntryKind::kPutInValueFile) {
      if (!DecodeValueReference(entries->value(), &at)) {
        co_return Status::Corruption(table.path() + ": expected a reference to a value, found " +
                                     std::to_string(entries->value().size()) + " other bytes");
      }
      found[at.file] += at.size;
    }
    status = co_await entries->Next();
  }
  if (!status.ok()) co_return status;
  for (const ValueFileUse& use : table.entry().values) {
    if (found[use.file] == use.bytes) continue;
    co_return Status::Corruption(table.path() + ": expected references to " +
                                 std::to_string(use.bytes) + " bytes of value file " +
                                 std::to_string(use.file) + ", found " +
                                 std::to_string(found[use.file]));
  }
  if (found.size() == table.entry().values.size()) co_return Status();
  co_return Status::Corruption(table.path() + ": expected references to " +
                               std::to_string(table.entry().values.size()) +
                               " value files, found " + std::to_string(found.size()));
}

Task<Status> Tree::VerifyValues(const Version& version) const {
  for (const LiveValueFile& file : version.values()) {
    LSMLAB_CO_TRY(co_await file.handle->file().Verify());
  }
  if (version.values().empty()) co_return Status();
  for (const PlacedTable& placed : version.tables()) {
    LSMLAB_CO_TRY(co_await VerifyReferences(*placed.table));
  }
  co_return Status();
}

}  // namespace lsmlab
