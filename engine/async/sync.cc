#include "engine/async/sync.h"

#include <mutex>

#include "engine/base/assert.h"
#include "engine/base/epoch.h"

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
  if (mutex_.TryLock()) return true;
  if (!RunLoop::Current().may_spin()) return false;
  for (int round = 0; round < kSpinRounds; ++round) {
    CpuRelax();
    if (mutex_.TryLock()) return true;
  }
  return false;
}

bool AsyncMutex::LockAwaiter::await_suspend(std::coroutine_handle<> h) noexcept {
  LSMLAB_INVARIANT(ReadGuard::Depth() == 0);
  handle = h;
  home = &RunLoop::Current();
  is_over = TryAgain;
  return !mutex_.LockOrQueue(this, false);
}

bool AsyncMutex::LockAwaiter::TryAgain(WaitNode* node) noexcept {
  return static_cast<LockAwaiter*>(node)->mutex_.LockOrQueue(node, true);
}

bool AsyncMutex::LockOrQueue(WaitNode* node, bool in_front) noexcept {
  std::lock_guard guard(list_lock_);
  has_waiters_.store(true, std::memory_order_seq_cst);
  // Unlock stores locked_ = false before it looks at has_waiters_: one of the two sees the other.
  if (!locked_.exchange(true, std::memory_order_seq_cst)) {
    if (head_ == nullptr) has_waiters_.store(false, std::memory_order_relaxed);
    return true;
  }
  if (in_front && head_ != nullptr) {
    node->next = head_;
    head_ = node;
  } else {
    Append(head_, tail_, node);
  }
  return false;
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
  LSMLAB_INVARIANT(ReadGuard::Depth() == 0);
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
