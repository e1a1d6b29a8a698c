#include "engine/tree/store_impl.h"

#include "engine/parts/mailboxes.h"
#include "engine/tree/store_iterator.h"

namespace lsmlab {
namespace {

class StoreSnapshot final : public Snapshot {
 public:
  StoreSnapshot(StoreImpl& store, Sequence sequence) : store_(store), sequence_(sequence) {}
  ~StoreSnapshot() override { store_.ReleaseSnapshot(sequence_); }
  Sequence sequence() const noexcept override { return sequence_; }

 private:
  StoreImpl& store_;
  const Sequence sequence_;
};

Sequence SequenceOf(const ReadOptions& options) {
  return options.snapshot == nullptr ? kMaxSequence : options.snapshot->sequence();
}

}  // namespace

PinnedValue::PinnedValue(PinnedValue&& o) noexcept { *this = std::move(o); }

PinnedValue& PinnedValue::operator=(PinnedValue&& o) noexcept {
  if (this == &o) return *this;
  Reset();
  const bool copied = o.value_.data() == o.copy_.data();
  copy_ = std::move(o.copy_);
  value_ = copied ? Slice(copy_) : o.value_;
  block_ = std::move(o.block_);
  view_ = std::exchange(o.view_, nullptr);
  o.value_ = Slice();
  return *this;
}

PinnedValue::~PinnedValue() { Reset(); }

void PinnedValue::Reset() noexcept {
  value_ = Slice();
  block_ = BlockRef();
  if (view_ != nullptr) static_cast<TreeView*>(std::exchange(view_, nullptr))->Unref();
}

Status StoreImpl::CheckWritable() const {
  if (!options_.read_only) return Status();
  return Status::InvalidArgument(options_.path + ": opened read-only");
}

Status StoreImpl::CheckWrite(Slice key, Slice value) const {
  LSMLAB_TRY(CheckWritable());
  if (key.size() > kMaxKeyBytes) {
    return Status::InvalidArgument("key of " + std::to_string(key.size()) +
                                   " bytes, at most 65535 are allowed");
  }
  if (value.size() > kMaxValueBytes) {
    return Status::InvalidArgument("value of " + std::to_string(value.size()) +
                                   " bytes, at most 67108864 are allowed");
  }
  return Status();
}

Task<Status> StoreImpl::WriteOne(Tree& tree, EntryKind kind, Slice key, Slice value) {
  Writer writer;
  writer.kind = kind;
  writer.key = key;
  writer.value = value;
  writer.count = 1;
  if (WritesTravel()) co_return co_await WriteThere(tree, &writer);
  co_return co_await tree.Write(&writer);
}

// On event loops a write goes to the loop of its shard, whose log and memtable stay with one core,
// and finds all the writers of its group there.
Task<Status> StoreImpl::WriteThere(Tree& tree, Writer* writer) {
  Task<Status> write = tree.Write(writer);
  co_return co_await CallOn(*executor_->mailboxes(), static_cast<int>(tree.shard()), *io_,
                            std::move(write));
}

Status StoreImpl::Put(Slice key, Slice value) {
  LSMLAB_TRY(CheckWrite(key, value));
  return Run(WriteOne(ShardFor(key), EntryKind::kPut, key, value));
}

Status StoreImpl::Delete(Slice key) {
  LSMLAB_TRY(CheckWrite(key, Slice()));
  return Run(WriteOne(ShardFor(key), EntryKind::kDelete, key, Slice()));
}

Task<Status> StoreImpl::PutAsync(Slice key, Slice value) {
  LSMLAB_CO_TRY(CheckWrite(key, value));
  co_return co_await WriteOne(ShardFor(key), EntryKind::kPut, key, value);
}

Task<Status> StoreImpl::DeleteAsync(Slice key) {
  LSMLAB_CO_TRY(CheckWrite(key, Slice()));
  co_return co_await WriteOne(ShardFor(key), EntryKind::kDelete, key, Slice());
}

Status StoreImpl::Write(const WriteBatch& batch) { return Run(WriteAsync(batch)); }

Task<Status> StoreImpl::WriteAsync(const WriteBatch& batch) {
  if (batch.bytes() > kMaxBatchBytes) {
    co_return Status::InvalidArgument("batch of " + std::to_string(batch.bytes()) +
                                      " bytes, at most 67108864 are allowed");
  }
  OperationReader reader(batch.payload());
  Operation operation;
  Tree* tree = nullptr;
  bool several = false;
  while (reader.Next(&operation)) {
    LSMLAB_CO_TRY(CheckWrite(operation.key, operation.value));
    Tree* shard = &ShardFor(operation.key);
    several |= tree != nullptr && shard != tree;
    tree = shard;
  }
  // Bytes that the caller made are no damage of ours.
  if (!reader.status().ok()) {
    co_return Status::InvalidArgument(std::string(reader.status().message()));
  }
  if (tree == nullptr) co_return Status();
  if (several) co_return co_await WriteAcross(batch);
  Writer writer;
  writer.payload = batch.payload();
  writer.count = batch.count();
  if (WritesTravel()) co_return co_await WriteThere(*tree, &writer);
  co_return co_await tree->Write(&writer);
}

Status StoreImpl::Get(Slice key, std::string* value, const ReadOptions& options) {
  return Run(GetAsync(key, value, options));
}

Status StoreImpl::Get(Slice key, PinnedValue* value, const ReadOptions& options) {
  ReadTarget target;
  target.pinned = value;
  return Run(ShardFor(key).Get(key, target, SequenceOf(options)));
}

ValueOrTask<Status> StoreImpl::GetAsync(Slice key, std::string* value, const ReadOptions& options) {
  ReadTarget target;
  target.text = value;
  return ShardFor(key).Get(key, target, SequenceOf(options));
}

std::vector<Status> StoreImpl::MultiGet(std::span<const Slice> keys,
                                        std::vector<std::string>* values,
                                        const ReadOptions& options) {
  std::vector<Status> statuses;
  Status ignored = Run(MultiGetAsync(keys, values, &statuses, options));
  (void)ignored;  // every failure is in its key's status
  return statuses;
}

Task<Status> StoreImpl::MultiGetAsync(std::span<const Slice> keys, std::vector<std::string>* values,
                                      std::vector<Status>* statuses, const ReadOptions& options) {
  statuses->assign(keys.size(), Status());
  values->assign(keys.size(), std::string());
  Sequence sequence = SequenceOf(options);
  if (trees_.size() == 1) {
    co_return co_await trees_[0]->MultiGet(keys, *values, *statuses, sequence);
  }
  const bool own = sequence == kMaxSequence;
  if (own) sequence = co_await TakeSettled();
  std::vector<MultiGetPart> parts(trees_.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    MultiGetPart& part = parts[partitioner_->ShardOf(keys[i])];
    part.keys.push_back(keys[i]);
    part.places.push_back(i);
  }
  Status status = co_await MultiGetParts(parts, sequence);
  for (MultiGetPart& part : parts) {
    for (size_t i = 0; i < part.places.size(); ++i) {
      (*values)[part.places[i]] = std::move(part.values[i]);
      (*statuses)[part.places[i]] = std::move(part.statuses[i]);
    }
  }
  if (own) snapshots_.Release(sequence);
  co_return status;
}

// The shards' reads overlap where the I/O part can do that.
Task<Status> StoreImpl::MultiGetParts(std::vector<MultiGetPart>& parts, Sequence sequence) {
  std::vector<Task<Status>> tasks;
  for (size_t shard = 0; shard < parts.size(); ++shard) {
    MultiGetPart& part = parts[shard];
    if (part.keys.empty()) continue;
    part.values.resize(part.keys.size());
    part.statuses.resize(part.keys.size());
    tasks.push_back(trees_[shard]->MultiGet(part.keys, part.values, part.statuses, sequence));
  }
  for (Task<Status>& task : tasks) task.Start();
  for (Task<Status>& task : tasks) {
    Status ignored = co_await task.Join();
    (void)ignored;  // every failure is in its key's status
  }
  co_return Status();
}

// REQUIRES: one shard.
Sequence StoreImpl::TakePublished() {
  return snapshots_.Take([this] { return trees_[0]->published(); });
}

Task<Sequence> StoreImpl::TakeSettled() {
  if (trees_.size() == 1) co_return TakePublished();
  const Sequence sequence =
      snapshots_.Take([this] { return sequence_.load(std::memory_order_acquire); });
  if (options_.read_only) co_return sequence;
  // Groups that drew a number up to this one may still be on their way in some shard.
  for (auto& tree : trees_) co_await tree->AwaitNumbered();
  co_return sequence;
}

std::unique_ptr<Snapshot> StoreImpl::NewSnapshot() {
  return std::make_unique<StoreSnapshot>(*this, TakeSnapshot());
}

Task<std::unique_ptr<Snapshot>> StoreImpl::NewSnapshotAsync() {
  const Sequence sequence = co_await TakeSettled();
  std::unique_ptr<Snapshot> snapshot = std::make_unique<StoreSnapshot>(*this, sequence);
  co_return snapshot;
}

ShardWalks StoreImpl::NewWalks(Sequence sequence, const ReadOptions& options) {
  ShardWalks shards;
  shards.reserve(trees_.size());
  for (auto& tree : trees_) {
    shards.emplace_back(tree.get(), tree->NewIterator(sequence, options));
  }
  return shards;
}

std::unique_ptr<Iterator> StoreImpl::NewIterator(const ReadOptions& options) {
  Sequence sequence = SequenceOf(options);
  Sequence release = kMaxSequence;
  if (sequence == kMaxSequence && trees_.size() > 1) sequence = release = TakeSnapshot();
  return NewStoreIterator(*this, NewWalks(sequence, options), release);
}

Task<std::unique_ptr<AsyncIterator>> StoreImpl::NewIteratorAsync(const ReadOptions& options) {
  Sequence sequence = SequenceOf(options);
  Sequence release = kMaxSequence;
  if (sequence == kMaxSequence && trees_.size() > 1) sequence = release = co_await TakeSettled();
  ShardWalks walks = NewWalks(sequence, options);
  co_return NewAsyncStoreIterator(*this, std::move(walks), release);
}

Status StoreImpl::Flush() {
  LSMLAB_TRY(CheckWritable());
  for (auto& tree : trees_) LSMLAB_TRY(Run(tree->Flush()));
  return Status();
}

Status StoreImpl::CompactRange(Slice begin, Slice end) {
  LSMLAB_TRY(CheckWritable());
  for (auto& tree : trees_) LSMLAB_TRY(Run(tree->CompactRange(begin, end)));
  return Status();
}

Status StoreImpl::StartCompactions() {
  LSMLAB_TRY(CheckWritable());
  for (auto& tree : trees_) tree->StartCompactions();
  return Status();
}

Status StoreImpl::Drain() {
  LSMLAB_TRY(CheckWritable());
  for (auto& tree : trees_) LSMLAB_TRY(Run(tree->Drain()));
  return Status();
}

Status StoreImpl::Verify() {
  for (auto& tree : trees_) LSMLAB_TRY(Run(tree->Verify()));
  return Status();
}

Status StoreImpl::SyncLog() {
  LSMLAB_TRY(CheckWritable());
  for (auto& tree : trees_) {
    Writer writer;
    writer.sync_log = true;
    writer.alone = true;  // what others are refused for is nothing to it
    LSMLAB_TRY(Run(tree->Write(&writer)));
  }
  return Status();
}

StoreStats StoreImpl::Stats() const {
  StoreStats stats;
  const std::pair<Counter, uint64_t*> rows[] = {
      {Counter::kBatches, &stats.batches},
      {Counter::kOperationsWritten, &stats.operations_written},
      {Counter::kUserBytesWritten, &stats.user_bytes_written},
      {Counter::kGroups, &stats.groups},
      {Counter::kFlushes, &stats.flushes},
      {Counter::kFlushBytes, &stats.flush_bytes},
      {Counter::kCompactions, &stats.compactions},
      {Counter::kTrivialMoves, &stats.trivial_moves},
      {Counter::kCompactionBytesRead, &stats.compaction_bytes_read},
      {Counter::kCompactionBytesWritten, &stats.compaction_bytes_written},
      {Counter::kSlowdowns, &stats.slowdowns},
      {Counter::kSlowdownNanos, &stats.slowdown_ns},
      {Counter::kStalls, &stats.stalls},
      {Counter::kStallNanos, &stats.stall_ns},
      {Counter::kStallMemtableNanos, &stats.stall_memtable_ns},
      {Counter::kStallL0Nanos, &stats.stall_l0_ns},
      {Counter::kGets, &stats.gets},
      {Counter::kGetsFound, &stats.gets_found},
      {Counter::kMemtableHits, &stats.memtable_hits},
      {Counter::kSeeks, &stats.seeks},
      {Counter::kNexts, &stats.nexts},
      {Counter::kFilterProbes, &stats.filter_probes},
      {Counter::kFilterNegatives, &stats.filter_negatives},
      {Counter::kFilterFalsePositives, &stats.filter_false_positives},
      {Counter::kCacheHits, &stats.cache_hits},
      {Counter::kCacheMisses, &stats.cache_misses},
      {Counter::kValueFlushBytes, &stats.value_flush_bytes},
      {Counter::kValueGcBytes, &stats.value_gc_bytes},
      {Counter::kValueGcBytesRead, &stats.value_gc_bytes_read},
      {Counter::kValueReads, &stats.value_reads},
      {Counter::kValueReadBytes, &stats.value_read_bytes},
  };
  for (const auto& [counter, value] : rows) *value = counters_.Sum(counter);
  for (const auto& tree : trees_) tree->AddStats(&stats);
  const CacheCounters cache = cache_->Counters();
  stats.cache_inserts = cache.inserts;
  stats.cache_evictions = cache.evictions;
  stats.cache_bytes = cache.charge_bytes;
  stats.cache_capacity_bytes = cache_->capacity_bytes();
  stats.cache_pinned_bytes = cache.pinned_bytes;
  stats.cache_pins_refused = cache.pins_refused;
  const IoCounters blocks = io_->Counters(IoSite::kBlockRead);
  stats.block_reads = blocks.reads;
  stats.block_read_bytes = blocks.read_bytes;
  if (const WorkerPool* readers = executor_->readers()) {
    stats.read_handovers = readers->Counters().calls;
    stats.handover_waits += readers->Counters().waits;
  }
  if (const WorkerPool* writers = executor_->writers()) {
    stats.write_handovers = writers->Counters().calls;
    stats.handover_waits += writers->Counters().waits;
  }
  const IoCounters all = io_->Counters();
  stats.fsyncs = all.syncs;
  stats.device_read_bytes = all.read_bytes;
  stats.device_write_bytes = all.write_bytes;
  stats.io_without_ring = all.without_ring;
  stats.io_buffers_refused = all.buffers_refused;
  return stats;
}

std::vector<TreeShape> StoreImpl::Shapes() const {
  std::vector<TreeShape> shapes;
  for (const auto& tree : trees_) shapes.push_back(tree->Shape());
  return shapes;
}

}  // namespace lsmlab
