#include "harness/run/run_store.h"

#include <algorithm>
#include <thread>

#include "harness/driver/op_executor.h"
#include "harness/driver/process_usage.h"
#include "harness/driver/tick_clock.h"
#include "harness/peers/config_view.h"
#include "harness/peers/engines.h"
#include "harness/record/provenance.h"
#include "harness/run/idle_parts.h"

namespace lsmlab::harness {
namespace {

using workloads::OpStream;
using workloads::Workload;

std::string HexDigest(const std::vector<uint64_t>& by_thread) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(workloads::CombineDigests(by_thread)));
  return text;
}

std::optional<std::string> Setting(const workloads::WorkloadInfo& info, std::string_view name) {
  for (const auto& [key, value] : info.settings) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string ValueSourceText(const workloads::WorkloadInfo& info) {
  const std::string ratio = Setting(info, "lsmlab.compressibility").value_or("0");
  const bool aimed = std::strtod(ratio.c_str(), nullptr) > 0;
  return "pool of 1 MiB, " + (aimed ? "compressible " + ratio + ":1" : "printable as YCSB's");
}

// Everything of one run, in the order of its life.
class Run {
 public:
  Run(const RunSpec& spec, const std::atomic<bool>& stop, const RunListener& listener)
      : spec_(spec), stop_(stop), listener_(listener) {}

  Status Execute() {
    Status status = Prepare();
    if (status.ok() && spec_.load) status = Phase("load");
    if (status.ok() && spec_.run) status = Phase("run");
    if (!status.ok()) ReportMissing(status);
    if (store_ != nullptr) {
      const Status closed = store_->Close();
      if (status.ok()) status = closed;
    }
    return status;
  }

 private:
  Status Prepare() {
    Result<EngineSetup> setup = SetUpEngine(spec_.identity.engine, spec_.config);
    if (!setup.ok()) return setup.status();
    setup_ = std::move(setup).value();
    Result<std::unique_ptr<Workload>> workload =
        workloads::OpenWorkload(spec_.workload_file, spec_.properties);
    if (!workload.ok()) return workload.status();
    workload_ = std::move(workload).value();
    rss_before_open_ = ReadProcessUsage().rss_bytes;
    Result<std::unique_ptr<StoreAdapter>> store =
        FindEngine(setup_.engine)->open({setup_, workload_->info(), spec_.directory, spec_.fresh});
    if (!store.ok()) return store.status();
    store_ = std::move(store).value();
    return {};
  }

  RunRecord NewRecord(const std::string& phase) const {
    RunRecord record;
    record.identity = spec_.identity;
    record.phase = phase;
    record.load = LoadOrigin(spec_, phase);
    record.started_at = UtcTimestamp();
    record.rss_before_open_bytes = rss_before_open_;
    record.config = setup_.config;
    record.config_hash = ConfigHash(setup_.config);
    record.conditions = {};
    for (const auto& [name, text] : ConditionsOf(setup_, spec_.threads)) {
      record.conditions[name] = text;
    }
    if (spec_.touch_bytes != 0) {
      record.conditions["touched_memory"] = std::to_string(spec_.touch_bytes >> 20) + " MiB";
    }
    const std::string io = store_ != nullptr ? store_->IoBackend() : "";
    if (!io.empty()) record.conditions["io"] = io;
    if (workload_ != nullptr) {
      const workloads::WorkloadInfo& info = workload_->info();
      record.workload_deviations = info.deviations;
      record.workload_ignored = info.ignored;
      record.workload_settings = info.settings;
      record.value_source = ValueSourceText(info);
    }
    record.warmup = NameOf(spec_.warmup);
    record.clock = TickClock::Get().uses_counter() ? "tsc" : "clock_gettime";
    record.expect = spec_.expect;
    return record;
  }

  Status NewPlan(const std::string& phase, PhasePlan* plan) const {
    const workloads::WorkloadInfo& info = workload_->info();
    const bool load = phase == "load";
    for (uint32_t thread = 0; thread < spec_.threads; ++thread) {
      const workloads::StreamOptions options{thread, spec_.threads, spec_.identity.seed,
                                             setup_.driver.depth};
      Result<std::unique_ptr<OpStream>> stream =
          load ? workload_->NewLoadStream(options) : workload_->NewRunStream(options);
      if (!stream.ok()) return stream.status();
      plan->streams.push_back(std::move(stream).value());
    }
    plan->total_ops = load ? info.load_count : info.operation_count;
    plan->max_seconds = load ? spec_.load_seconds : spec_.run_seconds;
    if (!load && info.max_execution_seconds > 0) {
      plan->max_seconds = plan->max_seconds > 0
                              ? std::min(plan->max_seconds, info.max_execution_seconds)
                              : info.max_execution_seconds;
    }
    plan->interval_s = spec_.interval_s;
    plan->depth = setup_.driver.depth;
    plan->target_ops_per_s = load ? 0 : info.target_ops_per_s;
    plan->keeps_data = FindEngine(setup_.engine)->keeps_data;
    plan->not_found_is_failure =
        info.mix[static_cast<size_t>(workloads::OpKind::kDelete)] == 0 && !Forgets();
    plan->stop = &stop_;
    if (listener_.on_progress) {
      plan->on_progress = [this, phase](const PhaseProgress& p) {
        listener_.on_progress(phase, p);
      };
    }
    return {};
  }

  // With what is to go on beside it, whose error counts as the phase's. `after`: what the process
  // had used when the phase ended, which what goes on beside it may outlive.
  PhaseResult Drive(const std::string& phase, PhasePlan& plan, ProcessUsage* after) {
    Status compacted;
    std::atomic<bool> is_compacted{false};
    std::thread beside;
    if (phase == "run" && setup_.driver.compact) {
      // What is measured is the time beside it, none after it.
      plan.ends = &is_compacted;
      beside = std::thread([&] {
        compacted = store_->CompactAll();
        is_compacted.store(true);
      });
    }
    PhaseResult result = store_->drives_itself() ? store_->Drive(phase == "load", plan)
                                                 : DrivePhase(*store_, workload_->info(), plan);
    *after = ReadProcessUsage();
    if (beside.joinable()) beside.join();
    plan.ends = nullptr;
    if (result.error.ok()) result.error = compacted;
    return result;
  }

  Status Phase(const std::string& phase) {
    if (phase == "run") LSMLAB_TRY(BringToCondition());
    PhasePlan plan;
    LSMLAB_TRY(NewPlan(phase, &plan));
    reported_.push_back(phase);
    RunRecord record = NewRecord(phase);
    (void)store_->TakeEvents();
    const CounterMap counters = store_->Counters();
    const ProcessUsage before = ReadProcessUsage();
    ProcessUsage after;
    record.measured = Drive(phase, plan, &after);
    const PhaseResult& measured = *record.measured;
    Status status = measured.error;
    if (status.ok() && measured.interrupted) status = Status::Aborted("interrupted");
    if (status.ok() && phase == "load" && plan.max_seconds > 0 &&
        measured.ops < measured.ops_planned) {
      // A run would ask for records that are not there, and find that cheap.
      status =
          Status::Aborted("the load ended at its limit, after " + std::to_string(measured.ops) +
                          " of " + std::to_string(measured.ops_planned) +
                          (store_->drives_itself() ? " requests" : " records"));
    }
    // The phase of the load owns the work it has left behind; the run only where it is asked for
    // bytes: its window must be comparable to the one before the drain.
    if (status.ok() && (phase == "load" ? spec_.drain : spec_.drain_run)) {
      status = store_->Drain();
      if (status.ok())
        record.drained_s = static_cast<double>(NowNanos() - measured.start_ns) * 1e-9;
    }
    TakeFigures(counters, before, after, &record);
    record.complete = status.ok();
    if (!status.ok()) record.error = status.message();
    if (listener_.on_record) listener_.on_record(std::move(record));
    return status;
  }

  void TakeFigures(const CounterMap& counters_before, const ProcessUsage& before,
                   const ProcessUsage& after, RunRecord* record) {
    record->counters = store_->Counters();
    for (auto& [name, value] : record->counters) {
      const auto earlier = counters_before.find(name);
      if (earlier != counters_before.end()) value -= earlier->second;
    }
    record->gauges = store_->Gauges();
    record->events = store_->TakeEvents();
    record->levels = store_->Levels();
    record->cpu_user_s = after.cpu_user_s - before.cpu_user_s;
    record->cpu_system_s = after.cpu_system_s - before.cpu_system_s;
    record->context_switches = after.context_switches - before.context_switches;
    record->rss_peak_bytes = ReadProcessUsage().rss_peak_bytes;
    if (before.has_io && after.has_io) {
      record->device_read_bytes = after.device_read_bytes - before.device_read_bytes;
      record->device_write_bytes = after.device_write_bytes - before.device_write_bytes;
    }
    record->workload_digest = HexDigest(record->measured->digests);
    Amplify(record);
    record->memory_headroom = MemoryHeadroom(record->rss_peak_bytes);
    record->idle_parts = IdleParts(spec_.compared_parts, *record);
  }

  bool Forgets() const {
    return setup_.engine == "lsmlab" && ShareConditions(setup_.composed.composition).forgets;
  }

  static double At(const CounterMap& counters, std::string_view name) {
    const auto found = counters.find(name);
    return found == counters.end() ? 0 : found->second;
  }

  double MemoryHeadroom(uint64_t rss_peak_bytes) const {
    if (!FindEngine(setup_.engine)->keeps_data) return 1;
    const SharedConditions shared = ShareConditions(setup_.composed.composition);
    const int shards = setup_.engine == "lsmlab" ? shared.shards : 1;
    const auto memtables = static_cast<double>(shared.memtable_bytes) *
                           static_cast<double>(shared.waiting_memtables + 1) * shards;
    constexpr double kSlack = 64 << 20;
    const double allowed = 1.2 * (memtables + static_cast<double>(shared.cache_bytes)) + kSlack;
    const uint64_t taken =
        rss_peak_bytes > rss_before_open_ ? rss_peak_bytes - rss_before_open_ : 1;
    return allowed / static_cast<double>(taken);
  }

  void Amplify(RunRecord* record) {
    const CounterMap& c = record->counters;
    const PhaseResult& measured = *record->measured;
    const auto user = static_cast<double>(measured.user_bytes_written);
    if (c.count("flush_bytes") != 0 && user > 0) {
      record->write_amplification =
          (At(c, "flush_bytes") + At(c, "compaction_bytes_written") + At(c, "value_gc_bytes")) /
          user;
    }
    const double gets = At(c, "gets");
    if (c.count("block_reads") != 0 && gets > 0 && At(c, "seeks") == 0) {
      record->read_amplification = (At(c, "block_reads") + At(c, "value_reads")) / gets;
    }
    live_bytes_ += measured.insert_bytes;
    deletes_ += measured.deletes;
    const auto tables = record->gauges.find("table_bytes");
    if (tables != record->gauges.end() && tables->second > 0 && spec_.load && deletes_ == 0) {
      const double stored = tables->second + At(record->gauges, "value_bytes");
      record->space_amplification = stored / static_cast<double>(live_bytes_);
    }
  }

  // Before a measured run phase: nothing owed, and what the warm-up reads is in the cache,
  // as far as it fits.
  Status BringToCondition() {
    if (spec_.drain) LSMLAB_TRY(store_->Drain());
    if (spec_.warmup == Warmup::kNone || store_->drives_itself()) return {};
    const std::unique_ptr<StoreSession> session = store_->NewSession();
    uint64_t sum = 0;
    if (session->Scan(Slice(), {}, workload_->info().record_count, &sum) == Outcome::kFailed)
      return session->error();
    asm volatile("" : : "r"(sum));
    if (spec_.warmup == Warmup::kScan) return {};
    Result<std::unique_ptr<OpStream>> keys =
        workload_->NewLoadStream({0, 1, spec_.identity.seed, 1});
    if (!keys.ok()) return keys.status();
    workloads::Operation op;
    while (!stop_.load(std::memory_order_relaxed) && keys.value()->Next(&op)) {
      Slice value;
      if (session->Get(op.key, &value) == Outcome::kFailed) return session->error();
      sum += TouchBytes(value);
      keys.value()->Acknowledge(op.key_number);
    }
    asm volatile("" : : "r"(sum));
    return {};
  }

  // Phases that never began still get their record: it says why.
  void ReportMissing(const Status& status) {
    for (const std::string phase : {"load", "run"}) {
      const bool wanted = phase == "load" ? spec_.load : spec_.run;
      const bool done = std::find(reported_.begin(), reported_.end(), phase) != reported_.end();
      if (!wanted || done || !listener_.on_record) continue;
      RunRecord record = NewRecord(phase);
      record.error = status.message();
      listener_.on_record(std::move(record));
    }
  }

  const RunSpec& spec_;
  const std::atomic<bool>& stop_;
  const RunListener& listener_;
  EngineSetup setup_;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<StoreAdapter> store_;
  std::vector<std::string> reported_;
  uint64_t rss_before_open_ = 0;
  uint64_t live_bytes_ = 0, deletes_ = 0;
};

}  // namespace

std::string RunLabel(const RunIdentity& identity) {
  return identity.variant + " " + identity.workload + " block " +
         std::to_string(identity.block + 1);
}

std::string LoadOrigin(const RunSpec& spec, std::string_view phase) {
  if (phase == "load" || spec.load) return "fresh";
  return spec.copies.empty() ? "" : "copied";
}

Status ExecuteRun(const RunSpec& spec, const std::atomic<bool>& stop, const RunListener& listener) {
  (void)TickClock::Get();  // calibrates outside any window
  return Run(spec, stop, listener).Execute();
}

}  // namespace lsmlab::harness
