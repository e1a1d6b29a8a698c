#pragma once

#include <bit>
#include <cstdint>

#include "engine/base/coding.h"
#include "engine/format/aligned_bytes.h"
#include "engine/parts/filter.h"

namespace lsmlab::table_internal {

// A hash table over the keys of one table that says where each one's newest version stands: block
// and byte, so that a point read asks neither filter nor index nor searches the block. Only in
// memory.
//
//   bucket (one cache line) := fingerprint u16{10}, place u32{10}, count u8, overflow u8, zero u16
//   place                   := block number << offset bits | byte offset in the decoded block
//
// Seven keys for each bucket, so a seventh of the keys more than fit; buckets overflow for about
// 3 % of the keys, and who finds nothing in such a bucket has to search. Else a bucket's answer is
// certain: no fingerprint, no key.
// Thread safety: immutable once it is filled.
class EntryIndex {
 private:
  static constexpr uint32_t kSlots = 10;
  static constexpr uint64_t kKeysPerBucket = 7;
  struct Bucket {
    uint16_t fingerprints[kSlots];
    uint32_t places[kSlots];
    uint8_t count, overflow;
    uint16_t zero;
  };
  static_assert(sizeof(Bucket) == 64);

 public:
  // For up to `keys` keys in `blocks` blocks; empty.
  EntryIndex(uint64_t keys, uint32_t blocks)
      : offset_bits_(32 - static_cast<uint32_t>(std::bit_width(blocks == 0 ? 0 : blocks - 1))),
        buckets_(static_cast<size_t>(BytesFor(keys))) {}
  // What the buckets for so many keys take.
  static uint64_t BytesFor(uint64_t keys) noexcept {
    return (keys / kKeysPerBucket + 1) * sizeof(Bucket);
  }
  uint64_t memory_bytes() const noexcept { return buckets_.reserved(); }

  struct Place {
    uint32_t block;
    uint32_t offset;
  };
  // False: the place cannot be written down, and nothing was added. `hash`: KeyHash of the key.
  bool Add(uint64_t hash, Place place) noexcept {
    if (uint64_t{place.offset} >> offset_bits_ != 0) return false;
    Bucket& bucket = buckets_.as<Bucket>()[BucketOf(hash, buckets_.size())];
    if (bucket.count == kSlots) {
      bucket.overflow = 1;
      return true;
    }
    bucket.fingerprints[bucket.count] = static_cast<uint16_t>(hash);
    bucket.places[bucket.count] =
        static_cast<uint32_t>(uint64_t{place.block} << offset_bits_ | place.offset);
    ++bucket.count;
    return true;
  }

  // The places whose keys may be the one of this hash.
  class Matches {
   public:
    bool empty() const noexcept { return left_ == 0; }
    // REQUIRES: not empty.
    Place Take() noexcept {
      const uint64_t place = bucket_->places[std::countr_zero(left_)];
      left_ &= left_ - 1;
      return {static_cast<uint32_t>(place >> offset_bits_),
              static_cast<uint32_t>(place & ((uint64_t{1} << offset_bits_) - 1))};
    }
    // Whether these are all: no other place can hold the key.
    bool complete() const noexcept { return bucket_->overflow == 0; }

   private:
    friend class EntryIndex;
    const Bucket* bucket_;
    uint32_t left_;
    uint32_t offset_bits_;
  };
  Matches Find(uint64_t hash) const noexcept {
    Matches matches;
    matches.bucket_ = buckets_.as<Bucket>() + BucketOf(hash, buckets_.size());
    matches.left_ = MatchesIn(*matches.bucket_, hash);
    matches.offset_bits_ = offset_bits_;
    return matches;
  }

  // The index as a filter over data() and size().
  static FilterProbe Probe() noexcept { return {MayContain, Prefetch}; }
  const char* data() const noexcept { return buckets_.data(); }
  size_t size() const noexcept { return buckets_.size(); }

 private:
  static size_t BucketOf(uint64_t hash, size_t bytes) noexcept {
    return static_cast<size_t>((hash >> 32) * (bytes / sizeof(Bucket)) >> 32);
  }
  // One bit per slot whose fingerprint is that of the hash. Four lanes of 16 bits at once: a lane
  // of `x` is zero where they are equal, and only then its highest bit is set in `equal`.
  static uint32_t MatchesIn(const Bucket& bucket, uint64_t hash) noexcept {
    const uint64_t wanted = (hash & 0xffff) * 0x0001'0001'0001'0001;
    constexpr uint64_t kLow = 0x7fff'7fff'7fff'7fff;
    uint32_t bits = 0;
    for (uint32_t word = 0; word < 3; ++word) {  // the last one reaches into a place, which is cut
      const auto* at = reinterpret_cast<const char*>(&bucket) + 8 * word;
      const uint64_t x = LoadLe<uint64_t>(at) ^ wanted;
      const uint64_t equal = ~(((x & kLow) + kLow) | x | kLow);
      // Lane i's bit to bit 48 + i; no two of the products' bits meet.
      const uint64_t gathered = (equal >> 15) * (uint64_t{1} << 48 | uint64_t{1} << 33 |
                                                 uint64_t{1} << 18 | uint64_t{1} << 3);
      bits |= static_cast<uint32_t>(gathered >> 48 & 0xf) << (4 * word);
    }
    return bits & ((1u << bucket.count) - 1);
  }
  static bool MayContain(const char* data, size_t size, uint64_t hash) noexcept {
    const auto& bucket = reinterpret_cast<const Bucket*>(data)[BucketOf(hash, size)];
    return (MatchesIn(bucket, hash) | bucket.overflow) != 0;
  }
  static void Prefetch(const char* data, size_t size, uint64_t hash) noexcept {
    __builtin_prefetch(reinterpret_cast<const Bucket*>(data) + BucketOf(hash, size));
  }

  uint32_t offset_bits_;
  AlignedBytes buckets_;
};

}  // namespace lsmlab::table_internal
