#include "variants/table/entry_indexed_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/base/memory_budget.h"
#include "variants/table/entry_index.h"
#include "variants/table/hashed_block.h"
#include "variants/table/read_window.h"
#include "variants/table/slotted_block.h"

namespace lsmlab::table_internal {
namespace {

// What a read by place touches, from the Block on: prefetched together, the entry as well, before
// anything of the block has arrived.
struct EntryFootprint {
  explicit EntryFootprint(const TableProperties& p) noexcept {
    if (p.data_blocks == 0 || p.entries == 0) return;
    const uint64_t entries = std::min<uint64_t>(p.entries / p.data_blocks, 1024);
    const uint64_t offsets = kBlockDataOffset + 16 + 4 * entries;  // with up to 8 bytes of prefix
    offsets_from = offsets / 64 * 64;
    offsets_to = std::min(offsets + 2 * (entries + 1), offsets_from + 256);
    entry_bytes = std::min<uint64_t>((p.raw_key_bytes + p.raw_value_bytes) / p.entries + 10, 256);
  }
  void Prefetch(const Block* block, uint32_t offset) const noexcept {
    const auto* const at = reinterpret_cast<const char*>(block);
    __builtin_prefetch(at);
    for (uint64_t i = offsets_from; i < offsets_to; i += 64) __builtin_prefetch(at + i);
    const char* const entry = at + kBlockDataOffset + offset;
    for (uint64_t i = 0; i < entry_bytes; i += 64) __builtin_prefetch(entry + i);
    __builtin_prefetch(entry + entry_bytes);
  }
  uint64_t offsets_from = 0, offsets_to = 0, entry_bytes = 0;
};

class EntryIndexedTable final : public Table {
 public:
  EntryIndexedTable(const FlatFile& file, std::unique_ptr<Table> plain, EntryIndex index,
                    std::shared_ptr<MemoryBudget> budget)
      : file_(file),
        plain_(std::move(plain)),
        plain_filter_(plain_->filter()),
        index_(std::move(index)),
        footprint_(plain_->properties()),
        budget_(std::move(budget)) {}
  ~EntryIndexedTable() override { budget_->Give(index_.size()); }

  // Fingerprints of 16 bits leave fewer false positives than a filter, and the line that is asked
  // here is the one that TryGet needs.
  TableFilter filter() const noexcept final {
    return {EntryIndex::Probe(), index_.data(), index_.size()};
  }
  Status filter_damage() const final { return plain_->filter_damage(); }
  bool MayHoldRange(Slice lower, Slice upper, TableReadCounters& counters) const noexcept final {
    return plain_->MayHoldRange(lower, upper, counters);
  }

  bool TryGet(const LookupKey& lookup, LookupFold& fold, const ReadGuard& guard,
              TableReadCounters& counters) const noexcept final {
    TableReadCounters read;  // not counted when a block is missing
    EntryIndex::Matches matches = index_.Find(lookup.hash);
    Answer answer = Answer::kAnotherKey;
    while (answer == Answer::kAnotherKey && !matches.empty()) {
      const EntryIndex::Place place = matches.Take();
      Block* block = file_.TryPin(place.block, guard);
      if (block == nullptr) return false;
      footprint_.Prefetch(block, place.offset);
      ++read.cache_hits;
      fold.NoteBlock(block);
      answer = Feed(*block, place.offset, lookup, fold, nullptr);
    }
    if (Settles(answer, matches, lookup, read)) {
      Add(read, counters);
      return true;
    }
    if (!plain_->TryGet(lookup, fold, guard, counters)) return false;
    Add(read, counters);
    return true;
  }

  Task<Status> Get(const LookupKey& lookup, LookupFold& fold,
                   TableReadCounters& counters) const final {
    EntryIndex::Matches matches = index_.Find(lookup.hash);
    Answer answer = Answer::kAnotherKey;
    while (answer == Answer::kAnotherKey && !matches.empty()) {
      const EntryIndex::Place place = matches.Take();
      BlockRef block = Cached(place.block);
      if (block) {
        ++counters.cache_hits;
      } else {
        ++counters.cache_misses;
        Result<BlockRef> loaded = co_await file_.Load(place.block, IoSite::kBlockRead);
        if (!loaded.ok()) co_return loaded.status();
        block = std::move(loaded).value();
      }
      answer = Feed(*block.get(), place.offset, lookup, fold, &block);
    }
    if (Settles(answer, matches, lookup, counters)) co_return Status();
    co_return co_await plain_->Get(lookup, fold, counters);
  }

  std::unique_ptr<InternalIterator> NewIterator(const IteratorOptions& options) const final {
    return plain_->NewIterator(options);
  }
  void FillCache(std::vector<KeptBlock> blocks) const final {
    plain_->FillCache(std::move(blocks));
  }
  void SetLevel(uint32_t level) const noexcept final { plain_->SetLevel(level); }

  const TableProperties& properties() const noexcept final { return plain_->properties(); }
  uint64_t file_bytes() const noexcept final { return plain_->file_bytes(); }
  uint64_t pinned_bytes() const noexcept final {
    return plain_->pinned_bytes() + index_.memory_bytes() + sizeof(EntryIndexedTable);
  }
  uint64_t block_reads() const noexcept final { return plain_->block_reads(); }
  uint64_t block_read_bytes() const noexcept final { return plain_->block_read_bytes(); }
  Task<Status> Verify() const final { return plain_->Verify(); }

 private:
  enum class Answer : uint8_t {
    kAnotherKey,  // of the same fingerprint; nothing was fed
    kFed,         // the fold has its answer
    kSearch,      // an older version is wanted, or more than one; nothing was fed
  };

  // Feeds the newest version of the key if that is what starts at `offset`.
  static Answer Feed(const Block& block, uint32_t offset, const LookupKey& lookup, LookupFold& fold,
                     const BlockRef* pin) noexcept {
    const SlottedView view(block.data);
    const uint32_t i = view.EntryAt(offset);
    if (i == view.n) return Answer::kSearch;  // the file is no longer the one that was indexed
    const Entry entry = view.At(i);
    if (!SameKey(entry.key, lookup.key)) return Answer::kAnotherKey;
    if (TagKind(entry.tag) == EntryKind::kMerge) return Answer::kSearch;
    // One that the snapshot does not see is not taken.
    return fold.Feed(entry.tag, entry.value, pin) ? Answer::kFed : Answer::kSearch;
  }
  // Whether the read ends here. The caller has asked filter(), which said yes.
  bool Settles(Answer answer, const EntryIndex::Matches& matches, const LookupKey& lookup,
               TableReadCounters& read) const noexcept {
    if (answer == Answer::kFed) {
      ++read.filter_probes;
      return true;
    }
    if (answer == Answer::kSearch) return false;
    if (!matches.complete()) return !plain_filter_.MayContain(lookup, read);
    ++read.filter_probes;
    ++read.filter_false_positives;
    return true;
  }
  static void Add(const TableReadCounters& read, TableReadCounters& counters) noexcept {
    counters.filter_probes += read.filter_probes;
    counters.filter_negatives += read.filter_negatives;
    counters.filter_false_positives += read.filter_false_positives;
    counters.cache_hits += read.cache_hits;
  }
  BlockRef Cached(uint32_t i) const noexcept {
    const ReadGuard guard;
    Block* block = file_.TryPin(i, guard);
    return block == nullptr ? BlockRef() : BlockRef::Share(block);
  }

  const FlatFile& file_;  // plain_'s
  const std::unique_ptr<Table> plain_;
  const TableFilter plain_filter_;
  const EntryIndex index_;
  const EntryFootprint footprint_;
  const std::shared_ptr<MemoryBudget> budget_;
};

// Adds the first version of every key of a block. False: it does not fit, or there are more keys
// than the table says.
bool AddBlock(const SlottedView& view, uint32_t block, uint64_t* keys_left, std::string* last_key,
              EntryIndex& index) {
  for (uint32_t i = 0; i < view.n; ++i) {
    const Entry entry = view.At(i);
    const bool first = block == 0 && i == 0;
    if (!first && entry.key == *last_key) continue;
    if ((*keys_left)-- == 0) return false;
    last_key->assign(entry.key);
    if (!index.Add(KeyHash(entry.key), {block, view.Offset(i)})) return false;
  }
  return true;
}

// Where a read ends that begins with block i and takes in what fits.
uint64_t EndOfRead(const BlockIndex& blocks, uint32_t i) noexcept {
  const uint64_t start = blocks.handle(i).offset;
  uint64_t end = start;
  for (; i < blocks.count(); ++i) {
    const BlockHandle handle = blocks.handle(i);
    const uint64_t next = handle.offset + handle.size + kBlockTrailerBytes;
    if (end != start && next - start > ReadWindow::kReadBytes) break;
    end = next;
  }
  return end;
}

// False: there is to be no index.
Task<bool> FillEntryIndex(const FlatFile& file, EntryIndex& index) {
  const BlockIndex& blocks = file.index();
  ReadWindow window;
  std::string last_key;
  uint64_t keys_left = file.properties().distinct_keys;
  for (uint32_t i = 0; i < blocks.count(); ++i) {
    const BlockHandle handle = blocks.handle(i);
    if (!window.Has(handle)) {
      const uint64_t end = EndOfRead(blocks, i);
      const Status read = co_await window.Fill(file, handle.offset, end, IoSite::kTableOpen);
      if (!read.ok()) co_return false;
    }
    const Result<Slice> block = window.Open(file, file.Expected(i));
    if (!block.ok()) co_return false;
    if (!AddBlock(SlottedView(block->data()), i, &keys_left, &last_key, index)) co_return false;
  }
  co_return true;
}

}  // namespace

bool WantsEntryIndex(const TableEnvironment& environment, const FlatFile& file) noexcept {
  const SettingBag& settings = environment.settings;
  if (!settings.Has("index.entries") || settings.Choice("index.entries") != "hash") return false;
  const TableProperties& p = file.properties();
  // What it claims to hold is not trusted: a slotted block has at most 65,535 entries.
  return (p.block_layout == SlottedLayout::kName ||
          p.block_layout == HashedLayout<SlottedLayout>::kName) &&
         p.distinct_keys > 0 && p.distinct_keys <= p.data_blocks * 65'535;
}

Task<std::unique_ptr<Table>> AddEntryIndex(const TableEnvironment& environment,
                                           const FlatFile& file, std::unique_ptr<Table> plain) {
  const uint64_t keys = file.properties().distinct_keys;
  const uint64_t limit = environment.settings.Bytes("index.entries_bytes");
  std::shared_ptr<MemoryBudget> budget = environment.optional_memory;
  const uint64_t bytes = EntryIndex::BytesFor(keys);
  if (!budget->Take(bytes, limit)) co_return plain;
  EntryIndex index(keys, file.index().count());
  const bool filled = co_await FillEntryIndex(file, index);
  if (!filled) {
    budget->Give(bytes);
    co_return plain;
  }
  co_return std::make_unique<EntryIndexedTable>(file, std::move(plain), std::move(index),
                                                std::move(budget));
}

}  // namespace lsmlab::table_internal
