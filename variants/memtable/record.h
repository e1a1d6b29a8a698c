#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "engine/base/coding.h"
#include "engine/base/slice.h"
#include "engine/format/entry.h"

// How a memtable keeps one entry in memory, and the 8-byte key heads that the searches compare.
namespace lsmlab::memtable_parts {

// One entry: this header, the key bytes, the value bytes. Never moved and never changed after it is
// linked, so whoever reaches it through a published pointer reads it without further checks.
struct Record {
  Tag tag;
  uint32_t value_bytes;
  uint16_t key_bytes;
  uint16_t spare;

  const char* key_data() const noexcept { return reinterpret_cast<const char*>(this + 1); }
  Slice key() const noexcept { return {key_data(), key_bytes}; }
  Slice value() const noexcept { return {key_data() + key_bytes, value_bytes}; }

  static size_t BytesFor(Slice key, Slice value) noexcept {
    return sizeof(Record) + key.size() + value.size();
  }
  // Writes an entry at `at`, which has BytesFor(key, value) bytes and is 8-aligned.
  static Record* Write(void* at, Slice key, Tag tag, Slice value) noexcept {
    auto* record = new (at)
        Record{tag, static_cast<uint32_t>(value.size()), static_cast<uint16_t>(key.size()), 0};
    char* bytes = reinterpret_cast<char*>(record + 1);
    std::copy_n(key.data(), key.size(), bytes);
    std::copy_n(value.data(), value.size(), bytes + key.size());
    return record;
  }
};
static_assert(sizeof(Record) == 16);

inline int Compare(const Record& record, Slice key, Tag tag) noexcept {
  return CompareEntry(record.key(), record.tag, key, tag);
}

// Bytes skip .. skip+7 of the key as a big-endian integer, zero-padded: heads of keys that share
// their first `skip` bytes compare like the keys, and equal heads decide nothing.
inline uint64_t KeyHead(Slice key, size_t skip) noexcept {
  if (key.size() >= skip + 8) [[likely]] {
    return __builtin_bswap64(LoadLe<uint64_t>(key.data() + skip));
  }
  if (key.size() <= skip) return 0;
  const size_t rest = key.size() - skip;  // 1 to 7
  if (key.size() >= 8) {
    return __builtin_bswap64(LoadLe<uint64_t>(key.data() + key.size() - 8)) << (8 * (8 - rest));
  }
  uint64_t head = 0;
  for (size_t i = 0; i < rest; ++i) {
    head |= uint64_t{static_cast<unsigned char>(key[skip + i])} << (56 - 8 * i);
  }
  return head;
}

inline size_t CommonPrefix(Slice a, Slice b, size_t limit) noexcept {
  const size_t end = std::min({a.size(), b.size(), limit});
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + end, b.begin()).first -
                             a.begin());
}

}  // namespace lsmlab::memtable_parts
