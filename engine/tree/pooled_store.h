#pragma once

#include <string>
#include <vector>

#include "engine/tree/store_impl.h"

namespace lsmlab {

// The store of an executor with worker pools: its plain calls are handed over whole. A store
// without pools is a StoreImpl and pays nothing for them. Its iterators hand over by themselves
// (StoreImpl::OnReader).
class PooledStore final : public StoreImpl {
 public:
  using StoreImpl::StoreImpl;

  Status Put(Slice key, Slice value) override;
  Status Delete(Slice key) override;
  Status Write(const WriteBatch& batch) override;
  Status Get(Slice key, std::string* value, const ReadOptions& options) override;
  Status Get(Slice key, PinnedValue* value, const ReadOptions& options) override;
  std::vector<Status> MultiGet(std::span<const Slice> keys, std::vector<std::string>* values,
                               const ReadOptions& options) override;

 private:
  template <typename F>
  Status OnWriter(F&& call);
};

}  // namespace lsmlab
