#pragma once

#include <cstddef>
#include <cstdint>

// What block layouts share. A layout is a struct with
//
//   kName        its name on disk and in settings
//   Builder      Builder(LayoutOptions); empty(); SizeWith(key, value): bytes of the block if that
//                entry were added; bytes(): of the block now; Fits(key, value): whether the layout
//                can hold one more; Add(key, tag, value); Finish(): the block, valid until Reset()
//   Validate     the whole structure of untrusted bytes; what it accepts, searches and cursors
//                trust: any order of entries is safe, but only sorted ones are found
//   Search       feeds a LookupFold with the versions of one key
//   Prefetch     the lines that a search touches first
//   Cursor       ordered walk; Attach() to validated bytes that outlive the cursor's use.
//                TryNext: as Next, but nothing changes at the end. Remaining: how many entries
//                follow; may be too large. PrepareSeek(key), then SeekPrepared(key, tag): as Seek
//                with the cache miss between them; false: there is no entry, or Seek has to go
//
// Searches may read up to 64 bytes past the block's end.
namespace lsmlab::table_internal {

struct LayoutOptions {
  size_t block_bytes = 4096;
  size_t restart_interval = 16;
};

enum class SearchEnd : uint8_t {
  kAbsent,  // no version of the key that the lookup may see
  kDone,    // the fold wants no more, or all versions were fed
  kRanOut,  // all versions of this block were fed; older ones may start the next block
};

// How to prefetch a block whose header has not arrived yet.
inline void PrefetchLines(const char* at, size_t lines) noexcept {
  for (size_t i = 0; i < lines; ++i) __builtin_prefetch(at + 64 * i);
}

}  // namespace lsmlab::table_internal
