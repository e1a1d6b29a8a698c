#include "variants/factory_trial.h"

#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "engine/base/arena.h"
#include "engine/composition.h"
#include "engine/format/file_writer.h"
#include "engine/parts/plugin.h"
#include "variants/cache/caches.h"
#include "variants/executor/executors.h"
#include "variants/filter/filters.h"
#include "variants/io/simulated_io.h"

namespace lsmlab {
namespace {

// As a composition root fills a bag: the part's settings and the variant's.
template <typename V>
SettingBag Defaults(const V& row, std::span<const SettingSpec> of_part = {}) {
  SettingBag bag = DefaultSettings(of_part);
  const SettingBag own = DefaultSettings(row.settings);
  for (const auto& [name, value] : own.values()) bag.Set(name, value);
  return bag;
}

// What logs and catalogs are told of their shard. A factory has no use for it yet.
class EmptyShard final : public ShardFiles, public DirectorySyncs {
 public:
  Task<Result<TableFacts>> ReadTable(uint64_t) override { co_return Nothing(); }
  Task<Result<ValueFileEntry>> ReadValueFile(uint64_t) override { co_return Nothing(); }
  uint64_t NewFileNumber() override { return 1; }
  Task<Result<uint64_t>> WriteEmptyTable(uint64_t, std::string) override { co_return Nothing(); }
  Task<Status> SyncNames(IoSite) override { co_return Status(); }

 private:
  static Status Nothing() { return Status::NotFound("an empty shard"); }
};

// The factories of one plugin, each with a place to work in.
class Trial {
 public:
  Trial() {
    const std::shared_ptr<SimDisk> disk = SimDisk::Make();
    disk->MakeDirectories("shard");
    io_ = MakeSimulatedIo(disk, {});
    cache_ = kNoCache.make(DefaultSettings(kNoCache.settings));
  }
  // The one that is being tried, for whoever catches.
  const std::string& what() const noexcept { return what_; }

  void All(const Plugin& plugin) {
    Each("memtable", plugin.memtables, [](const MemtableVariant& row) {
      Arena arena;
      row.make(Defaults(row, part_settings::kMemtable), arena);
    });
    Each("wal", plugin.wals, [this](const WalVariant& row) {
      WalEnvironment environment;
      environment.io = io_.get();
      environment.names = &shard_;
      environment.directory = "shard";
      row.make(Defaults(row, part_settings::kWal), environment);
    });
    Each("table", plugin.tables, [this](const TableVariant& row) { BeginTable(row); });
    Each("filter", plugin.filters, [](const FilterVariant& row) {
      row.make_builder(Defaults(row, part_settings::kFilter), 10, 100);
    });
    Each("codec", plugin.codecs,
         [](const CodecVariant& row) { row.make(Defaults(row, part_settings::kCodec)); });
    Each("cache", plugin.caches,
         [](const CacheVariant& row) { row.make(Defaults(row, part_settings::kCache)); });
    Each("values", plugin.values, [](const ValuesVariant& row) { row.make(Defaults(row)); });
    Each("compaction", plugin.compactions,
         [](const CompactionVariant& row) { row.make(Defaults(row, part_settings::kCompaction)); });
    Each("catalog", plugin.catalogs, [this](const CatalogVariant& row) {
      CatalogEnvironment environment;
      environment.io = io_.get();
      environment.names = &shard_;
      environment.files = &shard_;
      environment.directory = "shard";
      row.make(Defaults(row), environment);
    });
    // That a machine lacks what an I/O part needs is a Status, for the run to report.
    Each("io", plugin.ios, [](const IoVariant& row) { (void)row.make(Defaults(row)).ok(); });
    Each("executor", plugin.executors, [](const ExecutorVariant& row) { row.make(Defaults(row)); });
    Each("partitioner", plugin.partitioners,
         [](const PartitionerVariant& row) { row.make(Defaults(row)); });
  }

 private:
  template <typename V, typename F>
  void Each(const char* part, std::span<const V* const> rows, F make) {
    for (const V* row : rows) {
      what_ = std::string(part) + " '" + std::string(row->name) + "'";
      make(*row);
    }
  }

  void BeginTable(const TableVariant& row) {
    TableEnvironment environment;
    environment.io = io_.get();
    environment.cache = cache_.get();
    environment.settings = Defaults(row, part_settings::kTable);
    environment.filter = &kNoFilter;
    environment.filter_settings = Defaults(kNoFilter, part_settings::kFilter);
    environment.codec_per_level = {nullptr};
    environment.codec_id_per_level = {0};
    environment.codec_by_id = [](uint8_t) -> const Codec* { return nullptr; };
    environment.filter_by_name = [](std::string_view) { return &kNoFilter; };
    const auto executor = kInlineExecutor.make(DefaultSettings(kInlineExecutor.settings));
    const std::string path = "shard/" + std::to_string(++tables_);
    auto file = RunSync(*executor, *io_, OpenFile(*io_, IoSite::kOther, OpenMode::kCreate, path));
    LSMLAB_ASSERT(file.ok());
    FileWriter writer(*io_, IoSite::kOther, std::move(file).value());
    const TableBuildContext context;
    row.make_builder(environment, context, writer);
  }

  std::string what_;
  int tables_ = 0;
  EmptyShard shard_;
  std::unique_ptr<Io> io_;
  std::unique_ptr<BlockCache> cache_;
};

}  // namespace

Status TryFactories(const Plugin& plugin) {
  Trial trial;
  try {
    trial.All(plugin);
  } catch (const std::exception& error) {
    return Status::InvalidArgument("the factory of " + trial.what() + " threw: " + error.what());
  } catch (...) {
    return Status::InvalidArgument("the factory of " + trial.what() + " threw");
  }
  return {};
}

}  // namespace lsmlab
