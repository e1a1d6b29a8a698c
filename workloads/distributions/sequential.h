#pragma once

#include <cstdint>

#include "engine/base/random.h"

namespace lsmlab::workloads {

// first, first + 1, ... first + count - 1, then from the start again. YCSB's threads share one
// counter; here thread t of n takes every n-th number beginning with the t-th, which is the same
// set in the order of threads that run in step, without sharing.
class SequentialGenerator {
 public:
  // REQUIRES: count > 0, thread < threads.
  SequentialGenerator(uint64_t first, uint64_t count, uint64_t thread, uint64_t threads) noexcept
      : first_(first), count_(count), step_(threads % count), position_(thread % count) {}
  uint64_t Next(Random&) noexcept {
    const uint64_t value = first_ + position_;
    position_ += step_;
    if (position_ >= count_) position_ -= count_;
    return value;
  }

 private:
  uint64_t first_;
  uint64_t count_;
  uint64_t step_;      // < count_
  uint64_t position_;  // < count_
};

}  // namespace lsmlab::workloads
