#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "harness/driver/client_counts.h"

namespace lsmlab::harness {

// A client thread that has plan.depth operations under way, each in a coroutine that takes its next
// from the thread's one stream when the last is done. Latency counts from the moment at which the
// coroutine asks, with a target rate from the intended one. REQUIRES: the adapter gives
// asynchronous sessions; with a target rate, ones that live on event loops.
std::unique_ptr<ClientCounts> NewAsyncClient(StoreAdapter& store,
                                             const workloads::WorkloadInfo& workload,
                                             const PhasePlan& plan, size_t index,
                                             std::atomic<bool>& halt, LiveCount& live);

}  // namespace lsmlab::harness
