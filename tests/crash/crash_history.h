#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/store.h"
#include "tests/support/store_model.h"

namespace lsmlab::test {

// The write order of one shard: which state each prefix of it makes. A write is one Put or Delete
// or a whole batch; writes are numbered from 1, prefix 0 is the empty store. Values are
// CheckedValues of at least 28 bytes, so that every value read names the operation that wrote it.
class History {
 public:
  struct Change {
    std::string key;
    bool deleted = false;
    size_t length = 0;
  };

  // Appends a write and puts it into the batch. Returns its number.
  uint32_t Add(const std::vector<Change>& changes, WriteBatch* batch);
  uint32_t writes() const noexcept { return static_cast<uint32_t>(ends_.size()) - 1; }

  // Whether a read of a key after all writes came out right, see CheckRead.
  Status CheckKey(Slice key, const Status& status, Slice value) const {
    return CheckRead(model_, ends_.back(), key, status, value);
  }
  // The history as if only its first writes had happened.
  History Prefix(uint32_t writes) const;

  // Reads the whole store, forward and by key, and says which prefix of the history it holds: Ok
  // when it is one of [least, most]; Corruption for any other content. `found`: that prefix.
  Status Match(Store& store, uint32_t least, uint32_t most, uint32_t* found) const;

 private:
  Status Read(Store& store, uint64_t* fingerprint) const;

  StoreModel model_;
  std::map<std::string, uint64_t> live_;  // key -> its share of the fingerprint, after all writes
  std::vector<uint64_t> ends_ = {0};      // last operation of each prefix
  std::vector<uint64_t> fingerprints_ = {0};
};

}  // namespace lsmlab::test
