#include <algorithm>
#include <atomic>
#include <map>
#include <set>

#include "engine/base/checksum.h"
#include "engine/format/file_name.h"
#include "variants/catalog/catalogs.h"
#include "variants/catalog/current_file.h"
#include "variants/catalog/footer_mark.h"
#include "variants/catalog/footer_scan.h"

// No manifest: the tree is rebuilt from what the tables' own properties say. Every table tells its
// place and the value files that it refers to. One table per commit carries the commit's mark as
// well: the last output of the job or, where a job has none, a table without entries, a *record*.
// A commit has a number, one above that of the commit before it. A record lists all tables that
// make up the tree; any other mark what has changed since the newest record, its *base*. The state
// of the shard is what the mark with the highest number says, with its base; every other table is
// an orphan and is swept.
//
// Rules:
// 1. A table gets a name that ends in .sst, by renaming, when all its bytes are durable. So one
//    that cannot be read is damaged; it is never merely unfinished, and never passed over.
// 2. A mark's table gets its name when all other files of its job have theirs durably. The commit
//    has happened when the directory was synced after that, and the next one begins later.
// 3. A table or value file that a commit does not list any more is unlinked after that commit has
//    happened, a record after the next record's commit has.
//
// Why that is right, whatever a crash keeps of the name changes that were not synced. Let c be the
// last commit that has happened. Its table has its name durably (2) and loses it only after a later
// commit has happened (3), so a mark with a number of at least c is found, and none above c + 1.
// If c + 1 is found, all of it is (1, 2): it counts, as if its sync had returned. All that the mark
// found lists, and its base, have their names durably (2) and have not been unlinked (3). What an
// unlink that was lost brings back is not listed by the newest mark, and its own marks are older.
// So the outputs of a job appear together or not at all, and no commit that has happened is lost.
// The dead need no list: no order is kept between their unlinks, but for that of rule 3.
//
// Why records: without a base every mark would list every table, and a base in a table that is
// compacted away would be gone. One is also written when a mark has grown to mark_size.
//
// After a failed sync nobody knows whether the commit will be there after a crash. Either is right
// as long as nothing builds on it, so nothing more is committed until reopen, and its table is
// unlinked again for a reopen without a crash, which would otherwise build on a name that was
// never made durable.
//
// A shard that has the file CURRENT is kept by `manifest`, whatever marks its tables have; it is
// taken over by a record that lists all its tables with all that they do not say themselves, after
// which CURRENT is removed, durably, before anything is committed.
namespace lsmlab {
namespace {

constexpr uint64_t kMarkDomain = 0x6b72616d6d736cull;  // apart from other users of the store id

constexpr SettingSpec kFootersSettings[] = {
    {.name = "mark_size",
     .type = SettingType::kBytes,
     .default_value = "4KiB",
     .min = 64,
     .max = 1 << 20,
     .choices = {},
     .summary = "bytes of a table's mark from which on an empty table is written that lists all"},
};

class FootersCatalog final : public Catalog {
 public:
  FootersCatalog(const CatalogEnvironment& environment, uint64_t mark_size)
      : env_(environment),
        mark_size_(mark_size),
        seed_(MixSeed(MixSeed(env_.store_id, kMarkDomain), env_.shard)) {}

  Task<Result<CatalogState>> Open(bool create, bool read_only) override;
  Task<Status> StartWriting() override;
  uint64_t BeginJob(std::span<const uint64_t>, JobKind) override { return ++last_job_; }
  bool marks_tables() const noexcept override { return true; }
  std::string TableMark(uint64_t job, const TableEntry& entry) override;
  Task<Status> Commit(uint64_t job, const VersionEdit& edit, LastOutput* last) override;
  bool OwnsFile(std::string_view name) const override;
  uint64_t bytes_written() const noexcept override { return bytes_written_; }
  Task<Status> Close() override;

 private:
  using FoundTable = FooterScan::FoundTable;
  using FoundCommit = FooterScan::FoundCommit;

  std::string PathOf(std::string_view name) const {
    return std::string(env_.directory).append("/").append(name);
  }
  std::string TablePath(uint64_t file) const { return TablePathIn(env_, file); }
  static OutputMark OutputMarkOf(const TableEntry& entry) {
    return {entry.file, entry.run, entry.values};
  }
  Status Poison(Status cause);

  // Reading.
  Task<Status> Load();
  Status ListLive();
  Status Place(const ListedTable& listed, const FoundTable& found, TableEntry* entry) const;
  Task<Status> ReadValueFiles();
  Task<Status> LoadManifest(bool read_only);

  // Writing.
  Task<Status> TakeOver();
  Task<Status> RemoveManifest();
  Task<Status> TryCommit(const VersionEdit& edit, LastOutput* last);
  void Follow(const VersionEdit& edit);
  CommitMark BeginCommit(uint64_t base) const;
  CommitMark NextCommit() const;
  CommitMark NextRecord() const;
  Result<std::string> Encode(const FooterMark& mark) const;
  Task<Status> WriteRecord(uint64_t file);
  Task<Status> FinishLast(LastOutput* last);
  Task<Status> MakeDurable(uint64_t file, Status written);
  Task<void> RemoveOldRecords();

  const CatalogEnvironment env_;
  const uint64_t mark_size_;
  const uint64_t seed_;

  FooterScan found_;  // by Open; empty when writing has started

  CatalogState state_;
  std::map<uint64_t, ListedTable> live_;  // as a full list would have them
  uint64_t number_ = 0;                   // of the newest commit
  uint64_t base_ = 0, base_file_ = 0;     // number of the newest record, and the table it is
  std::set<uint64_t> base_tables_;        // the record's list
  std::set<uint64_t> changed_, removed_;  // since the record
  uint64_t mark_bytes_ = 0;               // of the newest mark; 0: it is the record
  std::vector<uint64_t> records_;         // that are not unlinked yet
  std::atomic<uint64_t> last_job_{0}, bytes_written_{0};
  bool open_ = false;
  Status poison_;
};

Status FootersCatalog::Poison(Status cause) {
  if (poison_.ok()) {
    poison_ = Status::Aborted(env_.directory + ": the catalog failed before and takes nothing " +
                              "until the store is reopened: " + cause.ToString());
  }
  return cause;
}

Task<Result<CatalogState>> FootersCatalog::Open(bool create, bool read_only) {
  if (!read_only) {
    LSMLAB_CO_TRY(co_await SyncDirectory(*env_.io, IoSite::kRecovery, env_.directory));
  }
  LSMLAB_CO_TRY(co_await found_.Survey(env_));
  if (found_.has_current) {
    LSMLAB_CO_TRY(co_await LoadManifest(read_only));
  } else {
    LSMLAB_CO_TRY(co_await found_.ReadTables(env_, seed_));
    if (!found_.commits.empty()) {
      LSMLAB_CO_TRY(co_await Load());
    } else if (found_.has_data) {
      co_return Status::Corruption(env_.directory +
                                   ": expected a table that carries a commit, found none");
    } else if (!create || read_only) {
      co_return Status::NotFound(env_.directory + ": holds no catalog");
    }
  }
  co_return CatalogState(state_);
}

Task<Status> FootersCatalog::StartWriting() {
  Status started;
  if (found_.has_current) {
    started = co_await TakeOver();
  } else if (found_.commits.empty()) {
    started = co_await WriteRecord(env_.files->NewFileNumber());
  }
  if (started.ok()) started = co_await RemoveManifest();
  if (!started.ok()) co_return Poison(std::move(started));
  found_ = FooterScan();
  open_ = true;
  co_return Status();
}

// The state out of the newest commit, its base, and what the tables that they list say.
Task<Status> FootersCatalog::Load() {
  LSMLAB_CO_TRY(ListLive());
  const FoundCommit& newest = found_.commits.rbegin()->second;
  for (const auto& [file, listed] : live_) {
    const auto found = found_.tables.find(file);
    if (found == found_.tables.end()) {
      co_return Status::Corruption(TablePath(file) + ": commit " + std::to_string(number_) +
                                   " in table " + std::to_string(newest.file) +
                                   " lists this table, but it is missing");
    }
    TableEntry entry;
    LSMLAB_CO_TRY(Place(listed, found->second, &entry));
    state_.tables.push_back(std::move(entry));
  }
  Status applied = ApplyEdit(newest.commit.numbers, &state_);
  if (!applied.ok()) co_return applied;
  co_return co_await ReadValueFiles();
}

Status FootersCatalog::ListLive() {
  const auto& [number, newest] = *found_.commits.rbegin();
  const CommitMark& commit = newest.commit;
  number_ = number;
  const auto base = found_.commits.find(commit.base == 0 ? number : commit.base);
  if (base == found_.commits.end() || base->second.commit.base != 0) {
    return Status::Corruption(TablePath(newest.file) + ": commit " + std::to_string(number) +
                              " builds on commit " + std::to_string(commit.base) +
                              ", expected a table that carries it, found none");
  }
  base_ = base->first;
  base_file_ = base->second.file;
  for (const ListedTable& table : base->second.commit.tables) {
    live_[table.file] = table;
    base_tables_.insert(table.file);
  }
  if (base_ != number) {
    for (const uint64_t file : commit.removed) {
      live_.erase(file);
      removed_.insert(file);
    }
    for (const ListedTable& table : commit.tables) {
      live_[table.file] = table;
      changed_.insert(table.file);
    }
    FooterMark mark;
    mark.commit = commit;
    mark_bytes_ = EncodeFooterMark(mark, seed_).size();
  }
  for (const auto& [at, found] : found_.commits) {
    if (found.commit.base == 0) records_.push_back(found.file);
  }
  return {};
}

Status FootersCatalog::Place(const ListedTable& listed, const FoundTable& found,
                             TableEntry* entry) const {
  *entry = found.entry;
  const bool foreign = listed.form == ListedTable::Form::kForeign;
  if (foreign ? !(entry->id == listed.id) : !found.output.has_value()) {
    return Status::Corruption(TablePath(listed.file) +
                              (foreign ? ": expected the table that commit "
                                       : ": expected a table with a mark, as commit ") +
                              std::to_string(number_) + " lists it, found another");
  }
  entry->run = foreign ? listed.run : found.output->run;
  entry->values = foreign ? listed.values : found.output->values;
  if (listed.form != ListedTable::Form::kOutput) {
    entry->level = listed.level;
    entry->run = listed.run;
  }
  return {};
}

// Those that tables refer to.
Task<Status> FootersCatalog::ReadValueFiles() {
  std::map<uint64_t, uint32_t> trees;
  for (const TableEntry& table : state_.tables) {
    for (const ValueFileUse& use : table.values) trees[use.file] = table.tree;
  }
  for (const auto& [file, tree] : trees) {
    Result<ValueFileEntry> entry = co_await env_.files->ReadValueFile(file);
    if (!entry.ok()) co_return entry.status();
    entry->tree = tree;
    state_.value_files.push_back(entry.value());
  }
  co_return Status();
}

// The state that `manifest` has kept here.
Task<Status> FootersCatalog::LoadManifest(bool read_only) {
  const std::unique_ptr<Catalog> manifest =
      kManifestCatalog.make(DefaultSettings(kManifestCatalog.settings), env_);
  // Which makes its last edits durable before anything is built on them.
  Result<CatalogState> state = co_await manifest->Open(false, read_only);
  if (!state.ok()) co_return state.status();
  state_ = std::move(state).value();
  co_return Status();
}

// Makes the shard that `manifest` has kept this catalog's.
Task<Status> FootersCatalog::TakeOver() {
  const std::vector<uint64_t> all = std::move(found_.files);
  found_.files.clear();
  for (const TableEntry& entry : state_.tables) {
    found_.files.push_back(entry.file);
    ListedTable& listed = live_[entry.file];
    listed.file = entry.file;
    listed.form = ListedTable::Form::kForeign;
    listed.level = entry.level;
    listed.run = entry.run;
    listed.id = entry.id;
    listed.values = entry.values;
    if (!entry.sequence_override) continue;
    co_return Status::NotSupported(TablePath(entry.file) +
                                   ": catalog footers takes no ingested tables");
  }
  // Before anything is changed: a record must be able to hold all that.
  FooterMark record;
  record.commit = NextRecord();
  Result<std::string> fits = Encode(record);
  if (!fits.ok()) co_return fits.status();
  // Marks of an earlier time say nothing, but new ones must be newer, also than those of tables
  // that are gone, as a power loss may bring their names back. Each commit used up a file number.
  LSMLAB_CO_TRY(co_await found_.ReadTables(env_, seed_));
  number_ = state_.next_file;
  if (!found_.commits.empty()) number_ = std::max(number_, found_.commits.rbegin()->first);
  // Orphans may be unfinished here, which rule 1 excludes from now on.
  for (const uint64_t file : all) {
    if (live_.count(file) > 0) continue;
    LSMLAB_CO_TRY(co_await UnlinkFile(*env_.io, IoSite::kCatalog, TablePath(file)));
  }
  LSMLAB_CO_TRY(co_await SyncNamesIn(env_.names, *env_.io, IoSite::kCatalog, env_.directory));
  LSMLAB_CO_TRY(co_await WriteRecord(env_.files->NewFileNumber()));
  LSMLAB_CO_TRY(co_await UnlinkFile(*env_.io, IoSite::kCatalog, PathOf(kCurrentName)));
  co_return co_await SyncNamesIn(env_.names, *env_.io, IoSite::kCatalog, env_.directory);
}

// What no CURRENT names.
Task<Status> FootersCatalog::RemoveManifest() {
  for (const std::string& name : found_.manifests) {
    LSMLAB_CO_TRY(co_await UnlinkFile(*env_.io, IoSite::kCatalog, PathOf(name)));
  }
  found_.manifests.clear();
  co_return Status();
}

std::string FootersCatalog::TableMark(uint64_t, const TableEntry& entry) {
  FooterMark mark;
  mark.output = OutputMarkOf(entry);
  return EncodeFooterMark(mark, seed_);
}

Task<Status> FootersCatalog::Commit(uint64_t, const VersionEdit& edit, LastOutput* last) {
  LSMLAB_CO_TRY(Status(poison_));
  if (!open_) co_return Status::Aborted(env_.directory + ": the catalog is not open");
  Status status = co_await TryCommit(edit, last);
  if (!status.ok()) co_return Poison(std::move(status));
  co_return Status();
}

Task<Status> FootersCatalog::TryCommit(const VersionEdit& edit, LastOutput* last) {
  LSMLAB_CO_TRY(CheckEdit(edit, state_));
  for (const TableEntry& table : edit.added) {
    if (!table.sequence_override) continue;
    co_return Status::NotSupported(TablePath(table.file) +
                                   ": catalog footers takes no ingested tables");
  }
  if (last != nullptr && mark_bytes_ > mark_size_) {
    LSMLAB_CO_TRY(co_await WriteRecord(env_.files->NewFileNumber()));
  }
  Follow(edit);
  LSMLAB_CO_TRY(ApplyEdit(edit, &state_));
  if (last != nullptr) co_return co_await FinishLast(last);
  co_return co_await WriteRecord(env_.files->NewFileNumber());
}

// Brings the lists up to date. REQUIRES: the edit fits the state before it.
void FootersCatalog::Follow(const VersionEdit& edit) {
  std::map<uint64_t, ListedTable> moved;
  for (const RemovedTable& table : edit.removed) {
    const auto live = live_.find(table.file);
    moved.insert(live_.extract(live));
    changed_.erase(table.file);
    if (base_tables_.count(table.file) > 0) removed_.insert(table.file);
  }
  for (const TableEntry& table : edit.added) {
    ListedTable& listed = live_[table.file];
    const auto before = moved.find(table.file);
    if (before != moved.end()) {
      listed = before->second;
      if (listed.form == ListedTable::Form::kOutput) listed.form = ListedTable::Form::kMoved;
    }
    listed.file = table.file;
    listed.level = table.level;
    listed.run = table.run;
    changed_.insert(table.file);
    removed_.erase(table.file);
  }
}

// Number, base and what names no table.
CommitMark FootersCatalog::BeginCommit(uint64_t base) const {
  CommitMark commit;
  commit.number = number_ + 1;
  commit.base = base;
  VersionEdit& numbers = commit.numbers;
  numbers.log_number = state_.log_number;
  numbers.last_sequence = state_.last_sequence;
  numbers.next_file = state_.next_file;
  if (state_.closed_log != 0) {
    numbers.closed_log = state_.closed_log;
    numbers.closed_log_bytes = state_.closed_log_bytes;
  }
  if (!state_.policy_state.empty()) numbers.policy_state = state_.policy_state;
  return commit;
}

CommitMark FootersCatalog::NextRecord() const {
  CommitMark commit = BeginCommit(0);
  for (const auto& [file, table] : live_) commit.tables.push_back(table);
  return commit;
}

CommitMark FootersCatalog::NextCommit() const {
  CommitMark commit = BeginCommit(base_);
  for (const uint64_t file : changed_) commit.tables.push_back(live_.at(file));
  commit.removed.assign(removed_.begin(), removed_.end());
  return commit;
}

Result<std::string> FootersCatalog::Encode(const FooterMark& mark) const {
  std::string bytes = EncodeFooterMark(mark, seed_);
  if (bytes.size() <= kMaxEditBytes) return bytes;
  return Status::InvalidArgument(env_.directory + ": catalog footers: expected a mark of at most " +
                                 std::to_string(kMaxEditBytes) + " bytes, found " +
                                 std::to_string(bytes.size()));
}

Task<Status> FootersCatalog::WriteRecord(uint64_t file) {
  state_.next_file = std::max(state_.next_file, file + 1);
  FooterMark mark;
  mark.commit = NextRecord();
  Result<std::string> bytes = Encode(mark);
  if (!bytes.ok()) co_return bytes.status();
  Result<uint64_t> written = co_await env_.files->WriteEmptyTable(file, std::move(bytes).value());
  if (written.ok()) bytes_written_ += written.value();
  LSMLAB_CO_TRY(co_await MakeDurable(file, written.status()));
  base_ = number_;
  base_file_ = file;
  base_tables_.clear();
  for (const auto& [table, listed] : live_) base_tables_.insert(base_tables_.end(), table);
  changed_.clear();
  removed_.clear();
  mark_bytes_ = 0;
  records_.push_back(file);
  co_await RemoveOldRecords();
  co_return Status();
}

Task<Status> FootersCatalog::FinishLast(LastOutput* last) {
  FooterMark mark;
  mark.output = OutputMarkOf(last->entry());
  mark.commit = NextCommit();
  Result<std::string> bytes = Encode(mark);
  if (!bytes.ok()) co_return bytes.status();
  mark_bytes_ = bytes.value().size();
  Status finished = co_await last->Finish(std::move(bytes).value());
  co_return co_await MakeDurable(last->entry().file, std::move(finished));
}

// `written`: what came of writing and naming the table with the next commit's mark.
Task<Status> FootersCatalog::MakeDurable(uint64_t file, Status written) {
  if (written.ok()) {
    written = co_await SyncNamesIn(env_.names, *env_.io, IoSite::kCatalog, env_.directory);
  }
  if (!written.ok()) {
    Status ignored = co_await UnlinkFile(*env_.io, IoSite::kCatalog, TablePath(file));
    (void)ignored;
    co_return written;
  }
  ++number_;
  co_return Status();
}

// One that cannot be removed now is tried again later, or swept at the next open.
Task<void> FootersCatalog::RemoveOldRecords() {
  std::vector<uint64_t> left;
  for (const uint64_t file : records_) {
    bool keep = file == base_file_;
    if (!keep) {
      const Status removed = co_await UnlinkFile(*env_.io, IoSite::kCatalog, TablePath(file));
      keep = !removed.ok() && !removed.IsNotFound();
    }
    if (keep) left.push_back(file);
  }
  records_ = std::move(left);
}

bool FootersCatalog::OwnsFile(std::string_view name) const {
  return name == NumberedFileName("", base_file_, ".sst");
}

Task<Status> FootersCatalog::Close() {
  LSMLAB_CO_TRY(Status(poison_));
  open_ = false;
  co_return Status();
}

std::unique_ptr<Catalog> MakeFooters(const SettingBag& bag, const CatalogEnvironment& environment) {
  return std::make_unique<FootersCatalog>(environment, bag.Bytes("mark_size"));
}

}  // namespace

const CatalogVariant kFootersCatalog = {
    .name = "footers",
    .summary = "no manifest: tables say where they stand, a job's last one commits it",
    .settings = kFootersSettings,
    .make = MakeFooters,
};

}  // namespace lsmlab
