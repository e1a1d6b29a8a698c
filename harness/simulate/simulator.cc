#include "harness/simulate/simulator.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/tree/pacing.h"

namespace lsmlab::harness {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
// Simulated time begins here: for policies, 0 is no time.
constexpr int64_t kEpochNanos = 1'600'000'000'000'000'000;
// A phase is at its end when less than this is left of a write.
constexpr double kNoWrite = 1e-6;
// How often a policy is asked in vain for a job, by the clock alone, before stopped writers give
// up.
constexpr int kIdleEventsMax = 100'000;

// Ranks of YCSB's scrambled zipfian distribution, however many keys there are.
constexpr double kScrambledItems = 1e10;

KeyPopularity PopularityOf(const SimWorkload& workload) {
  switch (workload.order) {
    case SimWorkload::Order::kZipfian:
      return KeyPopularity::Zipfian(workload.keys, workload.theta);
    case SimWorkload::Order::kScrambled:
      return KeyPopularity::Scrambled(workload.keys, workload.theta,
                                      std::max(workload.keys, kScrambledItems));
    default:
      return KeyPopularity::Uniform(workload.keys);
  }
}

}  // namespace

Simulator::Simulator(const SimSetup& setup)
    : setup_(setup),
      policy_(setup.composition.compaction.variant->make(setup.composition.compaction.settings)),
      model_(PopularityOf(setup.workload), setup.workload.delete_share,
             setup.workload.order == SimWorkload::Order::kSequential
                 ? ContentModel::Mean::kOfKeys
                 : ContentModel::Mean::kOfDraws),
      tree_(policy_->levels()),
      random_(setup.workload.seed),
      memtable_bytes_(static_cast<double>(setup.composition.memtable.settings.Bytes("size"))),
      memtable_age_s_(static_cast<double>(setup.composition.memtable.settings.Nanos("max_age")) *
                      1e-9),
      memtable_smallest_(
          static_cast<double>(setup.composition.memtable.settings.Bytes("smallest"))),
      sealed_max_(static_cast<size_t>(setup.composition.memtable.settings.Integer("max_waiting"))),
      written_by_level_(policy_->levels()),
      read_by_level_(policy_->levels()) {
  memtable_.log_number = next_file_++;
  const int64_t interval_ns = policy_->check_interval_ns();
  if (interval_ns > 0) tick_s_ = next_tick_s_ = static_cast<double>(interval_ns) * 1e-9;
}

Status Simulator::Run() {
  const SimWorkload& w = setup_.workload;
  const double loaded_keys = w.load ? w.keys * w.load_share : 0;
  const double load_bytes = loaded_keys * w.put_bytes();
  const double all_bytes = load_bytes + w.user_bytes;
  if (w.load) {
    loading_ = true;
    LSMLAB_TRY(WritePhase("load", loaded_keys, std::ceil(w.samples * load_bytes / all_bytes)));
    LSMLAB_TRY(Drain());
    AddSample(true);
    loading_ = false;
    position_ = 0;
  }
  if (w.user_bytes > 0) {
    LSMLAB_TRY(WritePhase("write", w.user_bytes / w.mean_write_bytes(),
                          std::ceil(w.samples * w.user_bytes / all_bytes)));
    AddSample(false);
    LSMLAB_TRY(Drain());
    AddSample(true);
  }
  return {};
}

// Samples are taken in between only: the caller takes that of the end.
Status Simulator::WritePhase(std::string_view phase, double writes, double samples) {
  phase_ = phase;
  const bool sequential = setup_.workload.order == SimWorkload::Order::kSequential;
  double left = writes, next_sample = 1;
  while (left > kNoWrite) {
    const double capacity = WritesPerMemtable();
    double part = std::min(left, capacity - memtable_.writes);
    // What is written again goes into another memtable, so that each holds one stretch of keys.
    const bool wraps = sequential && setup_.workload.keys >= capacity;
    if (wraps) part = std::min(part, setup_.workload.keys - position_);
    const double sample_at = writes * (1 - next_sample / samples);  // left then
    if (next_sample < samples) part = std::min(part, left - sample_at);
    part = std::max(part, 0.0);
    const double seconds = part / WriterRate();
    const NextEvent event = FindNextEvent(seconds);
    if (event.kind != NextEvent::Kind::kNone && event.after_s <= seconds) {
      const double before = seconds > 0 ? part * event.after_s / seconds : 0;
      Fill(before, event.after_s);
      left -= before;
      LSMLAB_TRY(HandleEvent(event));
      continue;
    }
    Fill(part, seconds);
    left -= part;
    if (next_sample < samples && left <= sample_at + kNoWrite) {
      AddSample(false);
      ++next_sample;
    }
    const bool at_end = wraps && position_ >= setup_.workload.keys - kNoWrite;
    if (memtable_.writes >= capacity - kNoWrite || at_end) LSMLAB_TRY(RotateWhenAllowed());
    if (at_end) position_ = 0;
  }
  return {};
}

double Simulator::WritesPerMemtable() const {
  const double deletes = loading_ ? 0 : setup_.workload.delete_share;
  const double each =
      (1 - deletes) * setup_.costs.memtable_put + deletes * setup_.costs.memtable_tombstone;
  return std::max(1.0, memtable_bytes_ / each);
}

// Writes per second.
double Simulator::WriterRate() const {
  const SimWorkload& w = setup_.workload;
  const double wanted = w.write_rate > 0 ? w.write_rate : kNever;
  const double each = loading_ ? w.put_bytes() : w.mean_write_bytes();
  return std::min(wanted, pressure_ > 1 ? PacedBytesPerSecond(pressure_) : kNever) / each;
}

void Simulator::Fill(double writes, double seconds) {
  if (memtable_.writes == 0 && writes > 0) {
    memtable_.begun_s = totals_.time_s;
    memtable_.wakes_s = totals_.time_s + memtable_age_s_;
    memtable_.first_position = position_;
    memtable_.first_sequence = static_cast<Sequence>(writes_) + 1;
  }
  const SimWorkload& w = setup_.workload;
  if (pressure_ > 1 && seconds > 0) {
    const double wanted = w.write_rate > 0 ? w.write_rate : kNever;
    totals_.slowdown_s += seconds * (1 - std::min(1.0, PacedBytesPerSecond(pressure_) / wanted));
  }
  memtable_.writes += writes;
  position_ += writes;
  writes_ += writes;
  memtable_.last_sequence = static_cast<Sequence>(writes_);
  totals_.user_bytes += writes * (loading_ ? w.put_bytes() : w.mean_write_bytes());
  Advance(seconds);
}

Status Simulator::RotateWhenAllowed() {
  const double begun_s = totals_.time_s;
  const bool memtables = sealed_.size() >= sealed_max_;
  int idle = 0;
  while (MustStop()) {
    const NextEvent event = FindNextEvent(kNever);
    if (event.kind == NextEvent::Kind::kNone || (jobs_.empty() && ++idle > kIdleEventsMax)) {
      return Status::Aborted("the simulation: writers have stopped for good after " +
                             SizeText(totals_.user_bytes) +
                             ": the policy wants them to wait but starts no job");
    }
    Advance(event.after_s);
    LSMLAB_TRY(HandleEvent(event));
  }
  (memtables ? totals_.stall_memtable_s : totals_.stall_debt_s) += totals_.time_s - begun_s;
  Rotate();
  return Schedule();
}

// Whether a full memtable must wait before it is sealed.
bool Simulator::MustStop() const noexcept {
  return sealed_.size() >= sealed_max_ || pressure_ >= 2;
}

void Simulator::Rotate() {
  sealed_.push_back(memtable_);
  memtable_ = {};
  memtable_.log_number = next_file_++;
}

Status Simulator::Drain() {
  if (memtable_.writes > 0) Rotate();
  LSMLAB_TRY(Schedule());
  while (!jobs_.empty()) {
    const NextEvent event = FindNextEvent(kNever);
    Advance(event.after_s);
    LSMLAB_TRY(HandleEvent(event));
  }
  return {};
}

// The first tick within the next `within_s` seconds at which the policy starts a job, in seconds
// from now; kNever: none. What is due by its age stays due while the tree stays as it is: so the
// last tick tells for all, and asking about every one, of which there may be millions, is spared.
double Simulator::FirstTickOfUse(double within_s) const {
  if (tick_s_ <= 0 || compactions_running_ >= setup_.workload.jobs) return kNever;
  const double passed = std::max(0.0, totals_.time_s - next_tick_s_);
  const double first = next_tick_s_ + std::ceil(passed / tick_s_) * tick_s_ - totals_.time_s;
  if (first >= within_s) return kNever;
  if (within_s == kNever) return std::max(0.0, first);
  const auto is_of_use = [&](double tick) {
    const auto after_ns = static_cast<int64_t>((first + tick * tick_s_) * 1e9);
    return policy_->Pick(tree_.shape(), policy_state_, now_ns() + after_ns).has_value();
  };
  double least = 0, most = std::floor((within_s - first) / tick_s_);
  if (most > 0 && !is_of_use(most)) return kNever;
  while (least < most) {
    const double middle = std::floor((least + most) / 2);
    if (is_of_use(middle)) {
      most = middle;
    } else {
      least = middle + 1;
    }
  }
  return std::max(0.0, first + least * tick_s_);
}

// What comes first within the next `within_s` seconds, or later.
Simulator::NextEvent Simulator::FindNextEvent(double within_s) const {
  NextEvent next;
  double soonest = kNever;
  for (size_t i = 0; i < jobs_.size(); ++i) {
    const double after = std::max(0.0, 1 - jobs_[i].done) / SpeedOf(jobs_[i]);
    if (after < soonest) {
      soonest = after;
      next = {NextEvent::Kind::kJob, after, i};
    }
  }
  const double age = memtable_.wakes_s - totals_.time_s;
  if (memtable_age_s_ > 0 && memtable_.writes > 0 && age < soonest) {
    soonest = age;
    next = {NextEvent::Kind::kAge, std::max(0.0, age), 0};
  }
  const double tick = FirstTickOfUse(std::min(soonest, within_s));
  if (tick < soonest) next = {NextEvent::Kind::kTick, tick, 0};
  return next;
}

Status Simulator::HandleEvent(const NextEvent& event) {
  switch (event.kind) {
    case NextEvent::Kind::kJob:
      EndJob(event.job);
      UpdatePressure();
      break;
    case NextEvent::Kind::kTick:
      next_tick_s_ = totals_.time_s + tick_s_;
      break;
    case NextEvent::Kind::kAge:
      if (MustStop() ||
          memtable_.writes / WritesPerMemtable() * memtable_bytes_ < memtable_smallest_) {
        memtable_.wakes_s += memtable_age_s_;
      } else {
        Rotate();
      }
      break;
    case NextEvent::Kind::kNone:
      break;
  }
  return Schedule();
}

// Shares of the job per second. A flush has a background thread as soon as it wants one;
// compactions take turns on the others.
double Simulator::SpeedOf(const Job& job) const {
  const SimWorkload& w = setup_.workload;
  double speed = kNever;
  if (w.job_bandwidth > 0 && job.bytes_in > 0) {
    const double threads = std::max(0.0, w.jobs - (flush_running_ ? 1.0 : 0.0));
    const double turn = job.flush ? 1 : std::min(1.0, threads / compactions_running_);
    speed = w.job_bandwidth * turn / job.bytes_in;
  }
  if (w.device_write_bandwidth > 0 && job.bytes_out > 0) {
    const double share = w.device_write_bandwidth / static_cast<double>(jobs_.size());
    speed = std::min(speed, share / job.bytes_out);
  }
  return speed;
}

void Simulator::Advance(double seconds) {
  if (seconds <= 0) return;
  for (Job& job : jobs_) job.done = std::min(1.0, job.done + seconds * SpeedOf(job));
  totals_.time_s += seconds;
}

int64_t Simulator::now_ns() const noexcept {
  return kEpochNanos + static_cast<int64_t>(totals_.time_s * 1e9);
}

// What the tree adds to the shape before it is shown.
void Simulator::ShowShape() {
  TreeShape& shape = tree_.mutable_shape();
  shape.jobs.clear();
  for (const Job& job : jobs_) {
    if (!job.flush) shape.jobs.push_back(job.shape);
  }
  double waiting = 0;
  for (const SimMemtable& memtable : sealed_) {
    waiting += memtable.writes / WritesPerMemtable() * memtable_bytes_;
  }
  shape.waiting_memtable_bytes = static_cast<uint64_t>(waiting);
  policy_->SetTargets(shape);
}

void Simulator::UpdatePressure() {
  ShowShape();
  pressure_ = policy_->Pressure(tree_.shape());
  totals_.pressure_most = std::max(totals_.pressure_most, pressure_);
}

Status Simulator::Schedule() {
  if (!flush_running_ && !sealed_.empty()) StartFlush();
  while (compactions_running_ < setup_.workload.jobs) {
    ShowShape();
    std::optional<CompactionPlan> plan = policy_->Pick(tree_.shape(), policy_state_, now_ns());
    if (!plan.has_value()) break;
    LSMLAB_TRY(StartCompaction(std::move(*plan)));
  }
  return {};
}

void Simulator::AddSample(bool drained) {
  ShowShape();
  SimSample sample;
  sample.phase = phase_;
  sample.drained = drained;
  sample.totals = totals_;
  sample.pressure = pressure_;
  LookAtTree(tree_, model_, setup_.costs, setup_.workload.put_bytes(), &sample);
  for (size_t level = 0; level < sample.levels.size(); ++level) {
    sample.levels[level].written_bytes = written_by_level_[level];
    sample.levels[level].read_bytes = read_by_level_[level];
  }
  samples_.push_back(std::move(sample));
}

}  // namespace lsmlab::harness
