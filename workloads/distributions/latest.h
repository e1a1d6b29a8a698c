#pragma once

#include <cstdint>

#include "engine/base/random.h"
#include "workloads/distributions/zipfian.h"

namespace lsmlab::workloads {

// The newest number most often, older ones with zipfian weights by age, as YCSB's "latest": the
// result is newest - rank with rank in [0, newest), so that number 0 is never drawn.
class LatestGenerator {
 public:
  // REQUIRES: newest > 0, 0 < theta < 1.
  LatestGenerator(uint64_t newest, double theta) noexcept : ages_(newest, theta) {}
  // REQUIRES: newest > 0. Cheap when `newest` is as before, one or two pow() when it grew.
  uint64_t Next(Random& random, uint64_t newest) noexcept {
    return newest - ages_.Next(random, newest);
  }

 private:
  ZipfianGenerator ages_;
};

}  // namespace lsmlab::workloads
