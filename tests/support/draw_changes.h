#pragma once

#include <cstdint>
#include <string>

#include "engine/base/random.h"
#include "engine/write_batch.h"
#include "tests/support/checked_value.h"
#include "tests/support/key_space.h"
#include "tests/support/store_model.h"

namespace lsmlab::test {

// One to four changes of keys of the space, a fifth of them deletes, into the model and the batch.
// `operation` is counted up for each; `length()` draws the length of a value.
template <typename DrawLength>
void DrawChanges(const KeySpace& keys, Random& random, uint64_t& operation, StoreModel& model,
                 WriteBatch& batch, DrawLength length) {
  const uint64_t changes = 1 + random.Below(4);
  for (uint64_t i = 0; i < changes; ++i) {
    const std::string& key = keys.Draw(random);
    ++operation;
    if (random.OneIn(5)) {
      model.Delete(operation, key);
      batch.Delete(key);
    } else {
      const size_t bytes = length();
      model.Put(operation, key, bytes);
      batch.Put(key, CheckedValue(key, operation, bytes));
    }
  }
}

}  // namespace lsmlab::test
