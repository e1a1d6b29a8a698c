#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "harness/driver/client_counts.h"

namespace lsmlab::harness {

// A client thread that has plan.depth operations under way, each in a coroutine that takes its next
// from the thread's one stream when the last is done. Latency counts from the moment at which the
// coroutine asks. REQUIRES: the adapter gives asynchronous sessions; the stream has no
// scans; no target rate.
std::unique_ptr<ClientCounts> NewAsyncClient(StoreAdapter& store,
                                             const workloads::WorkloadInfo& workload,
                                             const PhasePlan& plan, size_t index,
                                             std::atomic<bool>& halt, LiveCount& live);

}  // namespace lsmlab::harness
