#include "variants/table/flat_verify.h"

#include <algorithm>
#include <string>

#include "engine/base/checksum.h"
#include "engine/format/key_prefix.h"
#include "engine/format/table_properties.h"

namespace lsmlab::table_internal {
namespace {

// What the entries add up to; compared with the properties at the end.
class EntryAudit {
 public:
  explicit EntryAudit(const FlatFile& file) : file_(file) {}

  Status Take(const Entry& entry) {
    const bool first = entries_ == 0;
    if (!first && CompareEntry(key_, tag_, entry.key, entry.tag) >= 0) {
      return Damage("entries in order", "entry " + std::to_string(entries_) + " out of order");
    }
    if (first || entry.key != key_) {
      const FilterProbe& filter = file_.filter();
      if (filter.may_contain != nullptr &&
          !filter.may_contain(file_.filter_data(), file_.filter_size(), KeyHash(entry.key))) {
        return Damage("every key in the filter", "entry " + std::to_string(entries_) + " missing");
      }
      const size_t prefix = file_.filter_prefix_bytes();
      if (prefix != 0 && entry.key.size() >= prefix &&
          !filter.may_contain(file_.filter_data(), file_.filter_size(),
                              PrefixHash(entry.key.substr(0, prefix)))) {
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

  const FlatFile& file_;
  std::string key_;
  Tag tag_ = 0;
  uint64_t entries_ = 0, distinct_ = 0, tombstones_ = 0, range_tombstones_ = 0;
  uint64_t key_bytes_ = 0, value_bytes_ = 0;
  Sequence min_sequence_ = kMaxSequence, max_sequence_ = 0;
};

// The bytes from `from` to `to` must be zero.
Task<Status> CheckZeros(const FlatFile& file, uint64_t from, uint64_t to) {
  if (to < from || to - from > 4096) {
    co_return DamageAt(file.file().path(), from, "at most 4096 bytes between blocks",
                       std::to_string(to - from));
  }
  if (to == from) co_return Status();
  AlignedBytes gap(static_cast<size_t>(to - from));
  LSMLAB_CO_TRY(
      co_await ReadInto(file.io(), IoSite::kTableOpen, file.file(), from, to - from, gap.data()));
  const char* start = gap.data();
  const char* end = start + gap.size();
  const char* other = std::find_if(start, end, [](char c) { return c != 0; });
  if (other == end) co_return Status();
  co_return DamageAt(file.file().path(), from + static_cast<uint64_t>(other - start),
                     "zero padding", std::to_string(static_cast<uint8_t>(*other)));
}

// Filter, index, properties and footer again as they are in the file now, in file order, and zeros
// between and after.
Task<Status> CheckSections(const FlatFile& file) {
  const TableFooter& footer = file.footer();
  uint64_t end = 0;
  const BlockIndex& index = file.index();
  for (uint32_t i = 0; i < index.count(); ++i) {
    LSMLAB_CO_TRY(co_await CheckZeros(file, end, index.handle(i).offset));
    end = index.handle(i).offset + index.handle(i).size + kBlockTrailerBytes;
  }
  const BlockHandle sections[] = {footer.filter, footer.index, footer.properties};
  for (const BlockHandle& handle : sections) {
    if (handle.offset == 0 && handle.size == 0) continue;
    LSMLAB_CO_TRY(co_await CheckZeros(file, end, handle.offset));
    AlignedBytes bytes;
    LSMLAB_CO_TRY(co_await file.ReadRawBlock(handle, file.file_bytes(), "a section", &bytes));
    end = handle.offset + handle.size + kBlockTrailerBytes;
  }
  const uint64_t footer_offset = file.file_bytes() - kTableFooterBytes;
  LSMLAB_CO_TRY(co_await CheckZeros(file, end, footer_offset));
  AlignedBytes bytes(kTableFooterBytes);
  LSMLAB_CO_TRY(co_await ReadInto(file.io(), IoSite::kTableOpen, file.file(), footer_offset,
                                  kTableFooterBytes, bytes.data()));
  const Result<TableFooter> again = DecodeTableFooter(Slice(bytes.data(), kTableFooterBytes),
                                                      file.file_bytes(), file.file().path());
  co_return again.status();
}

// Whether the continues bit of every block says what the next block's first entry shows.
class ContinuationAudit {
 public:
  explicit ContinuationAudit(const FlatFile& file) : file_(file) {}
  Status Take(const Entry& entry) {
    const BlockIndex& index = file_.index();
    if (at_start_ && block_ > 0 &&
        index.continues(block_ - 1) != (entry.key == index.last_key(block_ - 1))) {
      return DamageAt(file_.file().path(), index.handle(block_).offset,
                      "a first key as the index says", "another");
    }
    at_start_ = entry.tag == index.last_tag(block_) && entry.key == index.last_key(block_);
    if (at_start_ && block_ + 1 < index.count()) ++block_;
    return Status();
  }

 private:
  const FlatFile& file_;
  uint32_t block_ = 0;
  bool at_start_ = false;
};

}  // namespace

Task<Status> VerifyFlatFile(const FlatFile& file, std::unique_ptr<InternalIterator> entries) {
  LSMLAB_CO_TRY(co_await CheckSections(file));
  EntryAudit audit(file);
  ContinuationAudit continuation(file);
  Status status = co_await entries->SeekToFirst();
  while (status.ok() && entries->valid()) {
    LSMLAB_CO_TRY(audit.Take(entries->entry()));
    LSMLAB_CO_TRY(continuation.Take(entries->entry()));
    status = co_await entries->Next();
  }
  if (!status.ok()) co_return status;
  co_return audit.Conclude();
}

}  // namespace lsmlab::table_internal
