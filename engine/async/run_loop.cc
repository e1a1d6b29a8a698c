#include "engine/async/run_loop.h"

#include <linux/futex.h>
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

// Loops are recycled, never freed: a poster may still look at `sleeping_` after the owner has run
// its node and ended. At worst it wakes the loop's next owner for nothing.
struct LoopPool {
  std::mutex mutex;
  std::vector<std::unique_ptr<RunLoop>> idle;
};

LoopPool& Pool() {
  static auto* pool = new LoopPool;
  return *pool;
}

struct LoopLease {
  std::unique_ptr<RunLoop> loop;
  LoopLease() {
    std::lock_guard guard(Pool().mutex);
    if (Pool().idle.empty()) {
      loop = std::make_unique<RunLoop>();
    } else {
      loop = std::move(Pool().idle.back());
      Pool().idle.pop_back();
      loop->set_may_spin(false);
    }
  }
  ~LoopLease() {
    std::lock_guard guard(Pool().mutex);
    Pool().idle.push_back(std::move(loop));
  }
};

}  // namespace

RunLoop& RunLoop::Current() noexcept {
  thread_local LoopLease lease;
  return *lease.loop;
}

void RunLoop::Post(WaitNode* node) noexcept {
  WaitNode* head = posted_.load(std::memory_order_relaxed);
  do {
    node->next = head;
  } while (!posted_.compare_exchange_weak(head, node, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
  // From here on the owner may have run the node. The loop itself is alive: its thread is either
  // this one or inside RunUntil, which cannot return before the sleeping_ flag is cleared below.
  if (sleeping_.load(std::memory_order_seq_cst)) {
    wakeups_.fetch_add(1, std::memory_order_release);
    syscall(SYS_futex, &wakeups_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

bool RunLoop::HasReady() const noexcept {
  return posted_.load(std::memory_order_acquire) != nullptr;
}

bool RunLoop::RunReady() {
  WaitNode* list = posted_.exchange(nullptr, std::memory_order_acq_rel);
  if (list == nullptr) return false;
  WaitNode* ordered = nullptr;
  while (list != nullptr) {
    WaitNode* next = list->next;
    list->next = ordered;
    ordered = list;
    list = next;
  }
  while (ordered != nullptr) {
    WaitNode* next = ordered->next;
    ordered->handle.resume();
    ordered = next;
  }
  return true;
}

void RunLoop::Sleep(int64_t deadline_ns) noexcept {
  const uint32_t seen = wakeups_.load(std::memory_order_acquire);
  sleeping_.store(true, std::memory_order_seq_cst);
  if (posted_.load(std::memory_order_seq_cst) == nullptr) {
    timespec timeout{};
    timespec* limit = nullptr;
    if (deadline_ns != INT64_MAX) {
      const int64_t left = deadline_ns - NowNanos();
      if (left <= 0) {
        sleeping_.store(false, std::memory_order_seq_cst);
        return;
      }
      timeout = {static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
      limit = &timeout;
    }
    syscall(SYS_futex, &wakeups_, FUTEX_WAIT_PRIVATE, seen, limit, nullptr, 0);
  }
  sleeping_.store(false, std::memory_order_seq_cst);
}

}  // namespace lsmlab
