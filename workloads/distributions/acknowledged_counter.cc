#include "workloads/distributions/acknowledged_counter.h"

#include <algorithm>
#include <bit>

namespace lsmlab::workloads {

AcknowledgedCounter::AcknowledgedCounter(uint64_t window)
    : mask_(std::bit_ceil(std::max<uint64_t>(window, 64)) - 1), done_((mask_ + 1) / 64, 0) {}

bool AcknowledgedCounter::Acknowledge(uint64_t value) noexcept {
  if (value >= issued_ || value < acknowledged_ || value - acknowledged_ > mask_ || Test(value)) {
    return false;
  }
  Flip(value);
  while (Test(acknowledged_)) Flip(acknowledged_++);
  return true;
}

}  // namespace lsmlab::workloads
