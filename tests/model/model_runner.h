#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/support/key_space.h"
#include "tests/support/store_model.h"

namespace lsmlab::test {

struct ModelRun {
  std::string name;  // in front of every message
  StoreOptions options;
  uint64_t seed = 1;
  uint64_t operations = 1000;
  size_t keys = 500;
  uint64_t reopen_every = 0;  // operations; 0: only when drawn
  // Called before each reopen with the open store's options, of which it may change composition and
  // I/O for the next one; not the partitioner. Null: the store stays what it is.
  std::function<Status(StoreOptions*)> change;
};

// Random operations on a store and on a model of it; every answer is compared. Also holds
// snapshots and iterators over hundreds of operations, reads them again, and goes on from where an
// iterator stands. Two thirds into the run everything is flushed a second time and merged, so that
// a short one takes part in that, too. One use.
class ModelRunner {
 public:
  explicit ModelRunner(ModelRun run);
  // The first difference or unexpected error, with a line that tells how to repeat it.
  Status Run();
  // For tests that want to know what took part: the deepest level that was seen to hold a table,
  // and what jobs have done, or written of separated values.
  size_t deepest_level() const noexcept { return deepest_level_; }
  uint64_t flushes() const noexcept { return flushes_; }
  uint64_t compactions() const noexcept { return compactions_; }  // and moves
  uint64_t value_gc_bytes() const noexcept { return value_gc_bytes_; }

 private:
  // What the store showed after operation `at`.
  struct Held {
    uint64_t at;
    std::unique_ptr<Snapshot> snapshot;
    std::unique_ptr<Iterator> iterator;        // made without the snapshot; null: none
    std::optional<StoreModel::Cursor> cursor;  // where the iterator stands
    uint64_t until;                            // step at which it is let go
  };

  Status Open();
  Status Close();
  Status Reopen();
  Status Settle();
  Status Step();
  Status Put();
  Status Delete();
  Status Batch();
  Status Get();
  Status MultiGet();
  Status Walk();
  Status ReadHeld();
  Status StepHeld(Held& held);
  Status Hold();
  Status Maintain();
  Status CompareWhole(uint64_t at, Iterator* iterator);
  Status CompareStep(const Iterator& iterator, const StoreModel::Cursor& cursor, Iterator* values);
  // A moment to read at: now, or that of a held snapshot.
  const Held* DrawMoment(ReadOptions* options, uint64_t* at);

  ModelRun run_;
  Random random_;
  KeySpace keys_;
  std::unique_ptr<Partitioner> partitioner_;
  StoreModel model_;
  std::unique_ptr<Store> store_;
  std::deque<Held> held_;
  uint64_t operation_ = 0;  // last one of the model
  uint64_t step_ = 0;
  const char* doing_ = "";
  size_t deepest_level_ = 0;
  uint64_t flushes_ = 0, compactions_ = 0, value_gc_bytes_ = 0;
};

}  // namespace lsmlab::test
