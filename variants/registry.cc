#include "variants/registry.h"

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
    &kOffWal,     // keeps nothing: what was not flushed is lost
};
constexpr const TableVariant* kTables[] = {
    &kFlatTable,  // index and filter whole, in memory while the table is open
};
constexpr const FilterVariant* kFilters[] = {
    &kBloomFilter,         // one bit array per table
    &kBlockedBloomFilter,  // one cache line per key
    &kRibbonFilter,        // fewest bits
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
};
constexpr const IoVariant* kIos[] = {
    &kPosixIo,      // system calls on the caller's thread
    &kSimulatedIo,  // a disk in memory, with crashes, faults and deferral
};
constexpr const ExecutorVariant* kExecutors[] = {
    &kThreadsExecutor,  // callers on their threads, a pool for background work
    &kInlineExecutor,   // the caller does everything
};
constexpr const PartitionerVariant* kPartitioners[] = {
    &kSinglePartitioner,  // one shard
};

template <typename V>
std::vector<VariantInfo> Describe(std::span<const V* const> rows) {
  std::vector<VariantInfo> infos;
  for (const V* row : rows) infos.push_back({row->name, row->summary, row->settings});
  return infos;
}

// Built at the first call, when the spans of other files are certainly initialised.
std::array<PartInfo, kPartCount> DescribeAll() {
  return {{
      {Part::kMemtable, "memtable", "sorted buffer of recent writes, in memory",
       part_settings::kMemtable, Describe(MemtableVariants())},
      {Part::kWal, "wal", "write-ahead log", part_settings::kWal, Describe(WalVariants())},
      {Part::kTable, "table", "immutable sorted file", {}, Describe(TableVariants())},
      {Part::kFilter, "filter", "says of most tables that a key is not in them",
       part_settings::kFilter, Describe(FilterVariants())},
      {Part::kCodec, "codec", "compression of blocks", part_settings::kCodec,
       Describe(CodecVariants())},
      {Part::kCache, "cache", "blocks kept in memory", {}, Describe(CacheVariants())},
      {Part::kValues, "values", "where values live", {}, Describe(ValuesVariants())},
      {Part::kCompaction, "compaction", "what is merged when", {}, Describe(CompactionVariants())},
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

}  // namespace

std::span<const MemtableVariant* const> MemtableVariants() noexcept { return kMemtables; }
std::span<const WalVariant* const> WalVariants() noexcept { return kWals; }
std::span<const TableVariant* const> TableVariants() noexcept { return kTables; }
std::span<const FilterVariant* const> FilterVariants() noexcept { return kFilters; }
std::span<const CodecVariant* const> CodecVariants() noexcept { return kCodecs; }
std::span<const CacheVariant* const> CacheVariants() noexcept { return kCaches; }
std::span<const ValuesVariant* const> ValuesVariants() noexcept { return kValueStores; }
std::span<const CompactionVariant* const> CompactionVariants() noexcept { return kCompactions; }
std::span<const CatalogVariant* const> CatalogVariants() noexcept { return kCatalogs; }
std::span<const IoVariant* const> IoVariants() noexcept { return kIos; }
std::span<const ExecutorVariant* const> ExecutorVariants() noexcept { return kExecutors; }
std::span<const PartitionerVariant* const> PartitionerVariants() noexcept { return kPartitioners; }

const VariantInfo* PartInfo::Find(std::string_view variant) const noexcept {
  for (const VariantInfo& info : variants) {
    if (info.name == variant) return &info;
  }
  return nullptr;
}

const std::array<PartInfo, kPartCount>& AllParts() {
  static const std::array<PartInfo, kPartCount> parts = DescribeAll();
  return parts;
}

const PartInfo* FindPart(std::string_view name) {
  for (const PartInfo& part : AllParts()) {
    if (part.name == name) return &part;
  }
  return nullptr;
}

}  // namespace lsmlab
