#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>

#include <chrono>
#include <climits>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "engine/base/clock.h"
#include "engine/base/real_text.h"
#include "harness/peers/config_view.h"

// RocksDB as Debian packages it. What it shares with a composition of ours is derived from the same
// settings (config_view.h); the rest is RocksDB's default unless peers.rocksdb.* says otherwise.
namespace lsmlab::harness {
namespace {

constexpr SettingSpec kSettings[] = {
    {"statistics", SettingType::kBool, "false", 0, 0, "",
     "count cache and filter figures (costs RocksDB some percent of speed)"},
    {"block_size", SettingType::kBytes, "0B", 0, 1 << 20, "", "0: engine.table.block.size"},
    {"cache", SettingType::kChoice, "lru", 0, 0, "lru|hyper-clock", "kind of block cache"},
    {"filter", SettingType::kChoice, "bloom", 0, 0, "bloom|ribbon", "kind of full filter"},
    {"data_block_index", SettingType::kChoice, "binary", 0, 0, "binary|binary-and-hash",
     "search inside a data block"},
    {"level_sizes", SettingType::kChoice, "static", 0, 0, "static|dynamic",
     "level_compaction_dynamic_level_bytes"},
    {"pipelined_write", SettingType::kBool, "false", 0, 0, "", "enable_pipelined_write"},
    {"concurrent_memtable_write", SettingType::kBool, "true", 0, 0, "",
     "allow_concurrent_memtable_write"},
    {"subcompactions", SettingType::kInteger, "1", 1, 64, "", "max_subcompactions"},
    {"background_jobs", SettingType::kInteger, "0", 0, 64, "",
     "max_background_jobs; 0: engine.executor.background"},
    {"memtable_filter", SettingType::kReal, "0", 0, 0.25, "",
     "memtable_prefix_bloom_size_ratio over whole keys; 0: none"},
    {"readahead", SettingType::kBytes, "0B", 0, 64 << 20, "",
     "compaction_readahead_size; 0: 2 MiB where files are written past the page cache (it would "
     "read "
     "its inputs back block by block), else RocksDB's default"},
    {"fallocate", SettingType::kBool, "true", 0, 0, "", "allow_fallocate"},
    {"bytes_per_sync", SettingType::kBytes, "0B", 0, 64 << 20, "",
     "of table files; 0: never early"},
    {"cache_filled_by", SettingType::kChoice, "reads", 0, 0, "reads|flushes",
     "prepopulate_block_cache"},
    {"recycle_logs", SettingType::kInteger, "0", 0, 64, "",
     "recycle_log_file_num: log files kept to be written again"},
    {"verify_checksums", SettingType::kBool, "true", 0, 0, "", "on block reads from the device"},
};

// What RocksDB itself takes for direct reads, and its tuning guide for files not in the page cache.
constexpr size_t kDirectReadahead = 2u << 20;

Status FromRocks(const rocksdb::Status& s) {
  if (s.ok()) return {};
  const std::string message = "rocksdb: " + s.ToString();
  if (s.IsCorruption()) return Status::Corruption(message);
  if (s.IsNoSpace()) return Status::NoSpace(message);
  if (s.IsInvalidArgument()) return Status::InvalidArgument(message);
  return Status::IoError(message);
}

const char* CauseName(rocksdb::CompactionReason reason) {
  switch (reason) {
    case rocksdb::CompactionReason::kLevelL0FilesNum:
      return "l0 count";
    case rocksdb::CompactionReason::kLevelMaxLevelSize:
      return "level size";
    default:
      return "other";
  }
}

// Counts and keeps what RocksDB does in the background. Called on its threads. What would mean
// something else than our counter of that name is left out: RocksDB tells when it begins and ends
// to slow writes down, which makes events, but not how many it has slowed, nor for how long these
// waited. A stall is a time in which no write would have gone on.
class Watcher final : public rocksdb::EventListener {
 public:
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo& info) override {
    const std::lock_guard lock(mutex_);
    flushes_[info.job_id].begin_ns = NowNanos();
  }
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) override {
    const std::lock_guard lock(mutex_);
    const int64_t now = NowNanos();
    const Flush flush = flushes_[info.job_id];
    const rocksdb::TableProperties& table = info.table_properties;
    events_.push_back({"flush", "", flush.begin_ns == 0 ? now : flush.begin_ns, now,
                       table.raw_key_size + table.raw_value_size, flush.bytes, 0});
    flushes_.erase(info.job_id);
    counters_["flushes"] += 1;
  }
  // Comes before the completion of its flush, and alone tells the size of the whole file.
  void OnTableFileCreated(const rocksdb::TableFileCreationInfo& info) override {
    if (info.reason != rocksdb::TableFileCreationReason::kFlush) return;
    const std::lock_guard lock(mutex_);
    flushes_[info.job_id].bytes += info.file_size;
    counters_["flush_bytes"] += static_cast<double>(info.file_size);
  }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& info) override {
    const std::lock_guard lock(mutex_);
    const int64_t now = NowNanos();
    const auto& stats = info.stats;
    events_.push_back({"compaction", CauseName(info.compaction_reason),
                       now - static_cast<int64_t>(stats.elapsed_micros) * 1000, now,
                       stats.total_input_bytes, stats.total_output_bytes,
                       static_cast<uint32_t>(std::max(info.output_level, 0))});
    // A move is reported as a compaction that has written nothing.
    counters_[stats.total_output_bytes == 0 ? "trivial_moves" : "compactions"] += 1;
    counters_["compaction_bytes_read"] += static_cast<double>(stats.total_input_bytes);
    counters_["compaction_bytes_written"] += static_cast<double>(stats.total_output_bytes);
  }
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override {
    const std::lock_guard lock(mutex_);
    const int64_t now = NowNanos();
    const auto kind = info.condition.prev;
    if (kind != rocksdb::WriteStallCondition::kNormal && stall_begin_ != 0) {
      const bool stopped = kind == rocksdb::WriteStallCondition::kStopped;
      events_.push_back({stopped ? "stall" : "slowdown", "", stall_begin_, now, 0, 0, 0});
      if (stopped) {
        counters_["stalls"] += 1;
        counters_["stall_ns"] += static_cast<double>(now - stall_begin_);
      }
    }
    stall_begin_ = info.condition.cur == rocksdb::WriteStallCondition::kNormal ? 0 : now;
  }

  CounterMap Counters() {
    const std::lock_guard lock(mutex_);
    return counters_;
  }
  std::vector<EngineEvent> TakeEvents() {
    const std::lock_guard lock(mutex_);
    return std::move(events_);
  }

 private:
  struct Flush {
    int64_t begin_ns = 0;
    uint64_t bytes = 0;
  };
  std::mutex mutex_;
  std::map<int, Flush> flushes_;  // under way, by job
  int64_t stall_begin_ = 0;
  std::vector<EngineEvent> events_;
  CounterMap counters_ = {{"flushes", 0},
                          {"flush_bytes", 0},
                          {"compactions", 0},
                          {"compaction_bytes_read", 0},
                          {"compaction_bytes_written", 0},
                          {"stalls", 0},
                          {"stall_ns", 0}};
};

rocksdb::CompressionType CodecType(const std::string& name) {
  if (name == "lz4") return rocksdb::kLZ4Compression;
  if (name == "zstd") return rocksdb::kZSTD;
  return rocksdb::kNoCompression;
}

void SetCodecs(const SharedConditions& shared, rocksdb::Options* options) {
  options->compression_per_level.clear();
  for (int level = 0; level < options->num_levels; ++level) {
    const size_t entry = std::min<size_t>(level, shared.codec_per_level.size() - 1);
    options->compression_per_level.push_back(CodecType(shared.codec_per_level[entry]));
  }
  // By the level's number alone, as ours, also while there are fewer levels than codecs.
  options->bottommost_compression = rocksdb::kDisableCompressionOption;
  options->compression_opts.level = shared.zstd_level;
  // Samples as our tables take them.
  const uint64_t samples = std::min<uint64_t>(100 * shared.dictionary_bytes, 4u << 20);
  options->compression_opts.max_dict_bytes = static_cast<uint32_t>(shared.dictionary_bytes);
  options->compression_opts.zstd_max_train_bytes = static_cast<uint32_t>(samples);
  options->compression_opts.max_dict_buffer_bytes = samples;
}

std::shared_ptr<rocksdb::Cache> MakeCache(const SharedConditions& shared, const SettingBag& own) {
  if (shared.cache_bytes == 0) return nullptr;
  if (own.Choice("cache") == "hyper-clock") {
    return rocksdb::HyperClockCacheOptions(shared.cache_bytes, shared.block_bytes)
        .MakeSharedCache();
  }
  return rocksdb::NewLRUCache(shared.cache_bytes);
}

// It can align only blocks that are stored as they are.
bool AlignsBlocks(const SharedConditions& shared) {
  const std::vector<std::string>& codecs = shared.codec_per_level;
  return shared.page_blocks &&
         std::all_of(codecs.begin(), codecs.end(), [](const auto& c) { return c == "none"; });
}

// One figure for all levels: that of the first.
double FirstFilterBits(const SharedConditions& shared) {
  return shared.filter_bits_per_key.empty() ? 0 : shared.filter_bits_per_key.front();
}

rocksdb::BlockBasedTableOptions TableOptions(const SharedConditions& shared, const SettingBag& own,
                                             const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_size = own.Bytes("block_size") != 0 ? own.Bytes("block_size") : shared.block_bytes;
  table.block_restart_interval = shared.restart_interval;
  table.block_cache = cache;
  table.no_block_cache = cache == nullptr;
  table.block_align = AlignsBlocks(shared);
  table.cache_index_and_filter_blocks = false;  // held in memory for as long as the table is open
  if (const double bits = FirstFilterBits(shared); bits > 0) {
    table.filter_policy.reset(own.Choice("filter") == "ribbon"
                                  ? rocksdb::NewRibbonFilterPolicy(bits)
                                  : rocksdb::NewBloomFilterPolicy(bits));
  }
  if (own.Choice("data_block_index") == "binary-and-hash") {
    table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  }
  if (own.Choice("cache_filled_by") == "flushes") {
    table.prepopulate_block_cache =
        rocksdb::BlockBasedTableOptions::PrepopulateBlockCache::kFlushOnly;
  }
  return table;
}

void SetLevels(const SharedConditions& shared, rocksdb::Options* options) {
  options->write_buffer_size = shared.memtable_bytes;
  options->max_write_buffer_number = shared.waiting_memtables + 1;
  options->target_file_size_base = shared.file_bytes;
  options->max_bytes_for_level_base = shared.level1_bytes;
  options->max_bytes_for_level_multiplier = shared.size_ratio;
  options->level0_file_num_compaction_trigger = shared.l0_trigger;
  options->level0_slowdown_writes_trigger = shared.l0_slowdown;
  options->level0_stop_writes_trigger = shared.l0_stop;
  if (shared.compacts) return;
  // What no compaction will ever do must not be owed either: Drain would wait for it.
  options->disable_auto_compactions = true;
  options->level0_file_num_compaction_trigger = INT_MAX;
  options->level0_slowdown_writes_trigger = INT_MAX;
  options->level0_stop_writes_trigger = INT_MAX;
}

void SetOwn(const SharedConditions& shared, const SettingBag& own, rocksdb::Options* options) {
  const auto jobs = static_cast<int>(own.Integer("background_jobs"));
  options->max_background_jobs = jobs != 0 ? jobs : shared.background_threads;
  options->max_subcompactions = static_cast<uint32_t>(own.Integer("subcompactions"));
  options->level_compaction_dynamic_level_bytes = own.Choice("level_sizes") == "dynamic";
  options->enable_pipelined_write = own.Bool("pipelined_write");
  options->allow_concurrent_memtable_write = own.Bool("concurrent_memtable_write");
  options->memtable_prefix_bloom_size_ratio = own.Real("memtable_filter");
  options->memtable_whole_key_filtering = own.Real("memtable_filter") > 0;
  options->compaction_readahead_size = own.Bytes("readahead");
  if (options->compaction_readahead_size == 0 && shared.direct != "none") {
    options->compaction_readahead_size = kDirectReadahead;
  }
  options->recycle_log_file_num = static_cast<size_t>(own.Integer("recycle_logs"));
  options->allow_fallocate = own.Bool("fallocate");
  options->bytes_per_sync = own.Bytes("bytes_per_sync");
  if (own.Bool("statistics")) {
    options->statistics = rocksdb::CreateDBStatistics();
    options->statistics->set_stats_level(rocksdb::StatsLevel::kExceptTimers);
  }
}

rocksdb::Options MakeOptions(const SharedConditions& shared, const SettingBag& own,
                             const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::Options options;
  SetLevels(shared, &options);
  SetCodecs(shared, &options);
  SetOwn(shared, own, &options);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableOptions(shared, own, cache)));
  options.use_direct_io_for_flush_and_compaction = shared.direct != "none";
  options.use_direct_reads = shared.direct == "all";
  options.manual_wal_flush = false;
  options.max_open_files = -1;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log_level = rocksdb::WARN_LEVEL;
  return options;
}

class RocksdbSession final : public StoreSession {
 public:
  RocksdbSession(rocksdb::DB& db, const rocksdb::WriteOptions& write,
                 const rocksdb::ReadOptions& read)
      : db_(db), write_(write), read_(read) {}

  Outcome Get(Slice key, Slice* value) override {
    value_.Reset();
    const rocksdb::Status s = db_.Get(read_, db_.DefaultColumnFamily(), Rocks(key), &value_);
    if (s.ok()) {
      *value = Slice(value_.data(), value_.size());
      return Outcome::kDone;
    }
    return s.IsNotFound() ? Outcome::kNotFound : Fail(FromRocks(s));
  }
  Outcome Put(Slice key, Slice value) override {
    return Report(db_.Put(write_, Rocks(key), Rocks(value)));
  }
  Outcome Delete(Slice key) override { return Report(db_.Delete(write_, Rocks(key))); }

  Outcome Scan(Slice key, Slice end, uint64_t count, uint64_t* sum) override {
    const rocksdb::Slice bound = Rocks(end);
    read_.iterate_upper_bound = end.empty() ? nullptr : &bound;
    const std::unique_ptr<rocksdb::Iterator> it(db_.NewIterator(read_));
    it->Seek(Rocks(key));
    const bool begins_at_key = it->Valid() && Ours(it->key()) == key;
    for (uint64_t seen = 0; it->Valid(); it->Next()) {
      *sum += TouchBytes(Ours(it->key())) + TouchBytes(Ours(it->value()));
      if (++seen == count) break;
    }
    if (!it->status().ok()) return Fail(FromRocks(it->status()));
    return begins_at_key ? Outcome::kDone : Outcome::kNotFound;
  }

 private:
  static rocksdb::Slice Rocks(Slice s) { return {s.data(), s.size()}; }
  static Slice Ours(const rocksdb::Slice& s) { return {s.data(), s.size()}; }
  Outcome Report(const rocksdb::Status& s) { return s.ok() ? Outcome::kDone : Fail(FromRocks(s)); }

  rocksdb::DB& db_;
  const rocksdb::WriteOptions write_;
  rocksdb::ReadOptions read_;
  rocksdb::PinnableSlice value_;
};

class RocksdbAdapter final : public StoreAdapter {
 public:
  RocksdbAdapter(std::unique_ptr<rocksdb::DB> db, std::shared_ptr<Watcher> watcher,
                 std::shared_ptr<rocksdb::Cache> cache,
                 std::shared_ptr<rocksdb::Statistics> statistics, rocksdb::WriteOptions write,
                 rocksdb::ReadOptions read)
      : watcher_(std::move(watcher)),
        cache_(std::move(cache)),
        statistics_(std::move(statistics)),
        write_(write),
        read_(read),
        db_(std::move(db)) {}

  std::unique_ptr<StoreSession> NewSession() override {
    return std::make_unique<RocksdbSession>(*db_, write_, read_);
  }

  Status Drain() override {
    LSMLAB_TRY(FromRocks(db_->Flush(rocksdb::FlushOptions())));
    // Idle twice in a row: between a job's end and the choice of the next nothing is shown as owed.
    for (int idle = 0; idle < 2;) {
      // After such an error it works no more and owes what it owes for ever.
      if (Property(rocksdb::DB::Properties::kBackgroundErrors) != 0) {
        return Status::IoError(
            "rocksdb: its background work has failed, see the LOG file in its folder");
      }
      idle = Owes() ? 0 : idle + 1;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return {};
  }

  Status CompactAll() override {
    return FromRocks(db_->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr));
  }
  CounterMap Counters() override {
    CounterMap counters = watcher_->Counters();
    if (statistics_ != nullptr) AddTickers(counters);
    return counters;
  }
  CounterMap Gauges() override {
    CounterMap gauges = {
        {"table_bytes", Property(rocksdb::DB::Properties::kLiveSstFilesSize)},
        {"memtable_bytes", Property(rocksdb::DB::Properties::kSizeAllMemTables)},
        {"pinned_bytes", Property(rocksdb::DB::Properties::kEstimateTableReadersMem)}};
    if (cache_ != nullptr) gauges["cache_bytes"] = static_cast<double>(cache_->GetUsage());
    return gauges;
  }
  std::vector<EngineEvent> TakeEvents() override { return watcher_->TakeEvents(); }

  std::vector<LevelState> Levels() override {
    rocksdb::ColumnFamilyMetaData meta;
    db_->GetColumnFamilyMetaData(&meta);
    std::vector<LevelState> levels;
    for (const rocksdb::LevelMetaData& level : meta.levels) {
      const uint64_t tables = level.files.size();
      const uint64_t runs = level.level == 0 ? tables : (tables != 0 ? 1 : 0);
      levels.push_back({static_cast<uint32_t>(level.level), tables, level.size, runs});
    }
    return levels;
  }
  Status Close() override { return FromRocks(db_->Close()); }

 private:
  double Property(const std::string& name) const {
    uint64_t value = 0;
    db_->GetIntProperty(name, &value);
    return static_cast<double>(value);
  }
  bool Owes() const {
    using P = rocksdb::DB::Properties;
    for (const std::string& name : {P::kMemTableFlushPending, P::kNumRunningFlushes,
                                    P::kCompactionPending, P::kNumRunningCompactions}) {
      if (Property(name) != 0) return true;
    }
    return false;
  }
  // Not among them, as RocksDB counts something else: `fsyncs`, of all files (it has those of the
  // log), and `user_bytes_written` (it has the bytes of its batches).
  void AddTickers(CounterMap& c) const {
    const auto ticker = [&](uint32_t t) {
      return static_cast<double>(statistics_->getTickerCount(t));
    };
    const double negatives = ticker(rocksdb::BLOOM_FILTER_USEFUL);
    const double positives = ticker(rocksdb::BLOOM_FILTER_FULL_POSITIVE);
    c["filter_probes"] = negatives + positives;
    c["filter_negatives"] = negatives;
    c["filter_false_positives"] = positives - ticker(rocksdb::BLOOM_FILTER_FULL_TRUE_POSITIVE);
    if (cache_ != nullptr) {  // else nothing is counted, which would read as no read at all
      c["cache_hits"] = ticker(rocksdb::BLOCK_CACHE_DATA_HIT);
      c["cache_misses"] = ticker(rocksdb::BLOCK_CACHE_DATA_MISS);
      c["block_reads"] = ticker(rocksdb::BLOCK_CACHE_DATA_MISS);
    }
    c["memtable_hits"] = ticker(rocksdb::MEMTABLE_HIT);
    c["gets"] = ticker(rocksdb::NUMBER_KEYS_READ);
    c["seeks"] = ticker(rocksdb::NUMBER_DB_SEEK);
    c["nexts"] = ticker(rocksdb::NUMBER_DB_NEXT);
    c["wal_bytes"] = ticker(rocksdb::WAL_FILE_BYTES);
    c["wal_syncs"] = ticker(rocksdb::WAL_FILE_SYNCED);
    c["operations_written"] = ticker(rocksdb::NUMBER_KEYS_WRITTEN);
  }

  std::shared_ptr<Watcher> watcher_;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::shared_ptr<rocksdb::Statistics> statistics_;
  const rocksdb::WriteOptions write_;
  const rocksdb::ReadOptions read_;
  std::unique_ptr<rocksdb::DB> db_;  // destroyed first: its threads use the rest
};

// RocksDB would make itself at home in any directory: a foreign one is refused before.
Status CheckDirectory(const OpenRequest& request) {
  namespace fs = std::filesystem;
  std::error_code error;
  const bool is_store = fs::exists(fs::path(request.path) / "CURRENT", error);
  if (!request.create && !is_store) {
    return Status::NotFound(request.path + ": not a RocksDB store (it has no file CURRENT)");
  }
  const bool empty = !fs::exists(request.path, error) || fs::is_empty(request.path, error);
  if (request.create && !empty) {
    return Status::InvalidArgument(request.path +
                                   ": not empty; a new store needs an empty or "
                                   "missing directory");
  }
  return {};
}

Result<std::unique_ptr<StoreAdapter>> Open(const OpenRequest& request) {
  LSMLAB_TRY(CheckDirectory(request));
  const SharedConditions shared = ShareConditions(request.setup.composed.composition);
  const SettingBag& own = request.setup.peer;
  const std::shared_ptr<rocksdb::Cache> cache = MakeCache(shared, own);
  rocksdb::Options options = MakeOptions(shared, own, cache);
  const auto watcher = std::make_shared<Watcher>();
  options.listeners.push_back(watcher);
  options.create_if_missing = request.create;
  options.error_if_exists = request.create;
  rocksdb::WriteOptions write;
  write.disableWAL = !shared.log;
  write.sync = shared.log && shared.sync != "none";
  rocksdb::ReadOptions read;
  read.verify_checksums = own.Bool("verify_checksums");
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(options, request.path, &db);
  if (!opened.ok()) return FromRocks(opened);
  return std::unique_ptr<StoreAdapter>(std::make_unique<RocksdbAdapter>(
      std::unique_ptr<rocksdb::DB>(db), watcher, cache, options.statistics, write, read));
}

Refusal Refuses(const EngineSetup& setup) {
  const SharedConditions shared = ShareConditions(setup.composed.composition);
  if (shared.log && shared.sync == "interval") {
    return {"engine.wal.sync",
            "'interval' has no equal in rocksdb; allowed for a comparison with it are none, group "
            "and every"};
  }
  for (const std::string& codec : shared.codec_per_level) {
    if (codec == "none" || codec == "lz4" || codec == "zstd") continue;
    return {"engine.codec.variant", "'" + codec +
                                        "' has no equal in rocksdb; allowed for a "
                                        "comparison with it are none, lz4 and zstd"};
  }
  return {};
}

// Its settings may say otherwise than what both share, and it never has less than a thread for
// flushes and another for compactions, nor writers that do not share a sync.
void AmendConditions(const EngineSetup& setup, uint32_t threads,
                     std::map<std::string, std::string>& conditions) {
  const SettingBag& own = setup.peer;
  if (own.Bytes("block_size") != 0)
    conditions["block_bytes"] = std::to_string(own.Bytes("block_size"));
  const SharedConditions shared = ShareConditions(setup.composed.composition);
  if (!AlignsBlocks(shared)) conditions.erase("block_alignment");
  conditions["filter_bits_per_key"] = RealText(FirstFilterBits(shared));
  const auto jobs = static_cast<int>(own.Integer("background_jobs"));
  std::string workers = std::to_string(std::max(2, jobs != 0 ? jobs : shared.background_threads));
  if (own.Integer("subcompactions") > 1) {
    workers += ", compactions in " + std::to_string(own.Integer("subcompactions"));
  }
  conditions["background_threads"] = workers;
  if (own.Choice("level_sizes") == "dynamic") {
    conditions["compaction"] = "leveled, dynamic level sizes";
  }
  if (own.Choice("cache_filled_by") != "reads") {
    conditions["cache_filled_by"] = "reads, " + own.Choice("cache_filled_by");
  }
  if (!own.Bool("verify_checksums")) conditions["checksums"] = "not verified";
  if (shared.log && shared.sync == "every" && threads > 1) conditions["wal_sync"] = "group";
}

}  // namespace

const EngineInfo kRocksdbEngine = {
    "rocksdb",
    "Debian's librocksdb, configured alike from the same engine.* settings",
    kSettings,
    Open,
    true,
    false,
    AmendConditions,
    Refuses};

}  // namespace lsmlab::harness
