#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/async/run_loop.h"
#include "engine/parts/io.h"

namespace lsmlab {

// Nothing is ready on the calling thread: waits until something is, in the Io when operations of
// this thread may be under way there, else in the loop. Poll gives 0 with an idle loop only when
// nothing of this thread is under way in the Io; from then on only Post can make something ready,
// and Sleep does not miss that.
inline void WaitForReady(RunLoop& loop, Io& io) {
  if (io.defers()) {
    loop.EnterPoll(io.Place());
    const size_t completed = loop.HasReady() ? 1 : io.Poll(INT64_MAX);
    loop.LeavePoll();
    if (completed > 0 || loop.HasReady()) return;
  }
  loop.Sleep(INT64_MAX);
}

}  // namespace lsmlab
