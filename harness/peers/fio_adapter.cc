#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/clock.h"
#include "harness/driver/phase.h"
#include "harness/peers/engines.h"
#include "harness/record/json.h"
#include "harness/run/files.h"

// No store: fio, which asks the device itself. Its load writes a file as large as the workload's
// records, its run reads or writes it in the pattern of peers.fio.run, both with as many jobs as
// there are clients and as many requests under way in each as driver.depth says. Its latencies
// count from the moment at which a request is issued, also with peers.fio.pace. So an experiment
// has, in the same blocks as its stores, what the device gives at most.
namespace lsmlab::harness {
namespace {

constexpr SettingSpec kFioSettings[] = {
    {"run", SettingType::kChoice, "randread", 0, 0, "randread|randwrite|read|write",
     "what the run does: random or sequential, reads or writes; a load always writes in order"},
    {"block", SettingType::kBytes, "4KiB", 512, 16 << 20, "", "bytes of a request of the run"},
    {"load_block", SettingType::kBytes, "1MiB", 4096, 16 << 20, "", "bytes of a request of a load"},
    {"load_depth", SettingType::kInteger, "4", 1, 1024, "", "requests under way in a load"},
    {"engine", SettingType::kChoice, "io_uring", 0, 0, "io_uring|psync", "fio's ioengine"},
    {"direct", SettingType::kBool, "true", 0, 0, "", "past the page cache"},
    {"durable", SettingType::kBool, "false", 0, 0, "", "each write of the run is synced (O_DSYNC)"},
    {"pace", SettingType::kInteger, "0", 0, 100'000'000, "",
     "requests a second of the run, all jobs together; 0: as fast as possible"},
};

constexpr const char* kDataFile = "fio.data";
constexpr uint64_t kFileGrain = 1 << 20;

struct FioJob {
  std::string pattern, engine;
  uint64_t block = 0, file_bytes = 0, requests = 0, pace = 0;
  uint32_t jobs = 1, depth = 1;
  double seconds = 0;  // 0: until the requests are done
  bool direct = true, durable = false;
  bool ends_synced = false;  // as a table is
};

// The jobs share one file; each does its part of the requests.
std::vector<std::string> CommandLine(const FioJob& job, const std::string& directory,
                                     const std::string& report) {
  const uint64_t each = std::max<uint64_t>(1, job.requests / job.jobs);
  const bool by_time = job.requests == 0;
  std::vector<std::string> line = {
      "fio",
      "--name=lsmlab",
      "--filename=" + directory + "/" + kDataFile,
      "--size=" + std::to_string(job.file_bytes),
      "--rw=" + job.pattern,
      "--bs=" + std::to_string(job.block),
      "--ioengine=" + job.engine,
      "--iodepth=" + std::to_string(job.depth),
      "--numjobs=" + std::to_string(job.jobs),
      "--direct=" + std::to_string(job.direct ? 1 : 0),
      "--thread=1",
      "--group_reporting=1",
      "--norandommap=1",
      "--randrepeat=1",
      "--invalidate=0",
      "--fallocate=none",
      "--lat_percentiles=1",
      "--output-format=json+",
      "--output=" + report,
  };
  if (by_time) {
    line.emplace_back("--time_based");
  } else {
    line.push_back("--io_size=" + std::to_string(each * job.block));
  }
  if (job.durable) line.emplace_back("--sync=dsync");
  if (job.ends_synced) line.emplace_back("--end_fsync=1");
  if (job.pace > 0) {
    line.push_back("--rate_iops=" + std::to_string(std::max<uint64_t>(1, job.pace / job.jobs)));
    line.emplace_back("--rate_process=poisson");
  }
  if (job.seconds > 0) {
    line.push_back("--runtime=" + std::to_string(static_cast<uint64_t>(job.seconds * 1000)) + "ms");
  }
  return line;
}

// Runs the program to its end, or kills it when `stop` is set.
Status RunProgram(std::vector<std::string> line, const std::string& messages,
                  const std::atomic<bool>* stop) {
  std::vector<char*> arguments;
  for (std::string& argument : line) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, messages.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) {
    return Status::NotFound("the program fio is not there; `make deps` installs it");
  }
  if (error != 0) return Status::IoError(std::string("fio: ") + std::strerror(error));
  int status = 0;
  bool killed = false;
  while (true) {
    const pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) break;
    if (ended < 0 && errno != EINTR) return Status::IoError("waitpid failed");
    if (!killed && stop != nullptr && stop->load()) killed = kill(pid, SIGINT) == 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  if (killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return {};
  auto text = ReadWholeFile(messages, 1 << 20);
  std::string first = text.ok() ? text.value().substr(0, text.value().find('\n')) : "";
  return Status::IoError("fio failed: " + first);
}

class FioAdapter final : public StoreAdapter {
 public:
  FioAdapter(const OpenRequest& request)
      : settings_(request.setup.peer),
        directory_(request.path),
        file_bytes_(
            (request.workload.record_count * request.workload.max_record_bytes + kFileGrain) /
            kFileGrain * kFileGrain) {}

  std::unique_ptr<StoreSession> NewSession() override { return nullptr; }
  bool drives_itself() const noexcept override { return true; }

  PhaseResult Drive(bool load, const PhasePlan& plan) override {
    PhaseResult result;
    FioJob job;
    job.file_bytes = file_bytes_;
    job.engine = settings_.Choice("engine");
    job.direct = settings_.Bool("direct");
    job.seconds = plan.max_seconds;
    if (load) {
      job.pattern = "write";
      job.block = settings_.Bytes("load_block");
      job.depth = static_cast<uint32_t>(settings_.Integer("load_depth"));
      job.requests = (file_bytes_ + job.block - 1) / job.block;
      job.ends_synced = true;
    } else {
      job.pattern = settings_.Choice("run");
      job.block = settings_.Bytes("block");
      job.depth = plan.depth;
      job.jobs = static_cast<uint32_t>(plan.streams.size());
      job.requests = plan.total_ops;
      job.durable = settings_.Bool("durable");
      job.pace = static_cast<uint64_t>(settings_.Integer("pace"));
    }
    if (job.requests == 0 && job.seconds == 0) {
      result.error = Status::InvalidArgument(
          "fio: neither operationcount nor a limit of the run says when it ends");
      return result;
    }
    const std::string report = directory_ + "/fio.json";
    result.ops_planned = job.requests;
    result.start_ns = NowNanos();
    result.error =
        RunProgram(CommandLine(job, directory_, report), directory_ + "/fio.text", plan.stop);
    for (const auto& stream : plan.streams) result.digests.push_back(stream->digest());
    result.interrupted = plan.stop != nullptr && plan.stop->load();
    if (!result.error.ok() || result.interrupted) return result;
    auto text = ReadWholeFile(report, size_t{64} << 20);
    if (!text.ok()) {
      result.error = text.status();
      return result;
    }
    const bool writes = job.pattern.ends_with("write");
    result.error = ReadFioReport(text.value(), writes, &result);
    if (writes) counters_["write_bytes"] += static_cast<double>(result.ops * job.block);
    if (!writes) counters_["block_reads"] += static_cast<double>(result.ops);
    if (!writes) counters_["gets"] += static_cast<double>(result.ops);
    if (load) {
      // What a flush of a store is compared with.
      result.inserts = result.ops;
      const int64_t end_ns = result.start_ns + static_cast<int64_t>(result.elapsed_s * 1e9);
      const uint64_t bytes = result.ops * job.block;
      events_.push_back({"flush", "fio", result.start_ns, end_ns, bytes, bytes, 0});
    }
    return result;
  }

  Status Drain() override { return {}; }
  CounterMap Counters() override { return counters_; }
  CounterMap Gauges() override { return {}; }
  std::vector<EngineEvent> TakeEvents() override { return std::move(events_); }
  std::vector<LevelState> Levels() override { return {}; }
  std::string IoBackend() const override { return settings_.Choice("engine"); }
  Status Close() override { return {}; }

 private:
  const SettingBag settings_;
  const std::string directory_;
  const uint64_t file_bytes_;
  CounterMap counters_;
  std::vector<EngineEvent> events_;
};

Result<std::unique_ptr<StoreAdapter>> OpenFio(const OpenRequest& request) {
  if (request.create) LSMLAB_TRY(MakeDirectories(request.path));
  return std::unique_ptr<StoreAdapter>(std::make_unique<FioAdapter>(request));
}

// It has no cache, log, filter or memtable to compare.
void AmendConditions(const EngineSetup& setup, uint32_t,
                     std::map<std::string, std::string>& conditions) {
  conditions = {{"threads", conditions["threads"]},
                {"depth", conditions["depth"]},
                {"request_bytes", std::to_string(setup.peer.Bytes("block"))},
                {"direct_io", setup.peer.Bool("direct") ? "all" : "none"},
                {"durability", setup.peer.Bool("durable") ? "power loss" : "none"}};
}

}  // namespace

const EngineInfo kFioEngine = {
    "fio",          "no store: what the device gives to fio, with the same clients and depth",
    kFioSettings,   OpenFio,
    true,           true,
    AmendConditions};

}  // namespace lsmlab::harness
