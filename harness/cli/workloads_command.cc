#include <cstdio>
#include <string>

#include "harness/cli/command.h"
#include "workloads/shipped.h"

namespace lsmlab::harness {
namespace {

int Run(const ParsedOptions& options) {
  for (const workloads::ShippedWorkload& workload : workloads::ShippedWorkloads()) {
    std::printf("%-10s %-28s %s\n", std::string(workload.name).c_str(),
                std::string(workload.path).c_str(), std::string(workload.summary).c_str());
  }
  std::puts("\nAny other YCSB property file can be given by its path; -p name=value overrides.");
  return kExitDone;
}

}  // namespace

const Command kWorkloadsCommand = {{"workloads",
                                    "list the workload files that come with the program",
                                    "",
                                    0,
                                    0,
                                    "lsmlab workloads",
                                    {}},
                                   Run};

}  // namespace lsmlab::harness
