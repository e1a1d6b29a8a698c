#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/aligned_bytes.h"
#include "engine/format/block_trailer.h"
#include "engine/format/entry.h"
#include "engine/format/lookup.h"
#include "variants/table/head_search.h"

// The index of a flat table: which data block holds the first entry at or after (key, tag). The
// separator of a block is its last entry's key and tag, so versions of one key that spread over
// blocks are told apart.
//
// In memory: the 8-byte heads of the separators after the prefix that all of them share; the full
// separators settle ties. Without the common prefix taken off, heads of "user..." keys would all
// tie. The heads are the leaves of a static B-tree of 16 heads (two lines) per node, or are
// searched by halving.
namespace lsmlab::table_internal {

// On disk:
//
//   index := count varint, entry{count}
//   entry := gap varint        bytes between the end of the block before and this one's start
//            size varint       of the payload
//            flags u8          bit 0: the next block starts with another version of the last key
//            last key length varint, last key bytes, last tag u64
class IndexWriter {
 public:
  // In file order.
  void Add(const BlockHandle& handle, bool continues, Slice last_key, Tag last_tag);
  uint64_t count() const noexcept { return count_; }
  size_t bytes() const noexcept { return entries_.size() + 10; }
  std::string Finish() const;

 private:
  std::string entries_;
  uint64_t count_ = 0;
  uint64_t end_ = 0;  // of the block before, with its trailer
};

// How the block is found in memory; the file does not say.
enum class IndexSearch : uint8_t { kBtree, kBinary };

// Thread safety: immutable after Open.
class BlockIndex {
 public:
  // `smallest_key` is the table's first key. Hostile input: any bytes; the message says what was
  // expected and found. ENSURES: all blocks lie before `data_end`, separators rise strictly.
  static Result<BlockIndex> Open(Slice encoded, Slice smallest_key, uint64_t data_end,
                                 IndexSearch search = IndexSearch::kBtree);

  uint32_t count() const noexcept { return count_; }
  // The number of the first block whose last entry is at or after (key, tag); count() if none.
  // `on_leaf(first)` is called before the last node is searched with the number of its first block:
  // the place to prefetch what belongs to these 16 blocks.
  template <typename OnLeaf>
  uint32_t Find(Slice key, Tag tag, OnLeaf on_leaf) const noexcept;
  uint32_t Find(Slice key, Tag tag) const noexcept {
    return Find(key, tag, [](uint32_t) {});
  }
  // As Find for a point read, but where the key's hash says that the block ends with this very key,
  // which is so for every block's last key, the separator is not compared: that would be two cache
  // misses. The answer is this block or, when this one ends before (key, tag), a later one.
  template <typename OnLeaf>
  uint32_t FindLikely(const LookupKey& lookup, OnLeaf on_leaf) const noexcept;
  // A search by heads in two steps, so that what the first one prefetches is on its way while other
  // indexes are asked. Ties are left as they are: the answer is the block of the first entry at or
  // after `key`, or an earlier one that ends before the key.
  struct Leaf {
    uint32_t first;  // number of the first of the 16 blocks among which the second step searches
    uint64_t head;
  };
  // False: the key is after all blocks.
  bool FindLeaf(Slice key, Leaf* leaf) const noexcept;
  // count() if there is none.
  uint32_t FindInLeaf(const Leaf& leaf) const noexcept {
    const uint64_t* heads = heads_.as<uint64_t>() + leaf.first;
    return std::min(count_, leaf.first + static_cast<uint32_t>(CountBelow16x8(heads, leaf.head)));
  }
  // Find(key, tag) for one who knows that it is at `from` or later.
  // REQUIRES: the head of block from-1 is not above the key's.
  uint32_t FindFrom(uint32_t from, Slice key, Tag tag) const noexcept;

  BlockHandle handle(uint32_t i) const noexcept {
    return {places_[i].offset, places_[i].size & ~kContinues};
  }
  bool continues(uint32_t i) const noexcept { return (places_[i].size & kContinues) != 0; }
  Slice last_key(uint32_t i) const noexcept {
    const uint64_t start = places_[i].key_start;
    return Slice(keys_.data() + start, places_[i + 1].key_start - start);
  }
  Tag last_tag(uint32_t i) const noexcept { return places_[i].last_tag; }
  // Bytes of memory it takes.
  uint64_t memory_bytes() const noexcept;

 private:
  static constexpr uint32_t kContinues = 1u << 31;
  static constexpr uint32_t kFanout = 16;
  static constexpr int kMaxLevels = 9;

  struct Place {
    uint64_t offset;
    uint64_t key_start;  // in keys_
    Tag last_tag;
    uint32_t size;  // of the payload, and the continues bit
  };

  static uint8_t HashByte(uint64_t hash) noexcept { return static_cast<uint8_t>(hash >> 56); }
  void BuildHeads(Slice smallest_key, IndexSearch search);
  // The first block whose head is at or above the key's, which `head` receives.
  template <typename OnLeaf>
  uint32_t FindByHead(Slice key, OnLeaf on_leaf, uint64_t* head) const noexcept;
  // Where the key lies by the common prefix alone: below all blocks, among them, after them.
  int ComparePrefix(Slice key) const noexcept;
  uint32_t Descend(uint64_t q) const noexcept;
  // Of an empty index or one without a tree: what ComparePrefix says of a key not among the blocks,
  // or below 0 when `leaf` says where to go on.
  int FindLeafByHalving(Slice key, Leaf* leaf) const noexcept;
  uint32_t SettleTies(uint32_t i, uint64_t q, Slice key, Tag tag) const noexcept;

  uint32_t count_ = 0;
  int top_ = -1;                           // the root's level; -1: there is no tree
  uint64_t level_start_[kMaxLevels] = {};  // in heads; level 0 has one head per block
  AlignedBytes heads_;
  std::string prefix_;
  std::string keys_;
  std::vector<Place> places_;         // count_ + 1; the last one ends the keys
  std::vector<uint8_t> last_hashes_;  // a byte of KeyHash of each last key
};

template <typename OnLeaf>
uint32_t BlockIndex::Find(Slice key, Tag tag, OnLeaf on_leaf) const noexcept {
  uint64_t q;
  const uint32_t i = FindByHead(key, on_leaf, &q);
  return i < count_ && heads_.as<uint64_t>()[i] == q ? SettleTies(i, q, key, tag) : i;
}

template <typename OnLeaf>
uint32_t BlockIndex::FindLikely(const LookupKey& lookup, OnLeaf on_leaf) const noexcept {
  uint64_t q;
  const uint32_t i = FindByHead(lookup.key, on_leaf, &q);
  if (i == count_ || heads_.as<uint64_t>()[i] != q || last_hashes_[i] == HashByte(lookup.hash)) {
    return i;
  }
  return SettleTies(i, q, lookup.key, SnapshotTag(lookup.snapshot));
}

inline int BlockIndex::ComparePrefix(Slice key) const noexcept {
  const size_t compared = prefix_.size() < key.size() ? prefix_.size() : key.size();
  if (compared > 0) {
    const int order = key.substr(0, compared).compare(Slice(prefix_.data(), compared));
    if (order != 0) return order;
  }
  return key.size() < prefix_.size() ? -1 : 0;
}

// The first block of the leaf that the head belongs to.
inline uint32_t BlockIndex::Descend(uint64_t q) const noexcept {
  const uint64_t* heads = heads_.as<uint64_t>();
  uint32_t i = 0;
  for (int level = top_; level > 0; --level) {
    const uint32_t node = kFanout * i;
    i = node + static_cast<uint32_t>(CountBelow16x8(heads + level_start_[level] + node, q));
  }
  return kFanout * i;
}

template <typename OnLeaf>
[[gnu::always_inline]] inline uint32_t BlockIndex::FindByHead(Slice key, OnLeaf on_leaf,
                                                              uint64_t* head) const noexcept {
  Leaf leaf;
  const bool found = FindLeaf(key, &leaf);
  *head = leaf.head;  // 0 when the prefix decides: a tie with it costs a comparison only
  if (!found) return count_;
  on_leaf(leaf.first);
  return FindInLeaf(leaf);
}

[[gnu::always_inline]] inline bool BlockIndex::FindLeaf(Slice key, Leaf* leaf) const noexcept {
  *leaf = {0, 0};
  const int order = top_ < 0 ? FindLeafByHalving(key, leaf) : ComparePrefix(key);
  if (order == 0) {
    leaf->head = HeadOf8(key, prefix_.size());
    leaf->first = Descend(leaf->head);
  }
  const uint64_t* heads = heads_.as<uint64_t>() + leaf->first;
  __builtin_prefetch(heads);
  __builtin_prefetch(heads + 8);
  return order <= 0;
}

}  // namespace lsmlab::table_internal
