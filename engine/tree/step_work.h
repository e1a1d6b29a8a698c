#pragma once

#include <cstddef>

namespace lsmlab {

// Measures the steps of a background job or a long read, which end at yield points: about 250 small
// entries, or fewer large ones, some tens of microseconds, for which the foreground of an event
// loop may have to wait.
class StepWork {
 public:
  // An entry of so many bytes was moved; true: the step is over.
  bool Add(size_t bytes) noexcept {
    work_ += kPerEntry + bytes;
    if (work_ < kStep) return false;
    work_ = 0;
    return true;
  }

 private:
  static constexpr size_t kPerEntry = 128;  // as much work as copying so many bytes
  static constexpr size_t kStep = 64u << 10;
  size_t work_ = 0;
};

}  // namespace lsmlab
