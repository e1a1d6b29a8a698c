#include "variants/executor/caller_pool.h"

#include <utility>

namespace lsmlab {

CallerPool::CallerPool(int threads, size_t depth) : depth_(depth) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

CallerPool::~CallerPool() {
  {
    std::lock_guard guard(mutex_);
    stopped_ = true;
    arrived_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void CallerPool::HandOver(HandedCall& call) noexcept {
  std::unique_lock lock(mutex_);
  ++counters_.calls;
  if (queued_ == depth_) {
    ++counters_.waits;
    left_.wait(lock, [this] { return queued_ < depth_; });
  }
  call.next = nullptr;
  (first_ == nullptr ? first_ : last_->next) = &call;
  last_ = &call;
  ++queued_;
  arrived_.notify_one();
}

HandedCall* CallerPool::Take() noexcept {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return queued_ > 0 || stopped_; });
  if (queued_ == 0) return nullptr;
  HandedCall* call = std::exchange(first_, first_->next);
  --queued_;
  left_.notify_one();
  return call;
}

void CallerPool::Work() noexcept {
  while (HandedCall* call = Take()) {
    call->run(call->context);
    // The caller, and the call with it, may be gone as soon as this is posted.
    call->caller.home->Post(&call->caller);
  }
}

WorkerPoolCounters CallerPool::Counters() const noexcept {
  std::lock_guard guard(mutex_);
  return counters_;
}

}  // namespace lsmlab
