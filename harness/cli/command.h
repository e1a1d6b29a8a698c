#pragma once

#include <span>
#include <string_view>

#include "engine/base/status.h"
#include "harness/cli/options.h"

namespace lsmlab::harness {

// Exit codes of the program.
constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;  // the task was understood but did not succeed
constexpr int kExitUsage = 2;   // the command line or a file it names is at fault

// Prints "lsmlab: <message>" on stderr, one line; returns the exit code.
int FailUsage(const Status& status);
int FailRun(const Status& status);

struct Command {
  CommandSpec spec;
  int (*run)(const ParsedOptions& options);
  bool hidden = false;  // not for people: left out of the list
};

extern const Command kBenchCommand;
extern const Command kCheckCommand;
extern const Command kChildCommand;
extern const Command kReportCommand;
extern const Command kRunCommand;
extern const Command kSimulateCommand;
extern const Command kStoreCommand;
extern const Command kVariantsCommand;
extern const Command kWorkloadsCommand;

// Every command, in the order of the help.
std::span<const Command* const> Commands() noexcept;

}  // namespace lsmlab::harness
