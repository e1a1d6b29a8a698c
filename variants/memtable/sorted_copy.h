#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/parts/internal_iterator.h"
#include "variants/memtable/record.h"

// What memtables share that keep no order while they are written: a sorted array of their entries,
// made once at Seal, and before it anew for every iterator.
namespace lsmlab::memtable_parts {

// Pointers to records in entry order, beside 8-byte heads after the prefix that all keys share.
// Immutable once made; the records outlive it.
class SortedRecords {
 public:
  // O(n log n).
  explicit SortedRecords(const std::vector<const Record*>& records) {
    if (records.empty()) return;
    prefix_ = records[0]->key();
    for (const Record* record : records) {
      prefix_ = prefix_.substr(0, CommonPrefix(prefix_, record->key(), prefix_.size()));
    }
    items_.reserve(records.size());
    for (const Record* record : records) {
      items_.push_back({KeyHead(record->key(), prefix_.size()), record});
    }
    std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) {
      return a.head != b.head ? a.head < b.head
                              : Compare(*a.record, b.record->key(), b.record->tag) < 0;
    });
  }

  size_t size() const noexcept { return items_.size(); }
  const Record& operator[](size_t i) const noexcept { return *items_[i].record; }
  // The number of the first record at or after (key, tag); size() if none.
  size_t LowerBound(Slice key, Tag tag) const noexcept {
    const int order = key.substr(0, prefix_.size()).compare(prefix_);
    if (order != 0) return order < 0 ? 0 : items_.size();
    const uint64_t head = KeyHead(key, prefix_.size());
    const auto at = std::partition_point(items_.begin(), items_.end(), [&](const Item& item) {
      return item.head != head ? item.head < head : Compare(*item.record, key, tag) < 0;
    });
    return static_cast<size_t>(at - items_.begin());
  }
  size_t memory_bytes() const noexcept { return items_.capacity() * sizeof(Item); }

 private:
  struct Item {
    uint64_t head;
    const Record* record;
  };
  Slice prefix_;  // of a record's key
  std::vector<Item> items_;
};

// A walk over a memtable that is sorted only when it is sealed.
//
// `Unsorted` has: sealed(), the SortedRecords made at Seal or null; entries(); and Records(), what
// is published now, in any order. Before Seal an absolute positioning call sorts a copy, unless the
// last copy still holds everything.
template <typename Unsorted>
class SortedCopyIterator final : public InternalIterator {
 public:
  explicit SortedCopyIterator(const Unsorted& memtable) : memtable_(memtable) {}

  ValueOrTask<Status> Seek(Slice key, Tag tag) override {
    Refresh();
    return At(sorted_->LowerBound(key, tag));
  }
  ValueOrTask<Status> SeekBefore(Slice key, Tag tag) override {
    Refresh();
    return At(sorted_->LowerBound(key, tag) - 1);
  }
  ValueOrTask<Status> SeekToFirst() override {
    Refresh();
    return At(0);
  }
  ValueOrTask<Status> SeekToLast() override {
    Refresh();
    return At(sorted_->size() - 1);
  }
  ValueOrTask<Status> Next() override { return At(at_ + 1); }
  ValueOrTask<Status> Prev() override { return At(at_ - 1); }

 private:
  bool StepInMemory() noexcept override {
    if (at_ + 1 >= sorted_->size()) return false;
    return At(at_ + 1).ok();
  }
  void Refresh() {
    if (const SortedRecords* sealed = memtable_.sealed(); sealed != nullptr) {
      sorted_ = sealed;
      return;
    }
    // Counted first: the copy may hold more than that, and not all of what is counted next.
    const uint64_t entries = memtable_.entries();
    if (copy_ == nullptr || copied_ != entries) {
      copy_ = std::make_unique<SortedRecords>(memtable_.Records());
      copied_ = entries;
    }
    sorted_ = copy_.get();
  }
  // Numbers wrap below 0, which is then no record.
  Status At(size_t i) noexcept {
    at_ = i;
    valid_ = i < sorted_->size();
    if (valid_) {
      const Record& record = (*sorted_)[i];
      entry_ = {record.key(), record.tag, record.value()};
    }
    return Status();
  }

  const Unsorted& memtable_;
  const SortedRecords* sorted_ = nullptr;
  std::unique_ptr<SortedRecords> copy_;
  uint64_t copied_ = 0;  // entries counted before the copy was made
  size_t at_ = 0;
};

// Holds what Seal makes. Thread safety: Make by one thread at a time, get by any.
class SealedRecords {
 public:
  SealedRecords() noexcept = default;
  SealedRecords(const SealedRecords&) = delete;
  ~SealedRecords() { delete get(); }
  const SortedRecords* get() const noexcept { return sorted_.load(std::memory_order_acquire); }
  void Make(const std::vector<const Record*>& records) {
    if (get() == nullptr) sorted_.store(new SortedRecords(records), std::memory_order_release);
  }
  // Feeds the versions of a key. REQUIRES: made.
  template <typename Fold>
  void Get(Slice key, Tag from, Fold& fold) const {
    const SortedRecords& sorted = *get();
    for (size_t i = sorted.LowerBound(key, from); i < sorted.size() && sorted[i].key() == key;
         ++i) {
      if (fold.Feed(sorted[i].tag, sorted[i].value())) return;
    }
  }

 private:
  std::atomic<SortedRecords*> sorted_{nullptr};
};

}  // namespace lsmlab::memtable_parts
