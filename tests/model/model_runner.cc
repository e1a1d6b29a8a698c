#include "tests/model/model_runner.h"

#include <algorithm>

#include "tests/support/checked_value.h"

namespace lsmlab::test {
namespace {

constexpr uint64_t kWholeScanEvery = 1000;
constexpr size_t kHeldMax = 4;

bool KeepsLog(const StoreOptions& options) {
  return options.composition.wal.variant->name != "off";
}

Status Different(std::string what) { return Status::Corruption(std::move(what)); }

}  // namespace

ModelRunner::ModelRunner(ModelRun run)
    : run_(std::move(run)), random_(run_.seed), keys_(run_.keys, true) {
  const auto& partitioner = run_.options.composition.partitioner;
  partitioner_ = partitioner.variant->make(partitioner.settings);
}

Status ModelRunner::Run() {
  Status status = Open();
  for (step_ = 1; status.ok() && step_ <= run_.operations; ++step_) {
    status = Step();
    if (status.ok() && run_.reopen_every > 0 && step_ % run_.reopen_every == 0) {
      doing_ = "reopen";
      status = Reopen();
    }
    if (status.ok() && (step_ == run_.operations / 3 || step_ == run_.operations / 3 * 2)) {
      doing_ = "settle";
      status = Settle();
    }
    if (status.ok() && step_ % kWholeScanEvery == 0) {
      doing_ = "whole scan";
      status = CompareWhole(operation_, store_->NewIterator().get());
      for (const TreeShape& shape : store_->Shapes()) {
        for (size_t level = 0; level < shape.levels.size(); ++level) {
          if (shape.levels[level].bytes > 0) deepest_level_ = std::max(deepest_level_, level);
        }
      }
    }
  }
  if (status.ok()) {
    doing_ = "last reopen";
    status = Reopen();
  }
  held_.clear();
  if (status.ok()) {
    doing_ = "last close";
    status = Close();
  }
  if (status.ok()) return status;
  return Status(status.code(), std::string(status.message()) + " [" + run_.name + ", " + doing_ +
                                   ", step " + std::to_string(step_) +
                                   ", repeat with LSMLAB_TEST_SEED=" + std::to_string(run_.seed) +
                                   "]");
}

Status ModelRunner::Open() {
  auto store = Store::Open(run_.options);
  if (!store.ok()) return store.status();
  store_ = std::move(store).value();
  return Status();
}

Status ModelRunner::Close() {
  const StoreStats stats = store_->Stats();
  flushes_ += stats.flushes;
  compactions_ += stats.compactions + stats.trivial_moves;
  value_gc_bytes_ += stats.value_gc_bytes;
  return store_->Close();
}

// A table first, then one more to be merged with it.
Status ModelRunner::Settle() {
  LSMLAB_TRY(store_->Flush());
  if (step_ == run_.operations / 3) return Status();
  LSMLAB_TRY(store_->CompactRange(Slice(), Slice()));
  return CompareWhole(operation_, store_->NewIterator().get());
}

Status ModelRunner::Reopen() {
  held_.clear();
  StoreOptions next = run_.options;
  if (run_.change) LSMLAB_TRY(run_.change(&next));
  // A store without a log keeps what is flushed, and takes no log over.
  if (!KeepsLog(run_.options) || !KeepsLog(next)) LSMLAB_TRY(store_->Flush());
  LSMLAB_TRY(Close());
  store_.reset();
  run_.options = std::move(next);
  LSMLAB_TRY(Open());
  return CompareWhole(operation_, store_->NewIterator().get());
}

Status ModelRunner::Step() {
  while (!held_.empty() && held_.front().until <= step_) held_.pop_front();
  const uint64_t drawn = random_.Below(1000);
  struct Draw {
    uint64_t below;
    const char* name;
    Status (ModelRunner::*act)();
  };
  static constexpr Draw kRows[] = {
      {400, "put", &ModelRunner::Put},
      {500, "delete", &ModelRunner::Delete},
      {580, "batch", &ModelRunner::Batch},
      {800, "get", &ModelRunner::Get},
      {860, "multiget", &ModelRunner::MultiGet},
      {960, "iterate", &ModelRunner::Walk},
      {980, "held read", &ModelRunner::ReadHeld},
      {990, "snapshot", &ModelRunner::Hold},
      {1000, "maintain", &ModelRunner::Maintain},
  };
  for (const Draw& row : kRows) {
    if (drawn >= row.below) continue;
    doing_ = row.name;
    return (this->*row.act)();
  }
  return Status();
}

Status ModelRunner::Put() {
  const std::string& key = keys_.Draw(random_);
  const size_t length = DrawValueLength(random_);
  model_.Put(++operation_, key, length);
  return store_->Put(key, CheckedValue(key, operation_, length));
}

Status ModelRunner::Delete() {
  const std::string key = random_.OneIn(4) ? keys_.DrawNear(random_) : keys_.Draw(random_);
  model_.Delete(++operation_, key);
  return store_->Delete(key);
}

Status ModelRunner::Batch() {
  WriteBatch batch;
  // Without a log a batch over several shards is refused.
  const uint32_t shard = static_cast<uint32_t>(random_.Below(partitioner_->shards()));
  const bool one_shard = !KeepsLog(run_.options) || random_.OneIn(4);
  for (uint64_t n = random_.Below(random_.OneIn(16) ? 100 : 8); n > 0; --n) {
    const std::string& key = keys_.Draw(random_);
    if (one_shard && partitioner_->ShardOf(key) != shard) continue;
    if (random_.OneIn(4)) {
      model_.Delete(++operation_, key);
      batch.Delete(key);
    } else {
      const size_t length = DrawValueLength(random_);
      model_.Put(++operation_, key, length);
      batch.Put(key, CheckedValue(key, operation_, length));
    }
  }
  return store_->Write(batch);
}

const ModelRunner::Held* ModelRunner::DrawMoment(ReadOptions* options, uint64_t* at) {
  *at = operation_;
  options->fill_cache = !random_.OneIn(8);
  if (held_.empty() || !random_.OneIn(4)) return nullptr;
  const Held& held = held_[random_.Below(held_.size())];
  options->snapshot = held.snapshot.get();
  *at = held.at;
  return &held;
}

Status ModelRunner::Get() {
  ReadOptions options;
  uint64_t at;
  DrawMoment(&options, &at);
  const std::string key = keys_.DrawNear(random_);
  if (random_.OneIn(2)) {
    std::string value;
    const Status status = store_->Get(key, &value, options);
    return CheckRead(model_, at, key, status, value);
  }
  PinnedValue value;
  const Status status = store_->Get(key, &value, options);
  PinnedValue moved = std::move(value);
  return CheckRead(model_, at, key, status, moved.value());
}

Status ModelRunner::MultiGet() {
  ReadOptions options;
  uint64_t at;
  DrawMoment(&options, &at);
  std::vector<std::string> keys;
  for (uint64_t n = random_.Below(40); n > 0; --n) keys.push_back(keys_.DrawNear(random_));
  const std::vector<Slice> slices(keys.begin(), keys.end());
  std::vector<std::string> values;
  const std::vector<Status> statuses = store_->MultiGet(slices, &values, options);
  if (statuses.size() != keys.size() || values.size() != keys.size()) {
    return Different("MultiGet gave another number of answers");
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    LSMLAB_TRY(CheckRead(model_, at, keys[i], statuses[i], values[i]));
  }
  return Status();
}

Status ModelRunner::CompareStep(const Iterator& iterator, const StoreModel::Cursor& cursor,
                                Iterator* values) {
  if (iterator.valid() != cursor.valid()) {
    return Different(cursor.valid()
                         ? "iterator ended, want key " + ShownKey(cursor.key())
                         : "iterator shows key " + ShownKey(iterator.key()) + ", want its end");
  }
  if (!cursor.valid()) return Status();
  if (iterator.key() != cursor.key()) {
    return Different("iterator shows key " + ShownKey(iterator.key()) + ", want " +
                     ShownKey(cursor.key()));
  }
  Result<Slice> value = values->Value();
  if (!value.ok()) return value.status();
  if (value.value() != cursor.Value()) {
    return Different("iterator shows another value of key " + ShownKey(cursor.key()));
  }
  return Status();
}

Status ModelRunner::Walk() {
  ReadOptions options;
  uint64_t at;
  DrawMoment(&options, &at);
  std::string lower, upper;
  if (random_.OneIn(3)) lower = keys_.DrawNear(random_);
  if (random_.OneIn(3)) upper = keys_.DrawNear(random_);
  options.lower_bound = lower;
  options.upper_bound = upper;
  auto iterator = store_->NewIterator(options);
  StoreModel::Cursor cursor(model_, at, lower, upper);
  for (uint64_t n = 1 + random_.Below(40); n > 0; --n) {
    const uint64_t kind = random_.Below(16);
    const std::string target = kind < 4 ? keys_.DrawNear(random_) : std::string();
    if (kind < 2) {
      LSMLAB_TRY(iterator->Seek(target));
      cursor.Seek(target);
    } else if (kind < 4) {
      LSMLAB_TRY(iterator->SeekForPrev(target));
      cursor.SeekForPrev(target);
    } else if (!cursor.valid()) {
      LSMLAB_TRY(kind < 10 ? iterator->SeekToFirst() : iterator->SeekToLast());
      kind < 10 ? cursor.SeekToFirst() : cursor.SeekToLast();
    } else if (kind < 11) {
      LSMLAB_TRY(iterator->Next());
      cursor.Next();
    } else {
      LSMLAB_TRY(iterator->Prev());
      cursor.Prev();
    }
    LSMLAB_TRY(CompareStep(*iterator, cursor, iterator.get()));
  }
  return Status();
}

Status ModelRunner::Hold() {
  if (held_.size() >= kHeldMax) held_.pop_front();
  Held held;
  held.at = operation_;
  held.snapshot = store_->NewSnapshot();
  if (random_.OneIn(2)) {
    held.iterator = store_->NewIterator();
    held.cursor.emplace(model_, held.at, Slice(), Slice());
    LSMLAB_TRY(StepHeld(held));
  }
  held.until = step_ + random_.Below(1000);
  held_.push_back(std::move(held));
  return Status();
}

Status ModelRunner::ReadHeld() {
  if (held_.empty()) return Status();
  Held& held = held_[random_.Below(held_.size())];
  if (held.iterator != nullptr && !random_.OneIn(4)) return StepHeld(held);
  if (held.iterator != nullptr) {
    LSMLAB_TRY(CompareWhole(held.at, held.iterator.get()));
    held.cursor.emplace(model_, held.at, Slice(), Slice());  // at no key, too
    return Status();
  }
  ReadOptions options;
  options.snapshot = held.snapshot.get();
  return CompareWhole(held.at, store_->NewIterator(options).get());
}

// What is written, flushed and merged meanwhile changes nothing for it.
Status ModelRunner::StepHeld(Held& held) {
  Iterator& iterator = *held.iterator;
  StoreModel::Cursor& cursor = *held.cursor;
  LSMLAB_TRY(CompareStep(iterator, cursor, &iterator));
  for (uint64_t n = 1 + random_.Below(8); n > 0; --n) {
    if (!cursor.valid()) {
      const std::string target = keys_.DrawNear(random_);
      LSMLAB_TRY(iterator.Seek(target));
      cursor.Seek(target);
    } else if (random_.OneIn(3)) {
      LSMLAB_TRY(iterator.Prev());
      cursor.Prev();
    } else {
      LSMLAB_TRY(iterator.Next());
      cursor.Next();
    }
    LSMLAB_TRY(CompareStep(iterator, cursor, &iterator));
  }
  return Status();
}

Status ModelRunner::Maintain() {
  const uint64_t kind = random_.Below(10);
  if (kind < 3) return store_->Flush();
  if (kind < 4) return store_->Drain();
  if (kind < 5) return store_->SyncLog();
  if (kind < 6) return store_->Verify();
  if (kind < 8) {
    doing_ = "reopen";
    return Reopen();
  }
  doing_ = "compact range";
  std::string begin = random_.OneIn(3) ? std::string() : keys_.DrawNear(random_);
  std::string end = random_.OneIn(3) ? std::string() : keys_.DrawNear(random_);
  if (!end.empty() && end < begin) std::swap(begin, end);
  return store_->CompactRange(begin, end);
}

Status ModelRunner::CompareWhole(uint64_t at, Iterator* iterator) {
  StoreModel::Cursor cursor(model_, at, Slice(), Slice());
  const bool forward = random_.OneIn(2);
  LSMLAB_TRY(forward ? iterator->SeekToFirst() : iterator->SeekToLast());
  forward ? cursor.SeekToFirst() : cursor.SeekToLast();
  while (true) {
    LSMLAB_TRY(CompareStep(*iterator, cursor, iterator));
    if (!cursor.valid()) return Status();
    LSMLAB_TRY(forward ? iterator->Next() : iterator->Prev());
    forward ? cursor.Next() : cursor.Prev();
  }
}

}  // namespace lsmlab::test
