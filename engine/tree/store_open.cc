#include <random>

#include "engine/tree/identity.h"
#include "engine/tree/pooled_store.h"
#include "engine/tree/store_impl.h"

namespace lsmlab {
namespace {

// Seeds of ids come from the operating system: two stores must never share one.
uint64_t FreshSeed(uint64_t wanted) {
  if (wanted != 0) return wanted;
  std::random_device entropy;  // the one place where true randomness is wanted
  return static_cast<uint64_t>(entropy()) << 32 | entropy();
}

std::string ShardName(uint32_t shard) {
  const std::string digits = std::to_string(shard);
  std::string name = "shard-";
  if (digits.size() < 4) name.append(4 - digits.size(), '0');
  return name.append(digits);
}

std::string Parent(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(StoreOptions options) {
  if (options.path.empty()) return Status::InvalidArgument("store path is empty");
  while (options.path.size() > 1 && options.path.back() == '/') options.path.pop_back();
  if (options.path == "/") return Status::InvalidArgument("'/' cannot be a store");
  const Composition& c = options.composition;
  if (options.io == nullptr) {
    auto io = c.io.variant->make(c.io.settings);
    if (!io.ok()) return io.status();
    options.io = std::move(io).value();
  }
  std::unique_ptr<Executor> executor = c.executor.variant->make(c.executor.settings);
  std::unique_ptr<StoreImpl> store;
  if (executor->readers() == nullptr && executor->writers() == nullptr) {
    store = std::make_unique<StoreImpl>(std::move(options), std::move(executor));
  } else {
    store = std::make_unique<PooledStore>(std::move(options), std::move(executor));
  }
  LSMLAB_TRY(store->Run(store->OpenStore()));
  return std::unique_ptr<Store>(std::move(store));
}

StoreImpl::StoreImpl(StoreOptions options, std::unique_ptr<Executor> executor)
    : options_(std::move(options)),
      io_(options_.io),
      executor_(std::move(executor)),
      readers_(executor_->readers()) {
  const Composition& c = options_.composition;
  cache_ = c.cache.variant->make(c.cache.settings);
  partitioner_ = c.partitioner.variant->make(c.partitioner.settings);
}

StoreImpl::~StoreImpl() {
  Status ignored = Close();
  (void)ignored;
}

Task<Status> StoreImpl::OpenStore() {
  if (!options_.read_only && options_.create_if_missing) {
    LSMLAB_CO_TRY(co_await MakeDirectory(*io_, IoSite::kIdentity, options_.path));
  }
  StoreIdentity identity;
  LSMLAB_CO_TRY(co_await LockStore());
  LSMLAB_CO_TRY(co_await ReadOrCreateIdentity(&identity));
  if (identity.partitioner != partitioner_->identity() ||
      identity.shards != partitioner_->shards()) {
    co_return Status::InvalidArgument(
        options_.path + ": was created with partitioner '" + identity.partitioner + "' and " +
        std::to_string(identity.shards) + " shards, opened with '" + partitioner_->identity() +
        "' and " + std::to_string(partitioner_->shards()) + "; these cannot change");
  }
  LSMLAB_CO_TRY(co_await OpenShards(identity));
  if (!identity.ready && !options_.read_only) {
    identity.ready = true;
    LSMLAB_CO_TRY(co_await WriteIdentity(identity));
  }
  open_ = true;
  co_return Status();
}

Task<Status> StoreImpl::Lock() {
  IoOp op(IoKind::kLock, IoSite::kLock);
  op.path = PathOf("LOCK");
  co_await IoWait(*io_, op);
  lock_ = std::move(op.opened);
  co_return std::move(op.status);
}

// Whether the folder holds a store. An error when it cannot be or become one; then nothing in it
// was touched.
Task<Result<bool>> StoreImpl::HasIdentity() {
  auto listing = co_await ListDirectory(*io_, IoSite::kIdentity, options_.path);
  if (!listing.ok()) {
    if (!listing.status().IsNotFound()) co_return listing.status();
    co_return Status::NotFound(options_.path + ": no such directory");
  }
  for (const DirEntry& entry : listing.value()) {
    if (entry.name == "IDENTITY") co_return true;
  }
  // Only what an interrupted creation leaves behind may be there.
  for (const DirEntry& entry : listing.value()) {
    if (entry.name == "LOCK" || entry.name == "IDENTITY.tmp") continue;
    co_return Status::InvalidArgument(options_.path + ": not an lsmlab store (it holds '" +
                                      entry.name + "' but no IDENTITY)");
  }
  if (options_.read_only || !options_.create_if_missing) {
    co_return Status::NotFound(options_.path + ": not an lsmlab store (no IDENTITY)");
  }
  co_return false;
}

// A folder that is no store is refused before a lock file is made in it.
Task<Status> StoreImpl::LockStore() {
  auto has_identity = co_await HasIdentity();
  if (!has_identity.ok()) co_return has_identity.status();
  if (options_.read_only) co_return Status();
  LSMLAB_CO_TRY(co_await Lock());
  // The creator, or an opener before us, may have died before the entry was durable.
  co_return co_await SyncDirectory(*io_, IoSite::kIdentity, Parent(options_.path));
}

// REQUIRES: locked, so that what is found now stays.
Task<Status> StoreImpl::ReadOrCreateIdentity(StoreIdentity* identity) {
  auto has_identity = co_await HasIdentity();
  if (!has_identity.ok()) co_return has_identity.status();
  if (!has_identity.value()) {
    Random ids(FreshSeed(options_.seed));
    identity->store_id = ids.Next();
    identity->partitioner = partitioner_->identity();
    identity->shards = partitioner_->shards();
    identity->ready = false;
    co_return co_await WriteIdentity(*identity);
  }
  const std::string path = PathOf("IDENTITY");
  auto text = co_await ReadFile(*io_, IoSite::kIdentity, path, kIdentityBytesMax);
  if (!text.ok()) co_return text.status();
  auto decoded = DecodeIdentity(text.value(), path);
  if (!decoded.ok()) co_return decoded.status();
  *identity = std::move(decoded).value();
  if (options_.error_if_exists && identity->ready) {
    co_return Status::InvalidArgument(options_.path + ": the store exists already");
  }
  co_return Status();
}

Task<Status> StoreImpl::WriteIdentity(const StoreIdentity& identity) {
  return WriteSmallFile("IDENTITY", EncodeIdentity(identity));
}

// Written aside, synced, renamed, and the directory synced: whole or not at all.
Task<Status> StoreImpl::WriteSmallFile(std::string_view name, std::string text) {
  const std::string path = PathOf(name);
  const std::string temporary = path + ".tmp";
  const bool left_over = co_await Exists(temporary);
  if (left_over) {
    LSMLAB_CO_TRY(co_await UnlinkFile(*io_, IoSite::kIdentity, temporary));
  }
  auto file = co_await OpenFile(*io_, IoSite::kIdentity, OpenMode::kCreate, temporary);
  if (!file.ok()) co_return file.status();
  LSMLAB_CO_TRY(
      co_await WriteAt(*io_, IoSite::kIdentity, *file.value(), 0, text.data(), text.size()));
  LSMLAB_CO_TRY(co_await DataSync(*io_, IoSite::kIdentity, *file.value()));
  file.value().reset();
  LSMLAB_CO_TRY(co_await RenameFile(*io_, IoSite::kIdentity, temporary, path));
  co_return co_await SyncDirectory(*io_, IoSite::kIdentity, options_.path);
}

Task<bool> StoreImpl::Exists(std::string path) {
  auto file = co_await OpenFile(*io_, IoSite::kIdentity, OpenMode::kRead, std::move(path));
  co_return file.ok();
}

Task<Status> StoreImpl::OpenShards(const StoreIdentity& identity) {
  if (!options_.read_only) {
    // The creator may have died before the directory entries were durable.
    for (uint32_t shard = 0; !identity.ready && shard < identity.shards; ++shard) {
      LSMLAB_CO_TRY(co_await MakeDirectory(*io_, IoSite::kIdentity, PathOf(ShardName(shard))));
    }
    LSMLAB_CO_TRY(co_await SyncDirectory(*io_, IoSite::kIdentity, options_.path));
  }
  Random seeds(FreshSeed(options_.seed));
  for (uint32_t shard = 0; shard < identity.shards; ++shard) {
    AddShard(shard, identity, seeds.Next());
  }
  writes_travel_ = identity.shards > 1 && executor_->loops() > 0;
  co_return co_await RecoverShards(identity);
}

void StoreImpl::AddShard(uint32_t shard, const StoreIdentity& identity, uint64_t seed) {
  TreeEnvironment environment;
  environment.composition = &options_.composition;
  environment.io = io_.get();
  environment.executor = executor_.get();
  environment.cache = cache_.get();
  environment.counters = &counters_;
  environment.events = &events_;
  environment.snapshots = &snapshots_;
  environment.sequence = &sequence_;
  environment.poisoned = &poisoned_;
  environment.shards = identity.shards > 1 ? &trees_ : nullptr;
  environment.directory = PathOf(ShardName(shard));
  environment.store_id = identity.store_id;
  environment.shard = shard;
  environment.seed = seed;
  environment.on_compaction_owed = &options_.on_compaction_owed;
  environment.read_only = options_.read_only;
  trees_.push_back(std::make_unique<Tree>(std::move(environment)));
}

Status StoreImpl::Close() {
  Status status;
  for (auto& tree : trees_) {
    Status closed = Run(tree->Close());
    if (status.ok()) status = std::move(closed);
  }
  executor_->Drain(*io_);
  trees_.clear();
  EpochDrain();
  lock_.reset();
  open_ = false;
  return status;
}

}  // namespace lsmlab
