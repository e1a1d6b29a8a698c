#include "engine/base/clock.h"

namespace lsmlab {
namespace {

class MonotonicClock final : public Clock {
 public:
  int64_t NowNanos() const noexcept override { return lsmlab::NowNanos(); }
};

}  // namespace

Clock& Clock::Monotonic() noexcept {
  static MonotonicClock clock;
  return clock;
}

}  // namespace lsmlab
