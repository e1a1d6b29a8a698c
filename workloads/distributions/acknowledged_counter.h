#pragma once

#include <cstdint>
#include <vector>

namespace lsmlab::workloads {

// Hands out 0, 1, 2, ... and learns, in any order, which of them are done. `acknowledged()` is the
// number of leading values that are all done, so every value below it may be relied upon. One
// thread at a time.
class AcknowledgedCounter {
 public:
  // At most `window` values may be open at once; rounded up to a power of two, at least 64.
  // YCSB's window is 2^20.
  explicit AcknowledgedCounter(uint64_t window = uint64_t{1} << 20);

  uint64_t Next() noexcept { return issued_++; }

  // False, and nothing changed, when `value` was never handed out, is already done, or is further
  // than the window from the oldest open value.
  bool Acknowledge(uint64_t value) noexcept;

  uint64_t issued() const noexcept { return issued_; }
  uint64_t acknowledged() const noexcept { return acknowledged_; }

 private:
  bool Test(uint64_t value) const noexcept {
    return (done_[(value & mask_) / 64] >> (value % 64)) & 1;
  }
  void Flip(uint64_t value) noexcept { done_[(value & mask_) / 64] ^= uint64_t{1} << (value % 64); }

  uint64_t mask_;
  std::vector<uint64_t> done_;  // One bit per value of [acknowledged_, acknowledged_ + window).
  uint64_t issued_ = 0;
  uint64_t acknowledged_ = 0;
};

}  // namespace lsmlab::workloads
