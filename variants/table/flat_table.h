#pragma once

#include <memory>
#include <string>

#include "engine/parts/table.h"
#include "variants/table/flat_file.h"
#include "variants/table/flat_iterator.h"
#include "variants/table/flat_verify.h"

namespace lsmlab::table_internal {

// A flat table of one block layout. A point read probes the filter, walks the index, follows the
// slot and searches the block; none of it locks (with a cache of swizzled slots), allocates or
// enters a coroutine.
template <typename Layout>
class FlatTable final : public Table {
 public:
  explicit FlatTable(std::unique_ptr<FlatFile> file)
      : file_(std::move(file)), prefetch_lines_(Layout::PrefetchCount(MeanBlockBytes())) {
    file_->set_check(CheckBlock<Layout>);
  }

  bool TryGet(const LookupKey& lookup, LookupFold& fold, const ReadGuard& guard,
              TableReadCounters& counters) const noexcept final {
    const FilterProbe& filter = file_->filter();
    const bool filtered = filter.may_contain != nullptr;
    if (filtered && !filter.may_contain(file_->filter_data(), file_->filter_size(), lookup.hash)) {
      ++counters.filter_probes;
      ++counters.filter_negatives;
      return true;
    }
    uint32_t i = Find(lookup);
    const uint32_t count = file_->index().count();
    uint32_t hits = 0;
    SearchEnd end = SearchEnd::kAbsent;
    while (i < count) {
      Block* block = file_->TryPin(i, guard);
      // What was counted so far is counted again by the Get that has to follow.
      if (block == nullptr) return false;
      PrefetchLines(reinterpret_cast<const char*>(block) + kBlockDataOffset, prefetch_lines_);
      ++hits;
      fold.NoteBlock(block);
      end = Layout::Search(block->data, block->size, lookup, fold, nullptr);
      if (end != SearchEnd::kRanOut || !file_->index().continues(i)) break;
      ++i;
    }
    counters.cache_hits += hits;
    if (filtered) CountFilter(end, counters);
    return true;
  }

  Task<Status> Get(const LookupKey& lookup, LookupFold& fold,
                   TableReadCounters& counters) const final {
    const FilterProbe& filter = file_->filter();
    const bool filtered = filter.may_contain != nullptr;
    if (filtered && !filter.may_contain(file_->filter_data(), file_->filter_size(), lookup.hash)) {
      ++counters.filter_probes;
      ++counters.filter_negatives;
      co_return Status();
    }
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
      if (end != SearchEnd::kRanOut || !file_->index().continues(i)) break;
      ++i;
    }
    if (filtered) CountFilter(end, counters);
    co_return Status();
  }

  void PrefetchGet(const LookupKey& lookup) const noexcept final {
    const FilterProbe& filter = file_->filter();
    if (filter.prefetch != nullptr) {
      filter.prefetch(file_->filter_data(), file_->filter_size(), lookup.hash);
    }
  }

  std::unique_ptr<InternalIterator> NewIterator(const IteratorOptions& options) const final {
    return std::make_unique<FlatIterator<Layout>>(*file_, options, prefetch_lines_);
  }

  void FillCache(std::vector<KeptBlock> blocks) const final {
    for (KeptBlock& kept : blocks) file_->Adopt(kept.number, std::move(kept.block));
  }

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
  size_t MeanBlockBytes() const noexcept {
    const TableProperties& p = file_->properties();
    if (p.data_blocks == 0) return 0;
    return static_cast<size_t>((p.raw_key_bytes + p.raw_value_bytes + 16 * p.entries) /
                               p.data_blocks);
  }
  uint32_t Find(const LookupKey& lookup) const noexcept {
    return file_->index().Find(lookup.key, SnapshotTag(lookup.snapshot),
                               [this](uint32_t first) { file_->PrefetchSlots(first); });
  }
  BlockRef Cached(uint32_t i) const noexcept {
    const ReadGuard guard;
    Block* block = file_->TryPin(i, guard);
    return block == nullptr ? BlockRef() : BlockRef::Share(block);
  }
  // A key that has only versions newer than the lookup's snapshot counts as a false positive.
  static void CountFilter(SearchEnd end, TableReadCounters& counters) noexcept {
    ++counters.filter_probes;
    counters.filter_false_positives += end == SearchEnd::kAbsent;
  }

  const std::unique_ptr<FlatFile> file_;
  const size_t prefetch_lines_;
};

}  // namespace lsmlab::table_internal
