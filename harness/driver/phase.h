#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/histogram.h"
#include "harness/driver/adapter.h"
#include "workloads/workload.h"

namespace lsmlab::harness {

// Latencies are kept by kind of operation; a read of a key that never existed is a kind of its own.
constexpr size_t kLatencyKinds = workloads::kOpKindCount + 1;
constexpr size_t kReadMissing = workloads::kOpKindCount;
// "insert", "read", "update", "rmw", "scan", "seek", "delete", "readmissing": names in records.
std::string_view LatencyKindName(size_t kind) noexcept;

struct PhaseProgress {
  uint64_t ops = 0;
  uint64_t total_ops = 0;  // 0: unknown
  double elapsed_s = 0;
};

// One phase to be driven: a stream per client thread, all started at one barrier.
struct PhasePlan {
  std::vector<std::unique_ptr<workloads::OpStream>> streams;
  uint64_t total_ops = 0;                   // for progress; 0: unknown
  double max_seconds = 0;                   // 0: until the streams end
  double interval_s = 0.1;                  // of the series
  double target_ops_per_s = 0;              // all threads together; 0: as fast as possible
  uint32_t depth = 1;                       // operations that each thread has under way
  bool keeps_data = true;                   // false: no answer can be right or wrong
  bool not_found_is_failure = true;         // false when keys may be gone on purpose
  const std::atomic<bool>* ends = nullptr;  // set: the phase ends, as at its limit
  const std::atomic<bool>* stop = nullptr;  // set from outside: end early
  std::function<void(const PhaseProgress&)>
      on_progress;  // from one thread, at most 5 times a second
};

struct SeriesPoint {
  double t_s = 0;  // end of the interval, from the start of the phase
  uint64_t ops = 0;
};

struct PhaseResult {
  int64_t start_ns = 0;                             // monotonic clock
  double elapsed_s = 0;                             // to the last acknowledgement
  uint64_t ops = 0, ops_failed = 0, not_found = 0;  // failed: wrongly answered ones, too
  uint64_t ops_planned = 0;  // what the phase would do without a limit of time; 0: unknown
  uint64_t ops_due = 0;      // with a target rate: those whose intended start came before the end
  uint64_t inserts = 0, deletes = 0;
  uint64_t early_choices = 0;  // OpStream's, of all streams
  uint64_t user_bytes_written = 0, insert_bytes = 0;
  std::array<Histogram, kLatencyKinds> latency;
  std::vector<SeriesPoint> series;
  std::vector<uint64_t> digests;  // by thread
  bool interrupted = false;
  std::string wrong_answer;  // a thread's first: a key that is there was not found, or the reverse
  // The first failure of a thread; the phase then ended early. Or, at its end, that there were
  // wrong answers: what a store does quickly by losing keys is no speed.
  Status error;
};

// Blocks until every thread is done. With a target rate latency counts from the intended start of
// an operation, else from its real one (a closed loop: a slow answer delays the next question).
// At the end operations may be due that no thread had come to: their waits are in no latency.
// A scan or seek begins at a key that is there, so one that does not find it has answered wrongly,
// as a read has. What the values hold is not compared.
PhaseResult DrivePhase(StoreAdapter& store, const workloads::WorkloadInfo& workload,
                       const PhasePlan& plan);

}  // namespace lsmlab::harness
