#include "variants/table/restarts_block.h"

#include <algorithm>
#include <cstring>

#include "engine/base/assert.h"
#include "engine/base/coding.h"
#include "variants/table/head_search.h"

namespace lsmlab::table_internal {
namespace {

constexpr size_t kMinRestartsEntry = 11;  // three lengths and a tag

// One entry in place. Trusts the bytes.
struct RawEntry {
  uint32_t shared, unshared, value_bytes;
  Tag tag;
  const char* key;  // the unshared part; the value follows

  Slice value() const noexcept { return Slice(key + unshared, value_bytes); }
  const char* end() const noexcept { return key + unshared + value_bytes; }
};

inline const char* TrustedVarint(const char* p, uint32_t* out) noexcept {
  uint32_t v = static_cast<uint8_t>(*p++);
  if (v >= 0x80) [[unlikely]] {
    v &= 0x7f;
    for (int shift = 7;; shift += 7) {
      const uint32_t byte = static_cast<uint8_t>(*p++);
      v |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
  }
  *out = v;
  return p;
}

inline RawEntry ReadTrusted(const char* p) noexcept {
  RawEntry entry;
  p = TrustedVarint(p, &entry.shared);
  p = TrustedVarint(p, &entry.unshared);
  p = TrustedVarint(p, &entry.value_bytes);
  entry.tag = LoadLe<uint64_t>(p);
  entry.key = p + 8;
  return entry;
}

struct Restarts {
  Restarts(const char* block, uint32_t size) noexcept
      : data(block),
        count(LoadLe<uint32_t>(block + size - 4)),
        array(block + size - 4 - 4 * size_t{count}) {}
  uint32_t operator[](uint32_t i) const noexcept { return LoadLe<uint32_t>(array + 4 * size_t{i}); }
  uint32_t entries_end() const noexcept { return static_cast<uint32_t>(array - data); }

  // The last restart point strictly before (key, tag), or 0.
  uint32_t Before(Slice key, Tag tag) const noexcept {
    uint32_t low = 0, high = count;  // point `low` is before it (or 0), `high` is not
    while (high - low > 1) {
      const uint32_t middle = low + (high - low) / 2;
      const RawEntry entry = ReadTrusted(data + (*this)[middle]);
      const int c = Slice(entry.key, entry.unshared).compare(key);
      if (c < 0 || (c == 0 && entry.tag > tag)) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }

  const char* data;
  uint32_t count;
  const char* array;
};

// Feeds the versions of the key among the entries from p, a restart point, to `end`; kRanOut where
// they may go on after it.
[[gnu::always_inline]] inline SearchEnd ScanForKey(const char* p, const char* end,
                                                   const LookupKey& lookup, Tag tag,
                                                   LookupFold& fold, const BlockRef* pin) noexcept {
  const Slice key = lookup.key;
  // Keys are never put together: `matched` bytes of the sought key equal the entry before, which
  // is smaller. An entry that shares more than that with its predecessor is smaller as well.
  size_t matched = 0;
  bool met = false;
  while (p < end) {
    const RawEntry entry = ReadTrusted(p);
    p = entry.end();
    if (entry.shared > matched) continue;
    const Slice rest = key.substr(entry.shared);
    const Slice own(entry.key, entry.unshared);
    const size_t common = CommonPrefix(own, rest);
    matched = entry.shared + common;
    if (common < own.size()) {
      const bool smaller = common < rest.size() &&
                           static_cast<uint8_t>(own[common]) < static_cast<uint8_t>(rest[common]);
      if (smaller) continue;
      return met ? SearchEnd::kDone : SearchEnd::kAbsent;
    }
    if (common < rest.size()) continue;  // a proper prefix of the key: smaller
    if (entry.tag > tag) continue;
    met = true;
    if (fold.Feed(entry.tag, entry.value(), pin)) return SearchEnd::kDone;
  }
  return SearchEnd::kRanOut;
}

}  // namespace

SearchEnd RestartsLayout::Search(const char* block, uint32_t size, const LookupKey& lookup,
                                 LookupFold& fold, const BlockRef* pin) noexcept {
  const Restarts restarts(block, size);
  const Tag tag = SnapshotTag(lookup.snapshot);
  const char* p = block + restarts[restarts.Before(lookup.key, tag)];
  return ScanForKey(p, restarts.array, lookup, tag, fold, pin);
}

uint32_t RestartsLayout::Places(Slice block) noexcept {
  return Restarts(block.data(), static_cast<uint32_t>(block.size())).count;
}

SearchEnd RestartsLayout::SearchPlace(const char* block, uint32_t size, uint32_t place,
                                      const LookupKey& lookup, LookupFold& fold,
                                      const BlockRef* pin) noexcept {
  const Restarts restarts(block, size);
  const bool last = place + 1 == restarts.count;
  const char* end = last ? restarts.array : block + restarts[place + 1];
  const SearchEnd found =
      ScanForKey(block + restarts[place], end, lookup, SnapshotTag(lookup.snapshot), fold, pin);
  // All versions of the key lie behind this point.
  return found == SearchEnd::kRanOut && !last ? SearchEnd::kAbsent : found;
}

Status RestartsLayout::Validate(Slice block) {
  const auto damage = [](std::string_view expected, uint64_t found) {
    return Status::Corruption(std::string(expected) + ", found " + std::to_string(found));
  };
  if (block.size() < 8 + kMinRestartsEntry) {
    return damage("a restarts block of at least 19 bytes", block.size());
  }
  const uint32_t size = static_cast<uint32_t>(block.size());
  const uint32_t count = LoadLe<uint32_t>(block.data() + size - 4);
  if (count == 0 || count > (size - 4) / 4 || (size - 4 - 4 * count) / kMinRestartsEntry < count) {
    return damage("restart points that fit into " + std::to_string(size) + " bytes", count);
  }
  const Restarts restarts(block.data(), size);
  const char* p = block.data();
  const char* end = restarts.array;
  uint32_t restart = 0;
  uint64_t last_key_bytes = 0;
  while (p < end) {
    const auto offset = static_cast<uint32_t>(p - block.data());
    const bool at_restart = restart < count && restarts[restart] == offset;
    restart += at_restart;
    uint64_t shared, unshared, value_bytes;
    if ((p = DecodeVarint64(p, end, &shared)) == nullptr ||
        (p = DecodeVarint64(p, end, &unshared)) == nullptr ||
        (p = DecodeVarint64(p, end, &value_bytes)) == nullptr || end - p < 8) {
      return damage("a whole entry at byte", offset);
    }
    if (shared > (at_restart ? 0 : last_key_bytes) || (offset == 0 && !at_restart)) {
      return damage("a prefix shared with the key before, at byte " + std::to_string(offset),
                    shared);
    }
    if (!IsKnownKind(LoadLe<uint64_t>(p))) {
      return damage("an entry kind of 1 to 6", LoadLe<uint8_t>(p));
    }
    p += 8;
    const auto left = static_cast<uint64_t>(end - p);
    if (unshared > kMaxKeyBytes - shared || unshared > left || value_bytes > left - unshared) {
      return damage("lengths within the block at byte", offset);
    }
    last_key_bytes = shared + unshared;
    p += unshared + value_bytes;
  }
  if (restart != count) return damage("restart points at entries", restarts[restart]);
  return Status();
}

size_t RestartsBuilder::SizeWith(Slice key, Slice value) const noexcept {
  const bool restart = empty() || since_restart_ == interval_;
  const size_t shared = restart ? 0 : CommonPrefix(last_key_, key);
  return bytes() + (restart ? 4 : 0) + 8 + static_cast<size_t>(VarintLength(shared)) +
         static_cast<size_t>(VarintLength(key.size() - shared)) +
         static_cast<size_t>(VarintLength(value.size())) + key.size() - shared + value.size();
}

void RestartsBuilder::Add(Slice key, Tag tag, Slice value) {
  size_t shared = 0;
  if (empty() || since_restart_ == interval_) {
    restarts_.push_back(static_cast<uint32_t>(block_.size()));
    since_restart_ = 0;
  } else {
    shared = CommonPrefix(last_key_, key);
  }
  ++since_restart_;
  char head[38];
  char* p = EncodeVarint64(head, shared);
  p = EncodeVarint64(p, key.size() - shared);
  p = EncodeVarint64(p, value.size());
  StoreLe<uint64_t>(p, tag);
  block_.append(head, static_cast<size_t>(p + 8 - head));
  block_.append(key.substr(shared));
  block_.append(value);
  last_key_.assign(key);
}

Slice RestartsBuilder::Finish() {
  LSMLAB_ASSERT(!empty());
  for (uint32_t restart : restarts_) PutFixed32(block_, restart);
  PutFixed32(block_, static_cast<uint32_t>(restarts_.size()));
  return block_;
}

void RestartsBuilder::Reset() noexcept {
  block_.clear();
  last_key_.clear();
  restarts_.clear();
  since_restart_ = 0;
}

void RestartsCursor::Attach(Slice block) noexcept {
  data_ = block.data();
  const Restarts restarts(data_, static_cast<uint32_t>(block.size()));
  entries_end_ = restarts.entries_end();
  restart_count_ = restarts.count;
  at_ = next_ = entries_end_;
}

void RestartsCursor::MoveToRestart(uint32_t restart) noexcept {
  next_ = LoadLe<uint32_t>(data_ + entries_end_ + 4 * size_t{restart});
}

bool RestartsCursor::Read(Entry& entry) {
  at_ = next_;
  if (next_ >= entries_end_) return false;
  const RawEntry raw = ReadTrusted(data_ + next_);
  key_.resize(raw.shared);
  key_.append(raw.key, raw.unshared);
  entry.key = key_;
  entry.tag = raw.tag;
  entry.value = raw.value();
  next_ = static_cast<uint32_t>(raw.end() - data_);
  return true;
}

bool RestartsCursor::First(Entry& entry) {
  MoveToRestart(0);
  return Read(entry);
}

bool RestartsCursor::Last(Entry& entry) {
  return LastBefore(restart_count_ - 1, entries_end_, entry);
}

bool RestartsCursor::LastBefore(uint32_t restart, uint32_t offset, Entry& entry) {
  MoveToRestart(restart);
  bool found = false;
  while (next_ < offset) found = Read(entry);
  if (!found) at_ = next_ = entries_end_;
  return found;
}

bool RestartsCursor::Seek(Slice key, Tag tag, Entry& entry) {
  const Restarts restarts(data_, entries_end_ + 4 * restart_count_ + 4);
  MoveToRestart(restarts.Before(key, tag));
  while (Read(entry)) {
    if (CompareEntry(entry.key, entry.tag, key, tag) >= 0) return true;
  }
  return false;
}

bool RestartsCursor::SeekBefore(Slice key, Tag tag, Entry& entry) {
  const Restarts restarts(data_, entries_end_ + 4 * restart_count_ + 4);
  const uint32_t restart = restarts.Before(key, tag);
  MoveToRestart(restart);
  uint32_t end = entries_end_;
  while (Read(entry)) {
    if (CompareEntry(entry.key, entry.tag, key, tag) >= 0) {
      end = at_;
      break;
    }
  }
  return LastBefore(restart, end, entry);
}

bool RestartsCursor::Next(Entry& entry) { return Read(entry); }

bool RestartsCursor::Prev(Entry& entry) {
  const Restarts restarts(data_, entries_end_ + 4 * restart_count_ + 4);
  const uint32_t current = at_;
  if (current == 0) {
    at_ = next_ = entries_end_;
    return false;
  }
  uint32_t low = 0, high = restart_count_;  // the last restart point before the current entry
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    (restarts[middle] < current ? low : high) = middle;
  }
  return LastBefore(low, current, entry);
}

}  // namespace lsmlab::table_internal
