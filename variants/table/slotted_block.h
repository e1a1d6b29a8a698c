#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/coding.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"
#include "engine/format/lookup.h"
#include "engine/parts/block_cache.h"
#include "variants/table/block_layout.h"
#include "variants/table/head_search.h"

// Block layout `slotted`: sorted slots with 4-byte key heads after the block's common prefix, full
// keys in the entries. A search counts heads with wide compares and touches one entry; Next copies
// nothing.
//
//   block   := n u16, prefix length c u8, flags u8 (bit 0: wide), size u32 (of the whole block),
//              prefix byte{c}, zero padding to 8,
//              head u32{n}        bytes c..c+3 of each key as a big-endian number, stored native
//              offset{n+1}        u16, or u32 when wide; of each entry from the block's start; the
//                                 last one is the block's size
//              entry{n}
//   entry   := tag u64, key length varint, key bytes, value bytes up to the next entry
//
// A block is wide exactly when it is larger than 65,535 bytes. A large entry stands alone in its
// wide block.
namespace lsmlab::table_internal {

// The header's fields, read once per search. Trusts the bytes.
struct SlottedView {
  explicit SlottedView(const char* block) noexcept
      : data(block),
        n(LoadLe<uint16_t>(block)),
        prefix(static_cast<uint8_t>(block[2])),
        wide((block[3] & 1) != 0),
        heads(8 + ((prefix + 7u) & ~7u)),
        offsets(heads + 4 * n) {}
  uint32_t Offset(uint32_t i) const noexcept {
    return wide ? LoadLe<uint32_t>(data + offsets + 4 * i)
                : LoadLe<uint16_t>(data + offsets + 2 * i);
  }
  // The number of the entry that starts at `offset`; n if none does.
  uint32_t EntryAt(uint32_t offset) const noexcept {
    uint32_t i = 0;
    for (uint32_t left = n; left > 1;) {  // the last one that starts at or before it
      const uint32_t half = left / 2;
      i += Offset(i + half) <= offset ? half : 0;
      left -= half;
    }
    return Offset(i) == offset ? i : n;
  }
  uint32_t Head(uint32_t i) const noexcept { return LoadLe<uint32_t>(data + heads + 4 * i); }
  Entry At(uint32_t i) const noexcept { return Between(Offset(i), Offset(i + 1)); }
  Entry Between(uint32_t start, uint32_t end) const noexcept {
    const char* p = data + start;
    Entry entry;
    entry.tag = LoadLe<uint64_t>(p);
    p += 8;
    uint32_t length = static_cast<uint8_t>(*p++);
    if (length >= 0x80) {
      length = (length & 0x7f) | static_cast<uint32_t>(static_cast<uint8_t>(*p++)) << 7;
      if (length >= 0x4000) {
        length = (length & 0x3fff) | static_cast<uint32_t>(static_cast<uint8_t>(*p++)) << 14;
      }
    }
    entry.key = Slice(p, length);
    p += length;
    entry.value = Slice(p, static_cast<size_t>(data + end - p));
    return entry;
  }
  struct Bound {
    uint32_t at;       // the number of the first entry at or after (key, tag)
    bool may_be_same;  // whether its key may be `key`, by heads alone: no needs no look at it
  };
  Bound Find(Slice key, Tag tag) const noexcept;
  // As Find, but of entries that tie with the key's head it is the first: heads alone decide.
  Bound FindByHead(Slice key) const noexcept;
  // As Find, by InterpolateBelow4.
  Bound FindByInterpolation(Slice key, Tag tag) const noexcept;
  uint32_t LowerBound(Slice key, Tag tag) const noexcept { return Find(key, tag).at; }
  // Prefetches entry i, which may be touched soon: key and a short value at once, not the value
  // only when the key's length is known.
  void PrefetchEntry(uint32_t i) const noexcept {
    const uint32_t end = Offset(i + 1);
    uint32_t at = Offset(i);
    for (const uint32_t last = std::min(end, at + 192); at < last; at += 64) {
      __builtin_prefetch(data + at);
    }
    __builtin_prefetch(data + std::min(end, at) - 1);
  }
  // Whether entry i's key is above `key` by prefix and head alone: no says nothing.
  bool IsAboveByHead(uint32_t i, Slice key) const noexcept {
    const int order = CompareWithPrefix(key, data + 8, prefix);
    if (order != 0) return order < 0;
    // Heads of short keys are filled up with zeros, which keeps the order or makes a tie of it.
    return key.size() < prefix || HeadOf4(key, prefix) < Head(i);
  }

  const char* data;
  uint32_t n, prefix;
  bool wide;
  uint32_t heads, offsets;  // from the block's start

 private:
  Bound SettleTies(Bound by_head, Slice key, Tag tag) const noexcept;
};

class SlottedBuilder {
 public:
  explicit SlottedBuilder(const LayoutOptions& options);
  bool empty() const noexcept { return starts_.empty(); }
  size_t bytes() const noexcept { return HeaderBytes(starts_.size(), prefix_, used_) + used_; }
  size_t SizeWith(Slice key, Slice value) const noexcept;
  bool Fits(Slice, Slice) const noexcept { return starts_.size() < max_entries_; }
  void Add(Slice key, Tag tag, Slice value);
  uint32_t last_place() const noexcept { return static_cast<uint32_t>(starts_.size() - 1); }
  Slice Finish();
  void Reset() noexcept;

 private:
  static size_t HeaderBytes(size_t n, size_t prefix, size_t entry_bytes) noexcept;
  Slice KeyAt(size_t i) const noexcept;

  size_t max_entries_;
  size_t front_;     // room kept before the entries, so that the header joins them without a copy
  size_t capacity_;  // of buffer_
  std::unique_ptr<char[]> buffer_;
  size_t used_ = 0;               // bytes of entries
  size_t prefix_ = 0;             // common to all keys so far, at most 255
  std::vector<uint32_t> starts_;  // of the entries, from the first one
};

class SlottedCursor {
 public:
  void Attach(Slice block) noexcept {
    view_ = SlottedView(block.data());
    at_ = view_.n;
  }
  bool First(Entry& entry) noexcept { return Take(0, entry); }
  bool Last(Entry& entry) noexcept { return Take(view_.n - 1, entry); }
  bool Seek(Slice key, Tag tag, Entry& entry) noexcept {
    return Take(view_.LowerBound(key, tag), entry);
  }
  bool SeekBefore(Slice key, Tag tag, Entry& entry) noexcept {
    return Take(view_.LowerBound(key, tag) - 1, entry);
  }
  bool Next(Entry& entry) noexcept {
    const uint32_t i = ++at_;
    if (i >= view_.n) [[unlikely]]
      return false;
    if (i + 4 < view_.n) {
      const char* ahead = view_.data + view_.Offset(i + 4);
      __builtin_prefetch(ahead);
      __builtin_prefetch(ahead + 64);
    }
    const uint32_t end = view_.Offset(i + 1);
    entry = view_.Between(static_cast<uint32_t>(end_), end);
    end_ = end;
    return true;
  }
  // As Next, but leaves everything as it is at the end of the block.
  bool TryNext(Entry& entry) noexcept { return at_ + 1 < view_.n && Next(entry); }
  // How many entries follow the current one.
  uint32_t Remaining() const noexcept { return view_.n - 1 - at_; }
  // Finds by the heads alone where `key` may begin and prefetches it: an entry is not touched yet.
  // The current entry stays only for the user.
  void PrepareSeek(Slice key) noexcept {
    prepared_ = view_.FindByHead(key);
    if (prepared_.at >= view_.n) return;
    const char* entry = view_.data + view_.Offset(prepared_.at);
    __builtin_prefetch(entry);
    __builtin_prefetch(entry +
                       31);  // tag, length and a key of 22 bytes may reach into a second line
  }
  // After PrepareSeek: whether the entry found is above `other`; no says nothing.
  bool PreparedAfter(Slice other) const noexcept {
    return prepared_.at < view_.n && view_.IsAboveByHead(prepared_.at, other);
  }
  // As Seek after PrepareSeek of the same key. False: no entry, or Seek has to find it.
  bool SeekPrepared(Slice key, Tag tag, Entry& entry) noexcept {
    if (prepared_.at >= view_.n) return false;
    view_.PrefetchEntry(prepared_.at);
    return Take(prepared_.at, entry) &&
           (!prepared_.may_be_same || CompareEntry(entry.key, entry.tag, key, tag) >= 0);
  }
  bool Prev(Entry& entry) noexcept { return Take(at_ - 1, entry); }

 private:
  // Numbers wrap below 0, which is then no entry.
  bool Take(uint32_t i, Entry& entry) noexcept {
    at_ = i;
    if (i >= view_.n) return false;
    end_ = view_.Offset(i + 1);
    entry = view_.Between(view_.Offset(i), end_);
    return true;
  }
  static constexpr char kNoBlock[16] = {};
  SlottedView view_{kNoBlock};
  uint32_t at_ = 0;
  uint32_t end_ = 0;  // offset after the current entry
  SlottedView::Bound prepared_{0, false};
};

struct SlottedLayout {
  static constexpr std::string_view kName = "slotted";
  static constexpr bool kNeedsExactBlock = false;
  // A place is a slot; the versions of a key lie in a row.
  static constexpr bool kKeyHasOnePlace = true;
  using Builder = SlottedBuilder;
  using Cursor = SlottedCursor;
  static Status Validate(Slice block);
  static SearchEnd Search(const char* block, uint32_t size, const LookupKey& lookup,
                          LookupFold& fold, const BlockRef* pin) noexcept;
  static uint32_t Places(Slice block) noexcept { return SlottedView(block.data()).n; }
  static SearchEnd SearchPlace(const char* block, uint32_t size, uint32_t place,
                               const LookupKey& lookup, LookupFold& fold,
                               const BlockRef* pin) noexcept;
  // Header, heads and offsets, with up to 8 bytes of prefix.
  static size_t LinesToSearch(size_t entries) noexcept {
    const size_t bytes = kBlockDataOffset + 8 + 8 + 4 * entries + 2 * (entries + 1);
    return std::min<size_t>((bytes + 63) / 64, 16);
  }
  // Tag, length, head and offset beside each entry's own bytes.
  static uint64_t DataBytes(uint64_t entries, uint64_t raw) noexcept { return raw + 15 * entries; }
};

// The same blocks; a point read guesses where the key stands among the heads.
struct InterpolatedLayout : SlottedLayout {
  static SearchEnd Search(const char* block, uint32_t size, const LookupKey& lookup,
                          LookupFold& fold, const BlockRef* pin) noexcept;
};

}  // namespace lsmlab::table_internal
