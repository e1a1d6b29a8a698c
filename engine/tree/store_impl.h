#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/parts/mailboxes.h"
#include "engine/parts/worker_pool.h"
#include "engine/store.h"
#include "engine/tree/identity.h"
#include "engine/tree/shard_merge.h"
#include "engine/tree/tree.h"

namespace lsmlab {

// The store: shards behind a partitioner, what they share, and the synchronous face over their
// tasks. Opening is in store_open.cc. What an executor with worker pools does otherwise is in
// pooled_store.h; the methods that are final here are called from here.
class StoreImpl : public Store {
 public:
  // `executor` is the composition's.
  StoreImpl(StoreOptions options, std::unique_ptr<Executor> executor);
  ~StoreImpl() override;

  Task<Status> OpenStore();

  Status Put(Slice key, Slice value) override;
  Status Delete(Slice key) override;
  Status Write(const WriteBatch& batch) override;
  Task<Status> PutAsync(Slice key, Slice value) final;
  Task<Status> DeleteAsync(Slice key) final;
  Task<Status> WriteAsync(const WriteBatch& batch) final;
  Task<Status> MultiGetAsync(std::span<const Slice> keys, std::vector<std::string>* values,
                             std::vector<Status>* statuses, const ReadOptions& options) final;
  Task<std::unique_ptr<AsyncIterator>> NewIteratorAsync(const ReadOptions& options) final;
  Task<std::unique_ptr<Snapshot>> NewSnapshotAsync() final;
  int WriteLoopOf(Slice key) const noexcept final {
    if (!writes_travel_) return -1;
    return static_cast<int>(partitioner_->ShardOf(key)) % executor_->loops();
  }
  Status Get(Slice key, std::string* value, const ReadOptions& options) override;
  Status Get(Slice key, PinnedValue* value, const ReadOptions& options) override;
  ValueOrTask<Status> GetAsync(Slice key, std::string* value, const ReadOptions& options) final;
  std::vector<Status> MultiGet(std::span<const Slice> keys, std::vector<std::string>* values,
                               const ReadOptions& options) override;
  std::unique_ptr<Iterator> NewIterator(const ReadOptions& options) override;
  std::unique_ptr<Snapshot> NewSnapshot() override;
  Status Flush() override;
  Status CompactRange(Slice begin, Slice end) override;
  Status StartCompactions() override;
  Status Drain() override;
  Status Verify() override;
  Status SyncLog() override;
  StoreStats Stats() const override;
  std::vector<TreeShape> Shapes() const override;
  std::vector<StoreEvent> TakeEvents() override { return events_.Take(); }
  Executor& executor() final { return *executor_; }
  Io& io() final { return *io_; }
  Status Close() override;

  // Runs a task of the store on the calling thread, then lets owed background work take a step.
  template <typename T>
  T Run(Task<T> task) {
    T result = RunSync(*executor_, *io_, std::move(task));
    executor_->Breathe(*io_);
    return result;
  }
  template <typename T>
  T Run(ValueOrTask<T> result) {
    return RunSync(*executor_, *io_, std::move(result));
  }
  // `call()`, by a worker where the executor has some for reads.
  template <typename F>
  std::invoke_result_t<F&> OnReader(F&& call) {
    if (readers_ == nullptr) [[likely]]
      return call();
    return RunOnWorker(*executor_, *io_, *readers_, call);
  }
  Counters& counters() noexcept { return counters_; }
  void ReleaseSnapshot(Sequence sequence) { snapshots_.Release(sequence); }

 private:
  // store_batch.cc
  struct BatchShare;
  Task<Status> WriteAcross(const WriteBatch& batch);
  std::vector<BatchShare> ShareOut(const WriteBatch& batch) const;
  BatchPart NumberShares(std::vector<BatchShare>& shares);
  static Task<Status> LogShares(std::vector<BatchShare>& shares, const BatchPart& part);

  // store_recovery.cc
  Task<Status> RecoverShards(const StoreIdentity& identity);
  Task<Result<std::vector<LogCut>>> ReadCuts();
  Task<Status> CutLogs(bool* decided);
  Task<Status> SecureParts();
  Task<Status> WriteSmallFile(std::string_view name, std::string text);

  // store_open.cc
  Task<Status> Lock();
  Task<Result<bool>> HasIdentity();
  Task<Status> LockStore();
  Task<Status> ReadOrCreateIdentity(StoreIdentity* identity);
  Task<Status> WriteIdentity(const StoreIdentity& identity);
  Task<bool> Exists(std::string path);
  Task<Status> OpenShards(const StoreIdentity& identity);
  void AddShard(uint32_t shard, const StoreIdentity& identity, uint64_t seed);
  std::string PathOf(std::string_view name) const {
    return options_.path + "/" + std::string(name);
  }

  Tree& ShardFor(Slice key) noexcept { return *trees_[partitioner_->ShardOf(key)]; }
  Status CheckWritable() const;
  Status CheckWrite(Slice key, Slice value) const;
  Task<Status> WriteOne(Tree& tree, EntryKind kind, Slice key, Slice value);
  Task<Status> WriteThere(Tree& tree, Writer* writer);
  bool WritesTravel() const noexcept {
    return writes_travel_ && executor_->mailboxes()->CurrentLoop() >= 0;
  }
  // The keys of a MultiGet that live in one shard, and where their answers go.
  struct MultiGetPart {
    std::vector<Slice> keys;
    std::vector<std::string> values;
    std::vector<Status> statuses;
    std::vector<size_t> places;
  };
  // One part per shard; all at the moment `sequence`.
  Task<Status> MultiGetParts(std::vector<MultiGetPart>& parts, Sequence sequence);
  // A number at which every shard shows all it will ever show; registered in snapshots_.
  Sequence TakeSnapshot() { return trees_.size() == 1 ? TakePublished() : Run(TakeSettled()); }
  Sequence TakePublished();
  Task<Sequence> TakeSettled();
  ShardWalks NewWalks(Sequence sequence, const ReadOptions& options);

  StoreOptions options_;
  std::shared_ptr<Io> io_;
  std::unique_ptr<Executor> executor_;
  WorkerPool* const readers_;  // the executor's; null: none
  std::unique_ptr<BlockCache> cache_;
  std::unique_ptr<Partitioner> partitioner_;
  std::unique_ptr<IoFile> lock_;
  Counters counters_;
  EventLog events_;
  SnapshotList snapshots_;
  std::atomic<Sequence> sequence_{0};
  std::atomic<bool> poisoned_{false};
  std::vector<std::unique_ptr<Tree>> trees_;
  bool writes_travel_ = false;  // several shards on event loops
  bool open_ = false;
};

}  // namespace lsmlab
