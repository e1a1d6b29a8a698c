#pragma once

#include <memory>
#include <string>

#include "engine/parts/block_cache.h"
#include "engine/parts/catalog.h"
#include "engine/parts/codec.h"
#include "engine/parts/compaction_policy.h"
#include "engine/parts/executor.h"
#include "engine/parts/filter.h"
#include "engine/parts/io.h"
#include "engine/parts/memtable.h"
#include "engine/parts/partitioner.h"
#include "engine/parts/settings.h"
#include "engine/parts/table.h"
#include "engine/parts/value_store.h"
#include "engine/parts/wal.h"

namespace lsmlab {

// One variant chosen for one part, with the validated settings of the part and of the variant.
template <typename V>
struct Choice {
  const V* variant = nullptr;
  SettingBag settings;
};

// A whole engine: which variant fills each part. Made by variants/compose.h from names and texts;
// the rows live as long as the program.
struct Composition {
  Choice<MemtableVariant> memtable;
  Choice<WalVariant> wal;
  Choice<TableVariant> table;
  Choice<FilterVariant> filter;
  Choice<CodecVariant> codec;  // the variant is the codec of every level that per_level leaves open
  Choice<CacheVariant> cache;
  Choice<ValuesVariant> values;
  Choice<CompactionVariant> compaction;
  Choice<CatalogVariant> catalog;
  Choice<IoVariant> io;
  Choice<ExecutorVariant> executor;
  Choice<PartitionerVariant> partitioner;

  // How tables name what they were written with; used for reading, whatever is chosen above.
  const FilterVariant* (*filter_by_name)(std::string_view name) = nullptr;
  const CodecVariant* (*codec_by_id)(uint8_t id) = nullptr;
  const CodecVariant* (*codec_by_name)(std::string_view name) = nullptr;
  const TableVariant* (*table_by_name)(std::string_view name) = nullptr;
};

// Settings that belong to a part whatever variant fills it; the tree reads them.
namespace part_settings {
extern const std::span<const SettingSpec> kMemtable;    // size, max_waiting, max_age, smallest
extern const std::span<const SettingSpec> kWal;         // sync, interval
extern const std::span<const SettingSpec> kTable;       // output.cut
extern const std::span<const SettingSpec> kFilter;      // bits_per_key, allocation
extern const std::span<const SettingSpec> kCodec;       // per_level, dictionary
extern const std::span<const SettingSpec> kCache;       // pin, pin_share
extern const std::span<const SettingSpec> kCompaction;  // start
}  // namespace part_settings

}  // namespace lsmlab
