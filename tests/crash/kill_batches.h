#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/write_batch.h"
#include "tests/support/compositions.h"
#include "tests/support/store_model.h"

// What loops_kill_child writes, so that its parent can tell what must be there: callers with keys
// of their own, each with one batch under way at a time.
namespace lsmlab::test {

// The last of them is a thread; the others live on the loops.
inline constexpr uint8_t kKillCallers = 6;

// `uring`, `reactor` and the log `ring` with sync `group`, over 1, 2 and 7 shards; one of them the
// preset that is shipped for it.
std::vector<TestComposition> LoopsKillCompositions();

struct KillChange {
  std::string key;
  bool deleted;
  size_t length;
};

// The batch with this number, from 1 on: neighbouring keys, whose first bytes differ, so that most
// batches lie in several shards.
std::vector<KillChange> KillBatch(uint8_t caller, uint64_t number);
WriteBatch Encoded(const std::vector<KillChange>& changes, uint64_t number);
// What the caller's keys hold after each of the first batches.
StoreModel KillModel(uint8_t caller, uint64_t batches);

}  // namespace lsmlab::test
