#include "workloads/shipped.h"

namespace lsmlab::workloads {
namespace {

constexpr ShippedWorkload kShipped[] = {
    {"ycsb-a", "half reads, half updates, zipfian keys: a session store",
     "workloads/ycsb/workloada"},
    {"ycsb-b", "95 % reads, 5 % updates, zipfian keys: tags on photos", "workloads/ycsb/workloadb"},
    {"ycsb-c", "reads only, zipfian keys: a cache of profiles", "workloads/ycsb/workloadc"},
    {"ycsb-d", "95 % reads of the newest records, 5 % inserts: status messages",
     "workloads/ycsb/workloadd"},
    {"ycsb-e", "95 % short scans, 5 % inserts: threads of a conversation",
     "workloads/ycsb/workloade"},
    {"ycsb-f", "half reads, half read-modify-writes, zipfian keys: user records",
     "workloads/ycsb/workloadf"},
};

}  // namespace

std::span<const ShippedWorkload> ShippedWorkloads() noexcept { return kShipped; }

}  // namespace lsmlab::workloads
