#include "harness/driver/tick_clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace lsmlab::harness {
namespace {

bool CounterIsConstant() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  // CPUID leaf 8000_0007h, EDX bit 8: invariant TSC.
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
#else
  return false;
#endif
}

}  // namespace

TickClock::TickClock() : counter_(CounterIsConstant()) {
  if (!counter_) return;
  constexpr int64_t kCalibrationNanos = 20'000'000;
  const int64_t begin_ns = NowNanos();
  const uint64_t begin = Now();
  int64_t end_ns = begin_ns;
  while (end_ns - begin_ns < kCalibrationNanos) end_ns = NowNanos();
  const uint64_t ticks = Now() - begin;
  if (ticks == 0) {
    counter_ = false;
    return;
  }
  const auto nanos = static_cast<unsigned __int128>(end_ns - begin_ns);
  scale_ = static_cast<uint64_t>((nanos << 32) / ticks);
}

const TickClock& TickClock::Get() {
  static const TickClock clock;
  return clock;
}

}  // namespace lsmlab::harness
