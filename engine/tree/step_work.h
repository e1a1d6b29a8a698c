#pragma once

#include <cstddef>

#include "engine/parts/executor.h"

namespace lsmlab {

// Measures the steps of a background job or a long read, which end at yield points: about 250 small
// entries, or fewer large ones, some tens of microseconds, for which the foreground of an event
// loop may have to wait.
class StepWork {
 public:
  StepWork() noexcept = default;
  // Of a job, whose entries also go into blocks, through a codec and into a file: half as many
  // where a foreground waits for it.
  explicit StepWork(const Executor& executor) noexcept
      : step_(executor.loops() > 0 ? kStep / 2 : kStep) {}

  // An entry of so many bytes was moved; true: the step is over.
  bool Add(size_t bytes) noexcept {
    work_ += kPerEntry + bytes;
    if (work_ < step_) return false;
    work_ = 0;
    return true;
  }

 private:
  static constexpr size_t kPerEntry = 128;  // as much work as copying so many bytes
  static constexpr size_t kStep = 64u << 10;
  const size_t step_ = kStep;
  size_t work_ = 0;
};

}  // namespace lsmlab
