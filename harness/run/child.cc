#include "harness/run/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "engine/base/clock.h"
#include "harness/record/json.h"
#include "harness/run/files.h"
#include "harness/run/interrupt.h"
#include "harness/run/run_store.h"
#include "variants/plugin_loader.h"

namespace lsmlab::harness {
namespace {

// The child's end of the progress pipe. Its stdout and stderr stay the user's.
constexpr int kProgressFd = 3;

Status SystemError(const char* call) {
  return Status::IoError(std::string(call) + ": " + std::strerror(errno));
}

// Between fork and exec: only calls that are safe there.
[[noreturn]] void BecomeChild(int pipe_fd, char* const* arguments) {
  setpgid(0, 0);  // the terminal's Ctrl-C reaches the parent alone, which passes it on
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (pipe_fd == kProgressFd) {
    fcntl(pipe_fd, F_SETFD, 0);
  } else {
    dup2(pipe_fd, kProgressFd);
  }
  execv("/proc/self/exe", arguments);
  _exit(127);
}

Result<pid_t> Spawn(const ChildOptions& options, int* progress_fd) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return SystemError("pipe2");
  std::string name = "lsmlab", command = "child", spec = options.spec_path,
              records = options.records_path;
  std::vector<std::string> plugins;
  for (const LoadedPlugin& loaded : LoadedPlugins()) plugins.push_back("--plugin=" + loaded.path);
  std::vector<char*> arguments = {name.data(), command.data(), spec.data(), records.data()};
  for (std::string& plugin : plugins) arguments.push_back(plugin.data());
  arguments.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) BecomeChild(ends[1], arguments.data());
  const int fork_errno = errno;
  close(ends[1]);
  *progress_fd = ends[0];
  if (pid > 0) return pid;
  close(ends[0]);
  errno = fork_errno;
  return SystemError("fork");
}

// Lines "phase ops total elapsed" as the child writes them.
class ProgressReader {
 public:
  explicit ProgressReader(const ChildOptions& options) : options_(options) {}
  // False at the end of the pipe.
  bool Read(int fd) {
    char buffer[4096];
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got == 0) return false;
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    pending_.append(buffer, static_cast<size_t>(got));
    for (size_t end; (end = pending_.find('\n')) != std::string::npos;) {
      std::istringstream line(pending_.substr(0, end));
      std::string phase;
      PhaseProgress p;
      if (line >> phase >> p.ops >> p.total_ops >> p.elapsed_s && options_.on_progress) {
        options_.on_progress(phase, p);
      }
      pending_.erase(0, end + 1);
    }
    return true;
  }

 private:
  const ChildOptions& options_;
  std::string pending_;
};

std::string ExitText(int status) {
  if (WIFSIGNALED(status)) {
    return std::string("the run's process was ended by signal ") + strsignal(WTERMSIG(status));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
    return "the run's process ended with code " + std::to_string(WEXITSTATUS(status));
  }
  return {};
}

// Hears the child until it closes the pipe; passes on interrupts and the time-out.
void Attend(pid_t pid, int fd, const ChildOptions& options, ChildOutcome* outcome) {
  ProgressReader reader(options);
  const int64_t start = NowNanos();
  bool told = false;
  for (;;) {
    pollfd wait{fd, POLLIN, 0};
    const int ready = poll(&wait, 1, 200);
    if (InterruptFlag().load() && !told) {
      told = outcome->interrupted = true;
      kill(pid, SIGINT);
    }
    const double elapsed = static_cast<double>(NowNanos() - start) * 1e-9;
    if (options.timeout_seconds > 0 && elapsed > options.timeout_seconds) {
      outcome->error = "stopped at the limit of " + std::to_string(options.timeout_seconds) + " s";
      kill(-pid, SIGKILL);  // its group: also a program that it has started
      return;
    }
    if (ready > 0 && !reader.Read(fd)) return;
  }
}

}  // namespace

Result<ChildOutcome> RunInChild(const RunSpec& spec, const ChildOptions& options) {
  LSMLAB_TRY(WriteWholeFile(options.spec_path, SpecText(spec)));
  LSMLAB_TRY(WriteWholeFile(options.records_path, ""));
  std::fflush(stdout);
  int fd = -1;
  Result<pid_t> pid = Spawn(options, &fd);
  if (!pid.ok()) return pid.status();
  ChildOutcome outcome;
  Attend(pid.value(), fd, options, &outcome);
  close(fd);
  int status = 0;
  while (waitpid(pid.value(), &status, 0) < 0 && errno == EINTR) {
  }
  if (outcome.error.empty()) outcome.error = ExitText(status);
  if (outcome.interrupted) outcome.error = "interrupted";
  std::ifstream records(options.records_path);
  for (std::string line; std::getline(records, line);) {
    if (SummarizeLine(line).ok()) outcome.lines.push_back(line);
  }
  return outcome;
}

int ChildMain(const std::string& spec_path, const std::string& records_path) {
  WatchInterrupts();
  fcntl(kProgressFd, F_SETFD, FD_CLOEXEC);  // the end of this process is the end of the pipe
  Result<std::string> text = ReadWholeFile(spec_path, size_t{64} << 20);
  const Result<RunSpec> spec = text.ok() ? ParseSpec(text.value()) : text.status();
  if (!spec.ok()) {
    std::fprintf(stderr, "lsmlab: child: %s\n", std::string(spec.status().message()).c_str());
    return 2;
  }
  const Provenance provenance = FindProvenance(ParentDirectory(spec.value().directory));
  Status writing;
  RunListener listener;
  listener.on_record = [&](RunRecord record) {
    const Status status = AppendLine(records_path, RecordLine(record, provenance));
    if (writing.ok()) writing = status;
  };
  listener.on_progress = [](const std::string& phase, const PhaseProgress& p) {
    char line[128];
    const int size = std::snprintf(line, sizeof line, "%s %llu %llu %.3f\n", phase.c_str(),
                                   static_cast<unsigned long long>(p.ops),
                                   static_cast<unsigned long long>(p.total_ops), p.elapsed_s);
    // Nobody listens any more: the run goes on, its record counts.
    [[maybe_unused]] const ssize_t sent = write(kProgressFd, line, static_cast<size_t>(size));
  };
  signal(SIGPIPE, SIG_IGN);
  Status status = ExecuteRun(spec.value(), InterruptFlag(), listener);
  if (status.ok()) status = writing;
  if (status.ok() || InterruptFlag().load()) return 0;
  std::fprintf(stderr, "lsmlab: %s: %s\n", RunLabel(spec.value().identity).c_str(),
               status.ToString().c_str());
  return 1;
}

}  // namespace lsmlab::harness
