#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/epoch.h"
#include "engine/base/random.h"
#include "engine/parts/table.h"
#include "tests/support/memory_io.h"
#include "variants/cache/caches.h"
#include "variants/codec/codecs.h"
#include "variants/filter/filters.h"
#include "variants/table/tables.h"

// Tables in memory with chosen parts, for conformance tests and measurements.
namespace lsmlab::test {

using EntryKey = std::pair<std::string, Tag>;
struct EntryLess {
  bool operator()(const EntryKey& a, const EntryKey& b) const {
    return CompareEntry(a.first, a.second, b.first, b.second) < 0;
  }
};
using EntryMap = std::map<EntryKey, std::string, EntryLess>;

struct TableParts {
  const TableVariant* table = &kFlatTable;
  std::string layout = "restarts";
  std::string index_search = "btree";
  std::string block_search = "binary";
  std::string block_alignment = "packed";
  std::string entry_index = "none";  // for layout slotted
  uint64_t entry_index_bytes = 1u << 30;
  const FilterVariant* filter = &kBloomFilter;
  const CodecVariant* codec = &kNoCodec;
  size_t dictionary_bytes = 0;
  const CacheVariant* cache = &kLruCache;
  uint64_t block_bytes = 256;
  uint64_t large_values = 0;
  int64_t restart_interval = 4;
  uint64_t cache_bytes = 8u << 20;
  int64_t shards = 4;
  double bits_per_key = 10;
  size_t alignment = 1;
};

// Records as people store them: little is new from one to the next.
inline EntryMap PeopleRecords(size_t count) {
  EntryMap entries;
  for (size_t i = 0; i < count; ++i) {
    const std::string number = std::to_string(100'000 + i * 7919 % 900'000);
    entries.emplace(EntryKey("user" + std::to_string(10'000 + i), MakeTag(1 + i, EntryKind::kPut)),
                    "{\"name\":\"person " + number + "\",\"mail\":\"p" + number +
                        "@example.com\",\"city\":\"" + (i % 3 == 0 ? "Lyon" : "Krakow") +
                        "\",\"active\":" + (i % 5 == 0 ? "true" : "false") + "}");
  }
  return entries;
}

// Puts and deletes of keys that begin with the prefix, some of them of one key.
inline EntryMap RandomEntries(uint64_t seed, int count, const std::string& prefix, uint64_t keys) {
  Random random(seed);
  EntryMap entries;
  Sequence sequence = 0;
  for (int i = 0; i < count; ++i) {
    const auto kind = random.OneIn(5) ? EntryKind::kDelete : EntryKind::kPut;
    std::string value(kind == EntryKind::kDelete ? 0 : random.Below(60), 'a' + i % 26);
    entries.emplace(
        EntryKey(prefix + std::to_string(random.Below(keys)), MakeTag(++sequence, kind)),
        std::move(value));
  }
  return entries;
}

inline const Codec* CodecOf(uint8_t id) {
  static const std::unique_ptr<Codec> lz4 = kLz4Codec.make(SettingBag());
  static const std::unique_ptr<Codec> zstd = [] {
    SettingBag bag;
    bag.Set("level", int64_t{1});
    return kZstdCodec.make(bag);
  }();
  return id == kLz4Codec.id ? lz4.get() : id == kZstdCodec.id ? zstd.get() : nullptr;
}

// That of the table under test, which may be a plugin's.
inline const FilterVariant* tested_filter = nullptr;

inline const FilterVariant* FilterOf(std::string_view name) {
  if (tested_filter != nullptr && tested_filter->name == name) return tested_filter;
  for (const FilterVariant* filter :
       {&kNoFilter, &kBloomFilter, &kBlockedBloomFilter, &kRibbonFilter, &kPrefixBloomFilter}) {
    if (filter->name == name) return filter;
  }
  return nullptr;
}

class TableHome {
 public:
  explicit TableHome(const TableParts& parts)
      : table_(parts.table), io_(parts.alignment), bits_per_key_(parts.bits_per_key) {
    SettingBag cache;
    cache.Set("bytes", static_cast<int64_t>(parts.cache_bytes));
    cache.Set("shards", parts.shards);
    cache.Set("pin_share", 0.5);
    cache_ = parts.cache->make(cache);
    environment_.io = &io_;
    environment_.cache = cache_.get();
    environment_.settings = DefaultSettings(parts.table->settings);
    environment_.settings.Set("block.layout", parts.layout);
    environment_.settings.Set("block.size", static_cast<int64_t>(parts.block_bytes));
    environment_.settings.Set("block.large_values", static_cast<int64_t>(parts.large_values));
    environment_.settings.Set("block.restart_interval", parts.restart_interval);
    environment_.filter = tested_filter = parts.filter;
    environment_.filter_settings = DefaultSettings(parts.filter->settings);
    if (parts.filter == &kPrefixBloomFilter) {
      environment_.filter_settings.Set("prefix_bytes", int64_t{3});
    }
    environment_.settings.Set("index.search", parts.index_search);
    environment_.settings.Set("block.search", parts.block_search);
    environment_.settings.Set("block.alignment", parts.block_alignment);
    environment_.settings.Set("index.entries", parts.entry_index);
    environment_.settings.Set("index.entries_bytes", static_cast<int64_t>(parts.entry_index_bytes));
    if (parts.codec->id != 0) {
      environment_.codec_per_level = {parts.codec->make(DefaultSettings(parts.codec->settings))};
      environment_.codec_id_per_level = {parts.codec->id};
    }
    // That of the table under test, which may be a plugin's.
    environment_.codec_by_id = [this](uint8_t id) -> const Codec* {
      const bool own = environment_.codec_id_per_level == std::vector<uint8_t>{id};
      return own ? environment_.codec_per_level[0].get() : CodecOf(id);
    };
    environment_.dictionary_bytes = parts.dictionary_bytes;
    environment_.filter_by_name = FilterOf;
  }
  ~TableHome() { EpochDrain(); }

  static constexpr TableId kId{0x1111222233334444, 0x5555666677778888};

  // Writes entries given by `fill(builder)` to `path`.
  template <typename Fill>
  TableProperties Build(const std::string& path, Fill fill) {
    auto file = Finish(OpenFile(io_, IoSite::kFlush, OpenMode::kCreate, path));
    LSMLAB_ASSERT(file.ok());
    FileWriter writer(io_, IoSite::kFlush, std::move(file).value());
    TableBuildContext context;
    context.id = kId;
    context.filter_bits_per_key = bits_per_key_;
    auto builder = table_->make_builder(environment_, context, writer);
    fill(*builder, writer);
    TableProperties properties;
    Must(builder->Finish("mark", &properties));
    kept_ = builder->TakeKeptBlocks();
    Must(Finish(writer.Finish({})));
    return properties;
  }
  TableProperties Build(const std::string& path, const EntryMap& entries) {
    return Build(path, [&](TableBuilder& builder, FileWriter& writer) {
      for (const auto& [key, value] : entries) {
        Must(builder.Add(key.first, key.second, value));
        if (writer.NeedsFlush()) Must(Finish(writer.Flush()));
      }
    });
  }
  Result<std::unique_ptr<Table>> Open(const std::string& path, TableId id = kId) {
    auto file = Finish(OpenFile(io_, IoSite::kTableOpen, OpenMode::kRead, path));
    LSMLAB_ASSERT(file.ok());
    return Finish(table_->open(environment_, std::move(file).value(), ++file_number_, id));
  }

  // Of the table built last.
  std::vector<KeptBlock> TakeKept() { return std::move(kept_); }
  // From now on another variant builds and opens.
  void Use(const TableVariant& table) { table_ = &table; }

  MemoryIo& io() { return io_; }
  BlockCache& cache() { return *cache_; }
  TableEnvironment& environment() { return environment_; }

  static void Must(const Status& status) {
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
    LSMLAB_ASSERT(status.ok());
  }

 private:
  const TableVariant* table_;
  MemoryIo io_;
  const double bits_per_key_;
  std::unique_ptr<BlockCache> cache_;
  TableEnvironment environment_;
  std::vector<KeptBlock> kept_;
  uint64_t file_number_ = 0;
};

}  // namespace lsmlab::test
