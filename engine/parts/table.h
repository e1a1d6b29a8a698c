#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/task.h"
#include "engine/base/epoch.h"
#include "engine/base/memory_budget.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"
#include "engine/format/file_writer.h"
#include "engine/format/lookup.h"
#include "engine/parts/block.h"
#include "engine/parts/block_cache.h"
#include "engine/parts/codec.h"
#include "engine/parts/filter.h"
#include "engine/parts/internal_iterator.h"
#include "engine/parts/io.h"
#include "engine/parts/settings.h"

// Table: an immutable sorted file of entries. Variants: `flat` (index and filter whole, in memory
// for as long as the table is open), `partitioned` (index and filter in pieces that come and go
// with the cache). Block layouts and searches are settings of both. Dispatch is virtual per table
// operation; inside, layouts are templates.
//
// Thread safety: a builder has one user; an open table takes every call from any thread.
// Invariants:
//  1. A finished file never changes. All readings show its entries in entry order, each (key, tag)
//     once, whatever is cached and whatever today's settings are.
//  2. A block is checked once, when it enters memory from the file. Damage is an error, never
//     another answer; a filter alone may be left out (filter_damage).
// Errors: Corruption naming file, offset, expected and found, or what the Io reports; a builder's
// InvalidArgument for entries out of order or beyond the limits of the format.
// Opening, Get, Verify and an iterator that lacks a block wait for the device and may suspend;
// nothing else does. A cache may take a lock for a moment (block_cache.h).
//
// The part's own setting (output.cut) is declared in engine/tree/part_settings.cc and carried out
// by the tree; the variants' stand in variants/table/.
namespace lsmlab {

// Written into the table; what is needed to read it never comes from settings.
struct TableProperties {
  TableId id;
  uint32_t tree = 0;
  uint32_t level = 0;  // at build time
  bool last_level = false;
  uint64_t entries = 0, tombstones = 0, range_tombstones = 0, distinct_keys = 0;
  uint64_t raw_key_bytes = 0, raw_value_bytes = 0;
  uint64_t data_blocks = 0, data_bytes = 0, index_bytes = 0, filter_bytes = 0;
  std::string smallest_key, largest_key;
  Tag smallest_tag = 0, largest_tag = 0;
  Sequence min_sequence = 0, max_sequence = 0;
  int64_t created_ns = 0;  // since 1970, for ages
  // No tombstone is older, and none of lost_deletes; 0: there is neither.
  int64_t oldest_tombstone_ns = 0;
  std::string table_variant, block_layout, filter_variant, codec;
  double filter_bits_per_key = 0;
  uint32_t block_alignment = 0;   // data blocks start at multiples of it; 0: anywhere
  uint32_t dictionary_bytes = 0;  // of the codec's dictionary in the file; 0: there is none
  // Entries of the table have taken the place of tombstones whose older data may be left: below the
  // table, or for a snapshot in it. Their keys are among first_lost_key to last_lost_key.
  bool lost_deletes = false;
  std::string first_lost_key, last_lost_key;
  std::string catalog_mark;  // bytes of the catalog part
};

struct TableBuildContext {
  TableId id;
  uint32_t tree = 0;
  uint32_t level = 0;
  bool last_level = false;            // no deeper level holds data now
  std::vector<uint64_t> level_bytes;  // sizes of all levels now
  uint64_t expected_keys = 0;         // 0: unknown
  double filter_bits_per_key = 0;     // 0: no filter
  // Reserved: nothing sets or asks for it yet.
  Sequence oldest_snapshot = kMaxSequence;
  enum class Reason : uint8_t { kFlush, kCompaction, kIngest } reason = Reason::kFlush;
  int64_t now_ns = 0;               // since 1970
  int64_t oldest_tombstone_ns = 0;  // no tombstone among the entries is older, nor a lost one
};

// Which blocks tables ask the cache to pin: data blocks, and those of index and filter that are in
// the cache at all.
struct TablePins {
  bool metadata = false;
  bool level0_metadata = false;
  bool level0_data = false;
};

// What builders and readers of one store share. Outlives every table.
struct TableEnvironment {
  Io* io = nullptr;
  BlockCache* cache = nullptr;
  TablePins pins;
  // For what open tables keep in memory beyond what reading them needs; each variant's settings say
  // how much that may be.
  std::shared_ptr<MemoryBudget> optional_memory = std::make_shared<MemoryBudget>();
  SettingBag settings;  // of the table part
  SettingBag filter_settings;
  const FilterVariant* filter = nullptr;                      // for new tables
  std::vector<std::shared_ptr<const Codec>> codec_per_level;  // null: none; last entry repeats
  std::vector<uint8_t> codec_id_per_level;  // level l: entry min(l, size-1); a table of the
                                            // last level takes the last entry
  std::function<const Codec*(uint8_t id)> codec_by_id;  // for reading; null: unknown id
  size_t dictionary_bytes = 0;  // most that a new table's dictionary may have; 0: none
  const FilterVariant* (*filter_by_name)(std::string_view) = nullptr;
};

// A block as it will be read back, and its number in the table: of the data blocks, or after those
// a number of the variant's own. block->id.offset is its place in the file.
struct KeptBlock {
  uint32_t number = 0;
  BlockRef block;
};

// Never touches a disk itself: finished bytes go into the FileWriter, which the job flushes between
// calls.
class TableBuilder {
 public:
  virtual ~TableBuilder() = default;
  // REQUIRES: entries in entry order, each (key, tag) once. Copies them.
  virtual Status Add(Slice key, Tag tag, Slice value) = 0;
  // The entry added last has taken the place of a tombstone: see TableProperties::lost_deletes.
  virtual void AddLostDelete() = 0;
  // Bytes of the file so far, counting the open block; what output size targets are held against.
  virtual uint64_t EstimatedFileBytes() const noexcept = 0;
  virtual uint64_t entries() const noexcept = 0;
  // From now on: whether finished blocks are kept, decoded, for Table::FillCache. At most
  // `limit_bytes` of them in all.
  virtual void KeepBlocks(bool keep, uint64_t limit_bytes) noexcept {}
  // After Finish: what was kept.
  virtual std::vector<KeptBlock> TakeKeptBlocks() { return {}; }
  // Index, filter, properties (with the catalog's mark, at most 16 MiB) and footer into the writer.
  // The job then flushes, syncs and closes. A table without entries is one, too.
  virtual Status Finish(Slice catalog_mark, TableProperties* properties) = 0;
};

// Counters of one reader call chain, added to the thread's statistics by the tree.
struct TableReadCounters {
  uint32_t filter_probes = 0, filter_negatives = 0, filter_false_positives = 0;
  uint32_t cache_hits = 0, cache_misses = 0;
};

// The filter of one table, for a caller that asks many of them before it touches their tables. A
// view: lives as long as the table.
struct TableFilter {
  FilterProbe probe;  // may_contain null: there is none, everything may be in the table
  const char* data = nullptr;
  size_t size = 0;

  void Prefetch(const LookupKey& lookup) const noexcept {
    if (probe.prefetch != nullptr) probe.prefetch(data, size, lookup.hash);
  }
  // False: the key is certainly not in the table. Counts the negatives; the table counts the rest.
  bool MayContain(const LookupKey& lookup, TableReadCounters& counters) const noexcept {
    if (probe.may_contain == nullptr || probe.may_contain(data, size, lookup.hash)) return true;
    ++counters.filter_probes;
    ++counters.filter_negatives;
    return false;
  }
};

// An open table. Lives until the last version that holds it is gone and no ReadGuard can reach it;
// then, in a step of a background job if it was compacted away, else on whatever thread that
// happens, its file is closed and the cache forgets its blocks.
class Table {
 public:
  virtual ~Table() = default;

  // To be asked before a point read, which does not ask it again.
  virtual TableFilter filter() const noexcept { return {}; }
  // Why the table, which was written with a filter, is read without one: that is damaged. A filter
  // only spares reads, so every key may be there then.
  virtual Status filter_damage() const { return Status(); }
  // False: certainly no key of [lower, upper) is in the table; counts the filter's negatives.
  virtual bool MayHoldRange(Slice lower, Slice upper, TableReadCounters& counters) const noexcept {
    return true;
  }
  // Point read from memory only: feeds the fold with this table's versions. False: a block is not
  // cached; the fold may have been fed in part, so the caller starts over with Get and a new fold
  // (which counts the whole read: after false, nothing is counted).
  // REQUIRES: filter() does not rule the key out (counted here: that it did not); a ReadGuard is
  // held. The key need not lie within [smallest, largest].
  virtual bool TryGet(const LookupKey& lookup, LookupFold& fold, const ReadGuard& guard,
                      TableReadCounters& counters) const noexcept = 0;
  // The same, loading what is missing. REQUIRES: the table is held by a counted reference, and
  // lookup and fold outlive the task; no ReadGuard.
  virtual Task<Status> Get(const LookupKey& lookup, LookupFold& fold,
                           TableReadCounters& counters) const = 0;

  // REQUIRES: the table outlives the iterator. `fill_cache` false: blocks it loads are not cached
  // and read ahead sequentially in pieces of about 256 KiB (compaction, Verify). `use_cache` false:
  // cached blocks are read again, too (Verify).
  struct IteratorOptions {
    bool fill_cache = true;
    bool use_cache = true;
    IoSite site = IoSite::kBlockRead;
    TableReadCounters* counters = nullptr;  // cache hits and misses; outlives the iterator
  };
  virtual std::unique_ptr<InternalIterator> NewIterator(const IteratorOptions& options) const = 0;
  // Offers the cache what the table's builder has kept, so that it need not be read from the
  // device. REQUIRES: the blocks are this table's; nobody else uses the table yet.
  virtual void FillCache(std::vector<KeptBlock> blocks) const {}
  // Says in which level of the tree the table stands from now on; before the first call it is none
  // of its own. What is pinned depends on it. One caller at a time.
  virtual void SetLevel(uint32_t level) const noexcept {}

  virtual const TableProperties& properties() const noexcept = 0;
  virtual uint64_t file_bytes() const noexcept = 0;
  // Memory held outside the block cache: index, filter, slots.
  virtual uint64_t pinned_bytes() const noexcept = 0;
  // Device reads of data blocks so far, for statistics.
  virtual uint64_t block_reads() const noexcept = 0;
  virtual uint64_t block_read_bytes() const noexcept = 0;

  // Reads the whole file and checks every checksum, order, index and filter entry.
  virtual Task<Status> Verify() const = 0;
};

struct TableVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  // `environment` and `writer` outlive the builder.
  std::unique_ptr<TableBuilder> (*make_builder)(const TableEnvironment& environment,
                                                const TableBuildContext& context,
                                                FileWriter& writer);
  // Opens a table that this variant or another one has written: reads footer, properties and what
  // the table keeps in memory; checks them (hostile bytes: an error that names file, offset,
  // expected and found). `file_number` names it in the cache. The table owns `file`.
  Task<Result<std::unique_ptr<Table>>> (*open)(const TableEnvironment& environment,
                                               std::unique_ptr<IoFile> file, uint64_t file_number,
                                               TableId expected_id);
  // The properties alone, checked as `open` checks them: nothing else is read. The arguments
  // outlive the task.
  Task<Result<TableProperties>> (*read_properties)(const TableEnvironment& environment,
                                                   IoFile& file);
};

}  // namespace lsmlab
