#pragma once

#include <atomic>
#include <cstdint>

#include "engine/base/arena.h"

namespace lsmlab::memtable_parts {

// Says without touching the tree that a key is not in the memtable: a Get that misses costs 11 ns
// instead of a descent of 300 to 400 (memtable_bench, 1 M entries).
//
// A split block filter (Putze, Sanders, Singler 2007; Apple 2021, with its odd multipliers): a key
// selects one 64-byte line and sets one bit in each of its eight lanes; 16 bits per key.
//
// How many keys come is not known, so the filter is a chain: the first segment is sized from the
// memtable's byte limit, and a full segment is followed by one twice its size, which takes the keys
// from then on. A probe asks all segments, newest first; with entries of at least
// kAssumedEntryBytes there is one. A key stays in the segment that took it: no false negatives.
//
// Thread safety: Add by one thread at a time, MayContain by any. A reader that knows an Add to have
// happened sees it.
class MemtableFilter {
 public:
  // Bytes of memtable per entry (record, tree) for which one segment is enough.
  static constexpr uint64_t kAssumedEntryBytes = 128;

  // `memtable_bytes`: when the memtable will be full, 0 if not known.
  MemtableFilter(uint64_t memtable_bytes, Arena& arena);

  void Add(uint64_t key_hash);
  bool MayContain(uint64_t key_hash) const noexcept {
    for (const Segment* s = newest_.load(std::memory_order_acquire); s != nullptr; s = s->older) {
      if (Probe(*s, key_hash)) return true;
    }
    return false;
  }
  void Prefetch(uint64_t key_hash) const noexcept {
    const Segment* segment = newest_.load(std::memory_order_acquire);
    __builtin_prefetch(segment->lines + LineOf(*segment, key_hash));
  }

 private:
  static constexpr uint64_t kBitsPerKey = 16;
  struct alignas(64) Line {
    uint64_t lanes[8];
  };
  struct Segment {
    const Segment* older;
    Line* lines;
    uint64_t line_count;
    uint64_t keys_left;  // the writer's
  };

  static uint64_t LineOf(const Segment& segment, uint64_t hash) noexcept {
    return ((hash >> 32) * segment.line_count) >> 32;
  }
  static bool Probe(const Segment& segment, uint64_t hash) noexcept;
  static Segment* NewSegment(uint64_t keys, const Segment* older, Arena& arena);

  Arena& arena_;
  std::atomic<Segment*> newest_;
};

}  // namespace lsmlab::memtable_parts
