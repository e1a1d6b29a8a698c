#include "engine/async/sync.h"

#include <mutex>

namespace lsmlab {
namespace {

// About 10 microseconds: several times the section a group leader holds without a sync, far below
// the 20 microseconds that waking a sleeping thread costs.
constexpr int kSpinRounds = 400;

void Append(WaitNode*& head, WaitNode*& tail, WaitNode* node) noexcept {
  node->next = nullptr;
  if (tail != nullptr) {
    tail->next = node;
  } else {
    head = node;
  }
  tail = node;
}

}  // namespace

bool AsyncMutex::LockAwaiter::await_ready() noexcept {
  acquired_ = mutex_.TryLock();
  if (acquired_ || !RunLoop::Current().may_spin()) return acquired_;
  for (int round = 0; round < kSpinRounds && !acquired_; ++round) {
    CpuRelax();
    acquired_ = mutex_.TryLock();
  }
  return acquired_;
}

bool AsyncMutex::LockAwaiter::await_suspend(std::coroutine_handle<> h) noexcept {
  node_.handle = h;
  node_.home = &RunLoop::Current();
  std::lock_guard guard(mutex_.list_lock_);
  mutex_.has_waiters_.store(true, std::memory_order_seq_cst);
  // Unlock stores locked_ = false before it looks at has_waiters_: one of the two sees the other.
  if (!mutex_.locked_.exchange(true, std::memory_order_seq_cst)) {
    if (mutex_.head_ == nullptr) mutex_.has_waiters_.store(false, std::memory_order_relaxed);
    acquired_ = true;
    return false;
  }
  Append(mutex_.head_, mutex_.tail_, &node_);
  return true;
}

void AsyncMutex::Unlock() noexcept {
  locked_.store(false, std::memory_order_seq_cst);
  if (!has_waiters_.load(std::memory_order_seq_cst)) return;
  WaitNode* node;
  {
    std::lock_guard guard(list_lock_);
    node = head_;
    if (node == nullptr) return;
    head_ = node->next;
    if (head_ == nullptr) {
      tail_ = nullptr;
      has_waiters_.store(false, std::memory_order_relaxed);
    }
  }
  node->home->Post(node);
}

bool AsyncEvent::WaitAwaiter::await_suspend(std::coroutine_handle<> h) noexcept {
  node_.handle = h;
  node_.home = &RunLoop::Current();
  std::lock_guard guard(event_.list_lock_);
  if (event_.Ticket() != ticket_) return false;
  Append(event_.head_, event_.tail_, &node_);
  return true;
}

void AsyncEvent::Notify() noexcept {
  WaitNode* node;
  {
    std::lock_guard guard(list_lock_);
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    node = head_;
    head_ = tail_ = nullptr;
  }
  while (node != nullptr) {
    WaitNode* next = node->next;
    node->home->Post(node);
    node = next;
  }
}

}  // namespace lsmlab
