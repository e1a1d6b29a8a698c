#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/parts/block.h"

// What block layouts share. A layout is a struct with
//
//   kName        its name on disk and in settings
//   Builder      Builder(LayoutOptions); empty(); SizeWith(key, value): bytes of the block if that
//                entry were added; bytes(): of the block now; Fits(key, value): whether the layout
//                can hold one more; Add(key, tag, value); Finish(): the block, valid until Reset()
//   Validate     the whole structure of untrusted bytes; what it accepts, searches and cursors
//                trust: any order of entries is safe, but only sorted ones are found
//   Search       feeds a LookupFold with the versions of one key
//   kNeedsExactBlock  whether Search relies on the block being the one that the index finds for the
//                key, compared in full (see BlockIndex::FindLikely)
//   LinesToSearch(entries): the lines that a search of a block of so many entries touches before it
//                knows where the entry is, from the Block's own first line on
//   DataBytes(entries, raw): about how many bytes blocks of entries with so many bytes of keys and
//                values take together, without their headers; 0: cannot be told
//   Cursor       ordered walk; Attach() to validated bytes that outlive the cursor's use.
//                TryNext: as Next, but nothing changes at the end. Remaining: how many entries
//                follow; may be too large. PrepareSeek(key), then SeekPrepared(key, tag): as Seek
//                with the cache miss between them; false: there is no entry, or Seek has to go.
//                PreparedAfter as an iterator's
//
// and for a hash table over the block (hashed_block.h): last_place() of the Builder, the number of
// the place from which the entry added last can be found; Places(block): how many there are;
// SearchPlace: as Search of a key whose versions all begin at or behind that place and before the
// next; kKeyHasOnePlace: the place of a key's first version is that of the others, too.
//
// Searches may read up to 64 bytes past the block's end.
namespace lsmlab::table_internal {

// Of blocks that are held whole: more a builder refuses to write, and a reader to read.
inline constexpr uint64_t kMaxIndexBytes = 1u << 30;
inline constexpr uint64_t kMaxFilterBytes = UINT32_MAX;

struct LayoutOptions {
  size_t block_bytes = 4096;
  size_t restart_interval = 16;
};

enum class SearchEnd : uint8_t {
  kAbsent,  // no version of the key that the lookup may see
  kDone,    // the fold wants no more, or all versions were fed
  kRanOut,  // all versions of this block were fed; older ones may start the next block
};

// What to prefetch of a block before anything of it has arrived.
struct Footprint {
  size_t lines = 0;  // that a search touches first, from the Block on
  size_t bytes = 0;  // about how long Block and data are
};

inline void PrefetchBlock(const Block* block, const Footprint& footprint) noexcept {
  const auto* const at = reinterpret_cast<const char*>(block);
  for (size_t i = 0; i < footprint.lines; ++i) __builtin_prefetch(at + 64 * i);
  // Where the entry may lie in a second page, that page's address is looked up meanwhile: on a
  // virtual machine this takes as long as a line from memory.
  const auto* const page =
      reinterpret_cast<const char*>((reinterpret_cast<uintptr_t>(at) | 4095) + 1);
  // By distance: a damaged file may claim any size.
  if (static_cast<size_t>(page - at) < footprint.bytes) __builtin_prefetch(page);
}

}  // namespace lsmlab::table_internal
