#include "variants/table/block_index.h"

#include <algorithm>

#include "engine/base/coding.h"

namespace lsmlab::table_internal {
namespace {

constexpr size_t kMinIndexEntryBytes = 12;  // three varints or flags, a key length, a tag

Status Damage(std::string_view expected, uint64_t found) {
  return Status::Corruption("an index with " + std::string(expected) + ", found " +
                            std::to_string(found));
}

size_t RoundUp16(size_t n) { return (n + 15) & ~size_t{15}; }

}  // namespace

void IndexWriter::Add(const BlockHandle& handle, bool continues, Slice last_key, Tag last_tag) {
  PutVarint64(entries_, handle.offset - end_);
  PutVarint64(entries_, handle.size);
  entries_.push_back(continues ? 1 : 0);
  PutLengthPrefixed(entries_, last_key);
  PutFixed64(entries_, last_tag);
  end_ = handle.offset + handle.size + kBlockTrailerBytes;
  ++count_;
}

std::string IndexWriter::Finish() const {
  std::string out;
  out.reserve(entries_.size() + 10);
  PutVarint64(out, count_);
  out += entries_;
  return out;
}

Result<BlockIndex> BlockIndex::Open(Slice encoded, Slice smallest_key, uint64_t data_end,
                                    IndexSearch search) {
  Decoder in(encoded);
  uint64_t count;
  if (!in.GetVarint(&count) || count > in.remaining() / kMinIndexEntryBytes ||
      count > (uint64_t{1} << 31)) {
    return Damage("a block count that fits into it", encoded.size());
  }
  BlockIndex index;
  index.count_ = static_cast<uint32_t>(count);
  index.places_.reserve(count + 1);
  index.last_hashes_.reserve(count);
  index.keys_.reserve(in.remaining() - count * kMinIndexEntryBytes);
  uint64_t end = 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t gap, size;
    uint8_t flags;
    Slice key;
    Place place;
    if (!in.GetVarint(&gap) || !in.GetVarint(&size) || !in.GetFixed(&flags) ||
        !in.GetLengthPrefixed(&key) || !in.GetFixed(&place.last_tag)) {
      return Damage(std::to_string(count) + " whole entries", i);
    }
    if (gap > data_end - end || size > kMaxRawBlockBytes ||
        data_end - end - gap < size + kBlockTrailerBytes || size == 0) {
      return Damage("block " + std::to_string(i) + " before byte " + std::to_string(data_end),
                    size);
    }
    if (flags > 1 || key.size() > kMaxKeyBytes || (flags == 1 && i + 1 == count)) {
      return Damage("known flags and a key of at most 65535 bytes in entry " + std::to_string(i),
                    key.size());
    }
    place.offset = end + gap;
    place.size = static_cast<uint32_t>(size) | (flags == 1 ? kContinues : 0);
    place.key_start = index.keys_.size();
    const bool rises =
        i == 0 || CompareEntry(Slice(index.keys_).substr(index.places_.back().key_start),
                               index.places_.back().last_tag, key, place.last_tag) < 0;
    if (!rises || key < smallest_key) return Damage("rising separators, entry", i);
    index.keys_ += key;
    index.places_.push_back(place);
    index.last_hashes_.push_back(HashByte(KeyHash(key)));
    end = place.offset + size + kBlockTrailerBytes;
  }
  if (in.remaining() != 0) return Damage("nothing after its entries", in.remaining());
  index.places_.push_back({end, index.keys_.size(), 0, 0});
  index.keys_.shrink_to_fit();
  index.BuildHeads(smallest_key, search);
  return index;
}

void BlockIndex::BuildHeads(Slice smallest_key, IndexSearch search) {
  if (count_ == 0) return;
  // All keys lie between the two, so they share what these share.
  const Slice last = last_key(count_ - 1);
  prefix_ = last.substr(0, CommonPrefix(smallest_key, last));
  size_t level_heads[kMaxLevels];
  size_t total = 0;
  top_ = -1;
  for (size_t n = count_;; n = (n + kFanout - 1) / kFanout) {
    ++top_;
    level_start_[top_] = total;
    level_heads[top_] = n;
    total += RoundUp16(n);
    if (n <= kFanout || search == IndexSearch::kBinary) break;
  }
  heads_ = AlignedBytes(8 * total);
  uint64_t* heads = heads_.as<uint64_t>();
  std::fill(heads, heads + total, ~uint64_t{0});
  for (uint32_t i = 0; i < count_; ++i) heads[i] = HeadOf8(last_key(i), prefix_.size());
  if (search == IndexSearch::kBinary) top_ = -1;
  for (int level = 1; level <= top_; ++level) {
    const uint64_t* below = heads + level_start_[level - 1];
    uint64_t* own = heads + level_start_[level];
    // The last node's head stays at the maximum, so that every search ends in a node that exists.
    for (size_t i = 0; i + 1 < level_heads[level]; ++i) own[i] = below[kFanout * i + kFanout - 1];
  }
}

int BlockIndex::FindLeafByHalving(Slice key, Leaf* leaf) const noexcept {
  if (count_ == 0) return 1;
  const int order = ComparePrefix(key);
  if (order != 0) return order;
  leaf->head = HeadOf8(key, prefix_.size());
  const uint64_t* heads = heads_.as<uint64_t>();
  uint32_t base = 0;
  for (uint32_t n = count_; n > 1;) {  // without a branch on what is compared
    const uint32_t half = n / 2;
    base += heads[base + half - 1] < leaf->head ? half : 0;
    n -= half;
  }
  leaf->first = base / kFanout * kFanout;  // the last leaf for a head above all
  return -1;
}

uint32_t BlockIndex::FindFrom(uint32_t from, Slice key, Tag tag) const noexcept {
  if (from >= count_ || !key.starts_with(prefix_)) return from;
  const uint64_t q = HeadOf8(key, prefix_.size());
  return heads_.as<uint64_t>()[from] == q ? SettleTies(from, q, key, tag) : from;
}

// Equal heads from i on: a run that may be long (all versions of a key, keys that differ after the
// head), so binary.
uint32_t BlockIndex::SettleTies(uint32_t i, uint64_t q, Slice key, Tag tag) const noexcept {
  const uint64_t* heads = heads_.as<uint64_t>();
  uint32_t low = i, high = count_;
  for (uint32_t step = 1; low < high; step *= 2) {  // the end of the run, by doubling steps
    const uint32_t probe = std::min(high - 1, i + step);
    if (heads[probe] != q) {
      high = probe;
      break;
    }
    if (CompareEntry(last_key(probe), last_tag(probe), key, tag) >= 0) {
      high = probe;
      break;
    }
    low = probe + 1;
  }
  low = i;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const bool before =
        heads[middle] == q && CompareEntry(last_key(middle), last_tag(middle), key, tag) < 0;
    if (before) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint64_t BlockIndex::memory_bytes() const noexcept {
  return heads_.reserved() + keys_.capacity() + prefix_.capacity() +
         places_.capacity() * sizeof(Place) + last_hashes_.capacity();
}

}  // namespace lsmlab::table_internal
