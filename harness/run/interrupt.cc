#include "harness/run/interrupt.h"

#include <signal.h>
#include <unistd.h>

namespace lsmlab::harness {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal handler");

void OnSignal(int) {
  if (interrupted.exchange(true)) _exit(1);
}

}  // namespace

std::atomic<bool>& InterruptFlag() { return interrupted; }

void WatchInterrupts() {
  struct sigaction action {};
  action.sa_handler = OnSignal;  // no SA_RESTART: blocked calls return, so that the flag is seen
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace lsmlab::harness
