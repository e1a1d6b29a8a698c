#pragma once

#include <cstdint>
#include <string>

#include "workloads/workload.h"

namespace lsmlab::harness {

// Workloads whose texts are equal fill equal stores from equal seeds: one load serves them all.
std::string LoadClass(const workloads::WorkloadInfo& info, uint32_t threads);

}  // namespace lsmlab::harness
