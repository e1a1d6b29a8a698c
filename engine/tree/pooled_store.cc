#include "engine/tree/pooled_store.h"

namespace lsmlab {

template <typename F>
Status PooledStore::OnWriter(F&& call) {
  WorkerPool* writers = executor().writers();
  return writers == nullptr ? call() : RunOnWorker(executor(), io(), *writers, call);
}

Status PooledStore::Put(Slice key, Slice value) {
  return OnWriter([&] { return StoreImpl::Put(key, value); });
}

Status PooledStore::Delete(Slice key) {
  return OnWriter([&] { return StoreImpl::Delete(key); });
}

Status PooledStore::Write(const WriteBatch& batch) {
  return OnWriter([&] { return StoreImpl::Write(batch); });
}

Status PooledStore::Get(Slice key, std::string* value, const ReadOptions& options) {
  return OnReader([&] { return StoreImpl::Get(key, value, options); });
}

Status PooledStore::Get(Slice key, PinnedValue* value, const ReadOptions& options) {
  return OnReader([&] { return StoreImpl::Get(key, value, options); });
}

std::vector<Status> PooledStore::MultiGet(std::span<const Slice> keys,
                                          std::vector<std::string>* values,
                                          const ReadOptions& options) {
  return OnReader([&] { return StoreImpl::MultiGet(keys, values, options); });
}

}  // namespace lsmlab
