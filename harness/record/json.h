#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"
#include "harness/record/provenance.h"
#include "harness/record/run_record.h"
#include "harness/run/run_spec.h"

// Everything of the harness that is written or read as JSON; the parser's headers stay in json.cc.
namespace lsmlab::harness {

// One line of records.ndjson, as results/SCHEMA.md says, without its newline.
std::string RecordLine(const RunRecord& record, const Provenance& provenance);

// A run spec for the child process, and back. Corruption when the text is not one.
std::string SpecText(const RunSpec& spec);
Result<RunSpec> ParseSpec(std::string_view text);

// What --resume needs to know of a line: which phase of which run, whether it is complete, and by
// which build.
struct RecordSummary {
  std::string variant, workload, phase, config_hash, workload_digest;
  uint32_t block = 0;
  bool complete = false;
  Provenance build;  // nothing of the machine
};
// Corruption for a line that is no record.
Result<RecordSummary> SummarizeLine(std::string_view line);

// Into `result` what fio has measured (--output-format=json+ --lat_percentiles=1
// --group_reporting): operations, seconds and every latency, as inserts or reads. Corruption for
// any other text.
Status ReadFioReport(std::string_view text, bool writes, PhaseResult* result);

// plan.json: the experiment's name and the runs in order, with a hash over all that shapes them.
std::string PlanText(const std::string& experiment, const std::string& plan_hash,
                     const std::vector<RunSpec>& runs);
// The hash of such a text. Corruption when it has none.
Result<std::string> PlanHashOf(std::string_view text);

}  // namespace lsmlab::harness
