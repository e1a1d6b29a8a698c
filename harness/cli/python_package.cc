#include "harness/cli/python_package.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "variants/home.h"

namespace lsmlab::harness {
namespace {

// Debian's own interpreter sees Debian's numpy; another one that stands earlier in PATH may not.
std::string Interpreter() {
  const char* chosen = std::getenv("LSMLAB_PYTHON");
  if (chosen != nullptr && *chosen != '\0') return chosen;
  constexpr char kDebian[] = "/usr/bin/python3";
  return access(kDebian, X_OK) == 0 ? kDebian : "python3";
}

}  // namespace

Result<int> RunResultsPackage(const std::vector<std::string>& arguments) {
  const std::filesystem::path results = std::filesystem::path(HomeDirectory()) / "results";
  std::error_code error;
  if (!std::filesystem::exists(results / "lsmlab_results", error)) {
    return Status::NotFound(results.string() +
                            "/lsmlab_results: the package that draws results is "
                            "not there; LSMLAB_HOME names the directory that has it");
  }
  std::vector<std::string> command = {Interpreter(), "-m", "lsmlab_results"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    setenv("PYTHONPATH", results.c_str(), 1);
    setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  if (pid < 0) return Status::IoError(std::string("fork: ") + std::strerror(errno));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  if (code == 127)
    return Status::IoError(command[0] + ": cannot be started; `make deps` installs it");
  return code;
}

}  // namespace lsmlab::harness
