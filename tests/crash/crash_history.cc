#include "tests/crash/crash_history.h"

#include "engine/base/checksum.h"
#include "tests/support/checked_value.h"

namespace lsmlab::test {
namespace {

uint64_t ShareOf(Slice key, uint64_t operation) { return MixSeed(Checksum(key, 7), operation) | 1; }

}  // namespace

uint32_t History::Add(const std::vector<Change>& changes, WriteBatch* batch) {
  uint64_t operation = ends_.back();
  uint64_t fingerprint = fingerprints_.back();
  for (const Change& change : changes) {
    ++operation;
    uint64_t& share = live_[change.key];
    fingerprint -= share;
    if (change.deleted) {
      model_.Delete(operation, change.key);
      batch->Delete(change.key);
      share = 0;
    } else {
      model_.Put(operation, change.key, change.length);
      batch->Put(change.key, CheckedValue(change.key, operation, change.length));
      share = ShareOf(change.key, operation);
    }
    fingerprint += share;
  }
  ends_.push_back(operation);
  fingerprints_.push_back(fingerprint);
  return writes();
}

History History::Prefix(uint32_t writes) const {
  History prefix;
  prefix.ends_.assign(ends_.begin(), ends_.begin() + writes + 1);
  prefix.fingerprints_.assign(fingerprints_.begin(), fingerprints_.begin() + writes + 1);
  prefix.model_ = model_.At(ends_[writes]);
  for (const auto& [key, versions] : prefix.model_.map()) {
    prefix.live_[key] = ShareOf(key, versions.back().operation);
  }
  return prefix;
}

// The scan must show intact values in ascending order.
Status History::Read(Store& store, uint64_t* fingerprint) const {
  *fingerprint = 0;
  auto iterator = store.NewIterator();
  LSMLAB_TRY(iterator->SeekToFirst());
  std::string last;
  bool first = true;
  while (iterator->valid()) {
    const std::string key(iterator->key());
    if (!first && key <= last) return Status::Corruption("keys out of order at " + ShownKey(key));
    Result<Slice> value = iterator->Value();
    if (!value.ok()) return value.status();
    const auto operation = OperationOf(key, value.value());
    if (!operation.has_value()) {
      return Status::Corruption("key " + ShownKey(key) + " has a value that nobody wrote");
    }
    *fingerprint += ShareOf(key, *operation);
    last = key;
    first = false;
    LSMLAB_TRY(iterator->Next());
  }
  return Status();
}

Status History::Match(Store& store, uint32_t least, uint32_t most, uint32_t* found) const {
  uint64_t fingerprint = 0;
  LSMLAB_TRY(Read(store, &fingerprint));
  // The longest that fits: several prefixes may make the same state.
  uint32_t prefix = writes();
  while (prefix > 0 && (prefix > most || fingerprints_[prefix] != fingerprint)) --prefix;
  const std::string allowed = std::to_string(least) + " to " + std::to_string(most);
  if (fingerprints_[prefix] != fingerprint) {
    return Status::Corruption("the store holds no prefix of the writes, allowed are " + allowed);
  }
  if (prefix < least) {
    return Status::Corruption("the store holds the first " + std::to_string(prefix) +
                              " writes, allowed are " + allowed);
  }
  for (const auto& [key, versions] : model_.map()) {
    std::string value;
    const Status status = store.Get(key, &value);
    LSMLAB_TRY(CheckRead(model_, ends_[prefix], key, status, value));
  }
  *found = prefix;
  return Status();
}

}  // namespace lsmlab::test
