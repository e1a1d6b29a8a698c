#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/parts/worker_pool.h"

namespace lsmlab {

// A pool of threads behind a queue of at most `depth` calls. Idle workers and waiting callers
// sleep: nobody spins.
class CallerPool final : public WorkerPool {
 public:
  // REQUIRES: threads > 0, depth > 0.
  CallerPool(int threads, size_t depth);
  ~CallerPool() override;

  void HandOver(HandedCall& call) noexcept override;
  WorkerPoolCounters Counters() const noexcept override;

 private:
  void Work() noexcept;
  // The next call; waits for one. Null: stopped, and nothing is left.
  HandedCall* Take() noexcept;

  const size_t depth_;
  mutable std::mutex mutex_;
  // Each call that arrives wakes one worker and each that leaves one caller, so none sleeps beside
  // a call or a place that it could take.
  std::condition_variable arrived_, left_;
  // Guarded by mutex_:
  HandedCall* first_ = nullptr;
  HandedCall* last_ = nullptr;
  size_t queued_ = 0;
  bool stopped_ = false;
  WorkerPoolCounters counters_;

  std::vector<std::thread> threads_;
};

}  // namespace lsmlab
