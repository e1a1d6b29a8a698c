#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/checksum.h"
#include "engine/format/key_prefix.h"
#include "variants/table/block_file.h"

// What Verify of every table format checks.
namespace lsmlab::table_internal {

// What the entries add up to; compared with the properties at the end.
class EntryAudit {
 public:
  explicit EntryAudit(const BlockFile& file) : file_(file) {}

  // `filter`: the one that a point read of the entry's key would ask; `prefix_bytes`: of the key
  // prefixes in it, 0 when a walk does not ask for them.
  Status Take(const Entry& entry, const TableFilter& filter, size_t prefix_bytes) {
    const bool first = entries_ == 0;
    if (!first && CompareEntry(key_, tag_, entry.key, entry.tag) >= 0) {
      return Damage("entries in order", "entry " + std::to_string(entries_) + " out of order");
    }
    if (first || entry.key != key_) {
      if (filter.probe.may_contain != nullptr &&
          !filter.probe.may_contain(filter.data, filter.size, KeyHash(entry.key))) {
        return Damage("every key in the filter", "entry " + std::to_string(entries_) + " missing");
      }
      if (prefix_bytes != 0 && entry.key.size() >= prefix_bytes &&
          !filter.probe.may_contain(filter.data, filter.size,
                                    PrefixHash(entry.key.substr(0, prefix_bytes)))) {
        return Damage("every key's prefix in the filter",
                      "that of entry " + std::to_string(entries_) + " missing");
      }
      ++distinct_;
    }
    if (first && (entry.key != file_.properties().smallest_key ||
                  entry.tag != file_.properties().smallest_tag)) {
      return Damage("the smallest entry of the properties", "another one");
    }
    key_ = entry.key;
    tag_ = entry.tag;
    key_bytes_ += entry.key.size();
    value_bytes_ += entry.value.size();
    tombstones_ += TagKind(entry.tag) == EntryKind::kDelete;
    range_tombstones_ += TagKind(entry.tag) == EntryKind::kRangeDelete;
    min_sequence_ = std::min(min_sequence_, TagSequence(entry.tag));
    max_sequence_ = std::max(max_sequence_, TagSequence(entry.tag));
    ++entries_;
    return Status();
  }

  Status Conclude() const {
    const TableProperties& p = file_.properties();
    if (key_ != p.largest_key || tag_ != p.largest_tag) {
      return Damage("the largest entry of the properties", "another one");
    }
    LSMLAB_TRY(Equal("entries", p.entries, entries_));
    LSMLAB_TRY(Equal("distinct keys", p.distinct_keys, distinct_));
    LSMLAB_TRY(Equal("tombstones", p.tombstones, tombstones_));
    LSMLAB_TRY(Equal("range tombstones", p.range_tombstones, range_tombstones_));
    LSMLAB_TRY(Equal("key bytes", p.raw_key_bytes, key_bytes_));
    LSMLAB_TRY(Equal("value bytes", p.raw_value_bytes, value_bytes_));
    LSMLAB_TRY(Equal("smallest sequence", p.min_sequence, entries_ == 0 ? 0 : min_sequence_));
    return Equal("largest sequence", p.max_sequence, max_sequence_);
  }

 private:
  Status Damage(std::string_view expected, std::string_view found) const {
    return DamageAt(file_.file().path(), file_.footer().properties.offset, expected, found);
  }
  Status Equal(const char* what, uint64_t expected, uint64_t found) const {
    if (expected == found) return Status();
    return Damage(std::to_string(expected) + " " + what, std::to_string(found));
  }

  const BlockFile& file_;
  std::string key_;
  Tag tag_ = 0;
  uint64_t entries_ = 0, distinct_ = 0, tombstones_ = 0, range_tombstones_ = 0;
  uint64_t key_bytes_ = 0, value_bytes_ = 0;
  Sequence min_sequence_ = kMaxSequence, max_sequence_ = 0;
};

// The bytes from `from` to `to` must be zero.
Task<Status> CheckZeros(const BlockFile& file, uint64_t from, uint64_t to);

// What stands behind the data blocks and the format's own blocks, which end at `end`: filter,
// index, dictionary, properties and footer again as they are in the file now, in file order, and
// zeros between and after.
Task<Status> CheckSections(const BlockFile& file, uint64_t end);

}  // namespace lsmlab::table_internal
