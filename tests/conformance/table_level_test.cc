// What a table and a cache owe each other while the table leaves level 0: nothing of it stays
// pinned, and the table holds no lock while the cache works.

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "tests/support/registered.h"
#include "tests/support/table_fixture.h"

namespace lsmlab::test {
namespace {

// Another cache, with something that happens in the middle of the next Insert: before the block is
// in or when it is. Evictions can run the deleter of any object there.
class InterruptedCache final : public BlockCache {
 public:
  explicit InterruptedCache(BlockCache& inner) : inner_(inner) {}
  std::function<void()> before, after;

  Block* TryPin(BlockSlot& slot, const BlockId& id, const ReadGuard& guard) noexcept override {
    return inner_.TryPin(slot, id, guard);
  }
  Block* Peek(BlockSlot& slot, const BlockId& id, const ReadGuard& guard) noexcept override {
    return inner_.Peek(slot, id, guard);
  }
  bool swizzled_slots() const noexcept override { return inner_.swizzled_slots(); }
  BlockRef Insert(BlockSlot& slot, const BlockId& id, BlockRef block) override {
    if (before) std::exchange(before, nullptr)();
    BlockRef cached = inner_.Insert(slot, id, std::move(block));
    if (after) std::exchange(after, nullptr)();
    return cached;
  }
  void Unpin(std::span<BlockSlot> slots, uint64_t file) noexcept override {
    inner_.Unpin(slots, file);
  }
  void Forget(std::span<BlockSlot> slots, uint64_t file) noexcept override {
    inner_.Forget(slots, file);
  }
  CacheCounters Counters() const noexcept override { return inner_.Counters(); }
  uint64_t capacity_bytes() const noexcept override { return inner_.capacity_bytes(); }

 private:
  BlockCache& inner_;
};

class TableLevel : public testing::TestWithParam<const CacheVariant*> {
 protected:
  // Reads a key of a table of level 0 that is moved to level 1 by another thread during the Insert
  // of its data block: `before` the block is in, or `after`, or not at all.
  uint64_t PinnedAfterRead(bool before, bool after) {
    TableParts parts;
    parts.cache = GetParam();
    TableHome home(parts);
    InterruptedCache cache(home.cache());
    home.environment().cache = &cache;
    home.environment().pins.level0_data = true;
    const EntryMap entries = RandomEntries(6, 200, "user", 10'000);
    home.Build("t", entries);
    const std::unique_ptr<Table> table = std::move(home.Open("t")).value();
    table->SetLevel(0);
    std::future<void> moved;
    const auto move = [&] {
      moved = std::async(std::launch::async, [&] { table->SetLevel(1); });
      EXPECT_EQ(moved.wait_for(std::chrono::seconds(20)), std::future_status::ready)
          << "the table holds a lock while the cache works";
    };
    if (before) cache.before = move;
    if (after) cache.after = move;
    const auto& [key, tag] = entries.begin()->first;
    const LookupKey lookup(key, TagSequence(tag));
    LookupFold fold(lookup.snapshot);
    TableReadCounters counters;
    TableHome::Must(Finish(table->Get(lookup, fold, counters)));
    if (moved.valid()) moved.get();
    return cache.Counters().pinned_bytes;
  }
};

TEST_P(TableLevel, ABlockThatComesWhileTheTableLeavesLevel0IsNotPinned) {
  EXPECT_GT(PinnedAfterRead(false, false), 0u);
  EXPECT_EQ(PinnedAfterRead(true, false), 0u);
  EXPECT_EQ(PinnedAfterRead(false, true), 0u);
}

INSTANTIATE_TEST_SUITE_P(Caches, TableLevel, Registered(CacheVariants(), "none"), ByVariant());

}  // namespace
}  // namespace lsmlab::test
