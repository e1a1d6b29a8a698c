#pragma once

#include <cstdint>
#include <memory>

#include "engine/parts/io.h"
#include "variants/io/direct_files.h"
#include "variants/io/sim_disk.h"

namespace lsmlab {

struct SimulatedOptions {
  bool defer = false;  // Start queues, Poll completes in an order drawn from `seed`
  uint64_t seed = 1;
  Direct direct = Direct::kNone;
  int64_t latency_ns = 0;  // of reads, syncs and unbuffered writes
};

// An Io on a disk that tests can share, crash and reopen. Thread-safe as every Io.
std::unique_ptr<Io> MakeSimulatedIo(std::shared_ptr<SimDisk> disk,
                                    const SimulatedOptions& options = SimulatedOptions());

}  // namespace lsmlab
