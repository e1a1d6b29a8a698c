#include "variants/table/slotted_block.h"

#include <algorithm>
#include <cstring>

#include "engine/base/assert.h"

namespace lsmlab::table_internal {
namespace {

constexpr size_t kMaxPrefix = 255;
constexpr size_t kMinSlottedEntry = 9;  // tag and the length of an empty key
constexpr size_t kLargestNarrow = 65'535;

size_t RoundUp8(size_t n) { return (n + 7) & ~size_t{7}; }

// Compares what follows the first `skip` bytes, which are known to be equal.
int CompareAfter(Slice a, Slice b, size_t skip) {
  return a.substr(std::min(skip, a.size())).compare(b.substr(std::min(skip, b.size())));
}

// Feeds the versions of the key from slot `first` on.
[[gnu::always_inline]] inline SearchEnd FeedFrom(const SlottedView& view, uint32_t first,
                                                 const LookupKey& lookup, LookupFold& fold,
                                                 const BlockRef* pin) noexcept {
  for (uint32_t i = first; i < view.n; ++i) {
    const Entry entry = view.At(i);
    if (entry.key != lookup.key) return i == first ? SearchEnd::kAbsent : SearchEnd::kDone;
    if (fold.Feed(entry.tag, entry.value, pin)) return SearchEnd::kDone;
  }
  return SearchEnd::kRanOut;
}

}  // namespace

SlottedView::Bound SlottedView::FindByHead(Slice key) const noexcept {
  const int order = CompareWithPrefix(key, data + 8, prefix);
  if (order != 0) return {order < 0 ? 0 : n, false};
  if (key.size() < prefix) return {0, false};
  const uint32_t q = HeadOf4(key, prefix);
  const uint32_t low = static_cast<uint32_t>(CountBelow4(data + heads, n, q));
  return {low, low < n && Head(low) == q};
}

[[gnu::always_inline]] inline SlottedView::Bound SlottedView::SettleTies(Bound by_head, Slice key,
                                                                         Tag tag) const noexcept {
  auto [low, tied] = by_head;
  if (!tied) return {low, false};
  PrefetchEntry(low);
  // Ties of the head: at most a few as a rule, but all versions of a key share theirs.
  const uint32_t q = Head(low);
  uint32_t high = low + 1;
  if (high < n && Head(high) == q) {
    high = q == UINT32_MAX ? n : static_cast<uint32_t>(CountBelow4(data + heads, n, q + 1));
  }
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const Entry entry = At(middle);
    const int c = CompareAfter(entry.key, key, prefix);
    if (c < 0 || (c == 0 && entry.tag > tag)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return {low, low < n && Head(low) == q};
}

SlottedView::Bound SlottedView::Find(Slice key, Tag tag) const noexcept {
  return SettleTies(FindByHead(key), key, tag);
}

SlottedView::Bound SlottedView::FindByInterpolation(Slice key, Tag tag) const noexcept {
  const int order = CompareWithPrefix(key, data + 8, prefix);
  if (order != 0) return {order < 0 ? 0 : n, false};
  if (key.size() < prefix) return {0, false};
  const uint32_t q = HeadOf4(key, prefix);
  const uint32_t low = static_cast<uint32_t>(InterpolateBelow4(data + heads, n, q));
  return SettleTies({low, low < n && Head(low) == q}, key, tag);
}

SearchEnd InterpolatedLayout::Search(const char* block, uint32_t, const LookupKey& lookup,
                                     LookupFold& fold, const BlockRef* pin) noexcept {
  const SlottedView view(block);
  const auto [first, may_be_same] =
      view.FindByInterpolation(lookup.key, SnapshotTag(lookup.snapshot));
  if (!may_be_same) return first < view.n ? SearchEnd::kAbsent : SearchEnd::kRanOut;
  return FeedFrom(view, first, lookup, fold, pin);
}

SearchEnd SlottedLayout::SearchPlace(const char* block, uint32_t, uint32_t place,
                                     const LookupKey& lookup, LookupFold& fold,
                                     const BlockRef* pin) noexcept {
  return FeedFrom(SlottedView(block), place, lookup, fold, pin);
}

SearchEnd SlottedLayout::Search(const char* block, uint32_t, const LookupKey& lookup,
                                LookupFold& fold, const BlockRef* pin) noexcept {
  const SlottedView view(block);
  const auto [first, may_be_same] = view.Find(lookup.key, SnapshotTag(lookup.snapshot));
  if (!may_be_same) return first < view.n ? SearchEnd::kAbsent : SearchEnd::kRanOut;
  return FeedFrom(view, first, lookup, fold, pin);
}

Status SlottedLayout::Validate(Slice block) {
  const auto damage = [](std::string_view expected, uint64_t found) {
    return Status::Corruption(std::string(expected) + ", found " + std::to_string(found));
  };
  if (block.size() < 8) return damage("a slotted block of at least 8 bytes", block.size());
  const SlottedView view(block.data());
  const uint32_t size = LoadLe<uint32_t>(block.data() + 4);
  if (size != block.size()) return damage("block size " + std::to_string(block.size()), size);
  const uint8_t flags = static_cast<uint8_t>(block[3]);
  if (flags != (size > kLargestNarrow ? 1 : 0)) return damage("the flags of its size", flags);
  if (view.n == 0) return damage("at least one entry", 0);
  const size_t slot_bytes = view.wide ? 4 : 2;
  const size_t header = view.offsets + slot_bytes * (view.n + 1);
  if (header > size || (size - header) / kMinSlottedEntry < view.n) {
    return damage("entries that fit into " + std::to_string(size) + " bytes", view.n);
  }
  for (size_t i = 8 + view.prefix; i < view.heads; ++i) {
    if (block[i] != 0) return damage("zero padding", static_cast<uint8_t>(block[i]));
  }
  if (view.Offset(0) != header)
    return damage("entries at " + std::to_string(header), view.Offset(0));
  if (view.Offset(view.n) != size) return damage("entries up to the end", view.Offset(view.n));
  const char* prefix = block.data() + 8;
  uint32_t last_head = 0;
  for (uint32_t i = 0; i < view.n; ++i) {
    const uint32_t start = view.Offset(i), end = view.Offset(i + 1);
    if (start < header || end > size || end < start || end - start < kMinSlottedEntry) {
      return damage("a rising entry offset", end);
    }
    uint64_t length;
    const char* limit = block.data() + end;
    const char* key = DecodeVarint64(block.data() + start + 8, limit, &length);
    if (key == nullptr || length > kMaxKeyBytes || length > static_cast<size_t>(limit - key)) {
      return damage("a key length within entry " + std::to_string(i), end - start);
    }
    if (!IsKnownKind(LoadLe<uint64_t>(block.data() + start))) {
      return damage("an entry kind of 1 to 6", LoadLe<uint8_t>(block.data() + start));
    }
    if (length < view.prefix || std::memcmp(key, prefix, view.prefix) != 0) {
      return damage("keys with the block's prefix, entry", i);
    }
    const uint32_t head = view.Head(i);
    if (head != HeadOf4(Slice(key, length), view.prefix) || head < last_head) {
      return damage("rising heads of the keys, entry", i);
    }
    last_head = head;
  }
  return Status();
}

SlottedBuilder::SlottedBuilder(const LayoutOptions& options)
    : max_entries_(std::clamp<size_t>(options.block_bytes / 8, 16, 65'535)),
      front_(8 + 256 + 4 * max_entries_ + 4 * (max_entries_ + 1)),
      capacity_(front_ + options.block_bytes),
      buffer_(new char[capacity_]) {}

size_t SlottedBuilder::HeaderBytes(size_t n, size_t prefix, size_t entry_bytes) noexcept {
  const size_t narrow = 8 + RoundUp8(prefix) + 4 * n + 2 * (n + 1);
  return narrow + entry_bytes <= kLargestNarrow ? narrow : narrow + 2 * (n + 1);
}

Slice SlottedBuilder::KeyAt(size_t i) const noexcept {
  const char* p = buffer_.get() + front_ + starts_[i] + 8;
  uint64_t length = 0;
  p = DecodeVarint64(p, p + 3, &length);
  return Slice(p, length);
}

size_t SlottedBuilder::SizeWith(Slice key, Slice value) const noexcept {
  const size_t entries =
      used_ + 8 + static_cast<size_t>(VarintLength(key.size())) + key.size() + value.size();
  // The prefix can only shrink; counting it as it is keeps this an upper bound within 8 bytes.
  return HeaderBytes(starts_.size() + 1, empty() ? std::min(key.size(), kMaxPrefix) : prefix_,
                     entries) +
         entries;
}

void SlottedBuilder::Add(Slice key, Tag tag, Slice value) {
  const size_t bytes =
      8 + static_cast<size_t>(VarintLength(key.size())) + key.size() + value.size();
  if (capacity_ - front_ - used_ < bytes) {
    const size_t capacity = front_ + std::max(2 * used_, used_ + bytes);
    std::unique_ptr<char[]> larger(new char[capacity]);
    std::memcpy(larger.get() + front_, buffer_.get() + front_, used_);
    buffer_ = std::move(larger);
    capacity_ = capacity;
  }
  prefix_ =
      empty() ? std::min(key.size(), kMaxPrefix) : std::min(prefix_, CommonPrefix(KeyAt(0), key));
  char* p = buffer_.get() + front_ + used_;
  starts_.push_back(static_cast<uint32_t>(used_));
  StoreLe<uint64_t>(p, tag);
  p = EncodeVarint64(p + 8, key.size());
  p = std::copy(key.begin(), key.end(), p);
  std::copy(value.begin(), value.end(), p);
  used_ += bytes;
}

Slice SlottedBuilder::Finish() {
  const size_t n = starts_.size();
  LSMLAB_ASSERT(n > 0 && n <= max_entries_);
  const size_t header = HeaderBytes(n, prefix_, used_);
  const size_t size = header + used_;
  const bool wide = size > kLargestNarrow;
  char* block = buffer_.get() + front_ - header;
  StoreLe<uint16_t>(block, static_cast<uint16_t>(n));
  block[2] = static_cast<char>(prefix_);
  block[3] = wide ? 1 : 0;
  StoreLe<uint32_t>(block + 4, static_cast<uint32_t>(size));
  char* p = block + 8;
  std::memset(p, 0, RoundUp8(prefix_));
  std::memcpy(p, KeyAt(0).data(), prefix_);
  p += RoundUp8(prefix_);
  for (size_t i = 0; i < n; ++i, p += 4) StoreLe<uint32_t>(p, HeadOf4(KeyAt(i), prefix_));
  for (size_t i = 0; i <= n; ++i) {
    const uint32_t offset = static_cast<uint32_t>(i < n ? header + starts_[i] : size);
    if (wide) {
      StoreLe<uint32_t>(p, offset);
      p += 4;
    } else {
      StoreLe<uint16_t>(p, static_cast<uint16_t>(offset));
      p += 2;
    }
  }
  return Slice(block, size);
}

void SlottedBuilder::Reset() noexcept {
  used_ = 0;
  prefix_ = 0;
  starts_.clear();
}

}  // namespace lsmlab::table_internal
