#include "engine/tree/version.h"

#include <algorithm>
#include <cstring>

namespace lsmlab {
namespace {

// What a Get does per table is staged over at most this many.
constexpr size_t kStage = 8;

size_t CommonPrefixOf(const std::string& a, const std::string& b) noexcept {
  size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  return n;
}

uint64_t OverlapBytes(const std::vector<Run>& level, Slice begin, Slice end) {
  uint64_t bytes = 0;
  for (const Run& run : level) {
    for (size_t i = run.Find(begin); i < run.tables.size(); ++i) {
      if (Slice(run.tables[i]->entry().smallest_key) > end) break;
      bytes += run.tables[i]->entry().bytes;
    }
  }
  return bytes;
}

// The part of the files' garbage that falls to one table: as large as its part of the live bytes.
uint64_t GarbageOf(const TableEntry& table, const std::vector<ValueFileShape>& files) {
  double garbage = 0;
  auto at = files.begin();
  for (const ValueFileUse& use : table.values) {
    at = std::lower_bound(at, files.end(), use.file,
                          [](const ValueFileShape& f, uint64_t number) { return f.file < number; });
    if (at == files.end() || at->file != use.file) continue;
    garbage += static_cast<double>(at->garbage_bytes()) * static_cast<double>(use.bytes) /
               static_cast<double>(std::max<uint64_t>(1, at->live_bytes));
  }
  return static_cast<uint64_t>(garbage);
}

}  // namespace

void Run::BuildIndex() {
  std::sort(tables.begin(), tables.end(), [](const TableHandle* a, const TableHandle* b) {
    return a->entry().smallest_key < b->entry().smallest_key;
  });
  const std::string& first = tables.front()->entry().largest_key;
  const std::string& last = tables.back()->entry().largest_key;
  size_t common = CommonPrefixOf(first, last);
  // No longer than any key's: between smallest and largest, first keys share it, too.
  const std::string& smallest = tables.front()->entry().smallest_key;
  common = std::min(common, CommonPrefixOf(smallest, first));
  prefix = first.substr(0, common);
  first_heads.clear();
  last_heads.clear();
  for (size_t i = 0; i < tables.size(); ++i) {
    first_heads.push_back(HeadOf(tables[i]->entry().smallest_key, common));
    last_heads.push_back(HeadOf(tables[i]->entry().largest_key, common));
    LSMLAB_ASSERT(i == 0 || tables[i - 1]->entry().largest_key < tables[i]->entry().smallest_key);
  }
  // One more at least, so that what Find returns for no table may be looked at.
  const size_t padded = (tables.size() / kHeadsAtOnce + 1) * kHeadsAtOnce;
  first_heads.resize(padded, UINT64_MAX);
  last_heads.resize(padded, UINT64_MAX);
}

size_t Run::Find(Slice key) const noexcept {
  if (!prefix.empty()) {
    const int c = std::memcmp(key.data(), prefix.data(), std::min(key.size(), prefix.size()));
    if (c > 0) return tables.size();
    if (c < 0 || key.size() < prefix.size()) return 0;
  }
  const uint64_t head = HeadOf(key, prefix.size());
  size_t i = CountBelow(head);
  while (i < tables.size() && last_heads[i] == head &&
         Slice(tables[i]->entry().largest_key) < key) {
    ++i;
  }
  return i;
}

size_t Run::FindHolderAmongTies(Slice key) const noexcept {
  const size_t i = Find(key);
  if (i >= tables.size()) return i;
  return Slice(tables[i]->entry().smallest_key) <= key ? i : tables.size();
}

uint64_t Run::HeadOfShort(Slice key, size_t skip) noexcept {
  uint64_t head = 0;
  if (key.size() > skip) std::memcpy(&head, key.data() + skip, key.size() - skip);
  return __builtin_bswap64(head);
}

Version::Version(std::vector<PlacedTable> tables, uint32_t levels,
                 std::vector<LiveValueFile> values)
    : tables_(std::move(tables)), values_(std::move(values)), levels_(levels) {
  for (const LiveValueFile& file : values_) file.handle->Ref();
  for (const PlacedTable& placed : tables_) {
    placed.table->Ref();
    std::vector<Run>& runs = levels_[placed.level];
    auto run = std::find_if(runs.begin(), runs.end(),
                            [&](const Run& r) { return r.number == placed.run; });
    if (run == runs.end()) {
      runs.emplace_back();
      run = runs.end() - 1;
      run->number = placed.run;
    }
    run->tables.push_back(placed.table);
  }
  const std::vector<ValueFileShape> files = ValueFileShapes();
  for (std::vector<Run>& runs : levels_) {
    std::sort(runs.begin(), runs.end(),
              [](const Run& a, const Run& b) { return a.number > b.number; });
    for (Run& run : runs) {
      run.BuildIndex();
      for (const TableHandle* table : run.tables) {
        run.filters.push_back(table->table().filter());
        run.value_garbage.push_back(GarbageOf(table->entry(), files));
      }
      order_.push_back(&run);
    }
  }
}

Version::~Version() {
  for (const PlacedTable& placed : tables_) placed.table->Unref();
  for (const LiveValueFile& file : values_) file.handle->Unref();
}

const ValueFileHandle* Version::FindValueFile(uint64_t file) const noexcept {
  const auto at = std::lower_bound(
      values_.begin(), values_.end(), file,
      [](const LiveValueFile& v, uint64_t number) { return v.handle->entry().file < number; });
  if (at == values_.end() || at->handle->entry().file != file) return nullptr;
  return at->handle;
}

std::vector<ValueFileShape> Version::ValueFileShapes() const {
  std::vector<ValueFileShape> shapes;
  shapes.reserve(values_.size());
  for (const LiveValueFile& file : values_) {
    const ValueFileEntry& entry = file.handle->entry();
    shapes.push_back({entry.file, entry.record_bytes, file.live_bytes});
  }
  return shapes;
}

bool Version::TryGet(const LookupKey& lookup, LookupFold& fold, const ReadGuard& guard,
                     TableReadCounters& counters) const noexcept {
  struct Candidate {
    const Run* run;
    size_t table;
  };
  Candidate stage[kStage];
  size_t staged = 0;
  const auto search_staged = [&]() noexcept {
    for (size_t i = 0; i < staged; ++i) {
      const auto [run, table] = stage[i];
      if (!run->filters[table].MayContain(lookup, counters)) continue;
      if (!run->tables[table]->table().TryGet(lookup, fold, guard, counters)) return false;
      if (fold.done()) break;
    }
    staged = 0;
    return true;
  };
  for (const Run* run : order_) {
    const size_t table = run->FindHolder(lookup.key);
    if (table == run->tables.size()) continue;
    // The filters' cache misses overlap: one after the other they are most of a Get that misses.
    run->filters[table].Prefetch(lookup);
    stage[staged++] = {run, table};
    if (staged < kStage) continue;
    if (!search_staged()) return false;
    if (fold.done()) return true;
  }
  return search_staged();
}

Task<Status> Version::Get(const LookupKey& lookup, LookupFold& fold,
                          TableReadCounters& counters) const {
  for (const Run* run : order_) {
    const size_t table = run->FindHolder(lookup.key);
    if (table == run->tables.size()) continue;
    if (!run->filters[table].MayContain(lookup, counters)) continue;
    LSMLAB_CO_TRY(co_await run->tables[table]->table().Get(lookup, fold, counters));
    if (fold.done()) co_return Status();
  }
  co_return Status();
}

void Version::PrefetchGet(const LookupKey& lookup) const noexcept {
  for (const Run* run : order_) {
    const size_t table = run->FindHolder(lookup.key);
    if (table != run->tables.size()) run->filters[table].Prefetch(lookup);
  }
}

TreeShape Version::Shape() const {
  TreeShape shape;
  shape.levels.resize(levels_.size());
  shape.value_files = ValueFileShapes();
  for (size_t level = 0; level < levels_.size(); ++level) {
    LevelShape& out = shape.levels[level];
    for (const Run& run : levels_[level]) {
      RunShape& run_out = out.runs.emplace_back();
      run_out.run = run.number;
      for (const TableHandle* handle : run.tables) {
        const TableEntry& entry = handle->entry();
        TableShape& table = run_out.tables.emplace_back();
        table.file = entry.file;
        table.level = static_cast<uint32_t>(level);
        table.run = run.number;
        table.bytes = entry.bytes;
        table.entries = entry.entries;
        table.tombstones = entry.tombstones;
        table.created_ns = entry.created_ns;
        table.oldest_tombstone_ns = entry.oldest_tombstone_ns;
        table.smallest_key = entry.smallest_key;
        table.largest_key = entry.largest_key;
        table.min_sequence = entry.min_sequence;
        table.max_sequence = entry.max_sequence;
        if (level + 1 < levels_.size()) {
          table.next_level_overlap_bytes =
              OverlapBytes(levels_[level + 1], entry.smallest_key, entry.largest_key);
        }
        table.value_garbage_bytes = run.value_garbage[run_out.tables.size() - 1];
        table.being_compacted = handle->being_compacted;
        out.bytes += entry.bytes;
        if (table.being_compacted) out.bytes_being_compacted += entry.bytes;
      }
    }
  }
  return shape;
}

std::vector<uint64_t> Version::LevelBytes() const {
  std::vector<uint64_t> bytes(levels_.size());
  for (const PlacedTable& placed : tables_) bytes[placed.level] += placed.table->entry().bytes;
  return bytes;
}

std::vector<LevelFill> Version::Fill() const {
  std::vector<LevelFill> fill(levels_.size());
  for (size_t level = 0; level < levels_.size(); ++level) {
    fill[level].runs = static_cast<uint32_t>(levels_[level].size());
  }
  for (const PlacedTable& placed : tables_) {
    fill[placed.level].entries += placed.table->entry().entries;
  }
  return fill;
}

uint64_t Version::bytes() const noexcept {
  uint64_t bytes = 0;
  for (const PlacedTable& placed : tables_) bytes += placed.table->entry().bytes;
  return bytes;
}

}  // namespace lsmlab
