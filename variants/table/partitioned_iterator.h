#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "engine/parts/internal_iterator.h"
#include "engine/parts/table.h"
#include "variants/table/blocks_ahead.h"
#include "variants/table/partitioned_file.h"
#include "variants/table/read_window.h"

namespace lsmlab::table_internal {

// Iterator over a partitioned table: holds the partition it is in, and in it a data block. Between
// blocks it takes references from the cache without waiting; only what must be read becomes a Task.
template <typename Cursor>
class PartitionedIterator final : public InternalIterator {
 public:
  PartitionedIterator(const PartitionedFile& file, const Table::IteratorOptions& options,
                      const Footprint& footprint)
      : file_(file), options_(options), footprint_(footprint) {}

  ValueOrTask<Status> Seek(Slice key, Tag tag) final {
    return Land(Place{Find(key, tag), kBlockOfGoal}, Goal{Goal::kSeek, key, tag});
  }
  ValueOrTask<Status> SeekBefore(Slice key, Tag tag) final {
    const uint32_t p = Find(key, tag);
    if (p == file_.top().count()) return SeekToLast();
    return Land(Place{p, kBlockOfGoal}, Goal{Goal::kBefore, key, tag});
  }
  ValueOrTask<Status> SeekToFirst() final { return Land(Place{0, 0}, Goal{Goal::kFirst, {}, 0}); }
  ValueOrTask<Status> SeekToLast() final {
    return Land(Place{file_.top().count() - 1, kLastBlock}, Goal{Goal::kLast, {}, 0});
  }
  ValueOrTask<Status> Next() final {
    if (cursor_.Next(entry_)) [[likely]]
      return Status();
    return Land(Place{at_.partition, at_.block + 1}, Goal{Goal::kFirst, {}, 0});
  }
  ValueOrTask<Status> Prev() final {
    if (cursor_.Prev(entry_)) [[likely]]
      return Status();
    Place place = at_;
    StepBack(place);
    return Land(place, Goal{Goal::kLast, {}, 0});
  }

 private:
  // Which block of which partition. Partition numbers wrap below 0, which is then no partition.
  struct Place {
    uint32_t partition;
    uint32_t block;  // in the partition; or one of the two below, until the partition is there
  };
  static constexpr uint32_t kLastBlock = UINT32_MAX - 1;
  static constexpr uint32_t kBlockOfGoal = UINT32_MAX - 2;
  static constexpr uint32_t kNowhere = UINT32_MAX - 3;

  // What to do in a block once it is entered.
  struct Goal {
    enum Kind : uint8_t { kFirst, kLast, kSeek, kBefore } kind;
    Slice key;
    Tag tag;
    bool backward() const noexcept { return kind == kLast || kind == kBefore; }
  };

  bool StepInMemory() noexcept final { return cursor_.TryNext(entry_); }
  uint32_t Find(Slice key, Tag tag) const noexcept { return file_.top().Find(key, tag); }
  PartitionView View() const noexcept { return PartitionView(partition_->data); }

  // Positions in the block at `place`, or in its neighbours when it has no such entry.
  ValueOrTask<Status> Land(Place place, Goal goal) {
    valid_ = false;
    while (place.partition < file_.top().count()) {
      if (!PartitionCached(place.partition)) return LandSlow(place, goal);
      if (!Resolve(place, goal)) continue;
      if (!BlockCached(place)) return LandSlow(place, goal);
      if (Position(goal)) return Status();
      Step(place, goal);
    }
    return Status();
  }
  Task<Status> LandSlow(Place place, Goal goal) {
    while (place.partition < file_.top().count()) {
      if (!PartitionCached(place.partition)) {
        LSMLAB_CO_TRY(co_await LoadPartition(place.partition));
      }
      if (!Resolve(place, goal)) continue;
      if (!BlockCached(place)) {
        Status status = co_await LoadBlock(place, goal.backward());
        if (!status.ok()) {
          Leave();
          co_return status;
        }
      }
      if (Position(goal)) break;
      Step(place, goal);
    }
    co_return Status();
  }
  // Which block is meant, now that the partition is there. False: one of the next partition.
  bool Resolve(Place& place, const Goal& goal) const noexcept {
    const PartitionView view = View();
    if (place.block == kLastBlock) place.block = view.blocks() - 1;
    if (place.block == kBlockOfGoal) place.block = view.index.LowerBound(goal.key, goal.tag);
    if (place.block < view.blocks()) return true;
    place = Place{place.partition + 1, 0};
    return false;
  }
  static void StepBack(Place& place) noexcept {
    place = place.block == 0 ? Place{place.partition - 1, kLastBlock}
                             : Place{place.partition, place.block - 1};
  }
  static void Step(Place& place, Goal& goal) noexcept {
    if (goal.kind == Goal::kBefore) goal.kind = Goal::kLast;
    if (goal.backward()) {
      StepBack(place);
    } else {
      ++place.block;
    }
  }
  bool Position(const Goal& goal) {
    switch (goal.kind) {
      case Goal::kFirst:
        valid_ = cursor_.First(entry_);
        break;
      case Goal::kLast:
        valid_ = cursor_.Last(entry_);
        break;
      case Goal::kSeek:
        valid_ = cursor_.Seek(goal.key, goal.tag, entry_);
        break;
      case Goal::kBefore:
        valid_ = cursor_.SeekBefore(goal.key, goal.tag, entry_);
        break;
    }
    return valid_;
  }

  void Leave() noexcept { at_ = Place{kNowhere, kNowhere}; }

  bool PartitionCached(uint32_t p) noexcept {
    if (partition_ && partition_at_ == p) return true;
    if (!options_.use_cache) return false;
    const ReadGuard guard;
    Block* block =
        options_.fill_cache ? file_.TryPinPartition(p, guard) : file_.PeekPartition(p, guard);
    if (block == nullptr) return false;
    partition_ = BlockRef::Share(block);
    partition_at_ = p;
    return true;
  }
  Task<Status> LoadPartition(uint32_t p) {
    Result<BlockRef> loaded = co_await file_.LoadPartition(p, options_.fill_cache, options_.site);
    if (!loaded.ok()) {
      Leave();
      co_return loaded.status();
    }
    partition_ = std::move(loaded).value();
    partition_at_ = p;
    co_return Status();
  }

  // REQUIRES: the place's partition is the one held.
  bool BlockCached(const Place& place) noexcept {
    if (at_.partition == place.partition && at_.block == place.block) return true;
    const PartitionView view = View();
    const BlockHandle handle = view.Place(place.block).handle;
    if (window_ != nullptr && window_->Has(handle)) return EnterWindow(place).ok();
    const uint32_t number = view.first_block + place.block;
    if (ahead_ != nullptr && EnterAhead(place, number)) return true;
    if (!options_.use_cache) return false;
    const ReadGuard guard;
    Block* block = options_.fill_cache ? file_.TryPinData(number, handle.offset, guard)
                                       : file_.PeekData(number, handle.offset, guard);
    if (block == nullptr) return false;
    PrefetchBlock(block, footprint_);
    if (options_.counters != nullptr) ++options_.counters->cache_hits;
    Enter(place, BlockRef::Share(block));
    return true;
  }
  Task<Status> LoadBlock(Place place, bool backward) {
    const PartitionView view = View();
    if (options_.fill_cache) {
      Result<BlockRef> block = co_await Loads(place.block, backward);
      if (!block.ok()) co_return block.status();
      Enter(place, std::move(block).value());
      co_return Status();
    }
    if (window_ == nullptr) window_ = std::make_unique<ReadWindow>();
    if (!window_->Has(view.Place(place.block).handle)) {
      Leave();  // the cursor's block is about to be overwritten
      // The block and its neighbours on the way, up to about the size of one read.
      uint32_t first = place.block, last = place.block;
      const uint64_t start = StartOf(view, first), end = EndOf(view, last);
      while (!backward && last + 1 < view.blocks() &&
             EndOf(view, last + 1) - start <= ReadWindow::kReadBytes) {
        ++last;
      }
      while (backward && first > 0 && end - StartOf(view, first - 1) <= ReadWindow::kReadBytes) {
        --first;
      }
      LSMLAB_CO_TRY(
          co_await window_->Fill(file_, StartOf(view, first), EndOf(view, last), options_.site));
    }
    co_return EnterWindow(place);
  }
  // Block i of the partition held, and behind it on the way what the cache lacks, too.
  Task<Result<BlockRef>> Loads(uint32_t i, bool backward) {
    const PartitionView view = View();
    if (backward || file_.read_ahead() == 1) {
      if (options_.counters != nullptr) ++options_.counters->cache_misses;
      return file_.LoadData(view, i, options_.site);
    }
    if (ahead_ == nullptr) ahead_ = std::make_unique<BlocksAhead>();
    const uint32_t first = view.first_block, left = view.blocks() - i;
    const uint32_t end = i + ahead_->Window(first + i, left, file_.read_ahead());
    for (uint32_t next = i; next < end; ++next) {
      if (next > i && EndOf(view, next) - StartOf(view, i) > BlocksAhead::kBytesMost) break;
      if (next > i && IsCached(first + next, StartOf(view, next))) {
        ahead_->Pass(first + next);
        continue;
      }
      if (options_.counters != nullptr) ++options_.counters->cache_misses;
      ahead_->Add(first + next, file_.LoadData(view, next, options_.site));
    }
    return ahead_->Read();
  }
  bool IsCached(uint32_t number, uint64_t offset) const noexcept {
    const ReadGuard guard;
    return file_.PeekData(number, offset, guard) != nullptr;
  }
  bool EnterAhead(const Place& place, uint32_t number) noexcept {
    BlockRef block = ahead_->Take(number);
    if (!block) return false;
    Enter(place, std::move(block));
    return true;
  }
  static uint64_t StartOf(const PartitionView& view, uint32_t i) noexcept {
    return view.Place(i).handle.offset;
  }
  static uint64_t EndOf(const PartitionView& view, uint32_t i) noexcept {
    const BlockHandle handle = view.Place(i).handle;
    return handle.offset + handle.size + kBlockTrailerBytes;
  }
  // REQUIRES: the window holds the block. After a failure the iterator is in no block.
  Status EnterWindow(const Place& place) noexcept {
    Leave();
    const Result<Slice> block = window_->Open(file_, file_.ExpectedData(View(), place.block));
    if (!block.ok()) return block.status();
    if (options_.counters != nullptr) ++options_.counters->cache_misses;
    block_ = BlockRef();
    cursor_.Attach(block.value());
    at_ = place;
    return Status();
  }
  void Enter(const Place& place, BlockRef block) noexcept {
    block_ = std::move(block);
    cursor_.Attach(block_->bytes());
    at_ = place;
  }

  const PartitionedFile& file_;
  const Table::IteratorOptions options_;
  const Footprint footprint_;
  BlockRef partition_;
  uint32_t partition_at_ = kNowhere;
  Place at_{kNowhere, kNowhere};  // the block that the cursor is attached to
  Cursor cursor_;
  BlockRef block_;                      // of the cache
  std::unique_ptr<BlocksAhead> ahead_;  // fill_cache: from the first block on that was missing
  std::unique_ptr<ReadWindow> window_;  // !fill_cache: what the cache did not have
};

}  // namespace lsmlab::table_internal
