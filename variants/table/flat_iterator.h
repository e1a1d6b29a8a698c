#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "engine/parts/internal_iterator.h"
#include "engine/parts/table.h"
#include "variants/table/blocks_ahead.h"
#include "variants/table/flat_file.h"
#include "variants/table/read_window.h"

namespace lsmlab::table_internal {

// Iterator over a flat table. Inside a block it is the layout's cursor; between blocks it takes a
// reference from the cache without waiting, and only what must be read becomes a Task.
template <typename Cursor>
class FlatIterator final : public InternalIterator {
 public:
  FlatIterator(const FlatFile& file, const Table::IteratorOptions& options,
               const Footprint& footprint)
      : file_(file), options_(options), footprint_(footprint) {}

  void PrepareSeek(Slice key) noexcept final {
    stage_ = Stage::kNone;
    if (!options_.fill_cache || !file_.index().FindLeaf(key, &prepared_leaf_)) return;
    file_.PrefetchSlots(prepared_leaf_.first);
    stage_ = Stage::kLeaf;
  }
  void PrepareBlock(Slice) noexcept final {
    if (stage_ != Stage::kLeaf) return;
    prepared_block_ = file_.index().FindInLeaf(prepared_leaf_);
    stage_ = Stage::kNone;
    if (prepared_block_ >= file_.index().count()) return;
    file_.Prefetch(prepared_block_, footprint_);
    stage_ = Stage::kBlock;
  }
  void PrepareEntry(Slice key) noexcept final {
    if (stage_ != Stage::kBlock || !EnterCached(prepared_block_, /*prefetched=*/true)) return;
    cursor_.PrepareSeek(key);
    stage_ = Stage::kEntry;
  }
  bool PreparedAfter(Slice other) const noexcept final {
    return stage_ == Stage::kEntry && cursor_.PreparedAfter(other);
  }
  ValueOrTask<Status> Seek(Slice key, Tag tag) final {
    const Stage stage = std::exchange(stage_, Stage::kNone);
    if (stage == Stage::kEntry && cursor_.SeekPrepared(key, tag, entry_)) {
      valid_ = true;
      return Status();
    }
    // The prepared block is the entry's or an earlier one, from which Land goes on.
    return Land(stage >= Stage::kBlock ? prepared_block_ : Find(key, tag),
                Goal{Goal::kSeek, key, tag});
  }
  ValueOrTask<Status> SeekBefore(Slice key, Tag tag) final {
    const uint32_t i = Find(key, tag);
    if (i == file_.index().count()) return Land(i - 1, Goal{Goal::kLast, {}, 0});
    return Land(i, Goal{Goal::kBefore, key, tag});
  }
  ValueOrTask<Status> SeekToFirst() final { return Land(0, Goal{Goal::kFirst, {}, 0}); }
  ValueOrTask<Status> SeekToLast() final {
    return Land(file_.index().count() - 1, Goal{Goal::kLast, {}, 0});
  }
  ValueOrTask<Status> Next() final {
    if (cursor_.Next(entry_)) [[likely]]
      return Status();
    return Land(at_ + 1, Goal{Goal::kFirst, {}, 0});
  }
  ValueOrTask<Status> Prev() final {
    if (cursor_.Prev(entry_)) [[likely]]
      return Status();
    return Land(at_ - 1, Goal{Goal::kLast, {}, 0});
  }

 private:
  bool StepInMemory() noexcept final {
    if (!cursor_.TryNext(entry_)) return false;
    if (cursor_.Remaining() == kAhead && at_ + 1 < file_.index().count()) {
      file_.Prefetch(at_ + 1, footprint_);
    }
    return true;
  }

  // What to do in a block once it is entered.
  struct Goal {
    enum Kind : uint8_t { kFirst, kLast, kSeek, kBefore } kind;
    Slice key;
    Tag tag;
    bool backward() const noexcept { return kind == kLast || kind == kBefore; }
  };

  uint32_t Find(Slice key, Tag tag) const noexcept {
    return file_.index().Find(key, tag, [this](uint32_t first) { file_.PrefetchSlots(first); });
  }

  // Positions in block i, or in its neighbours when it has no such entry. Block numbers wrap below
  // 0, which is then no block.
  ValueOrTask<Status> Land(uint32_t i, Goal goal) {
    stage_ = Stage::kNone;
    valid_ = false;
    while (i < file_.index().count()) {
      if (!EnterCached(i)) return LandSlow(i, goal);
      if (Position(goal)) return Status();
      Step(i, goal);
    }
    return Status();
  }
  Task<Status> LandSlow(uint32_t i, Goal goal) {
    while (i < file_.index().count()) {
      if (!EnterCached(i)) {
        Status status = co_await EnterLoaded(i, goal.backward());
        if (!status.ok()) {
          at_ = kNoBlock;
          co_return status;
        }
      }
      if (Position(goal)) break;
      Step(i, goal);
    }
    co_return Status();
  }
  void Step(uint32_t& i, Goal& goal) const noexcept {
    if (goal.kind == Goal::kBefore) goal.kind = Goal::kLast;
    if (goal.kind == Goal::kSeek) {
      // From a prepared block on, versions may straddle many.
      i = file_.index().FindFrom(i + 1, goal.key, goal.tag);
    } else {
      i += goal.backward() ? -1 : 1;
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

  bool EnterCached(uint32_t i, bool prefetched = false) noexcept {
    if (at_ == i) return true;
    if (window_ != nullptr && window_->Has(file_.index().handle(i))) return EnterWindow(i).ok();
    if (ahead_ != nullptr && EnterAhead(i)) return true;
    if (!options_.use_cache) return false;
    const ReadGuard guard;
    Block* block = options_.fill_cache ? file_.TryPin(i, guard) : file_.Peek(i, guard);
    if (block == nullptr) return false;
    if (!prefetched) {
      PrefetchBlock(block, footprint_);
    }
    if (options_.counters != nullptr) ++options_.counters->cache_hits;
    Enter(i, BlockRef::Share(block));
    return true;
  }
  Task<Status> EnterLoaded(uint32_t i, bool backward) {
    if (options_.fill_cache) {
      Result<BlockRef> block = co_await Loads(i, backward);
      if (!block.ok()) co_return block.status();
      Enter(i, std::move(block).value());
      co_return Status();
    }
    if (window_ == nullptr) window_ = std::make_unique<ReadWindow>();
    const BlockIndex& index = file_.index();
    if (!window_->Has(index.handle(i))) {
      at_ = kNoBlock;  // the cursor's block is about to be overwritten
      // The block and its neighbours on the way, up to about the size of one read.
      uint32_t first = i, last = i;
      while (!backward && last + 1 < index.count() &&
             EndOf(last + 1) - index.handle(i).offset <= ReadWindow::kReadBytes) {
        ++last;
      }
      while (backward && first > 0 &&
             EndOf(i) - index.handle(first - 1).offset <= ReadWindow::kReadBytes) {
        --first;
      }
      LSMLAB_CO_TRY(
          co_await window_->Fill(file_, index.handle(first).offset, EndOf(last), options_.site));
    }
    co_return EnterWindow(i);
  }
  // Block i, and behind it on the way what the cache lacks, too.
  Task<Result<BlockRef>> Loads(uint32_t i, bool backward) {
    if (backward || file_.read_ahead() == 1) {
      if (options_.counters != nullptr) ++options_.counters->cache_misses;
      return file_.Load(i, options_.site);
    }
    if (ahead_ == nullptr) ahead_ = std::make_unique<BlocksAhead>();
    const uint32_t left = file_.index().count() - i;
    const uint32_t end = i + ahead_->Window(i, left, file_.read_ahead());
    for (uint32_t next = i; next < end; ++next) {
      if (next > i && EndOf(next) - file_.index().handle(i).offset > BlocksAhead::kBytesMost) break;
      if (next > i && IsCached(next)) {
        ahead_->Pass(next);
        continue;
      }
      if (options_.counters != nullptr) ++options_.counters->cache_misses;
      ahead_->Add(next, file_.Load(next, options_.site));
    }
    return ahead_->Read();
  }
  bool IsCached(uint32_t i) const noexcept {
    const ReadGuard guard;
    return file_.Peek(i, guard) != nullptr;
  }
  [[gnu::noinline]] bool EnterAhead(uint32_t i) noexcept {
    BlockRef block = ahead_->Take(i);
    if (!block) return false;
    Enter(i, std::move(block));
    return true;
  }
  uint64_t EndOf(uint32_t i) const noexcept {
    const BlockHandle handle = file_.index().handle(i);
    return handle.offset + handle.size + kBlockTrailerBytes;
  }
  // REQUIRES: the window holds block i. After a failure the iterator is in no block.
  [[gnu::noinline]] Status EnterWindow(uint32_t i) noexcept {
    at_ = kNoBlock;
    const Result<Slice> block = window_->Open(file_, file_.Expected(i));
    if (!block.ok()) return block.status();
    if (options_.counters != nullptr) ++options_.counters->cache_misses;
    block_ = BlockRef();
    cursor_.Attach(block.value());
    at_ = i;
    return Status();
  }
  void Enter(uint32_t i, BlockRef block) noexcept {
    block_ = std::move(block);
    cursor_.Attach(block_->bytes());
    at_ = i;
  }

  static constexpr uint32_t kNoBlock = UINT32_MAX - 1;
  static constexpr uint32_t kAhead = 8;  // entries before its end the next block is prefetched

  const FlatFile& file_;
  const Table::IteratorOptions options_;
  const Footprint footprint_;
  // How far the seek to come is prepared.
  enum class Stage : uint8_t { kNone, kLeaf, kBlock, kEntry } stage_ = Stage::kNone;
  BlockIndex::Leaf prepared_leaf_;  // from kLeaf on
  uint32_t prepared_block_;         // from kBlock on
  uint32_t at_ = kNoBlock;          // the block that the cursor is attached to
  Cursor cursor_;
  BlockRef block_;                      // of the cache
  std::unique_ptr<BlocksAhead> ahead_;  // fill_cache: from the first block on that was missing
  std::unique_ptr<ReadWindow> window_;  // !fill_cache: what the cache did not have
};

}  // namespace lsmlab::table_internal
