#include "harness/simulate/entry_costs.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "engine/base/arena.h"
#include "engine/base/coding.h"
#include "engine/base/random.h"
#include "engine/format/file_writer.h"
#include "variants/io/ios.h"

namespace lsmlab::harness {
namespace {

constexpr double kSampleBytesMost = 2 << 20;
constexpr uint64_t kFewestEntries = 64;
constexpr uint64_t kMostEntries = 100'000;
constexpr uint64_t kSeed = 1;

// Entries as they will be written: hashed keys and values of which a codec finds as much as said.
class SampleEntries {
 public:
  SampleEntries(const Composition& c, const SimWorkload& workload, double value_bytes)
      : value_(static_cast<size_t>(value_bytes), '\0'), random_(kSeed) {
    // Not more than a flush writes, so that what a file has once weighs as much.
    const double bytes =
        std::min(kSampleBytesMost, static_cast<double>(c.memtable.settings.Bytes("size")));
    const double wanted = bytes / (workload.key_bytes + value_bytes + 16);
    const uint64_t count = std::clamp(static_cast<uint64_t>(wanted), kFewestEntries, kMostEntries);
    for (uint64_t i = 0; i < count; ++i) {
      std::string key(static_cast<size_t>(workload.key_bytes), '0');
      // Hexadecimal from the end on: as much alike and as random as the keys of benchmarks.
      uint64_t bits = random_.Next();
      for (size_t at = key.size(); at-- > 0 && bits != 0; bits >>= 4) {
        key[at] = "0123456789abcdef"[bits & 15];
      }
      keys_.push_back(std::move(key));
    }
    random_bytes_ = static_cast<size_t>(value_bytes / workload.compressibility);
  }
  // In random order, some of them twice when they are short.
  const std::vector<std::string>& keys() const noexcept { return keys_; }
  std::vector<std::string> SortedKeys() const {
    std::vector<std::string> sorted = keys_;
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    return sorted;
  }
  Slice NextValue() {
    for (size_t i = 0; i < random_bytes_; ++i) value_[i] = static_cast<char>(random_.Next());
    return value_;
  }

 private:
  std::vector<std::string> keys_;
  std::string value_;
  size_t random_bytes_ = 0;
  Random random_;
};

double MemtableBytesOf(const Composition& c, SampleEntries entries, EntryKind kind) {
  Arena arena;
  const std::unique_ptr<Memtable> memtable = c.memtable.variant->make(c.memtable.settings, arena);
  Sequence sequence = 0;
  for (const std::string& key : entries.keys()) {
    memtable->Add(key, MakeTag(++sequence, kind),
                  kind == EntryKind::kPut ? entries.NextValue() : Slice());
  }
  return static_cast<double>(arena.used_bytes()) / static_cast<double>(sequence);
}

// Builds tables as the tree does, into files in memory that nobody reads.
class SampleTables {
 public:
  explicit SampleTables(const Composition& c) : composition_(c) {
    env_.settings = c.table.settings;
    env_.filter = c.filter.variant;
    env_.filter_settings = c.filter.settings;
    // Monkey's average, too: the levels' shares of it differ, their sum does not.
    filter_bits_ = c.filter.settings.RealList("bits_per_key");
    env_.filter_by_name = c.filter_by_name;
    cache_ = c.cache.variant->make(c.cache.settings);
    env_.cache = cache_.get();
    for (const std::string& name : CodecNames()) {
      const CodecVariant* variant = c.codec_by_name(name);
      env_.codec_per_level.push_back(std::shared_ptr<const Codec>(variant->make(
          variant == c.codec.variant ? c.codec.settings : DefaultSettings(variant->settings))));
      env_.codec_id_per_level.push_back(variant->id);
    }
    env_.dictionary_bytes = c.codec.settings.Bytes("dictionary");
    env_.codec_by_id = [](uint8_t) -> const Codec* { return nullptr; };  // only for reading
  }

  // How many levels have settings of their own.
  size_t LevelsApart() const { return std::max(env_.codec_per_level.size(), filter_bits_.size()); }

  Result<StoredEntry> Measure(const SimWorkload& workload, uint32_t level, bool last) {
    StoredEntry stored;
    LSMLAB_TRY(Build(SampleEntries(composition_, workload, workload.value_bytes), EntryKind::kPut,
                     level, last, &stored.put, &stored.counted_share));
    double ignored;
    if (workload.delete_share > 0) {
      LSMLAB_TRY(Build(SampleEntries(composition_, workload, 0), EntryKind::kDelete, level, last,
                       &stored.tombstone, &ignored));
    }
    return stored;
  }

 private:
  std::vector<std::string> CodecNames() const {
    std::vector<std::string> names = composition_.codec.settings.ChoiceList("per_level");
    if (names.empty()) names.emplace_back(composition_.codec.variant->name);
    return names;
  }
  Status Build(SampleEntries entries, EntryKind kind, uint32_t level, bool last, double* bytes,
               double* counted_share) {
    Result<std::unique_ptr<Io>> io = kSimulatedIo.make(DefaultSettings(kSimulatedIo.settings));
    if (!io.ok()) return io.status();
    env_.io = io.value().get();
    IoOp open(IoKind::kOpen, IoSite::kFlush);
    open.mode = OpenMode::kCreate;
    open.path = "sample";
    if (!io.value()->Start(open)) return Status::IoError("the simulated disk has deferred an open");
    LSMLAB_TRY(open.status);
    FileWriter writer(*io.value(), IoSite::kFlush, std::move(open.opened));
    TableBuildContext context;
    context.id = TableId{1, 1};
    context.level = level;
    context.last_level = last;
    context.filter_bits_per_key = filter_bits_[std::min<size_t>(level, filter_bits_.size() - 1)];
    const std::vector<std::string> keys = entries.SortedKeys();
    context.expected_keys = keys.size();
    const std::unique_ptr<TableBuilder> builder =
        composition_.table.variant->make_builder(env_, context, writer);
    Sequence sequence = 0;
    for (const std::string& key : keys) {
      LSMLAB_TRY(builder->Add(key, MakeTag(++sequence, kind),
                              kind == EntryKind::kPut ? entries.NextValue() : Slice()));
    }
    const auto counted = static_cast<double>(builder->EstimatedFileBytes());
    TableProperties properties;
    LSMLAB_TRY(builder->Finish(Slice(), &properties));
    const auto file = static_cast<double>(writer.offset());
    *bytes = file / static_cast<double>(keys.size());
    *counted_share = counted / file;
    return {};
  }

  const Composition& composition_;
  std::unique_ptr<BlockCache> cache_;
  TableEnvironment env_;
  std::vector<double> filter_bits_;  // per level; the last entry repeats
};

}  // namespace

double EntryCosts::FalsePositives(uint32_t level, std::span<const LevelFill> fill) const {
  if (!filter.has_value()) return 1;
  constexpr double kRateOfOneBit = 0.6185;  // e^-(ln 2)^2
  return std::pow(kRateOfOneBit, filter->BitsPerKey(level, fill));
}

Result<EntryCosts> MeasureEntryCosts(const Composition& c, const SimWorkload& workload) {
  if (c.values.variant->name != "inline") {
    return Status::NotSupported(
        "engine.values.variant: the simulation knows values inside tables "
        "only; allowed is inline");
  }
  if (c.table.settings.Choice("output.cut") == "aligned") {
    return Status::NotSupported(
        "engine.table.output.cut: the simulation cuts by size only; allowed is size");
  }
  EntryCosts costs;
  costs.memtable_put =
      MemtableBytesOf(c, SampleEntries(c, workload, workload.value_bytes), EntryKind::kPut);
  costs.memtable_tombstone = MemtableBytesOf(c, SampleEntries(c, workload, 0), EntryKind::kDelete);
  SampleTables tables(c);
  for (uint32_t level = 0; level < tables.LevelsApart(); ++level) {
    Result<StoredEntry> stored = tables.Measure(workload, level, false);
    if (!stored.ok()) return stored.status();
    costs.per_level.push_back(stored.value());
  }
  const auto deep = static_cast<uint32_t>(tables.LevelsApart());
  Result<StoredEntry> stored = tables.Measure(workload, deep, true);
  if (!stored.ok()) return stored.status();
  costs.last_level = stored.value();
  if (c.filter.variant->name != "none") costs.filter.emplace(c.filter.settings);
  return costs;
}

}  // namespace lsmlab::harness
