#pragma once

#include <string>
#include <vector>

#include "harness/record/run_record.h"

namespace lsmlab::harness {

// Those of `parts` ("filter", "cache", ...) that had nothing to do in the phase of this record, by
// its counters: a comparison of them then says nothing. Counters that an engine does not have are
// not held against a part.
std::vector<std::string> IdleParts(const std::vector<std::string>& parts, const RunRecord& record);

}  // namespace lsmlab::harness
