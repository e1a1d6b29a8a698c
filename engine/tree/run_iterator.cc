#include "engine/tree/run_iterator.h"

#include <cstdint>
#include <utility>

namespace lsmlab {
namespace {

class RunIterator final : public InternalIterator {
 public:
  RunIterator(const Run& run, const Table::IteratorOptions& options)
      : run_(run), options_(options) {}

  void PrepareSeek(Slice key) noexcept override {
    prepared_ = run_.Find(key);
    if (prepared_ >= run_.tables.size()) return;
    Open(prepared_);
    table_->PrepareSeek(key);
  }
  void PrepareBlock(Slice key) noexcept override {
    if (prepared_ < run_.tables.size()) table_->PrepareBlock(key);
  }
  void PrepareEntry(Slice key) noexcept override {
    if (prepared_ < run_.tables.size()) table_->PrepareEntry(key);
  }
  bool PreparedAfter(Slice other) const noexcept override {
    return prepared_ < run_.tables.size() && table_->PreparedAfter(other);
  }
  ValueOrTask<Status> Seek(Slice key, Tag tag) override {
    const size_t prepared = std::exchange(prepared_, kNotPrepared);
    const size_t i = prepared == kNotPrepared ? run_.Find(key) : prepared;
    if (i >= run_.tables.size()) {
      table_.reset();  // it may be prepared for an earlier key
      return End();
    }
    Open(i);
    ValueOrTask<Status> result = table_->Seek(key, tag);
    // The entry may lie behind the table's last one only by its tag.
    if (!result.ready()) return FinishForward(result.TakeTask());
    return Settle(result.Take(), /*forward=*/true);
  }
  ValueOrTask<Status> SeekBefore(Slice key, Tag tag) override {
    prepared_ = kNotPrepared;
    size_t i = run_.Find(key);
    if (i >= run_.tables.size()) i = run_.tables.size() - 1;
    Open(i);
    ValueOrTask<Status> result = table_->SeekBefore(key, tag);
    if (!result.ready()) return FinishBackward(result.TakeTask());
    return Settle(result.Take(), /*forward=*/false);
  }
  ValueOrTask<Status> SeekToFirst() override {
    prepared_ = kNotPrepared;
    Open(0);
    ValueOrTask<Status> result = table_->SeekToFirst();
    if (!result.ready()) return FinishForward(result.TakeTask());
    return Settle(result.Take(), /*forward=*/true);
  }
  ValueOrTask<Status> SeekToLast() override {
    prepared_ = kNotPrepared;
    Open(run_.tables.size() - 1);
    ValueOrTask<Status> result = table_->SeekToLast();
    if (!result.ready()) return FinishBackward(result.TakeTask());
    return Settle(result.Take(), /*forward=*/false);
  }
  ValueOrTask<Status> Next() override {
    ValueOrTask<Status> result = table_->Next();
    if (!result.ready()) return FinishForward(result.TakeTask());
    return Settle(result.Take(), /*forward=*/true);
  }
  ValueOrTask<Status> Prev() override {
    ValueOrTask<Status> result = table_->Prev();
    if (!result.ready()) return FinishBackward(result.TakeTask());
    return Settle(result.Take(), /*forward=*/false);
  }

 private:
  void Open(size_t i) {
    if (table_ != nullptr && index_ == i) return;
    table_ = run_.tables[i]->table().NewIterator(options_);
    index_ = i;
  }
  ValueOrTask<Status> End() {
    valid_ = false;
    return Status();
  }
  Status TakeEntry() {
    ShowThrough(*table_);
    return Status();
  }
  // The table's iterator has moved: take its entry, or go on in the neighbouring table.
  ValueOrTask<Status> Settle(Status status, bool forward) {
    if (!status.ok()) {
      valid_ = false;
      return status;
    }
    if (table_->valid()) return TakeEntry();
    if (forward ? index_ + 1 >= run_.tables.size() : index_ == 0) return End();
    return EnterNeighbour(forward);
  }
  Task<Status> EnterNeighbour(bool forward) {
    while (true) {
      valid_ = false;
      if (forward ? index_ + 1 >= run_.tables.size() : index_ == 0) co_return Status();
      Open(forward ? index_ + 1 : index_ - 1);
      Status status;
      if (forward) {
        status = co_await table_->SeekToFirst();
      } else {
        status = co_await table_->SeekToLast();
      }
      if (!status.ok()) co_return status;
      if (table_->valid()) co_return TakeEntry();
    }
  }
  Task<Status> FinishForward(Task<Status> move) { return Finish(std::move(move), true); }
  Task<Status> FinishBackward(Task<Status> move) { return Finish(std::move(move), false); }
  Task<Status> Finish(Task<Status> move, bool forward) {
    Status status = co_await move;
    if (!status.ok()) {
      valid_ = false;
      co_return status;
    }
    if (table_->valid()) co_return TakeEntry();
    co_return co_await EnterNeighbour(forward);
  }

  static constexpr size_t kNotPrepared = SIZE_MAX;

  const Run& run_;
  const Table::IteratorOptions options_;
  std::unique_ptr<InternalIterator> table_;
  size_t index_ = 0;
  size_t prepared_ = kNotPrepared;  // what Find said in PrepareSeek
};

}  // namespace

bool MayHoldRange(const Run& run, Slice lower, Slice upper, TableReadCounters& counters) noexcept {
  for (size_t i = lower.empty() ? 0 : run.Find(lower); i < run.tables.size(); ++i) {
    const Table& table = run.tables[i]->table();
    if (!upper.empty() && Slice(table.properties().smallest_key) >= upper) return false;
    if (table.MayHoldRange(lower, upper, counters)) return true;
  }
  return false;
}

std::unique_ptr<InternalIterator> NewRunIterator(const Run& run,
                                                 const Table::IteratorOptions& options) {
  if (run.tables.size() == 1) return run.tables[0]->table().NewIterator(options);
  return std::make_unique<RunIterator>(run, options);
}

}  // namespace lsmlab
