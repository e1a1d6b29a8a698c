#include "engine/base/arena.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/random.h"

namespace lsmlab {
namespace {

TEST(Arena, PiecesAreAlignedApartAndCounted) {
  Arena arena;
  EXPECT_EQ(arena.used_bytes(), 0u);
  EXPECT_EQ(arena.mapped_bytes(), 0u);
  Random random(1);
  std::vector<std::pair<char*, size_t>> pieces;
  size_t asked = 0;
  for (int i = 0; i < 20'000; ++i) {
    // Mostly small; some around the size of a chunk, and above it.
    size_t bytes = random.Below(300);
    if (i % 2000 == 0) bytes = Arena::kChunkBytes - 2 + random.Below(4);
    if (i % 5000 == 1) bytes = Arena::kChunkBytes + random.Below(2 * Arena::kChunkBytes);
    const size_t alignment = size_t{1} << random.Below(13);
    char* piece = arena.Allocate(bytes, alignment);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(piece) % alignment, 0u);
    std::memset(piece, i & 0xff, bytes);
    pieces.emplace_back(piece, bytes);
    asked += bytes;
    ASSERT_GE(arena.used_bytes(), asked);
    ASSERT_GE(arena.mapped_bytes(), arena.used_bytes());
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    for (size_t at = 0; at < pieces[i].second; ++at) {
      ASSERT_EQ(static_cast<unsigned char>(pieces[i].first[at]), i & 0xff);
    }
  }
}

TEST(Arena, ALargePieceLeavesTheChunkInUse) {
  Arena arena;
  char* first = arena.Allocate(8);
  arena.Allocate(3 * Arena::kChunkBytes);
  EXPECT_EQ(arena.Allocate(8), first + 8);
  EXPECT_EQ(arena.mapped_bytes(), 4 * Arena::kChunkBytes);
}

// Each piece takes a chunk, and a limit on what is used holds for the chunks, too.
TEST(Arena, CountsTheEndsThatNothingFitsInto) {
  constexpr size_t kPiece = Arena::kChunkBytes / 2 + 4096;
  Arena arena;
  for (int i = 0; i < 32; ++i) {
    arena.Allocate(kPiece);
    EXPECT_LE(arena.mapped_bytes() - arena.used_bytes(), Arena::kChunkBytes);
  }
  arena.Allocate(3 * Arena::kChunkBytes - 4096);  // what is left of it is less than of the last
  EXPECT_LE(arena.mapped_bytes() - arena.used_bytes(), Arena::kChunkBytes);
}

TEST(Arena, ChargesWhatIsHeldElsewhere) {
  Arena arena;
  arena.Charge(1000);
  arena.Allocate(24);
  EXPECT_EQ(arena.used_bytes(), 1024u);
}

TEST(Arena, ChunksComeBackFromThePool) {
  char* chunk;
  {
    Arena arena;
    chunk = arena.Allocate(1);
  }
  Arena again;
  EXPECT_EQ(again.Allocate(1), chunk);
}

// Chunks of the pool, taken out and given back at once.
size_t IdleChunksOf(const std::vector<char*>& chunks) {
  Arena arena;
  size_t found = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const char* chunk = arena.Allocate(Arena::kChunkBytes);
    found += std::count(chunks.begin(), chunks.end(), chunk);
  }
  return found;
}

TEST(Arena, AReserveKeepsMoreIdleChunks) {
  constexpr size_t kAlways = (64u << 20) / Arena::kChunkBytes;
  std::vector<char*> chunks;
  const auto fill_and_free = [&] {
    chunks.clear();
    Arena arena;
    for (size_t i = 0; i < 3 * kAlways; ++i) {
      chunks.push_back(arena.Allocate(Arena::kChunkBytes));
      *chunks.back() = 1;
    }
  };
  {
    Arena::Reserve reserve(2 * kAlways * Arena::kChunkBytes - 1);
    fill_and_free();
    EXPECT_EQ(IdleChunksOf(chunks), 3 * kAlways);
  }
  // What exceeds the limit went back to the system with the reserve.
  const auto mapped = [](const char* chunk) {
    unsigned char resident;
    return mincore(const_cast<char*>(chunk), 4096, &resident) == 0;
  };
  EXPECT_EQ(static_cast<size_t>(std::count_if(chunks.begin(), chunks.end(), mapped)), kAlways);
}

TEST(Arena, ArenasOfDifferentThreadsShareThePool) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 50; ++i) {
        Arena arena;
        for (int n = 0; n < 5; ++n) std::memset(arena.Allocate(1 << 20), t, 4096);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace lsmlab
