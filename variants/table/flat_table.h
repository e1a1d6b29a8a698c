#pragma once

#include <memory>
#include <string>

#include "engine/format/key_prefix.h"
#include "engine/parts/table.h"
#include "variants/table/flat_file.h"
#include "variants/table/flat_iterator.h"
#include "variants/table/flat_verify.h"

namespace lsmlab::table_internal {

// A flat table of one block layout. A point read walks the index, follows the
// slot and searches the block; none of it locks (with a cache of swizzled slots), allocates or
// enters a coroutine.
template <typename Layout>
class FlatTable final : public Table {
 public:
  explicit FlatTable(std::unique_ptr<FlatFile> file)
      : file_(std::move(file)),
        footprint_(MeanFootprint<Layout>(file_->properties(), RawBytes(*file_))) {
    file_->set_check(CheckDataBlock<Layout>);
  }

  TableFilter filter() const noexcept final {
    return {file_->filter(), file_->filter_data(), file_->filter_size()};
  }

  Status filter_damage() const final { return file_->filter_damage(); }

  bool MayHoldRange(Slice lower, Slice upper, TableReadCounters& counters) const noexcept final {
    const size_t bytes = file_->filter_prefix_bytes();
    if (bytes == 0 || !ShareKeyPrefix(lower, upper, bytes)) return true;
    ++counters.filter_probes;
    const uint64_t hash = PrefixHash(lower.substr(0, bytes));
    if (file_->filter().may_contain(file_->filter_data(), file_->filter_size(), hash)) return true;
    ++counters.filter_negatives;
    return false;
  }

  bool TryGet(const LookupKey& lookup, LookupFold& fold, const ReadGuard& guard,
              TableReadCounters& counters) const noexcept final {
    uint32_t i = Find(lookup);
    const uint32_t count = file_->index().count();
    uint32_t hits = 0;
    SearchEnd end = SearchEnd::kAbsent;
    while (i < count) {
      Block* block = file_->TryPin(i, guard);
      // What was counted so far is counted again by the Get that has to follow.
      if (block == nullptr) return false;
      PrefetchBlock(block, footprint_);
      ++hits;
      fold.NoteBlock(block);
      end = Layout::Search(block->data, block->size, lookup, fold, nullptr);
      if (end != SearchEnd::kRanOut) [[likely]]
        break;
      i = BlockAfter(i, lookup, end);
    }
    counters.cache_hits += hits;
    CountFilter(end, counters);
    return true;
  }

  Task<Status> Get(const LookupKey& lookup, LookupFold& fold,
                   TableReadCounters& counters) const final {
    uint32_t i = Find(lookup);
    const uint32_t count = file_->index().count();
    SearchEnd end = SearchEnd::kAbsent;
    while (i < count) {
      BlockRef block = Cached(i);
      if (block) {
        ++counters.cache_hits;
      } else {
        ++counters.cache_misses;
        Result<BlockRef> loaded = co_await file_->Load(i, IoSite::kBlockRead);
        if (!loaded.ok()) co_return loaded.status();
        block = std::move(loaded).value();
      }
      end = Layout::Search(block->data, block->size, lookup, fold, &block);
      if (end != SearchEnd::kRanOut) break;
      i = BlockAfter(i, lookup, end);
    }
    CountFilter(end, counters);
    co_return Status();
  }

  std::unique_ptr<InternalIterator> NewIterator(const IteratorOptions& options) const final {
    return std::make_unique<FlatIterator<typename Layout::Cursor>>(*file_, options, footprint_);
  }

  void FillCache(std::vector<KeptBlock> blocks) const final {
    for (KeptBlock& kept : blocks) file_->Adopt(kept.number, std::move(kept.block));
  }

  void SetLevel(uint32_t level) const noexcept final { file_->SetLevel(level); }

  const TableProperties& properties() const noexcept final { return file_->properties(); }
  uint64_t file_bytes() const noexcept final { return file_->file_bytes(); }
  uint64_t pinned_bytes() const noexcept final { return file_->memory_bytes(); }
  uint64_t block_reads() const noexcept final { return file_->reads(); }
  uint64_t block_read_bytes() const noexcept final { return file_->read_bytes(); }

  Task<Status> Verify() const final {
    IteratorOptions options;
    options.fill_cache = false;
    options.use_cache = false;
    return VerifyFlatFile(*file_, NewIterator(options));
  }

 private:
  static uint64_t RawBytes(const FlatFile& file) noexcept {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < file.index().count(); ++i) bytes += file.index().handle(i).size;
    return bytes;
  }
  uint32_t Find(const LookupKey& lookup) const noexcept {
    const auto on_leaf = [this](uint32_t first) { file_->PrefetchSlots(first); };
    if constexpr (Layout::kNeedsExactBlock) {
      return file_->index().Find(lookup.key, SnapshotTag(lookup.snapshot), on_leaf);
    } else {
      return file_->index().FindLikely(lookup, on_leaf);
    }
  }
  // Where a search goes on that ran out of block i: count() when that was all.
  uint32_t BlockAfter(uint32_t i, const LookupKey& lookup, SearchEnd& end) const noexcept {
    const BlockIndex& index = file_->index();
    if (index.last_key(i) != lookup.key) {
      end = SearchEnd::kAbsent;  // heads and hashes tied: no version was met yet
    } else if (!index.continues(i)) {
      return index.count();
    }
    return index.FindFrom(i + 1, lookup.key, SnapshotTag(lookup.snapshot));
  }
  BlockRef Cached(uint32_t i) const noexcept {
    const ReadGuard guard;
    Block* block = file_->TryPin(i, guard);
    return block == nullptr ? BlockRef() : BlockRef::Share(block);
  }
  // A key that has only versions newer than the lookup's snapshot counts as a false positive.
  void CountFilter(SearchEnd end, TableReadCounters& counters) const noexcept {
    if (file_->filter().may_contain == nullptr) return;
    ++counters.filter_probes;
    counters.filter_false_positives += end == SearchEnd::kAbsent;
  }

  const std::unique_ptr<FlatFile> file_;
  const Footprint footprint_;
};

}  // namespace lsmlab::table_internal
