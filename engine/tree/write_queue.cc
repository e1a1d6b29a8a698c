#include "engine/tree/write_queue.h"

namespace lsmlab {
namespace {

// About 15 microseconds of waiting before the thread sleeps.
constexpr int kSpinRounds = 600;

}  // namespace

bool WriteQueue::Join(Writer* writer) noexcept {
  // The link is complete before the writer can be seen.
  Writer* newest = newest_.load(std::memory_order_relaxed);
  do {
    writer->older = newest;
  } while (!newest_.compare_exchange_weak(newest, writer, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
  if (newest != nullptr) return false;
  writer->state.store(Writer::kLeader, std::memory_order_relaxed);
  return true;
}

bool WriteQueue::JoinEmpty(Writer* writer) noexcept {
  Writer* none = nullptr;
  if (!newest_.compare_exchange_strong(none, writer, std::memory_order_acq_rel,
                                       std::memory_order_relaxed)) {
    return false;
  }
  writer->state.store(Writer::kLeader, std::memory_order_relaxed);
  return true;
}

bool WriteQueue::WaitAwaiter::await_ready() const noexcept {
  const auto moved_on = [this] {
    const uint32_t state = writer_->state.load(std::memory_order_acquire);
    return state == Writer::kLeader || state == Writer::kDone;
  };
  if (moved_on()) return true;
  if (!RunLoop::Current().may_spin()) return false;
  for (int round = 0; round < kSpinRounds; ++round) {
    CpuRelax();
    if (moved_on()) return true;
  }
  return false;
}

bool WriteQueue::WaitAwaiter::await_suspend(std::coroutine_handle<> h) noexcept {
  writer_->node.handle = h;
  writer_->node.home = &RunLoop::Current();
  uint32_t expected = Writer::kWaiting;
  return writer_->state.compare_exchange_strong(expected, Writer::kParked,
                                                std::memory_order_acq_rel);
}

void WriteQueue::SetState(Writer* writer, uint32_t state) noexcept {
  // A writer that was not parked may be gone right after the exchange.
  if (writer->state.exchange(state, std::memory_order_acq_rel) == Writer::kParked) {
    writer->node.home->Post(&writer->node);
  }
}

void WriteQueue::LinkNewer(Writer* newest) noexcept {
  for (Writer* w = newest; w->older != nullptr && w->older->newer == nullptr; w = w->older) {
    w->older->newer = w;
  }
}

Writer* WriteQueue::Gather(Writer* leader, size_t max_bytes) noexcept {
  Writer* newest = newest_.load(std::memory_order_acquire);
  LinkNewer(newest);
  size_t bytes = leader->bytes();
  Writer* last = leader;
  while (last != newest && !leader->alone && !last->rotate && !last->newer->alone) {
    bytes += last->newer->bytes();
    if (bytes > max_bytes) break;
    last = last->newer;
  }
  return last;
}

void WriteQueue::Finish(Writer* leader, Writer* last, const Status& status) noexcept {
  // Taken before `last` is completed and may be gone.
  Writer* following = leader != last ? leader->newer : nullptr;
  Writer* next = nullptr;
  Writer* newest = last;
  if (!newest_.compare_exchange_strong(newest, nullptr, std::memory_order_acq_rel)) {
    LinkNewer(newest);
    next = last->newer;
    next->older = nullptr;
  }
  // Writers of this thread's loop wake before the next leader: what they write next is in its
  // group, instead of waiting for the one after.
  Writer* others = nullptr;
  Writer** end_of_others = &others;
  while (following != nullptr) {
    Writer* w = following;
    following = w != last ? w->newer : nullptr;
    if (IsParkedHere(*w)) {
      Complete(w, status);
    } else {
      *end_of_others = w;
      end_of_others = &w->newer;
    }
  }
  *end_of_others = nullptr;
  // Those of other threads after it: waking them takes time.
  if (next != nullptr) SetState(next, Writer::kLeader);
  while (others != nullptr) {
    Writer* w = others;
    others = w->newer;
    Complete(w, status);
  }
}

bool WriteQueue::IsParkedHere(const Writer& writer) noexcept {
  return writer.state.load(std::memory_order_acquire) == Writer::kParked &&
         writer.node.home == &RunLoop::Current();
}

// A completed writer may be gone at once.
void WriteQueue::Complete(Writer* writer, const Status& status) noexcept {
  writer->status = status;
  SetState(writer, Writer::kDone);
}

}  // namespace lsmlab
