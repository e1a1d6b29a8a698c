#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/slice.h"
#include "engine/base/status.h"

namespace lsmlab::test {

// What a store must hold after each of a sequence of operations, numbered from 1. A value is
// remembered as (operation, length), from which CheckedValue makes its bytes again.
class StoreModel {
 public:
  struct Version {
    uint64_t operation;
    uint32_t length;
    bool deleted;
  };
  using Map = std::map<std::string, std::vector<Version>>;

  // REQUIRES: operations ascend from call to call.
  void Put(uint64_t operation, Slice key, size_t length);
  void Delete(uint64_t operation, Slice key);

  // The version that a reader after operation `at` sees; null: no such key.
  const Version* Find(Slice key, uint64_t at) const;
  // A map with the one version of each key that exists after `at`.
  StoreModel At(uint64_t at) const;
  const Map& map() const noexcept { return map_; }
  // Whether the key was ever written, deleted or not.
  bool Knows(Slice key) const { return map_.find(std::string(key)) != map_.end(); }

  // Walks as an Iterator should: the live keys of [lower, upper) after operation `at`. An empty
  // upper bound is none.
  class Cursor {
   public:
    Cursor(const StoreModel& model, uint64_t at, Slice lower, Slice upper)
        : model_(&model), at_(at), lower_(lower), upper_(upper), here_(model.map_.end()) {}
    bool valid() const noexcept { return here_ != model_->map_.end(); }
    const std::string& key() const { return here_->first; }
    std::string Value() const;
    void Seek(Slice target);
    void SeekForPrev(Slice target);
    void SeekToFirst() { Seek(lower_); }
    void SeekToLast();
    void Next();
    void Prev();

   private:
    void FindForward(Map::const_iterator from);
    // To the last live key before `end`.
    void FindBackward(Map::const_iterator end);
    const StoreModel* model_;
    uint64_t at_;
    std::string lower_, upper_;
    Map::const_iterator here_;
  };

 private:
  Map map_;
};

// A key as people can read it, cut to 40 bytes.
std::string ShownKey(Slice key);

// Ok when a read of `key` that ended with `status` and `value` is what the model holds after `at`;
// else Corruption saying what was wanted and what came.
Status CheckRead(const StoreModel& model, uint64_t at, Slice key, const Status& status,
                 Slice value);

}  // namespace lsmlab::test
