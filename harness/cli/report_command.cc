#include "harness/cli/command.h"
#include "harness/cli/python_package.h"

namespace lsmlab::harness {
namespace {

int Run(const ParsedOptions& options) {
  const std::string& directory = options.positional()[0];
  for (const char* what : {"table", "report"}) {
    const Result<int> code = RunResultsPackage({what, directory});
    if (!code.ok()) return FailRun(code.status());
    if (code.value() != 0) return code.value();
  }
  return kExitDone;
}

}  // namespace

const Command kReportCommand = {{"report",
                                 "print the table of a result directory, write its plots and page",
                                 "DIR",
                                 1,
                                 1,
                                 "lsmlab report results/runs/quickstart",
                                 {}},
                                Run};

}  // namespace lsmlab::harness
