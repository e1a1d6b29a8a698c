#include "engine/composition.h"

namespace lsmlab::part_settings {
namespace {

constexpr SettingSpec kMemtableRows[] = {
    {"size", SettingType::kBytes, "64MiB", 65536, 4294967296.0, "",
     "bytes of entries at which a memtable is sealed and flushed"},
    {"max_waiting", SettingType::kInteger, "2", 1, 64, "",
     "sealed memtables that may wait for their flush; with one more full, writers stop"},
    {"max_age", SettingType::kDuration, "0ms", 0, 3.6e15, "",
     "time after its first entry at which a memtable is sealed and flushed however little it "
     "holds; "
     "0: never"},
    {"smallest", SettingType::kBytes, "0", 0, 4294967296.0, "",
     "bytes of entries below which max_age leaves a memtable for another such time"},
};

constexpr SettingSpec kWalRows[] = {
    {"sync", SettingType::kChoice, "none", 0, 0, "none|interval|group|every",
     "when a write is acknowledged: none = the kernel has the record (survives kill -9), interval "
     "= "
     "as none and a sync every wal.interval, group = after its group's sync, every = one sync per "
     "write"},
    {"interval", SettingType::kDuration, "100ms", 1e6, 3.6e12, "",
     "time between syncs with sync = interval"},
};

constexpr SettingSpec kTableRows[] = {
    {"output.cut", SettingType::kChoice, "size", 0, 0, "size|aligned",
     "where a compaction ends a table: at its target size, or between half and twice of it where a "
     "table of the next level begins"},
};

constexpr SettingSpec kFilterRows[] = {
    {"bits_per_key", SettingType::kRealList, "10", 1, 64, "",
     "filter bits per distinct key, per LSM level; the last entry repeats"},
    {"allocation", SettingType::kChoice, "uniform", 0, 0, "uniform|monkey",
     "how the bits are spread over the levels: uniform = bits_per_key says it, monkey = "
     "bits_per_key "
     "is one average, spent so that missing keys cost the fewest reads: more for small runs"},
};

constexpr SettingSpec kCodecRows[] = {
    {"per_level", SettingType::kChoiceList, "", 0, 0, kCodecNames,
     "codec of each LSM level; the last entry repeats and is that of the last level's tables; "
     "empty: the variant on every level"},
    {"dictionary", SettingType::kBytes, "0", 0, 1 << 20, "",
     "most bytes of a dictionary that each table trains from its first blocks, for codecs that "
     "take one (zstd); 0: none, else at least 256. While a table is begun, its builder holds 100 "
     "times as much of it, at most 4 MiB, up to three times over; a table that would not become "
     "smaller gets none"},
};

constexpr SettingSpec kCacheRows[] = {
    {"pin", SettingType::kChoice, "none", 0, 0,
     "none|metadata|level0-metadata|level0|metadata+level0",
     "blocks that stay once they are cached, for as long as their table lives: partitions of index "
     "and filter (of partitioned tables; flat ones keep theirs beside the cache), of all tables or "
     "of those of level 0; level0 = these and the data blocks of level 0"},
    {"pin_share", SettingType::kReal, "0.5", 0, 0.9, "",
     "part of cache.bytes, in each of its shards, that pinned blocks may take; more are kept as "
     "other blocks are"},
};

constexpr SettingSpec kCompactionRows[] = {
    {"start", SettingType::kChoice, "automatic", 0, 0, "automatic|signalled",
     "who starts compactions: automatic = the store as soon as one is owed, signalled = the "
     "caller, "
     "who is told (StoreOptions::on_compaction_owed, Store::StartCompactions); where writers would "
     "stop the store starts them all the same"},
};

}  // namespace

const std::span<const SettingSpec> kMemtable{kMemtableRows};
const std::span<const SettingSpec> kWal{kWalRows};
const std::span<const SettingSpec> kTable{kTableRows};
const std::span<const SettingSpec> kFilter{kFilterRows};
const std::span<const SettingSpec> kCodec{kCodecRows};
const std::span<const SettingSpec> kCache{kCacheRows};
const std::span<const SettingSpec> kCompaction{kCompactionRows};

}  // namespace lsmlab::part_settings
