#include "variants/registry.h"

#include <algorithm>
#include <deque>
#include <string>

#include "engine/parts/plugin.h"
#include "variants/cache/caches.h"
#include "variants/catalog/catalogs.h"
#include "variants/codec/codecs.h"
#include "variants/compaction/policies.h"
#include "variants/executor/executors.h"
#include "variants/filter/filters.h"
#include "variants/io/ios.h"
#include "variants/memtable/memtables.h"
#include "variants/partitioner/partitioners.h"
#include "variants/table/tables.h"
#include "variants/values/values.h"
#include "variants/wal/wals.h"

namespace lsmlab {
namespace {

// Every variant of every part. Names, summaries, settings (unit, default, range) and factories
// stand in the row itself, beside the code they describe; `lsmlab variants` prints them all. The
// first row of a part is what a composition gets that does not name one.

constexpr const MemtableVariant* kMemtables[] = {
    &kArenaSkiplistMemtable,  // skip list, entries inline in an arena
    &kSkiplistMemtable,       // skip list, one allocation per node: the textbook's
    &kBtreeMemtable,          // B+-tree of key heads, lock-free readers
    &kVectorMemtable,         // appends, sorted once when sealed
    &kHashSkiplistMemtable,   // hash table over key prefixes, a skip list per bucket
    &kArtMemtable,            // adaptive radix tree
};
constexpr const WalVariant* kWals[] = {
    &kAppendWal,  // one file per memtable
    &kRingWal,    // segments that are used again
    &kOffWal,     // keeps nothing: what was not flushed is lost
};
constexpr const TableVariant* kTables[] = {
    &kFlatTable,         // index and filter whole, in memory while the table is open
    &kPartitionedTable,  // index and filter in pieces, in the cache
};
constexpr const FilterVariant* kFilters[] = {
    &kBloomFilter,         // one bit array per table
    &kBlockedBloomFilter,  // one cache line per key
    &kRibbonFilter,        // fewest bits
    &kPrefixBloomFilter,   // of key prefixes too: iterators skip tables
    &kNoFilter,            // every table in whose range the key lies is searched
};
constexpr const CodecVariant* kCodecs[] = {
    &kNoCodec,    // blocks stay raw
    &kLz4Codec,   // fast
    &kZstdCodec,  // dense
};
constexpr const CacheVariant* kCaches[] = {
    &kLruCache,       // sharded hash table and list, mutex per shard
    &kClockCache,     // hash table without a lock for hits
    &kS3FifoCache,    // a small queue before the main one
    &kSwizzledCache,  // the table points straight at the cached block
    &kNoCache,        // every block read goes to the I/O part
};
constexpr const ValuesVariant* kValueStores[] = {
    &kInlineValues,     // values stay in the tables
    &kSeparatedValues,  // large values in value files
};
constexpr const CompactionVariant* kCompactions[] = {
    &kLeveledCompaction,      // one run per level
    &kOneLevelingCompaction,  // more runs in level 0
    &kTieredCompaction,       // runs in every level
    &kLazyLeveledCompaction,  // runs in every level but the deepest
    &kFifoCompaction,         // drops the oldest data
    &kNoCompaction,           // only when asked
};
constexpr const CatalogVariant* kCatalogs[] = {
    &kManifestCatalog,  // a log of version edits
    &kFootersCatalog,   // marks in the tables themselves
};
constexpr const IoVariant* kIos[] = {
    &kPosixIo,      // system calls on the caller's thread
    &kUringIo,      // io_uring, a ring per thread or loop
    &kSimulatedIo,  // a disk in memory, with crashes, faults and deferral
};
constexpr const ExecutorVariant* kExecutors[] = {
    &kThreadsExecutor,  // callers on their threads, a pool for background work
    &kReactorExecutor,  // event loops for background work and callers' tasks
    &kInlineExecutor,   // the caller does everything
};
constexpr const PartitionerVariant* kPartitioners[] = {
    &kSinglePartitioner,     // one shard
    &kHashPartitioner,       // by a hash of the key
    &kFirstBytePartitioner,  // by one byte of the key
};

// The rows of a part as they grow: the built-in ones, then those of plugins.
template <typename V, size_t N>
std::vector<const V*>& Rows(const V* const (&built_in)[N]) {
  static std::vector<const V*> rows(built_in, built_in + N);
  return rows;
}

// The settings with the names of all codecs where a row says kCodecNames.
std::span<const SettingSpec> WithCodecNames(std::span<const SettingSpec> specs) {
  const auto names_one = [](const SettingSpec& spec) { return spec.choices == kCodecNames; };
  if (std::none_of(specs.begin(), specs.end(), names_one)) return specs;
  // What was given out lives as long as the program.
  static std::deque<std::string> texts;
  static std::deque<std::vector<SettingSpec>> copies;
  std::string& names = texts.emplace_back();
  for (const CodecVariant* row : CodecVariants()) {
    names.append(names.empty() ? "" : "|").append(row->name);
  }
  std::vector<SettingSpec>& copy = copies.emplace_back(specs.begin(), specs.end());
  for (SettingSpec& spec : copy) {
    if (names_one(spec)) spec.choices = names;
  }
  return copy;
}

template <typename V>
std::vector<VariantInfo> Describe(std::span<const V* const> rows) {
  std::vector<VariantInfo> infos;
  for (const V* row : rows) {
    infos.push_back({row->name, row->summary, WithCodecNames(row->settings)});
  }
  return infos;
}

// At the first call, when the spans of other files are certainly initialised, and after a plugin.
std::array<PartInfo, kPartCount> DescribeAll() {
  return {{
      {Part::kMemtable, "memtable", "sorted buffer of recent writes, in memory",
       part_settings::kMemtable, Describe(MemtableVariants())},
      {Part::kWal, "wal", "write-ahead log", part_settings::kWal, Describe(WalVariants())},
      {Part::kTable, "table", "immutable sorted file", part_settings::kTable,
       Describe(TableVariants())},
      {Part::kFilter, "filter", "says of most tables that a key is not in them",
       part_settings::kFilter, Describe(FilterVariants())},
      {Part::kCodec, "codec", "compression of blocks", WithCodecNames(part_settings::kCodec),
       Describe(CodecVariants())},
      {Part::kCache, "cache", "blocks kept in memory", part_settings::kCache,
       Describe(CacheVariants())},
      {Part::kValues, "values", "where values live", {}, Describe(ValuesVariants())},
      {Part::kCompaction, "compaction", "what is merged when", part_settings::kCompaction,
       Describe(CompactionVariants())},
      {Part::kCatalog, "catalog", "which tables make up the tree", {}, Describe(CatalogVariants())},
      {Part::kIo, "io", "how bytes reach the disk", {}, Describe(IoVariants())},
      {Part::kExecutor,
       "executor",
       "who runs the engine's tasks",
       {},
       Describe(ExecutorVariants())},
      {Part::kPartitioner,
       "partitioner",
       "which shard a key lives in",
       {},
       Describe(PartitionerVariants())},
  }};
}

std::array<PartInfo, kPartCount>& Described() {
  static std::array<PartInfo, kPartCount> parts = DescribeAll();
  return parts;
}

// Defaults that do not parse would end the program where a built-in variant's tests find them.
Status CheckSettings(std::span<const SettingSpec> specs) {
  for (const SettingSpec& spec : specs) {
    if (!ParseSetting(spec, spec.default_value).ok()) {
      return Status::InvalidArgument("setting '" + std::string(spec.name) + "' has the default '" +
                                     std::string(spec.default_value) +
                                     "'; allowed is one within its type and range");
    }
  }
  return {};
}

// Checks the rows of a plugin, and appends them when `add` is set.
template <typename V>
Status AddRows(std::span<const V* const> more, std::vector<const V*>& rows, const char* part,
               bool add) {
  std::vector<const V*> known = rows;
  for (const V* row : more) {
    if (row == nullptr || row->name.empty()) {
      return Status::InvalidArgument("a " + std::string(part) + " without a name");
    }
    const std::string what = std::string(part) + " '" + std::string(row->name) + "'";
    if constexpr (requires { row->id; }) {
      if (row->id < 128) {
        return Status::InvalidArgument(what + ": id " + std::to_string(row->id) +
                                       "; allowed are 128 to 255");
      }
    }
    for (const V* other : known) {
      if (other->name == row->name) {
        return Status::InvalidArgument(what + ": the name is taken; allowed is any other");
      }
      if constexpr (requires { row->id; }) {
        if (other->id == row->id) {
          return Status::InvalidArgument(what + ": id " + std::to_string(row->id) +
                                         " is that of '" + std::string(other->name) +
                                         "'; allowed is any other from 128 to 255");
        }
      }
    }
    if (const Status status = CheckSettings(row->settings); !status.ok()) {
      return Status::InvalidArgument(what + ": " + std::string(status.message()));
    }
    known.push_back(row);
  }
  if (add) rows = std::move(known);
  return {};
}

Status AddPlugin(const Plugin& plugin, bool add) {
  LSMLAB_TRY(AddRows(plugin.memtables, Rows(kMemtables), "memtable", add));
  LSMLAB_TRY(AddRows(plugin.wals, Rows(kWals), "wal", add));
  LSMLAB_TRY(AddRows(plugin.tables, Rows(kTables), "table", add));
  LSMLAB_TRY(AddRows(plugin.filters, Rows(kFilters), "filter", add));
  LSMLAB_TRY(AddRows(plugin.codecs, Rows(kCodecs), "codec", add));
  LSMLAB_TRY(AddRows(plugin.caches, Rows(kCaches), "cache", add));
  LSMLAB_TRY(AddRows(plugin.values, Rows(kValueStores), "values", add));
  LSMLAB_TRY(AddRows(plugin.compactions, Rows(kCompactions), "compaction", add));
  LSMLAB_TRY(AddRows(plugin.catalogs, Rows(kCatalogs), "catalog", add));
  LSMLAB_TRY(AddRows(plugin.ios, Rows(kIos), "io", add));
  LSMLAB_TRY(AddRows(plugin.executors, Rows(kExecutors), "executor", add));
  return AddRows(plugin.partitioners, Rows(kPartitioners), "partitioner", add);
}

}  // namespace

std::span<const MemtableVariant* const> MemtableVariants() noexcept { return Rows(kMemtables); }
std::span<const WalVariant* const> WalVariants() noexcept { return Rows(kWals); }
std::span<const TableVariant* const> TableVariants() noexcept { return Rows(kTables); }
std::span<const FilterVariant* const> FilterVariants() noexcept { return Rows(kFilters); }
std::span<const CodecVariant* const> CodecVariants() noexcept { return Rows(kCodecs); }
std::span<const CacheVariant* const> CacheVariants() noexcept { return Rows(kCaches); }
std::span<const ValuesVariant* const> ValuesVariants() noexcept { return Rows(kValueStores); }
std::span<const CompactionVariant* const> CompactionVariants() noexcept {
  return Rows(kCompactions);
}
std::span<const CatalogVariant* const> CatalogVariants() noexcept { return Rows(kCatalogs); }
std::span<const IoVariant* const> IoVariants() noexcept { return Rows(kIos); }
std::span<const ExecutorVariant* const> ExecutorVariants() noexcept { return Rows(kExecutors); }
std::span<const PartitionerVariant* const> PartitionerVariants() noexcept {
  return Rows(kPartitioners);
}

Status CheckVariants(const Plugin& plugin) { return AddPlugin(plugin, /*add=*/false); }

Status AddVariants(const Plugin& plugin) {
  LSMLAB_TRY(CheckVariants(plugin));  // all or nothing
  LSMLAB_TRY(AddPlugin(plugin, /*add=*/true));
  Described() = DescribeAll();
  return {};
}

const VariantInfo* PartInfo::Find(std::string_view variant) const noexcept {
  for (const VariantInfo& info : variants) {
    if (info.name == variant) return &info;
  }
  return nullptr;
}

const std::array<PartInfo, kPartCount>& AllParts() { return Described(); }

const PartInfo* FindPart(std::string_view name) {
  for (const PartInfo& part : AllParts()) {
    if (part.name == name) return &part;
  }
  return nullptr;
}

}  // namespace lsmlab
