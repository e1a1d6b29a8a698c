#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/parts/table.h"
#include "variants/table/partitioned_file.h"
#include "variants/table/partitioned_iterator.h"
#include "variants/table/partitioned_verify.h"

namespace lsmlab::table_internal {

// A partitioned table of one block layout. A point read takes the partition that the top index
// names, asks its filter, and then searches one data block: at most two device reads, whatever the
// size of the table, unless versions of the key spread over several blocks.
template <typename Layout>
class PartitionedTable final : public Table {
 public:
  explicit PartitionedTable(std::unique_ptr<PartitionedFile> file)
      : file_(std::move(file)),
        footprint_(MeanFootprint<Layout>(file_->properties(), file_->properties().data_bytes)) {
    file_->set_check(CheckDataBlock<Layout>);
  }

  // filter(): none in memory; the partitions' are asked by TryGet and Get.

  bool TryGet(const LookupKey& lookup, LookupFold& fold, const ReadGuard& guard,
              TableReadCounters& counters) const noexcept final {
    TableReadCounters read;  // not counted when a block is missing
    const Tag tag = SnapshotTag(lookup.snapshot);
    Progress progress;
    for (uint32_t p = file_->top().Find(lookup.key, tag); p < file_->top().count(); ++p) {
      const Block* partition = file_->TryPinPartition(p, guard);
      if (partition == nullptr) return false;
      ++read.cache_hits;
      const PartitionView view(partition->data);
      if (progress.RuledOut(*file_, view, lookup, read)) break;
      for (uint32_t i = view.index.LowerBound(lookup.key, tag); i < view.blocks(); ++i) {
        const Entry entry = view.index.At(i);
        const PartitionPlace place = PartitionPlace::Decode(entry.value);
        Block* block = file_->TryPinData(view.first_block + i, place.handle.offset, guard);
        if (block == nullptr) return false;
        PrefetchBlock(block, footprint_);
        ++read.cache_hits;
        fold.NoteBlock(block);
        progress.end = Layout::Search(block->data, block->size, lookup, fold, nullptr);
        if (progress.Ended(entry, place, lookup)) break;
      }
      if (progress.ended) break;
    }
    progress.CountFilter(read);
    Add(read, counters);
    return true;
  }

  Task<Status> Get(const LookupKey& lookup, LookupFold& fold,
                   TableReadCounters& counters) const final {
    const Tag tag = SnapshotTag(lookup.snapshot);
    Progress progress;
    for (uint32_t p = file_->top().Find(lookup.key, tag); p < file_->top().count(); ++p) {
      BlockRef partition = CachedPartition(p);
      if (partition) {
        ++counters.cache_hits;
      } else {
        ++counters.cache_misses;
        Result<BlockRef> loaded = co_await file_->LoadPartition(p, true, IoSite::kBlockRead);
        if (!loaded.ok()) co_return loaded.status();
        partition = std::move(loaded).value();
      }
      const PartitionView view(partition->data);
      if (progress.RuledOut(*file_, view, lookup, counters)) break;
      for (uint32_t i = view.index.LowerBound(lookup.key, tag); i < view.blocks(); ++i) {
        const Entry entry = view.index.At(i);
        const PartitionPlace place = PartitionPlace::Decode(entry.value);
        BlockRef block = CachedData(view.first_block + i, place.handle.offset);
        if (block) {
          ++counters.cache_hits;
        } else {
          ++counters.cache_misses;
          Result<BlockRef> loaded = co_await file_->LoadData(view, i, IoSite::kBlockRead);
          if (!loaded.ok()) co_return loaded.status();
          block = std::move(loaded).value();
        }
        progress.end = Layout::Search(block->data, block->size, lookup, fold, &block);
        if (progress.Ended(entry, place, lookup)) break;
      }
      if (progress.ended) break;
    }
    progress.CountFilter(counters);
    co_return Status();
  }

  std::unique_ptr<InternalIterator> NewIterator(const IteratorOptions& options) const final {
    return std::make_unique<PartitionedIterator<typename Layout::Cursor>>(*file_, options,
                                                                          footprint_);
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
    return VerifyPartitionedFile(*file_, NewIterator(options));
  }

 private:
  // Of one point read.
  struct Progress {
    SearchEnd end = SearchEnd::kAbsent;
    bool ended = false;
    bool probed = false;  // a filter has said that the key may be there

    // Asks the first partition's filter; its answer holds for the others, too.
    bool RuledOut(const PartitionedFile& file, const PartitionView& view, const LookupKey& lookup,
                  TableReadCounters& counters) noexcept {
      if (probed || !file.has_filter()) return false;
      if (!file.FilterOf(view).MayContain(lookup, counters)) return true;
      probed = true;
      return false;
    }
    // After the block at `place`, whose last entry is `last`, was searched.
    bool Ended(const Entry& last, const PartitionPlace& place, const LookupKey& lookup) noexcept {
      ended = end != SearchEnd::kRanOut || !place.continues || last.key != lookup.key;
      return ended;
    }
    // A key that has only versions newer than the lookup's snapshot counts as a false positive.
    void CountFilter(TableReadCounters& counters) const noexcept {
      if (!probed) return;
      ++counters.filter_probes;
      counters.filter_false_positives += end == SearchEnd::kAbsent;
    }
  };
  static void Add(const TableReadCounters& read, TableReadCounters& counters) noexcept {
    counters.filter_probes += read.filter_probes;
    counters.filter_negatives += read.filter_negatives;
    counters.filter_false_positives += read.filter_false_positives;
    counters.cache_hits += read.cache_hits;
  }
  BlockRef CachedPartition(uint32_t p) const noexcept {
    const ReadGuard guard;
    Block* block = file_->TryPinPartition(p, guard);
    return block == nullptr ? BlockRef() : BlockRef::Share(block);
  }
  BlockRef CachedData(uint32_t number, uint64_t offset) const noexcept {
    const ReadGuard guard;
    Block* block = file_->TryPinData(number, offset, guard);
    return block == nullptr ? BlockRef() : BlockRef::Share(block);
  }

  const std::unique_ptr<PartitionedFile> file_;
  const Footprint footprint_;
};

}  // namespace lsmlab::table_internal
