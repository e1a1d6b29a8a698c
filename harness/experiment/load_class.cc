#include "harness/experiment/load_class.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace lsmlab::harness {
namespace {

// What only the run phase reads. A property that is missing here parts two workloads that could
// share a load; one too many would give a workload the wrong store.
constexpr std::array<std::string_view, 26> kRunProperties = {
    "operationcount",
    "maxexecutiontime",
    "target",
    "threadcount",  // the threads that are used are compared instead
    "readallfields",
    "writeallfields",
    "readproportion",
    "updateproportion",
    "insertproportion",
    "scanproportion",
    "readmodifywriteproportion",
    "lsmlab.deleteproportion",
    "lsmlab.seekproportion",
    "lsmlab.scanprefix",
    "lsmlab.readmissing",
    "lsmlab.update",
    "requestdistribution",
    "lsmlab.zipfianconstant",
    "hotspotdatafraction",
    "hotspotopnfraction",
    "exponential.percentile",
    "exponential.frac",
    "minscanlength",
    "maxscanlength",
    "scanlengthdistribution",
    "workload",  // there is one class of workloads, under two names
};

}  // namespace

std::string LoadClass(const workloads::WorkloadInfo& info, uint32_t threads) {
  std::string text = "threads=" + std::to_string(threads) + "\n";
  for (const auto& [name, value] : info.settings) {
    const bool run_only =
        std::find(kRunProperties.begin(), kRunProperties.end(), name) != kRunProperties.end();
    if (!run_only) text += name + "=" + value + "\n";
  }
  return text;
}

}  // namespace lsmlab::harness
