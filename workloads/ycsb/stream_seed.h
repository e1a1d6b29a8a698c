#pragma once

#include <cstdint>

#include "engine/base/checksum.h"
#include "workloads/workload.h"

namespace lsmlab::workloads {

enum class Phase : uint64_t { kLoad = 1, kRun = 2 };
// What a generator of a stream is for. Each purpose has its own, so that two workloads that differ
// in, say, value size ask for the same keys in the same order.
enum class Draws : uint64_t { kKinds = 1, kKeys = 2, kShapes = 3, kValues = 4 };

inline uint64_t SeedOf(const StreamOptions& options, Phase phase, Draws draws) noexcept {
  const uint64_t place =
      static_cast<uint64_t>(phase) << 40 | static_cast<uint64_t>(draws) << 32 | options.thread;
  return MixSeed(MixSeed(options.seed, place), options.threads);
}

// Thread t of n executes this many of `total`: equal parts, the first ones take the remainder.
inline uint64_t PartOf(uint64_t total, const StreamOptions& options) noexcept {
  return total / options.threads + (options.thread < total % options.threads ? 1 : 0);
}

}  // namespace lsmlab::workloads
