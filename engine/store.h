#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/async/task.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/composition.h"
#include "engine/parts/block.h"
#include "engine/stats.h"
#include "engine/write_batch.h"

// The public face: a durable ordered map of byte strings. See docs/guarantees.md for what holds
// after a crash.
//
// Thread safety: on the executors `threads` and `reactor` every method may be called from any
// thread at once, except Close and destruction, which come last; awaitable forms on `reactor` by
// tasks of its loops. On `inline`, and on `reactor` with a seed: one thread at a time. With worker
// pools (read_workers and write_workers of `threads`) Get, MultiGet, an iterator's positioning, its
// steps back and those that may read, and Put, Delete and Write are run by a worker while the
// caller waits, also for room in the queue. Everything else runs where it is called: what makes a
// snapshot or an iterator, an iterator's steps forward in memory, awaitable forms, upkeep. Keys are
// at most 65,535 bytes, values and batches at most 64 MiB; larger: InvalidArgument.
namespace lsmlab {

struct StoreOptions {
  std::string path;
  Composition composition;
  bool create_if_missing = true;
  bool error_if_exists = false;
  // Opens without changing anything on disk; writes are refused. Beside a process that writes it
  // may show an earlier state, or fail.
  bool read_only = false;
  std::shared_ptr<Io> io;  // overrides composition.io when set (tests, several stores)
  uint64_t seed = 0;       // of store and table ids; 0: from the operating system
  // With engine.compaction.start = signalled: called when a compaction has come to be owed, once
  // until StartCompactions is called. From a thread of the engine's or of a caller's, with nothing
  // locked; may call StartCompactions, or anything that does not block. May come from within Open,
  // when the store is left with a debt: call StartCompactions after it then. May be empty.
  std::function<void()> on_compaction_owed;
};

// Keeps the state of the store at one moment readable. Destroy it before Close.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual Sequence sequence() const noexcept = 0;
};

struct ReadOptions {
  const Snapshot* snapshot = nullptr;  // null: now
  bool fill_cache = true;
  // Iterators only: keys in [lower_bound, upper_bound). Empty upper: none. Must outlive the
  // iterator.
  Slice lower_bound;
  Slice upper_bound;
};

// A value that stays valid, uncopied where possible, until it is reset or destroyed. Destroy before
// Close.
class PinnedValue {
 public:
  PinnedValue() = default;
  PinnedValue(PinnedValue&&) noexcept;
  PinnedValue& operator=(PinnedValue&&) noexcept;
  ~PinnedValue();
  Slice value() const noexcept { return value_; }
  void Reset() noexcept;

 private:
  friend class Tree;
  Slice value_;
  BlockRef block_;
  void* view_ = nullptr;  // counted reference to the memtables it points into
  std::string copy_;
};

// A walk in key order over the store as it was when the iterator was made (or at the snapshot).
// One user at a time. After any positioning call: valid(), or the returned Status says why not
// (ok: no such key). key() lives until the next positioning call, a value also only until Value is
// called again. Destroy before Close.
class Iterator {
 public:
  virtual ~Iterator() = default;
  bool valid() const noexcept { return valid_; }
  // REQUIRES for this and for Next, Prev and Value: valid().
  Slice key() const noexcept { return key_; }
  virtual Status Seek(Slice target) = 0;         // first key >= target
  virtual Status SeekForPrev(Slice target) = 0;  // last key <= target
  virtual Status SeekToFirst() = 0;
  virtual Status SeekToLast() = 0;
  virtual Status Next() = 0;
  virtual Status Prev() = 0;
  // Read on demand when it is separated from the key.
  virtual Result<Slice> Value() = 0;

 protected:
  // The current position, in plain fields: reading it costs no call.
  bool valid_ = false;
  Slice key_;
};

// The same walk for a coroutine that shares its thread with others: what has to read waits without
// holding up the thread. One positioning at a time; keys and values that are passed outlive the
// returned task. key() lives until the next positioning, a value until the next one or Value.
class AsyncIterator {
 public:
  virtual ~AsyncIterator() = default;
  bool valid() const noexcept { return valid_; }
  // REQUIRES for this and for Next, Prev and Value: valid().
  Slice key() const noexcept { return key_; }
  virtual ValueOrTask<Status> Seek(Slice target) = 0;
  virtual ValueOrTask<Status> SeekForPrev(Slice target) = 0;
  virtual ValueOrTask<Status> SeekToFirst() = 0;
  virtual ValueOrTask<Status> SeekToLast() = 0;
  virtual ValueOrTask<Status> Next() = 0;
  virtual ValueOrTask<Status> Prev() = 0;
  virtual ValueOrTask<Result<Slice>> Value() = 0;

 protected:
  bool valid_ = false;
  Slice key_;
};

class Store {
 public:
  // Opens or creates. Errors: InvalidArgument (path, composition), NotFound (missing and not to be
  // created), Busy (open elsewhere), Corruption, IoError; nothing on disk was changed then, except
  // that a new empty store may have been begun.
  static Result<std::unique_ptr<Store>> Open(StoreOptions options);
  virtual ~Store() = default;

  // Writes. Acknowledged as the WAL's sync setting says.
  virtual Status Put(Slice key, Slice value) = 0;
  virtual Status Delete(Slice key) = 0;
  virtual Status Write(const WriteBatch& batch) = 0;

  // Awaitable forms, for coroutines on a loop of executor(), spawned there with io(), or driven by
  // RunSync; what is passed outlives the task. Tasks of one thread that were started together wait
  // side by side. With several shards a write is done on the loop of its shard (CallOn): not from
  // a task that is a visitor itself, and writes of one key that are not awaited one by one may
  // overtake each other where that loop is full. For other threads: StoreClient
  // (engine/store_client.h).
  virtual Task<Status> PutAsync(Slice key, Slice value) = 0;
  virtual Task<Status> DeleteAsync(Slice key) = 0;
  virtual Task<Status> WriteAsync(const WriteBatch& batch) = 0;
  virtual ValueOrTask<Status> GetAsync(Slice key, std::string* value,
                                       const ReadOptions& options) = 0;
  // statuses[i] and values[i] belong to keys[i]; both are resized.
  virtual Task<Status> MultiGetAsync(std::span<const Slice> keys, std::vector<std::string>* values,
                                     std::vector<Status>* statuses, const ReadOptions& options) = 0;
  virtual Task<std::unique_ptr<AsyncIterator>> NewIteratorAsync(const ReadOptions& options) = 0;
  virtual Task<std::unique_ptr<Snapshot>> NewSnapshotAsync() = 0;
  // The loop of executor() on which a key's writes are done; -1: on that of the caller.
  virtual int WriteLoopOf(Slice key) const noexcept = 0;

  // Reads. NotFound when the key does not exist.
  virtual Status Get(Slice key, std::string* value, const ReadOptions& options = {}) = 0;
  virtual Status Get(Slice key, PinnedValue* value, const ReadOptions& options = {}) = 0;
  // One status per key; all at the same moment.
  virtual std::vector<Status> MultiGet(std::span<const Slice> keys,
                                       std::vector<std::string>* values,
                                       const ReadOptions& options = {}) = 0;
  virtual std::unique_ptr<Iterator> NewIterator(const ReadOptions& options = {}) = 0;
  virtual std::unique_ptr<Snapshot> NewSnapshot() = 0;

  // Writes every memtable out. Returns when the tables are durable.
  virtual Status Flush() = 0;
  // Merges everything in [begin, end] (empty: open ended) into the last occupied level, but for
  // what is flushed after it has begun. Meanwhile nothing else is compacted: beside a steady writer
  // level 0 may fill up and writers wait for the end.
  virtual Status CompactRange(Slice begin, Slice end) = 0;
  // Lets compactions run until none is owed any more, with engine.compaction.start = signalled;
  // they run in the background, and this returns at once. Without effect on an automatic store.
  virtual Status StartCompactions() = 0;
  // Flushes, then waits until no compaction is owed: the drained tree. Starts them if need be.
  virtual Status Drain() = 0;
  // Checks every checksum and the structure of everything on disk.
  virtual Status Verify() = 0;
  // Makes everything acknowledged so far durable.
  virtual Status SyncLog() = 0;

  virtual StoreStats Stats() const = 0;
  virtual std::vector<TreeShape> Shapes() const = 0;  // one per shard
  // Takes the events recorded since the last call (the newest 65,536 are kept).
  virtual std::vector<StoreEvent> TakeEvents() = 0;
  virtual Executor& executor() = 0;
  virtual Io& io() = 0;

  // Ends background work, syncs, writes the end marks. Destruction does it too, without a report.
  virtual Status Close() = 0;
};

}  // namespace lsmlab
