#pragma once

#include <string>

#include "harness/record/run_record.h"

namespace lsmlab::harness {

// What a person wants to see of one record: throughput, latencies, amplifications, what the parts
// did. Several lines; the record is not changed and nothing is measured.
std::string SummaryText(const RunRecord& record);

}  // namespace lsmlab::harness
