#pragma once

#include <cstdint>
#include <ctime>

namespace lsmlab {

// Nanoseconds of the monotonic clock; never jumps back, no relation to the time of day.
inline int64_t NowNanos() noexcept {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<int64_t>(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec;
}

// Nanoseconds since 1970: for ages that outlive the process. May jump when the clock is set.
inline int64_t WallNanos() noexcept {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return static_cast<int64_t>(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec;
}

// Time as the engine sees it, so that tests and the simulated device can own it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t NowNanos() const noexcept = 0;
  static Clock& Monotonic() noexcept;
};

}  // namespace lsmlab
