#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "harness/cli/command.h"
#include "variants/nearest.h"
#include "variants/plugin_loader.h"

namespace lsmlab::harness {
namespace {

constexpr const Command* kCommands[] = {
    &kRunCommand,       &kBenchCommand, &kReportCommand, &kSimulateCommand, &kVariantsCommand,
    &kWorkloadsCommand, &kStoreCommand, &kCheckCommand,  &kChildCommand,
};

void PrintOverview() {
  std::puts("lsmlab: a laboratory for LSM-trees\n\ncommands (each has --help with an example):");
  for (const Command* command : kCommands) {
    if (command->hidden) continue;
    const std::string head =
        std::string(command->spec.name) + " " + std::string(command->spec.positional);
    std::printf("  %-28s %s\n", head.c_str(), std::string(command->spec.summary).c_str());
  }
  std::puts(
      "\nwith any command: --plugin FILE.so adds the variants of a shared object "
      "(docs/adding-a-part.md)");
}

int Fail(const Status& status, int code) {
  std::fprintf(stderr, "lsmlab: %s\n", std::string(status.message()).c_str());
  return code;
}

// Takes every "--plugin FILE" out of the arguments and loads it: before anything asks which
// variants there are.
Status LoadPlugins(std::vector<std::string>* arguments) {
  std::vector<std::string> rest;
  for (size_t i = 0; i < arguments->size(); ++i) {
    const std::string& argument = (*arguments)[i];
    if (argument.starts_with("--plugin=")) {
      LSMLAB_TRY(LoadPlugin(argument.substr(9)));
    } else if (argument != "--plugin") {
      rest.push_back(argument);
    } else if (i + 1 < arguments->size()) {
      LSMLAB_TRY(LoadPlugin((*arguments)[++i]));
    } else {
      return Status::InvalidArgument("--plugin: needs a value, a shared object");
    }
  }
  *arguments = std::move(rest);
  return {};
}

int Dispatch(std::vector<std::string> arguments) {
  if (const Status status = LoadPlugins(&arguments); !status.ok()) return FailUsage(status);
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
