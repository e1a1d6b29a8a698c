#pragma once

#include "engine/async/task.h"
#include "engine/base/assert.h"

namespace lsmlab {

// The result of a task on parts that never defer: it ends without waiting.
template <typename T>
T Finish(Task<T> task) {
  const bool done = task.Start();
  LSMLAB_ASSERT(done);
  return task.Take();
}
template <typename T>
T Finish(ValueOrTask<T> result) {
  return result.ready() ? result.Take() : Finish(result.TakeTask());
}

}  // namespace lsmlab
