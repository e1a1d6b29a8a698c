// What every block cache must do (engine/parts/block_cache.h), and the frames that blocks live in.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/random.h"
#include "tests/support/registered.h"
#include "variants/cache/cache_common.h"
#include "variants/cache/caches.h"

namespace lsmlab {
namespace {

SettingBag Bag(int64_t bytes, int64_t shards) {
  SettingBag bag;
  bag.Set("bytes", bytes);
  bag.Set("shards", shards);
  bag.Set("pin_share", 0.5);
  return bag;
}

BlockId IdOf(uint64_t file, size_t i) { return BlockId{file, 4096 * i}; }

// A block whose bytes say what it is.
BlockRef MakeBlock(const BlockId& id, size_t size = 4000) {
  Block* block = AllocateBlock(size);
  block->id = id;
  char* data = MutableData(block);
  std::memset(data, 'x', size);
  std::memcpy(data, &id, sizeof id);
  return BlockRef::Adopt(block);
}
bool Holds(const Block& block, const BlockId& id) {
  return std::memcmp(block.data, &id, sizeof id) == 0;
}

class CacheConformance : public testing::TestWithParam<const CacheVariant*> {
 protected:
  void Make(int64_t bytes, int64_t shards, size_t slots) {
    cache_ = GetParam()->make(Bag(bytes, shards));
    slots_ = std::vector<BlockSlot>(slots);
  }
  ~CacheConformance() override {
    cache_->Forget(slots_, 1);
    cache_.reset();
    EpochDrain();
  }
  BlockRef Insert(size_t i) { return cache_->Insert(slots_[i], IdOf(1, i), MakeBlock(IdOf(1, i))); }
  BlockRef InsertPinned(size_t i) {
    BlockRef block = MakeBlock(IdOf(1, i));
    block->pin = true;
    return cache_->Insert(slots_[i], IdOf(1, i), std::move(block));
  }
  // How many of the blocks are there, without renewing them.
  size_t Held(size_t begin, size_t end) {
    size_t held = 0;
    const ReadGuard guard;
    for (size_t i = begin; i < end; ++i) {
      held += cache_->Peek(slots_[i], IdOf(1, i), guard) != nullptr;
    }
    return held;
  }
  // Many times the cache, each block used twice.
  void InsertOthers(size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      (void)Insert(i);
      for (int uses = 0; uses < 2; ++uses) (void)Cached(i);
      ASSERT_LE(cache_->Counters().charge_bytes, cache_->capacity_bytes());
    }
  }
  bool Cached(size_t i) {
    const ReadGuard guard;
    Block* block = cache_->TryPin(slots_[i], IdOf(1, i), guard);
    EXPECT_TRUE(block == nullptr || Holds(*block, IdOf(1, i)));
    return block != nullptr;
  }
  bool keeps() const { return GetParam() != &kNoCache; }

  std::unique_ptr<BlockCache> cache_;
  std::vector<BlockSlot> slots_;
};

TEST_P(CacheConformance, KeepsWhatFits) {
  Make(8 << 20, 4, 100);
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_FALSE(Cached(i));
    const BlockRef block = Insert(i);
    EXPECT_TRUE(Holds(*block.get(), IdOf(1, i)));
  }
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(Cached(i), keeps());
  EXPECT_EQ(cache_->Counters().blocks, keeps() ? 100u : 0u);
}

TEST_P(CacheConformance, TheFirstOfTwoLoadersWins) {
  Make(8 << 20, 4, 1);
  const BlockRef first = Insert(0);
  const BlockRef second = Insert(0);
  EXPECT_EQ(first.get() == second.get(), keeps());
  EXPECT_EQ(cache_->Counters().blocks, keeps() ? 1u : 0u);
}

TEST_P(CacheConformance, StaysWithinItsBudget) {
  Make(1 << 20, 1, 2000);
  Random random(1);
  const uint64_t before = BlockFrameBytes();
  for (size_t round = 0; round < 6000; ++round) {
    const size_t i = random.Below(2000);
    if (!Cached(i)) {
      (void)cache_->Insert(slots_[i], IdOf(1, i),
                           MakeBlock(IdOf(1, i), 1 + random.Below(9000) + 15));
    }
    ASSERT_LE(cache_->Counters().charge_bytes, cache_->capacity_bytes());
  }
  EpochDrain();
  EXPECT_EQ(BlockFrameBytes() - before, cache_->Counters().charge_bytes)
      << "what is charged is what is held";
  if (!keeps()) return;
  EXPECT_GT(cache_->Counters().charge_bytes, cache_->capacity_bytes() * 8 / 10);
  EXPECT_GT(cache_->Counters().evictions, 1000u);
}

// It outlives others of its age, but not for ever.
TEST_P(CacheConformance, APriorityKeepsABlockForLonger) {
  Make(512 << 10, 1, 4000);
  for (size_t i = 0; i < 20; ++i) {
    BlockRef block = MakeBlock(IdOf(1, i));
    block->priority = i % 2 == 0 ? kHighestBlockPriority : 0;
    (void)cache_->Insert(slots_[i], IdOf(1, i), std::move(block));
  }
  const auto held = [&](size_t remainder) {
    size_t n = 0;
    const ReadGuard guard;
    for (size_t i = remainder; i < 20; i += 2) {
      n += cache_->Peek(slots_[i], IdOf(1, i), guard) != nullptr;
    }
    return n;
  };
  for (size_t i = 20; i < 300; ++i) (void)Insert(i);
  EXPECT_EQ(held(0), keeps() ? 10u : 0u);
  EXPECT_EQ(held(1), 0u);
  for (size_t i = 300; i < 4000; ++i) {
    (void)Insert(i);
    for (int uses = 0; uses < 2; ++uses) (void)Cached(i);
  }
  EXPECT_EQ(held(0), 0u);
}

// However often it was old: with each use its time begins anew.
TEST_P(CacheConformance, APriorityIsNotUsedUp) {
  Make(512 << 10, 1, 5000);
  BlockRef first = MakeBlock(IdOf(1, 0));
  first->priority = kHighestBlockPriority;
  (void)cache_->Insert(slots_[0], IdOf(1, 0), std::move(first));
  size_t next = 1;
  for (int round = 0; round < 10; ++round) {
    for (int n = 0; n < 200; ++n) (void)Insert(next++);
    ASSERT_EQ(Cached(0), keeps()) << "round " << round;
  }
  for (int n = 0; n < 2000; ++n) {
    (void)Insert(next++);
    for (int uses = 0; uses < 2; ++uses) (void)Cached(next - 1);
  }
  EXPECT_FALSE(Cached(0)) << "never used again, it went";
}

TEST_P(CacheConformance, APinnedBlockStaysUntilItIsLetGo) {
  Make(512 << 10, 1, 4000);
  for (size_t i = 0; i < 20; ++i) (void)InsertPinned(i);
  EXPECT_EQ(cache_->Counters().pinned_bytes, keeps() ? cache_->Counters().charge_bytes : 0u);
  for (size_t i = 0; i < 20; i += 3) (void)Cached(i);
  InsertOthers(20, 2000);
  EXPECT_EQ(Held(0, 20), keeps() ? 20u : 0u);
  const uint64_t pinned = cache_->Counters().pinned_bytes;
  cache_->Unpin(std::span(slots_).first(10), 1);
  cache_->Unpin(std::span(slots_).subspan(100, 50), 1);  // never were
  EXPECT_EQ(cache_->Counters().pinned_bytes, pinned / 2);
  EXPECT_EQ(Held(0, 20), keeps() ? 20u : 0u) << "it goes when its turn comes";
  InsertOthers(2000, 4000);
  EXPECT_EQ(Held(0, 10), 0u);
  EXPECT_EQ(Held(10, 20), keeps() ? 10u : 0u);
  EXPECT_EQ(cache_->Counters().pins_refused, 0u);
  cache_->Forget(slots_, 1);
  EXPECT_EQ(Held(0, 4000), 0u);
  EXPECT_EQ(cache_->Counters().pinned_bytes, 0u);
  EXPECT_EQ(cache_->Counters().charge_bytes, 0u);
}

TEST_P(CacheConformance, PinnedBlocksTakeNoMoreThanTheirShare) {
  Make(512 << 10, 1, 2000);
  const uint64_t charge = MakeBlock(IdOf(1, 0))->charge;
  const uint64_t most = (256 << 10) / charge;
  for (size_t i = 0; i < 100; ++i) (void)InsertPinned(i);
  CacheCounters counters = cache_->Counters();
  EXPECT_EQ(counters.pinned_bytes, keeps() ? most * charge : 0u);
  EXPECT_EQ(counters.pins_refused, keeps() ? 100 - most : 0u);
  EXPECT_EQ(counters.blocks, keeps() ? 100u : 0u) << "the others are cached all the same";
  InsertOthers(100, 1500);
  EXPECT_EQ(Held(0, 100), keeps() ? most : 0u) << "and go like others";
  // More than is left beside the pinned ones: not cached, and nothing pinned goes for it.
  const BlockRef large =
      cache_->Insert(slots_[1600], IdOf(1, 1600), MakeBlock(IdOf(1, 1600), 300 << 10));
  EXPECT_TRUE(Holds(*large.get(), IdOf(1, 1600)));
  EXPECT_EQ(Held(1600, 1601), 0u);
  EXPECT_EQ(Held(0, 100), keeps() ? most : 0u);
  // What is let go makes room for others to be pinned.
  cache_->Unpin(std::span(slots_).first(10), 1);
  (void)InsertPinned(1700);
  InsertOthers(1701, 2000);
  EXPECT_EQ(Held(1700, 1701), keeps() ? 1u : 0u);
}

TEST_P(CacheConformance, WhatIsUsedStays) {
  Make(512 << 10, 1, 1000);
  for (size_t i = 0; i < 1000; ++i) {
    (void)Insert(i);
    for (size_t hot = 0; hot < 10 && i >= 10; ++hot) {
      ASSERT_EQ(Cached(hot), keeps()) << "block " << hot << " after " << i;
    }
  }
}

TEST_P(CacheConformance, APeekSeesTheBlockAndDoesNotRenewIt) {
  Make(512 << 10, 1, 1000);
  (void)Insert(0);
  for (size_t i = 1; i < 400; ++i) {
    const ReadGuard guard;
    Block* block = cache_->Peek(slots_[0], IdOf(1, 0), guard);
    ASSERT_TRUE(block == nullptr || Holds(*block, IdOf(1, 0)));
    if (i == 1) {
      EXPECT_EQ(block != nullptr, keeps());
    }
    (void)Insert(i);
  }
  EXPECT_FALSE(Cached(0)) << "peeked at before every insert, it went all the same";
}

TEST_P(CacheConformance, ABlockInUseIsNotEvictedAndALargeOneIsNotKept) {
  Make(64 << 10, 1, 100);
  std::vector<BlockRef> held;
  for (size_t i = 0; i < 40; ++i) {
    held.push_back(Insert(i));
    ASSERT_TRUE(Holds(*held.back().get(), IdOf(1, i))) << "returned even when it is not cached";
  }
  EXPECT_LE(cache_->Counters().charge_bytes, 64u << 10);
  EXPECT_EQ(cache_->Counters().evictions, 0u);
  EXPECT_EQ(Cached(0), keeps());
  held.clear();
  (void)cache_->Insert(slots_[50], IdOf(1, 50), MakeBlock(IdOf(1, 50), 100 << 10));
  EXPECT_FALSE(Cached(50));
  (void)Insert(51);
  EXPECT_EQ(Cached(51), keeps());
}

TEST_P(CacheConformance, ForgetDropsOneFileOnly) {
  Make(8 << 20, 4, 50);
  std::vector<BlockSlot> others(50);
  for (size_t i = 0; i < 50; ++i) {
    (void)Insert(i);
    (void)cache_->Insert(others[i], IdOf(2, i), MakeBlock(IdOf(2, i)));
  }
  const BlockRef held = Insert(7);
  cache_->Forget(slots_, 1);
  EXPECT_TRUE(Holds(*held.get(), IdOf(1, 7))) << "outlives its entry";
  for (size_t i = 0; i < 50; ++i) {
    EXPECT_FALSE(Cached(i));
    const ReadGuard guard;
    EXPECT_EQ(cache_->TryPin(others[i], IdOf(2, i), guard) != nullptr, keeps());
  }
  cache_->Forget(others, 2);
  EXPECT_EQ(cache_->Counters().blocks, 0u);
  EXPECT_EQ(cache_->Counters().charge_bytes, 0u);
}

TEST_P(CacheConformance, ABlockFoundUnderAGuardLivesAsLongAsTheGuard) {
  Make(64 << 10, 1, 1000);
  (void)Insert(0);
  {
    const ReadGuard guard;
    Block* block = cache_->TryPin(slots_[0], IdOf(1, 0), guard);
    for (size_t i = 1; i < 1000; ++i) (void)Insert(i);
    if (block != nullptr) {
      EXPECT_TRUE(Holds(*block, IdOf(1, 0)));
      const BlockRef shared = BlockRef::Share(block);
      EXPECT_TRUE(Holds(*shared.get(), IdOf(1, 0)));
    }
  }
  EpochDrain();
}

TEST_P(CacheConformance, ReadersLoadersAndEvictionAtOnce) {
  Make(256 << 10, 2, 400);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      Random random(t);
      std::vector<BlockRef> kept(4);
      while (!stop.load(std::memory_order_relaxed)) {
        const size_t i = random.Below(slots_.size());
        const BlockId id = IdOf(1, i);
        BlockRef ref;
        {
          const ReadGuard guard;
          Block* block = cache_->TryPin(slots_[i], id, guard);
          if (block != nullptr) {
            ASSERT_TRUE(Holds(*block, id));
            if (random.OneIn(4)) ref = BlockRef::Share(block);
          }
        }
        if (!ref) {
          ref = MakeBlock(id);
          ref->pin = random.OneIn(8);
          ref = cache_->Insert(slots_[i], id, std::move(ref));
        }
        ASSERT_TRUE(Holds(*ref.get(), id));
        if (random.OneIn(64)) cache_->Unpin(slots_, 1);
        if (random.OneIn(8)) kept[random.Below(4)] = ref;
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache_->Counters().charge_bytes, cache_->capacity_bytes());
  EXPECT_LE(cache_->Counters().pinned_bytes, cache_->capacity_bytes() / 2);
  cache_->Unpin(slots_, 1);
  EXPECT_EQ(cache_->Counters().pinned_bytes, 0u);
}

INSTANTIATE_TEST_SUITE_P(Caches, CacheConformance, test::Registered(CacheVariants()),
                         test::ByVariant());

// Shard and place come from different bits, also for blocks that all start on a page.
TEST(CacheHash, PlacesOfAShardAreSpread) {
  constexpr size_t kShards = 16, kPlaces = 64;
  std::vector<std::vector<size_t>> met(kShards, std::vector<size_t>(kPlaces));
  for (size_t i = 0; i < 65'536; ++i) {
    const uint64_t hash = cache_internal::HashOf(IdOf(7, i));
    ++met[hash % kShards][(hash >> 32) % kPlaces];
  }
  for (const std::vector<size_t>& places : met) {
    for (const size_t n : places) {
      EXPECT_GT(n, 24u);
      EXPECT_LT(n, 128u);  // 64 in the mean
    }
  }
}

// While everything in the main queue is in use elsewhere, the small one makes room.
TEST(S3FifoCache, ABusyMainQueueRefusesNothing) {
  SettingBag bag = Bag(512 << 10, 1);
  bag.Set("pin_share", 0.9);
  auto cache = kS3FifoCache.make(bag);
  std::vector<BlockSlot> slots(400);
  const auto insert = [&](size_t i, bool pin, uint8_t priority) {
    BlockRef block = MakeBlock(IdOf(1, i));
    block->pin = pin;
    block->priority = priority;
    return cache->Insert(slots[i], IdOf(1, i), std::move(block));
  };
  const auto cached = [&](size_t i) {
    const ReadGuard guard;
    return cache->Peek(slots[i], IdOf(1, i), guard) != nullptr;
  };
  size_t next = 0;
  while (cache->Counters().pins_refused == 0) (void)insert(next++, true, 0);
  BlockRef held = insert(next++, false, kHighestBlockPriority);
  for (int n = 0; n < 100; ++n) {
    (void)insert(next, false, 0);
    EXPECT_TRUE(cached(next++));
  }
  EXPECT_TRUE(cached(0));
  held = BlockRef();
  cache->Forget(slots, 1);
  cache.reset();
  EpochDrain();
}

// What was used twice outlives a scan of many times the cache; with lru it does not.
TEST(S3FifoCache, AScanLeavesWhatIsUsed) {
  for (const CacheVariant* variant : {&kS3FifoCache, &kLruCache}) {
    auto cache = variant->make(Bag(512 << 10, 1));
    std::vector<BlockSlot> slots(2'000);
    const auto insert = [&](size_t i) {
      (void)cache->Insert(slots[i], IdOf(1, i), MakeBlock(IdOf(1, i)));
    };
    const auto cached = [&](size_t i) {
      const ReadGuard guard;
      return cache->TryPin(slots[i], IdOf(1, i), guard) != nullptr;
    };
    for (size_t i = 0; i < 20; ++i) insert(i);
    for (int use = 0; use < 2; ++use) {
      for (size_t i = 0; i < 20; ++i) EXPECT_TRUE(cached(i));
    }
    for (size_t i = 20; i < 1'500; ++i) insert(i);
    const bool stays = variant == &kS3FifoCache;
    for (size_t i = 0; i < 20; ++i) EXPECT_EQ(cached(i), stays) << variant->name << " " << i;
    // One that comes again soon after its eviction goes straight to the main queue.
    EXPECT_FALSE(cached(1'300));
    insert(1'300);
    for (size_t i = 1'500; i < 2'000; ++i) insert(i);
    EXPECT_EQ(cached(1'300), stays) << variant->name;
    cache->Forget(slots, 1);
    cache.reset();
  }
  EpochDrain();
}

TEST(BlockFrames, EverySizeIsAlignedChargedAndDisjoint) {
  const uint64_t before = BlockFrameBytes();
  std::vector<BlockRef> blocks;
  Random random(1);
  uint64_t charged = 0;
  for (int i = 0; i < 3000; ++i) {
    const size_t size = i % 50 == 0 ? random.Below(300'000) : random.Below(20'000);
    Block* block = AllocateBlock(size);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0u);
    ASSERT_EQ(block->data, reinterpret_cast<char*>(block) + kBlockDataOffset);
    ASSERT_EQ(block->size, size);
    ASSERT_GE(block->charge, size + kBlockDataOffset + 64);
    ASSERT_LE(block->charge, std::max<size_t>(576, (size + 192) * 9 / 8 + 64));
    charged += block->charge;
    std::memset(MutableData(block), i & 0xff, size + 64);
    blocks.push_back(BlockRef::Adopt(block));
    if (random.OneIn(3)) {
      const size_t victim = random.Below(blocks.size());
      charged -= blocks[victim]->charge;
      std::swap(blocks[victim], blocks.back());
      blocks.pop_back();
    }
    ASSERT_EQ(BlockFrameBytes() - before, charged);
  }
  for (const BlockRef& block : blocks) {
    const Slice bytes = block->bytes();
    ASSERT_TRUE(std::all_of(bytes.begin(), bytes.end(), [&](char c) { return c == bytes[0]; }));
  }
  blocks.clear();
  EXPECT_EQ(BlockFrameBytes(), before);
}

TEST(BlockFrames, FramesOfWholePagesStartAPage) {
#if defined(LSMLAB_SANITIZED)
  GTEST_SKIP() << "every frame is an allocation of its own";
#endif
  for (const size_t bytes : {size_t{4096}, size_t{8192}, size_t{12'288}, kLargestPooledFrame}) {
    std::vector<BlockRef> blocks;
    for (int i = 0; i < 1200; ++i) {
      blocks.push_back(BlockRef::Adopt(AllocateBlock(bytes - kBlockOverhead)));
      ASSERT_EQ(reinterpret_cast<uintptr_t>(blocks.back().get()) % 4096, 0u) << bytes;
      ASSERT_EQ(blocks.back()->charge, bytes);
    }
  }
}

TEST(BlockFrames, ManyThreads) {
  const uint64_t before = BlockFrameBytes();
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      Random random(t);
      std::vector<BlockRef> held(64);
      for (int i = 0; i < 20'000; ++i) {
        Block* block = AllocateBlock(random.Below(9000) + 1);
        std::memset(MutableData(block), static_cast<int>(t), block->size);
        BlockRef& place = held[random.Below(held.size())];
        if (place) {
          ASSERT_EQ(place->data[place->size - 1], static_cast<char>(t));
        }
        place = BlockRef::Adopt(block);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(BlockFrameBytes(), before);
}

}  // namespace
}  // namespace lsmlab
