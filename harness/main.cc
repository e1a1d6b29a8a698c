#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "harness/cli/command.h"
#include "variants/nearest.h"

namespace lsmlab::harness {
namespace {

constexpr const Command* kCommands[] = {
    &kRunCommand,      &kBenchCommand,     &kReportCommand, &kSimulateCommand,
    &kVariantsCommand, &kWorkloadsCommand, &kStoreCommand,  &kChildCommand,
};

void PrintOverview() {
  std::puts("lsmlab: a laboratory for LSM-trees\n\ncommands (each has --help with an example):");
  for (const Command* command : kCommands) {
    if (command->hidden) continue;
    const std::string head =
        std::string(command->spec.name) + " " + std::string(command->spec.positional);
    std::printf("  %-28s %s\n", head.c_str(), std::string(command->spec.summary).c_str());
  }
}

int Fail(const Status& status, int code) {
  std::fprintf(stderr, "lsmlab: %s\n", std::string(status.message()).c_str());
  return code;
}

int Dispatch(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    PrintOverview();
    return kExitUsage;
  }
  const std::string& name = arguments[0];
  if (name == "--help" || name == "-h" || name == "help") {
    PrintOverview();
    return kExitDone;
  }
  std::vector<std::string_view> known;
  for (const Command* command : kCommands) {
    if (!command->hidden) known.push_back(command->spec.name);
    if (name != command->spec.name) continue;
    const Result<ParsedOptions> options =
        ParseOptions(command->spec, {arguments.begin() + 1, arguments.end()});
    if (!options.ok()) return FailUsage(options.status());
    if (!options.value().help()) return command->run(options.value());
    std::fputs(HelpText(command->spec).c_str(), stdout);
    return kExitDone;
  }
  return FailUsage(Status::InvalidArgument("unknown command '" + Shown(name) + "', known are " +
                                           JoinNames(known) + DidYouMean(name, known)));
}

}  // namespace

std::span<const Command* const> Commands() noexcept { return kCommands; }

int FailUsage(const Status& status) { return Fail(status, kExitUsage); }
int FailRun(const Status& status) { return Fail(status, kExitFailed); }

}  // namespace lsmlab::harness

int main(int argc, char** argv) {
  try {
    return lsmlab::harness::Dispatch({argv + 1, argv + argc});
  } catch (const std::exception& error) {  // the standard library's: out of memory and the like
    std::fprintf(stderr, "lsmlab: %s\n", error.what());
    return lsmlab::harness::kExitFailed;
  }
}
