#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/slice.h"
#include "engine/base/status.h"

// What is asked of a store, for whoever drives one: a Workload is opened once, each thread of the
// driver takes its own OpStream from it and executes what Next() gives. Nothing here knows a store.
namespace lsmlab::workloads {

// The numbers go into digests and traces: never change one.
enum class OpKind : uint8_t {
  kInsert = 0,           // Write `value`, a whole record, under a new key.
  kRead = 1,             // Look up `key`; `read_field` is what the caller is after.
  kUpdate = 2,           // Write to an existing key; see UpdateMode.
  kReadModifyWrite = 3,  // Look up, show the fields to the caller, then write as an update.
  kScan = 4,             // From `key` upwards, `scan_length` records.
  kSeek = 5,             // Position at `key` and read the one entry there.
  kDelete = 6,           // Remove `key`; it may be gone already.
};
constexpr size_t kOpKindCount = 7;
// "insert", "read", "update", "readmodifywrite", "scan", "seek", "delete": names in results.
std::string_view OpKindName(OpKind kind) noexcept;

// `field` of an operation that means the whole record.
constexpr uint32_t kAllFields = UINT32_MAX;

// One operation. The slices belong to the stream and live until its next Next().
struct Operation {
  OpKind kind = OpKind::kRead;
  bool missing = false;               // The key has never existed: a correct store finds nothing.
  uint32_t read_field = kAllFields;   // Read, read-modify-write, scan: the field wanted, or all.
  uint32_t write_field = kAllFields;  // What `value` is: one field's bytes, or a whole record.
  Slice key{};
  Slice value{};             // Bytes to write; empty when nothing is written.
  uint64_t scan_length = 0;  // Records, at least 1 for a scan.
  uint64_t key_number = 0;   // Which key, as the workload counts them.
};

// One thread's operations. One thread at a time; never blocks, no allocation once warm, and what it
// gives depends on settings and StreamOptions alone, never on time. in_flight counts where there
// are inserts: a new key may be asked for that many operations later.
class OpStream {
 public:
  virtual ~OpStream() = default;

  // The next operation; false at the end (`op` is then untouched).
  [[nodiscard]] virtual bool Next(Operation* op) = 0;

  // To be called when an insert of Next() is over, also when it failed (as YCSB does). Any order.
  virtual void Acknowledge(uint64_t key_number) = 0;

  // Digest of everything Next() has given so far, in order: kind, key, fields, lengths, values.
  virtual uint64_t digest() const = 0;

  // True: the next operation might ask for an insert that is not acknowledged, because in_flight
  // operations were taken after it and are done while it is not. A driver with several operations
  // open takes none then; one that keeps no operation behind a later one never sees it.
  virtual bool overtakes_insert() const = 0;

  // Operations that chose a key whose insert was not acknowledged yet. 0 as long as the driver
  // keeps at most StreamOptions::in_flight operations open, and takes none that overtakes.
  virtual uint64_t early_choices() const = 0;
};

// The digest of a phase from its streams' digests in order of thread: independent of which finished
// first, different when two threads' streams are exchanged.
uint64_t CombineDigests(std::span<const uint64_t> by_thread) noexcept;

struct StreamOptions {
  uint32_t thread = 0;
  uint32_t threads = 1;    // 1 .. 65536
  uint64_t seed = 0;       // Load and run phase draw different numbers from the same seed.
  uint32_t in_flight = 1;  // Operations this stream's driver may have open at once; 1 .. 65536.
};

// How an update of one field reaches a store that holds a record as one value.
enum class UpdateMode : uint8_t {
  kRead,   // Get the record, replace the field (ycsb/record.h), put it: YCSB's own bindings.
  kBlind,  // Put a whole new record without reading: cheaper, a different workload.
};

// What a driver and a result record want to know of a workload.
struct WorkloadInfo {
  std::string source;                      // The file it came from.
  uint64_t load_first = 0;                 // The first key number of the load phase.
  uint64_t load_count = 0;                 // Its inserts, over all threads.
  uint64_t record_count = 0;               // Key numbers below it exist when the run phase starts.
  uint64_t operation_count = 0;            // Of the run phase, over all threads; 0 = no limit.
  std::array<double, kOpKindCount> mix{};  // Shares of the run phase by OpKind; their sum is 1.
  uint32_t field_count = 0;
  bool raw_value = false;  // A value is the bytes of its only field, without a length before it.
  uint64_t max_record_bytes = 0;
  uint64_t max_key_bytes = 0;
  UpdateMode update = UpdateMode::kRead;
  // Above 0: a scan or seek ends behind the keys that share so many first bytes with its own.
  uint64_t scan_prefix_bytes = 0;
  uint32_t thread_count = 1;         // What the file asks of the driver; 1 when it says nothing.
  double target_ops_per_s = 0;       // All threads together; 0 = as fast as possible.
  double max_execution_seconds = 0;  // 0 = no limit.
  // Every property that counts with its effective value, defaults included, in a fixed order.
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<std::string> deviations;  // "name=value" of extensions beyond the standard workload.
  std::vector<std::string> ignored;     // "name=value" of known properties without meaning here.
};

// Parsed and validated settings. Immutable: any number of threads may use it; streams borrow from
// it and must not outlive it.
class Workload {
 public:
  virtual ~Workload() = default;
  virtual const WorkloadInfo& info() const = 0;

  // The inserts that fill the store, split over the threads. InvalidArgument on options out of
  // range.
  virtual Result<std::unique_ptr<OpStream>> NewLoadStream(const StreamOptions& options) const = 0;
  // The measured operations; expects the records of the load phase to exist.
  virtual Result<std::unique_ptr<OpStream>> NewRunStream(const StreamOptions& options) const = 0;
};

// Settings given beside the file; they win over it, a later one over an earlier one.
using Overrides = std::vector<std::pair<std::string, std::string>>;
// Where overrides stand, by their names, for messages: "file:line". Those of the command line need
// none.
using Origins = std::map<std::string, std::string, std::less<>>;

// Opens a YCSB property file. InvalidArgument names file, line, what was found and what is allowed;
// NotSupported for a workload class we do not have; IoError when the file cannot be read.
Result<std::unique_ptr<Workload>> OpenWorkload(const std::string& path, const Overrides& overrides,
                                               const Origins& origins = {});

// Checks the ranges given at StreamOptions.
[[nodiscard]] Status CheckStreamOptions(const StreamOptions& options);

}  // namespace lsmlab::workloads
