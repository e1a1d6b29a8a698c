#include "engine/async/task.h"

#include <cstdio>
#include <cstdlib>

namespace lsmlab::internal {

void EndByException() noexcept {
  const char* what = "something that is no std::exception";
  try {
    throw;
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  std::fprintf(stderr,
               "lsmlab: a task threw: %s; the process ends, as its state in memory cannot be "
               "trusted: stores recover when they are opened again\n",
               what);
  std::abort();
}

}  // namespace lsmlab::internal
