#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/coding.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/lookup.h"
#include "variants/table/block_layout.h"
#include "variants/table/restarts_block.h"
#include "variants/table/slotted_block.h"

// A block of another layout followed by a hash table from its keys to the places where their
// versions begin, as in RocksDB's data blocks: a point read looks at one byte instead of searching,
// and a key that is not there is mostly told by that byte. Iterators do not use it.
//
//   hashed := block, bucket u8{m}, m u16
//   bucket := 255: no key | 254: keys of several places | the place of its keys
//
// Key k has bucket (KeyHash(k) / 2^32) * m / 2^32. Four buckets for three keys; m is 0 when there
// are more places than 254 or more buckets than 65,535: such a block is searched without.
namespace lsmlab::table_internal {

inline constexpr uint8_t kBucketOfNone = 255, kBucketOfMany = 254;

// The block without its hash table. REQUIRES: validated.
inline Slice WithoutHash(Slice block) noexcept {
  const size_t buckets = LoadLe<uint16_t>(block.data() + block.size() - 2);
  return block.substr(0, block.size() - 2 - buckets);
}
inline uint32_t BucketOf(uint64_t hash, uint32_t buckets) noexcept {
  return static_cast<uint32_t>((hash >> 32) * buckets >> 32);
}

template <typename Base>
class HashedBuilder {
 public:
  explicit HashedBuilder(const LayoutOptions& options) : base_(options) {}
  bool empty() const noexcept { return base_.empty(); }
  size_t bytes() const noexcept { return base_.bytes() + 2 + Buckets(keys_.size()); }
  size_t SizeWith(Slice key, Slice value) const noexcept {
    return base_.SizeWith(key, value) + 2 + Buckets(keys_.size() + 1);
  }
  bool Fits(Slice key, Slice value) const noexcept { return base_.Fits(key, value); }
  void Add(Slice key, Tag tag, Slice value) {
    const bool same = !base_.empty() && key == last_key_;
    base_.Add(key, tag, value);
    if (same && (Base::kKeyHasOnePlace || base_.last_place() == keys_.back().place)) return;
    keys_.push_back({KeyHash(key), base_.last_place()});
    if (!same) last_key_.assign(key);
  }
  Slice Finish() {
    out_.assign(base_.Finish());
    const size_t buckets = keys_.back().place < kBucketOfMany ? Buckets(keys_.size()) : 0;
    const size_t start = out_.size();
    out_.append(buckets, static_cast<char>(kBucketOfNone));
    for (const Key& key : keys_) {
      if (buckets == 0) break;
      char& bucket = out_[start + BucketOf(key.hash, static_cast<uint32_t>(buckets))];
      const auto place = static_cast<char>(key.place);
      bucket = bucket == static_cast<char>(kBucketOfNone) || bucket == place
                   ? place
                   : static_cast<char>(kBucketOfMany);
    }
    PutFixed16(out_, static_cast<uint16_t>(buckets));
    return out_;
  }
  void Reset() noexcept {
    base_.Reset();
    keys_.clear();
    last_key_.clear();
  }

 private:
  struct Key {
    uint64_t hash;
    uint32_t place;  // rises
  };
  static size_t Buckets(size_t keys) noexcept {
    const size_t buckets = keys + keys / 3 + 1;
    return buckets <= UINT16_MAX ? buckets : 0;
  }

  typename Base::Builder base_;
  std::vector<Key> keys_;
  std::string last_key_;
  std::string out_;
};

template <typename Base>
class HashedCursor : public Base::Cursor {
 public:
  void Attach(Slice block) noexcept { Base::Cursor::Attach(WithoutHash(block)); }
};

template <typename Base>
struct HashedLayout {
  static constexpr std::string_view kName =
      std::is_same_v<Base, SlottedLayout> ? "slotted-hash" : "restarts-hash";
  // "No key" of another block would hide a key.
  static constexpr bool kNeedsExactBlock = true;
  using Builder = HashedBuilder<Base>;
  using Cursor = HashedCursor<Base>;

  static Status Validate(Slice block) {
    if (block.size() < 2) return Status::Corruption("a hashed block of 2 bytes, found fewer");
    const size_t buckets = LoadLe<uint16_t>(block.data() + block.size() - 2);
    if (buckets > block.size() - 2) {
      return Status::Corruption("hash buckets within the block, found " + std::to_string(buckets));
    }
    const Slice inner = WithoutHash(block);
    LSMLAB_TRY(Base::Validate(inner));
    const uint32_t places = Base::Places(inner);
    for (size_t i = 0; i < buckets; ++i) {
      const auto place = static_cast<uint8_t>(block[inner.size() + i]);
      if (place >= places && place < kBucketOfMany) {
        return Status::Corruption("a hash bucket of " + std::to_string(places) + " places, found " +
                                  std::to_string(place));
      }
    }
    return Status();
  }
  static SearchEnd Search(const char* block, uint32_t size, const LookupKey& lookup,
                          LookupFold& fold, const BlockRef* pin) noexcept {
    const uint32_t buckets = LoadLe<uint16_t>(block + size - 2);
    const uint32_t inner = size - 2 - buckets;
    if (buckets != 0) {
      const auto place = static_cast<uint8_t>(block[inner + BucketOf(lookup.hash, buckets)]);
      if (place == kBucketOfNone) return SearchEnd::kAbsent;
      if (place != kBucketOfMany) return Base::SearchPlace(block, inner, place, lookup, fold, pin);
    }
    return Base::Search(block, inner, lookup, fold, pin);
  }
  static size_t LinesToSearch(size_t entries) noexcept { return Base::LinesToSearch(entries); }
  static uint64_t DataBytes(uint64_t entries, uint64_t raw) noexcept {
    const uint64_t base = Base::DataBytes(entries, raw);
    return base == 0 ? 0 : base + entries + entries / 3;
  }
};

}  // namespace lsmlab::table_internal
