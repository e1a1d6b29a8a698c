#include <algorithm>
#include <map>
#include <tuple>

#include "engine/format/file_name.h"
#include "engine/tree/tree.h"
#include "engine/tree/tree_files.h"

// Opening, recovery, closing of one shard.
namespace lsmlab {
namespace {

// Names tables in block caches: unique in the process, also over several stores.
std::atomic<uint64_t> next_cache_file{1};

// How many numbers a crash can have kept out of the catalog, by far: those of the jobs under way.
constexpr uint64_t kMostUncommitted = 1u << 24;

// Above those of all files and logs of a store with this catalog.
uint64_t NumbersEnd(const CatalogState& state) noexcept {
  return std::min<uint64_t>(state.next_file, UINT32_MAX - kMostUncommitted) + kMostUncommitted;
}

}  // namespace

Tree::Tree(TreeEnvironment environment)
    : env_(std::move(environment)),
      filter_allocation_(env_.composition->filter.settings),
      memtable_bytes_(env_.composition->memtable.settings.Bytes("size")),
      memtable_reserve_(memtable_bytes_),
      ids_(env_.seed) {
  const Composition& c = *env_.composition;
  sealed_max_ = static_cast<size_t>(c.memtable.settings.Integer("max_waiting"));
  memtable_age_ns_ = c.memtable.settings.Nanos("max_age");
  memtable_smallest_ = c.memtable.settings.Bytes("smallest");
  signalled_ = c.compaction.settings.Choice("start") == "signalled";
  may_compact_ = !signalled_;
  const std::string& sync = c.wal.settings.Choice("sync");
  sync_mode_ = sync == "none"       ? SyncMode::kNone
               : sync == "interval" ? SyncMode::kInterval
               : sync == "group"    ? SyncMode::kGroup
                                    : SyncMode::kEvery;
  sync_interval_ns_ = c.wal.settings.Nanos("interval");
  log_is_shared_ = env_.shards != nullptr || sync_mode_ == SyncMode::kInterval;
  if (c.cache.settings.Has("fill_by")) {
    const std::string& fill = c.cache.settings.Choice("fill_by");
    cache_fill_ = fill == "writes"        ? CacheFill::kWrites
                  : fill == "compactions" ? CacheFill::kCompactions
                                          : CacheFill::kReads;
  }
  align_outputs_ = c.table.settings.Choice("output.cut") == "aligned";
  policy_ = c.compaction.variant->make(c.compaction.settings);
  levels_ = policy_->levels();
  // A flush need not wait for one of them to end: compactions step aside at their yield points.
  compactions_max_ = std::max(1, env_.executor->background_threads());
  SetUpTableEnvironment();
  SetUpValues();
}

Tree::~Tree() {
  TreeView* view = view_.exchange(nullptr, std::memory_order_acq_rel);
  if (view != nullptr) view->Unref();
  if (memtable_ != nullptr) memtable_->Unref();
  for (MemtableHandle* handle : sealed_) handle->Unref();
  if (version_ != nullptr) version_->Unref();
}

void Tree::SetUpTableEnvironment() {
  const Composition& c = *env_.composition;
  table_env_.io = env_.io;
  table_env_.cache = env_.cache;
  const std::string& pin = c.cache.settings.Choice("pin");
  table_env_.pins.metadata = pin.starts_with("metadata");
  table_env_.pins.level0_data = pin.ends_with("level0");
  table_env_.pins.level0_metadata = pin.starts_with("level0");
  table_env_.settings = c.table.settings;
  table_env_.filter = c.filter.variant;
  table_env_.filter_settings = c.filter.settings;
  table_env_.filter_by_name = c.filter_by_name;
  std::vector<std::string> names = c.codec.settings.ChoiceList("per_level");
  if (names.empty()) names.emplace_back(c.codec.variant->name);
  for (const std::string& name : names) {
    const CodecVariant* variant = c.codec_by_name(name);
    LSMLAB_ASSERT(variant != nullptr);
    // A level's codec takes the settings of the chosen variant where they are its own.
    const SettingBag settings =
        variant == c.codec.variant ? c.codec.settings : DefaultSettings(variant->settings);
    codecs_.push_back(std::shared_ptr<const Codec>(variant->make(settings)));
    table_env_.codec_id_per_level.push_back(variant->id);
  }
  table_env_.codec_per_level = codecs_;
  table_env_.dictionary_bytes = c.codec.settings.Bytes("dictionary");
  decoders_.resize(256);
  for (int id = 1; id < 256; ++id) {
    const CodecVariant* variant = c.codec_by_id(static_cast<uint8_t>(id));
    if (variant != nullptr) decoders_[id] = variant->make(DefaultSettings(variant->settings));
  }
  table_env_.codec_by_id = [this](uint8_t id) -> const Codec* { return decoders_[id].get(); };
}

std::string Tree::PathOf(std::string_view name) const {
  return std::string(env_.directory).append("/").append(name);
}

Task<Result<TableHandle*>> Tree::OpenTable(TableEntry entry) {
  std::string path = PathOf(NumberedFileName("", entry.file, ".sst"));
  auto file = co_await OpenFile(*env_.io, IoSite::kTableOpen, OpenMode::kRead, path);
  if (!file.ok()) {
    if (!file.status().IsNotFound()) co_return file.status();
    co_return Status::Corruption(path + ": the catalog names this table, but it is missing");
  }
  const uint64_t cache_file = next_cache_file.fetch_add(1, std::memory_order_relaxed);
  auto table = co_await env_.composition->table.variant->open(table_env_, std::move(file).value(),
                                                              cache_file, entry.id);
  if (!table.ok()) co_return table.status();
  LSMLAB_CO_TRY(CheckEntry(entry, table.value()->properties(), path));
  table.value()->SetLevel(entry.level);
  if (const Status damage = table.value()->filter_damage(); !damage.ok()) {
    AddErrorEvent(damage.ToString() + "; the table is read without its filter");
  }
  co_return new TableHandle(std::move(entry), std::move(table).value(), std::move(path), doomed_);
}

Task<Status> Tree::Recover(bool create, std::optional<LogCut> cut) {
  const Composition& c = *env_.composition;
  files_ = std::make_unique<TreeFiles>(*this);
  WalEnvironment wal;
  wal.io = env_.io;
  wal.names = files_.get();
  wal.directory = env_.directory;
  wal.shard = env_.shard;
  wal.store_id = env_.store_id;
  wal.memtable_bytes = memtable_bytes_;
  wal.read_only = env_.read_only;
  wal_ = c.wal.variant->make(c.wal.settings, wal);
  if (env_.executor->loops() > 0 && wal_->keeps_records() && sync_mode_ != SyncMode::kEvery) {
    // Time has no part in a run that is drawn by a seed.
    const bool waits = sync_mode_ == SyncMode::kGroup && !env_.executor->one_caller();
    gathers_ = waits ? Gathers::kCompany : Gathers::kTurn;
  }
  CatalogEnvironment catalog;
  catalog.io = env_.io;
  catalog.names = files_.get();
  catalog.files = files_.get();
  catalog.directory = env_.directory;
  catalog.shard = env_.shard;
  catalog.store_id = env_.store_id;
  catalog_ = c.catalog.variant->make(c.catalog.settings, catalog);

  auto state = co_await catalog_->Open(create, env_.read_only);
  if (!state.ok()) co_return state.status();
  policy_state_ = state->policy_state;
  next_file_.store(state->next_file, std::memory_order_relaxed);
  auto listing = co_await ListDirectory(*env_.io, IoSite::kRecovery, env_.directory);
  if (!listing.ok()) co_return listing.status();
  // Numbers that a crash kept out of the catalog are never used again.
  uint64_t next = state->next_file;
  for (const DirEntry& entry : listing.value()) {
    const auto table = ParseNumberedFileName("", ".sst", entry.name);
    const auto unfinished = ParseNumberedFileName("", kUnfinishedTable, entry.name);
    const auto values = ParseNumberedFileName("", ".val", entry.name);
    const auto log = ParseNumberedFileName("", ".log", entry.name);
    for (const std::optional<uint64_t>& number : {table, unfinished, values, log}) {
      if (!number.has_value()) continue;
      // Taken up, it would be in the catalog, and that would refuse it in the end.
      if (*number >= NumbersEnd(state.value())) {
        co_return Status::Corruption(PathOf(entry.name) + ": expected a file number below " +
                                     std::to_string(NumbersEnd(state.value())) +
                                     "; no store makes such a file, remove it");
      }
      next = std::max(next, *number + 1);
    }
  }
  next_file_.store(next, std::memory_order_relaxed);
  LSMLAB_CO_TRY(co_await OpenTables(state.value()));
  co_return co_await ReplayLog(state.value(), cut);
}

Task<Status> Tree::Start() {
  if (!env_.read_only) LSMLAB_CO_TRY(co_await catalog_->StartWriting());
  LSMLAB_CO_TRY(co_await TakeOverReplay());
  if (!env_.read_only) LSMLAB_CO_TRY(co_await Sweep());
  {
    std::lock_guard guard(mutex_);
    UpdatePressureLocked();
  }
  MaybeSchedule();
  const int64_t interval = policy_->check_interval_ns();
  if (interval > 0 && !env_.read_only) {
    env_.executor->SpawnAfter(interval, Priority::kFlush, PolicyTick(), *env_.io);
  }
  co_return Status();
}

// Every number that stands for something is given out, and the largest sequence is known: else what
// is written next would be older than what is there, or a log that is needed would be taken for
// one that is in tables.
Status Tree::CheckNumbers(const CatalogState& state) const {
  if (state.next_file > UINT32_MAX) {
    return Status::Corruption(env_.directory + ": the catalog's next file number is " +
                              std::to_string(state.next_file) + ", expected at most 4294967295");
  }
  if (state.log_number >= state.next_file) {
    return Status::Corruption(env_.directory + ": the catalog's oldest log has the number " +
                              std::to_string(state.log_number) + ", expected one below " +
                              std::to_string(state.next_file) + ", the next file's");
  }
  for (const TableEntry& entry : state.tables) {
    const bool later_run = entry.level == 0 && entry.run >= state.next_file;
    if (!later_run && entry.max_sequence <= state.last_sequence) continue;
    return Status::Corruption(PathOf(NumberedFileName("", entry.file, ".sst")) +
                              ": the catalog has it in run " + std::to_string(entry.run) +
                              " of level " + std::to_string(entry.level) + ", with sequences to " +
                              std::to_string(entry.max_sequence) + "; expected runs of level 0 " +
                              "below " + std::to_string(state.next_file) + " and sequences to " +
                              std::to_string(state.last_sequence));
  }
  return Status();
}

// What the catalog says must make a tree: numbers that fit, runs of disjoint tables.
Status Tree::CheckPlaces(const CatalogState& state) const {
  LSMLAB_TRY(CheckNumbers(state));
  std::vector<const TableEntry*> order;
  for (const TableEntry& entry : state.tables) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const TableEntry* a, const TableEntry* b) {
    return std::tie(a->level, a->run, a->smallest_key) <
           std::tie(b->level, b->run, b->smallest_key);
  });
  for (size_t i = 0; i < order.size(); ++i) {
    const TableEntry& entry = *order[i];
    const bool overlaps = i > 0 && order[i - 1]->level == entry.level &&
                          order[i - 1]->run == entry.run &&
                          order[i - 1]->largest_key >= entry.smallest_key;
    if (overlaps || entry.smallest_key > entry.largest_key) {
      return Status::Corruption(PathOf(NumberedFileName("", entry.file, ".sst")) +
                                ": the catalog's key range overlaps its neighbour's in level " +
                                std::to_string(entry.level));
    }
  }
  return Status();
}

Task<Status> Tree::OpenTables(const CatalogState& state) {
  std::vector<PlacedTable> tables;
  std::vector<LiveValueFile> values;
  Status status = CheckPlaces(state);
  if (status.ok()) status = CheckValueFiles(state);
  if (status.ok()) status = co_await OpenFiles(state, &tables, &values);
  if (status.ok()) version_ = new Version(tables, levels_, values);
  for (const PlacedTable& placed : tables) placed.table->Unref();
  for (const LiveValueFile& file : values) file.handle->Unref();
  co_return status;
}

// What was opened before an error is in the lists, too.
Task<Status> Tree::OpenFiles(const CatalogState& state, std::vector<PlacedTable>* tables,
                             std::vector<LiveValueFile>* values) {
  std::map<uint64_t, uint64_t> live;
  for (const TableEntry& entry : state.tables) {
    if (entry.level >= levels_) {
      co_return Status::InvalidArgument(
          PathOf(NumberedFileName("", entry.file, ".sst")) + " is on level " +
          std::to_string(entry.level) + ", but compaction.max_levels is " +
          std::to_string(levels_) + "; open the store with at least " +
          std::to_string(entry.level + 1));
    }
    for (const ValueFileUse& use : entry.values) live[use.file] += use.bytes;
    auto opened = co_await OpenTable(entry);
    if (!opened.ok()) co_return opened.status();
    tables->push_back({opened.value(), entry.level, entry.run});
  }
  for (const ValueFileEntry& entry : state.value_files) {
    auto opened = co_await OpenValueFile(entry);
    if (!opened.ok()) co_return opened.status();
    values->push_back({opened.value(), live[entry.file]});
  }
  co_return Status();
}

// Reads the log into a memtable, as far as it stands on its own.
Task<Status> Tree::ReplayLog(const CatalogState& state, std::optional<LogCut> cut) {
  // Its number is above those of all earlier flushes and logs, and so is its run in level 0.
  const uint64_t recovered_number = next_file_.fetch_add(1, std::memory_order_relaxed);
  memtable_ = new MemtableHandle(env_.composition->memtable, recovered_number);
  replay_ = std::make_unique<LogReplay>(env_.shard, state.log_number, cut, memtable_->memtable());
  published_.store(state.last_sequence, std::memory_order_release);
  WalExpectation expected;
  expected.min_log_number = state.log_number;
  expected.closed_log = state.closed_log;
  expected.closed_bytes = state.closed_log_bytes;
  WalReplayStats stats;
  LSMLAB_CO_TRY(co_await wal_->Recover(expected, *replay_, &stats, &largest_log_));
  if (largest_log_ < NumbersEnd(state)) co_return Status();
  co_return Status::Corruption(env_.directory + ": a log segment has the number " +
                               std::to_string(largest_log_) + ", expected one below " +
                               std::to_string(NumbersEnd(state)) +
                               "; no store makes such a segment");
}

// Writes what was replayed out as tables, and then starts a new segment: nothing that is
// acknowledged later depends on a log whose end was found by guessing. In this order, since a
// segment names what it goes on from, and what was replayed may not be on the disk: see
// Wal::Recover.
Task<Status> Tree::TakeOverReplay() {
  LSMLAB_CO_TRY(replay_->ApplyHeld());
  dense_number_ = replay_->dense_number();
  const Sequence last = std::max(published(), replay_->last_sequence());
  published_.store(last, std::memory_order_release);
  replay_.reset();
  Sequence known = env_.sequence->load(std::memory_order_relaxed);
  while (known < last && !env_.sequence->compare_exchange_weak(known, last)) {
  }
  if (env_.read_only) {
    std::lock_guard guard(mutex_);
    InstallViewLocked();
    co_return Status();
  }
  uint64_t log_number = next_file_.load(std::memory_order_relaxed);
  log_number = std::max(log_number, largest_log_ + 1);
  next_file_.store(log_number + 1, std::memory_order_relaxed);
  LSMLAB_CO_TRY(co_await FlushRecovered(memtable_, log_number));
  co_return co_await wal_->StartSegment(log_number);
}

Task<Status> Tree::FlushRecovered(MemtableHandle* recovered, uint64_t log_number) {
  {
    std::lock_guard guard(mutex_);
    memtable_ = new MemtableHandle(env_.composition->memtable, log_number);
    if (recovered->memtable().entries() > 0) {
      sealed_.push_back(recovered);
      // Until the loop below has written it out no job may take it.
      flush_running_ = true;
    }
    InstallViewLocked();
  }
  if (!flush_running_) {
    recovered->Unref();
    VersionEdit edit;
    edit.log_number = log_number;
    const uint64_t job = catalog_->BeginJob({}, Catalog::JobKind::kOther);
    LSMLAB_CO_TRY(co_await CommitEdit(job, std::move(edit), nullptr, nullptr));
    co_return co_await wal_->Release(log_number);
  }
  Status status = co_await FlushOne(recovered);
  std::lock_guard guard(mutex_);
  flush_running_ = false;
  co_return status;
}

// Removes what a crash left behind: only names of our own patterns, only what the catalog does not
// know.
Task<Status> Tree::Sweep() {
  auto listing = co_await ListDirectory(*env_.io, IoSite::kSweep, env_.directory);
  if (!listing.ok()) co_return listing.status();
  std::vector<std::string> orphans;
  {
    std::lock_guard guard(mutex_);
    for (const DirEntry& entry : listing.value()) {
      if (entry.is_directory) continue;
      const auto table = ParseNumberedFileName("", ".sst", entry.name);
      const auto values = ParseNumberedFileName("", ".val", entry.name);
      const bool live_table =
          table.has_value() && std::any_of(version_->tables().begin(), version_->tables().end(),
                                           [&](const PlacedTable& placed) {
                                             return placed.table->entry().file == *table;
                                           });
      const bool live_values = values.has_value() && version_->FindValueFile(*values) != nullptr;
      const bool unfinished = ParseNumberedFileName("", kUnfinishedTable, entry.name).has_value() ||
                              ParseNumberedFileName("", kLogCopy, entry.name).has_value();
      const bool dead_table = table.has_value() && !live_table && !catalog_->OwnsFile(entry.name);
      if (unfinished || dead_table || (values.has_value() && !live_values)) {
        orphans.push_back(PathOf(entry.name));
      }
    }
  }
  for (std::string& orphan : orphans) {
    LSMLAB_CO_TRY(co_await UnlinkFile(*env_.io, IoSite::kSweep, std::move(orphan)));
  }
  co_return Status();
}

Task<Status> Tree::Close() {
  {
    std::lock_guard guard(mutex_);
    if (version_ == nullptr) co_return Status();
    closing_ = true;
  }
  while (true) {
    const uint64_t ticket = background_event_.Ticket();
    {
      std::lock_guard guard(mutex_);
      if (compactions_running_ == 0 && !flush_running_ && timed_jobs_ == 0) break;
    }
    co_await background_event_.Wait(ticket);
  }
  if (env_.read_only) co_return Status();
  // Files that the last jobs have replaced, so that none is left for the next open to sweep.
  EpochDrain();
  co_await UnlinkDoomed();
  Status status = background_error();
  // What met a full disk may be another file than the log; one that failed refuses by itself.
  if (status.ok() || FailedForSpace()) {
    if (log_is_shared_) co_await wal_lock_.Lock();
    const WalPosition before = wal_->position();
    status = co_await wal_->Close();
    wal_closed_ = status.ok();
    // What other shards still flush may depend on what this log has lost.
    if (!status.ok()) SetBackgroundError(status, Severity::kUntilReopen);
    if (log_is_shared_) wal_lock_.Unlock();
    // Only where an end mark was written: an open that failed half-way has begun no log.
    if (status.ok() && wal_->position().offset > before.offset) {
      VersionEdit edit;
      edit.closed_log = before.log_number;
      edit.closed_log_bytes = wal_->position().offset;
      const uint64_t job = catalog_->BeginJob({}, Catalog::JobKind::kOther);
      status = co_await catalog_->Commit(job, edit, nullptr);
    }
  }
  Status catalog = co_await catalog_->Close();
  if (status.ok()) status = std::move(catalog);
  co_return status;
}

}  // namespace lsmlab
