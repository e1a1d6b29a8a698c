#include "engine/async/run_loop.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/base/clock.h"

namespace lsmlab {
namespace {

constexpr uint32_t kAwake = 0;
constexpr uint32_t kSleeping = 1;
constexpr uint32_t kPolling = 2;
constexpr uint32_t kOneWaker = 4;

struct LoopPool {
  std::mutex mutex;
  std::vector<std::unique_ptr<RunLoop>> idle;
};

LoopPool& Pool() {
  static auto* pool = new LoopPool;
  return *pool;
}

}  // namespace

RunLoop::Lease::Lease() {
  std::lock_guard guard(Pool().mutex);
  if (Pool().idle.empty()) {
    loop_ = std::make_unique<RunLoop>();
    return;
  }
  loop_ = std::move(Pool().idle.back());
  Pool().idle.pop_back();
  loop_->may_spin_ = loop_->side_by_side_ = false;
  loop_->context_ = loop_.get();
  loop_->joined_ = nullptr;
}

RunLoop::Lease::~Lease() {
  std::lock_guard guard(Pool().mutex);
  Pool().idle.push_back(std::move(loop_));
}

RunLoop& RunLoop::OfThread() noexcept {
  thread_local Lease lease;
  return lease.loop();
}

RunLoop& RunLoop::MakeCurrent() noexcept {
  current_ = &OfThread();
  return *current_;
}

void RunLoop::Post(WaitNode* node) noexcept {
  WaitNode* head = posted_.load(std::memory_order_relaxed);
  do {
    node->next = head;
  } while (!posted_.compare_exchange_weak(head, node, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
  if (this == current_) return;  // the thread is here, so it is not waiting
  // From here on the owner may have run the node, and the thread may even have ended; the loop's
  // memory stays. The owner announces a wait before it looks at posted_ for the last time, so
  // either it sees the node or this thread sees the announcement.
  uint32_t state = state_.load(std::memory_order_seq_cst);
  for (;;) {
    if (state == kAwake) return;
    if (state == kSleeping) {
      if (!state_.compare_exchange_weak(state, kAwake, std::memory_order_seq_cst)) continue;
      syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
      return;
    }
    if (!state_.compare_exchange_weak(state, state + kOneWaker, std::memory_order_seq_cst)) {
      continue;
    }
    place_->Wake();
    state_.fetch_sub(kOneWaker, std::memory_order_release);
    return;
  }
}

bool RunLoop::HasReadyAlone() const noexcept {
  return left_ != nullptr || posted_.load(std::memory_order_seq_cst) != nullptr;
}

bool RunLoop::HasReady() const noexcept {
  const RunLoop* loop = this;
  while (loop != nullptr && !loop->HasReadyAlone()) loop = loop->joined_;
  return loop != nullptr;
}

void RunLoop::Join(RunLoop& main) noexcept {
  context_ = &main;
  joined_ = main.joined_;
  main.joined_ = this;
}

WaitNode* RunLoop::TakeReady() noexcept {
  if (posted_.load(std::memory_order_relaxed) == nullptr) return nullptr;
  WaitNode* list = posted_.exchange(nullptr, std::memory_order_acq_rel);
  WaitNode* ordered = nullptr;
  while (list != nullptr) {
    WaitNode* next = list->next;
    list->next = ordered;
    ordered = list;
    list = next;
  }
  return ordered;
}

bool RunLoop::RunReady() {
  WaitNode* node = TakeReady();
  if (node == nullptr) return false;
  while (node != nullptr) {
    WaitNode* const next = node->next;
    left_ = next;
    Resume(node);
    node = next;
  }
  return true;
}

void RunLoop::Sleep(int64_t deadline_ns) noexcept {
  timespec timeout{};
  timespec* limit = nullptr;
  if (deadline_ns != INT64_MAX) {
    const int64_t left = deadline_ns - NowNanos();
    if (left <= 0) return;
    timeout = {static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
    limit = &timeout;
  }
  state_.store(kSleeping, std::memory_order_seq_cst);
  if (!HasReady()) {
    // Returns at once when a poster has set kAwake in between.
    syscall(SYS_futex, &state_, FUTEX_WAIT_PRIVATE, kSleeping, limit, nullptr, 0);
  }
  state_.store(kAwake, std::memory_order_seq_cst);
}

void RunLoop::EnterPoll(Waker& place) noexcept {
  place_ = &place;
  state_.store(kPolling, std::memory_order_seq_cst);
}

void RunLoop::LeavePoll() noexcept {
  uint32_t expected = kPolling;
  for (int round = 0; !state_.compare_exchange_weak(expected, kAwake, std::memory_order_seq_cst);
       ++round) {
    if (round > 100) sched_yield();
    expected = kPolling;
  }
}

}  // namespace lsmlab
