#include "engine/tree/version.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace lsmlab {
namespace {

// The first eight bytes of the key after `skip`, zero padded, as an integer in key order.
uint64_t HeadOf(Slice key, size_t skip) noexcept {
  uint64_t head = 0;
  if (key.size() > skip)
    std::memcpy(&head, key.data() + skip, std::min<size_t>(8, key.size() - skip));
  return __builtin_bswap64(head);
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

}  // namespace

void Run::BuildIndex() {
  std::sort(tables.begin(), tables.end(), [](const TableHandle* a, const TableHandle* b) {
    return a->entry().smallest_key < b->entry().smallest_key;
  });
  const std::string& first = tables.front()->entry().largest_key;
  const std::string& last = tables.back()->entry().largest_key;
  size_t common = 0;
  while (common < first.size() && common < last.size() && first[common] == last[common]) ++common;
  prefix = first.substr(0, common);
  heads.clear();
  for (size_t i = 0; i < tables.size(); ++i) {
    heads.push_back(HeadOf(tables[i]->entry().largest_key, common));
    LSMLAB_ASSERT(i == 0 || tables[i - 1]->entry().largest_key < tables[i]->entry().smallest_key);
  }
}

size_t Run::Find(Slice key) const noexcept {
  const int c = std::memcmp(key.data(), prefix.data(), std::min(key.size(), prefix.size()));
  if (c > 0) return tables.size();
  if (c < 0 || key.size() < prefix.size()) return 0;
  const uint64_t head = HeadOf(key, prefix.size());
  size_t i = 0;
  if (heads.size() <= 16) {
    while (i < heads.size() && heads[i] < head) ++i;
  } else {
    i = static_cast<size_t>(std::lower_bound(heads.begin(), heads.end(), head) - heads.begin());
  }
  while (i < heads.size() && heads[i] == head && Slice(tables[i]->entry().largest_key) < key) ++i;
  return i;
}

Version::Version(std::vector<PlacedTable> tables, uint32_t levels)
    : tables_(std::move(tables)), levels_(levels) {
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
  for (std::vector<Run>& runs : levels_) {
    std::sort(runs.begin(), runs.end(),
              [](const Run& a, const Run& b) { return a.number > b.number; });
    for (Run& run : runs) run.BuildIndex();
    run_count_ += runs.size();
  }
}

Version::~Version() {
  for (const PlacedTable& placed : tables_) placed.table->Unref();
}

bool Version::TryGet(const LookupKey& lookup, LookupFold& fold, const ReadGuard& guard,
                     TableReadCounters& counters) const noexcept {
  for (const std::vector<Run>& runs : levels_) {
    for (const Run& run : runs) {
      const TableHandle* table = run.TableFor(lookup.key);
      if (table == nullptr) continue;
      if (!table->table().TryGet(lookup, fold, guard, counters)) return false;
      if (fold.done()) return true;
    }
  }
  return true;
}

Task<Status> Version::Get(const LookupKey& lookup, LookupFold& fold,
                          TableReadCounters& counters) const {
  for (const std::vector<Run>& runs : levels_) {
    for (const Run& run : runs) {
      const TableHandle* table = run.TableFor(lookup.key);
      if (table == nullptr) continue;
      LSMLAB_CO_TRY(co_await table->table().Get(lookup, fold, counters));
      if (fold.done()) co_return Status();
    }
  }
  co_return Status();
}

void Version::PrefetchGet(const LookupKey& lookup) const noexcept {
  for (const std::vector<Run>& runs : levels_) {
    for (const Run& run : runs) {
      const TableHandle* table = run.TableFor(lookup.key);
      if (table != nullptr) table->table().PrefetchGet(lookup);
    }
  }
}

TreeShape Version::Shape() const {
  TreeShape shape;
  shape.levels.resize(levels_.size());
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
        table.being_compacted = handle->being_compacted;
        out.bytes += entry.bytes;
        if (table.being_compacted) out.bytes_being_compacted += entry.bytes;
      }
    }
  }
  return shape;
}

uint64_t Version::bytes() const noexcept {
  uint64_t bytes = 0;
  for (const PlacedTable& placed : tables_) bytes += placed.table->entry().bytes;
  return bytes;
}

}  // namespace lsmlab
