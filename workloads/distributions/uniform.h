#pragma once

#include <cstdint>

#include "engine/base/random.h"

namespace lsmlab::workloads {

// Every integer of [first, first + count) equally often. One thread at a time, as every generator
// of this folder: each thread owns its generators and its Random, so there are no locks.
class UniformGenerator {
 public:
  // REQUIRES: count > 0.
  UniformGenerator(uint64_t first, uint64_t count) noexcept : first_(first), count_(count) {}
  uint64_t Next(Random& random) noexcept { return first_ + random.Below(count_); }

 private:
  uint64_t first_;
  uint64_t count_;
};

}  // namespace lsmlab::workloads
