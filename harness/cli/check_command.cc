#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/parts/plugin.h"
#include "harness/cli/command.h"
#include "variants/plugin_loader.h"

namespace lsmlab::harness {
namespace {

namespace fs = std::filesystem;

// A part's suite and the names of the plugin's variants in it.
struct Suite {
  std::string program;  // below tests/ beside this program
  std::string filter;   // of GoogleTest
};

// Tests are named after the variant, alone or among what else they run with; with '_' for what such
// a name may not have.
template <typename V>
void AddSuite(std::span<const V* const> rows, const char* program, std::vector<Suite>* suites) {
  constexpr std::pair<const char*, const char*> kAround[] = {
      {"*/", ""}, {"*/", "_*"}, {"*_", "_*"}};
  Suite suite{program, {}};
  for (const V* row : rows) {
    std::string name(row->name);
    for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    for (const auto& [before, after] : kAround) {
      if (!suite.filter.empty()) suite.filter += ':';
      suite.filter.append(before).append(name).append(after);
    }
  }
  if (!suite.filter.empty()) suites->push_back(std::move(suite));
}

std::vector<Suite> SuitesOf(const Plugin& plugin) {
  std::vector<Suite> suites;
  AddSuite(plugin.memtables, "memtable_conformance_test", &suites);
  AddSuite(plugin.wals, "wal_conformance_test", &suites);
  AddSuite(plugin.tables, "table_conformance_test", &suites);
  AddSuite(plugin.filters, "filter_conformance_test", &suites);
  AddSuite(plugin.filters, "table_conformance_test", &suites);
  AddSuite(plugin.codecs, "codec_conformance_test", &suites);
  AddSuite(plugin.codecs, "table_conformance_test", &suites);
  AddSuite(plugin.caches, "cache_conformance_test", &suites);
  AddSuite(plugin.caches, "table_conformance_test", &suites);
  AddSuite(plugin.values, "codec_conformance_test", &suites);
  AddSuite(plugin.compactions, "compaction_policy_conformance_test", &suites);
  AddSuite(plugin.catalogs, "catalog_conformance_test", &suites);
  AddSuite(plugin.executors, "async_test", &suites);
  AddSuite(plugin.partitioners, "codec_conformance_test", &suites);
  return suites;
}

Result<int> RunSuite(const fs::path& program, const Suite& suite) {
  if (access(program.c_str(), X_OK) != 0) {
    return Status::NotFound("no conformance suite '" + program.string() +
                            "'; build the tests first: make test, or ninja -C build " +
                            suite.program);
  }
  std::printf("%s: %s\n", suite.program.c_str(), suite.filter.c_str());
  std::fflush(stdout);
  std::string name = program.string(), filter = "--gtest_filter=" + suite.filter,
              brief = "--gtest_brief=1";
  char* arguments[] = {name.data(), filter.data(), brief.data(), nullptr};
  std::string plugins;
  for (const LoadedPlugin& loaded : LoadedPlugins()) {
    plugins.append(plugins.empty() ? "" : ":").append(fs::absolute(loaded.path).string());
  }
  setenv("LSMLAB_PLUGINS", plugins.c_str(), 1);
  const pid_t pid = fork();
  if (pid < 0) return Status::IoError("fork failed");
  if (pid == 0) {
    execv(name.c_str(), arguments);
    _exit(127);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int Run(const ParsedOptions&) {
  if (LoadedPlugins().empty()) {
    return FailUsage(Status::InvalidArgument(
        "check: no --plugin was given; the built-in variants are checked by make test"));
  }
  std::error_code error;
  const fs::path tests = fs::read_symlink("/proc/self/exe", error).parent_path() / "tests";
  bool all = true;
  for (const LoadedPlugin& loaded : LoadedPlugins()) {
    const std::vector<Suite> suites = SuitesOf(*loaded.plugin);
    if (suites.empty()) {
      return FailRun(Status::NotSupported(
          "check: '" + loaded.path +
          "' has no part with a suite that a plugin can be run through; that is every one but io"));
    }
    for (const Suite& suite : suites) {
      const Result<int> code = RunSuite(tests / suite.program, suite);
      if (!code.ok()) return FailRun(code.status());
      all &= code.value() == 0;
    }
  }
  std::puts(all ? "conforms" : "does not conform: see above");
  return all ? kExitDone : kExitFailed;
}

}  // namespace

const Command kCheckCommand = {{"check",
                                "run a plugin's variants through the conformance suites",
                                "",
                                0,
                                0,
                                "lsmlab check --plugin ./my_filter.so",
                                {}},
                               Run};

}  // namespace lsmlab::harness
