#include "engine/format/batch.h"
#include "engine/tree/store_impl.h"

// Batches over several shards, all or nothing also through power loss. The writer takes the lead in
// every shard concerned, in ascending order (so that two such batches never wait for each other),
// draws one range of sequence numbers, logs a part in each shard, and applies the parts when all
// are logged. A part names the others; recovery (store_recovery.cc) lets a log end before the first
// batch that is not whole. A memtable whose parts are not yet durable everywhere is flushed only
// after the other logs were synced (Tree::SyncLogsOf).
//
// A two-phase commit without a coordinator's record: the decision is a function of the logs, and
// what they do not show is aborted ("presumed abort", Mohan, Lindsay, Obermarck 1986).
namespace lsmlab {

// One shard's share of the batch.
struct StoreImpl::BatchShare {
  uint32_t shard = 0;
  Tree* tree = nullptr;
  std::string payload;
  Writer writer;
  Sequence first = 0;
};

// Ascending by shard. The writers borrow the payloads: the shares stay where they are.
std::vector<StoreImpl::BatchShare> StoreImpl::ShareOut(const WriteBatch& batch) const {
  std::vector<int> place(trees_.size(), -1);
  OperationReader concerned(batch.payload());
  Operation operation;
  while (concerned.Next(&operation)) place[partitioner_->ShardOf(operation.key)] = 0;
  int count = 0;
  for (int& at : place) at = at < 0 ? at : count++;
  std::vector<BatchShare> shares(static_cast<size_t>(count));
  for (uint32_t shard = 0; shard < place.size(); ++shard) {
    if (place[shard] < 0) continue;
    BatchShare& share = shares[static_cast<size_t>(place[shard])];
    share.shard = shard;
    share.tree = trees_[shard].get();
    share.writer.alone = true;
  }
  OperationReader reader(batch.payload());
  while (reader.Next(&operation)) {
    const uint32_t shard = partitioner_->ShardOf(operation.key);
    BatchShare& share = shares[static_cast<size_t>(place[shard])];
    EncodeOperation(share.payload, operation.kind, operation.tree, operation.key, operation.value);
    ++share.writer.count;
  }
  for (BatchShare& share : shares) share.writer.payload = share.payload;
  return shares;
}

// REQUIRES: leads all shares.
BatchPart StoreImpl::NumberShares(std::vector<BatchShare>& shares) {
  uint64_t operations = 0;
  BatchPart part;
  for (const BatchShare& share : shares) {
    share.tree->BeginNumbered();
    operations += share.writer.count;
    part.participants.push_back({share.shard, share.tree->log_number()});
  }
  // In one step: a snapshot has the numbers of all parts or of none.
  Sequence next = sequence_.fetch_add(operations, std::memory_order_acq_rel) + 1;
  part.batch = next;
  part.durable = shares.front().tree->logs_durably();
  for (BatchShare& share : shares) {
    share.first = next;
    next += share.writer.count;
  }
  return part;
}

// Side by side where the I/O part can do that.
Task<Status> StoreImpl::LogShares(std::vector<BatchShare>& shares, const BatchPart& part) {
  std::vector<Task<Status>> tasks;
  for (BatchShare& share : shares) {
    tasks.push_back(share.tree->LogPart(share.writer, part, share.first));
  }
  for (Task<Status>& task : tasks) task.Start();
  Status status;
  for (Task<Status>& task : tasks) {
    Status logged = co_await task.Join();
    if (status.ok()) status = std::move(logged);
  }
  co_return status;
}

Task<Status> StoreImpl::WriteAcross(const WriteBatch& batch) {
  if (!trees_.front()->keeps_log()) {
    co_return Status::NotSupported(
        "a batch over several shards is atomic by their logs, and wal.variant is off; write one "
        "batch per shard");
  }
  std::vector<BatchShare> shares = ShareOut(batch);
  Status status;
  size_t led = 0;
  while (status.ok() && led < shares.size()) {
    BatchShare& share = shares[led++];
    status = co_await share.tree->LeadAlone(&share.writer);
  }
  if (status.ok()) {
    const BatchPart part = NumberShares(shares);
    status = co_await LogShares(shares, part);
    for (BatchShare& share : shares) {
      if (status.ok()) status = share.tree->ApplyPart(share.writer, part, share.first);
    }
    // Some logs may hold parts and others not.
    for (BatchShare& share : shares) {
      if (!status.ok()) share.tree->FailBatch(status);
      share.tree->EndNumbered();
    }
  }
  for (size_t i = 0; i < led; ++i) {
    Status told = shares[i].tree->EndAlone(&shares[i].writer, status);
    if (status.ok()) status = std::move(told);
  }
  co_return status;
}

}  // namespace lsmlab
