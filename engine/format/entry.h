#pragma once

#include <cstdint>

#include "engine/base/coding.h"
#include "engine/base/slice.h"

// The internal entry: key, tag, value. tag = sequence << 8 | kind. Entries are ordered by key
// ascending, then tag descending: the newest version of a key comes first.
namespace lsmlab {

// Numbers on disk: never reuse or change. 0 is invalid, 128 and above are reserved. A reader that
// meets a kind it does not know reports an error; it never skips.
enum class EntryKind : uint8_t {
  kInvalid = 0,
  kPut = 1,
  kDelete = 2,
  kMerge = 3,
  kRangeDelete = 4,
  kPutInValueFile = 5,  // value = an encoded ValueReference
  kPutWithExpiry = 6,   // value = u64 expiry time, then the value
  kSingleDelete = 7,    // reserved
};

using Sequence = uint64_t;  // 56 bits
using Tag = uint64_t;

inline constexpr Sequence kMaxSequence = (Sequence{1} << 56) - 1;
inline constexpr Tag kMaxTag = ~Tag{0};  // sorts before every version of its key

inline constexpr size_t kMaxKeyBytes = 65'535;
inline constexpr size_t kMaxValueBytes = 64u << 20;
inline constexpr size_t kMaxBatchBytes = 64u << 20;

constexpr Tag MakeTag(Sequence sequence, EntryKind kind) noexcept {
  return sequence << 8 | static_cast<uint8_t>(kind);
}
constexpr Sequence TagSequence(Tag tag) noexcept { return tag >> 8; }
constexpr EntryKind TagKind(Tag tag) noexcept { return static_cast<EntryKind>(tag & 0xff); }
// The tag with which a search at a snapshot starts: at or before every version it may see.
constexpr Tag SnapshotTag(Sequence snapshot) noexcept { return snapshot << 8 | 0xff; }
constexpr bool IsKnownKind(Tag tag) noexcept { return (tag & 0xff) >= 1 && (tag & 0xff) <= 6; }

struct Entry {
  Slice key;
  Tag tag = 0;
  Slice value;
};

// Negative, 0, positive as Slice::compare, without a call and by words: merges compare keys once
// per entry, and the keys of neighbours share a few words at most.
inline int CompareKeys(Slice a, Slice b) noexcept {
  const size_t n = a.size() < b.size() ? a.size() : b.size();
  if (n < 8) [[unlikely]]
    return a.compare(b);
  const auto word = [&](size_t i) noexcept {
    const uint64_t x = __builtin_bswap64(LoadLe<uint64_t>(a.data() + i));
    const uint64_t y = __builtin_bswap64(LoadLe<uint64_t>(b.data() + i));
    return x == y ? 0 : x < y ? -1 : 1;
  };
  for (size_t i = 0; i + 8 < n; i += 8) {
    if (const int c = word(i); c != 0) return c;
  }
  // The last word may overlap the one before, which is equal.
  if (const int c = word(n - 8); c != 0) return c;
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

// Whether the keys are equal; decided by their ends where these differ, as neighbours' mostly do.
inline bool SameKey(Slice a, Slice b) noexcept {
  const size_t n = a.size();
  if (n != b.size()) return false;
  if (n >= 8 && LoadLe<uint64_t>(a.data() + n - 8) != LoadLe<uint64_t>(b.data() + n - 8)) {
    return false;
  }
  return a == b;
}

// -1, 0, 1 in entry order.
inline int CompareEntry(Slice a_key, Tag a_tag, Slice b_key, Tag b_tag) noexcept {
  const int c = CompareKeys(a_key, b_key);
  if (c != 0) return c < 0 ? -1 : 1;
  return a_tag > b_tag ? -1 : (a_tag < b_tag ? 1 : 0);
}

}  // namespace lsmlab
