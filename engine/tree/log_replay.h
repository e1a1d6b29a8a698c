#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/format/batch_part.h"
#include "engine/parts/memtable.h"
#include "engine/parts/wal.h"

namespace lsmlab {

// Where a shard's log ends although it goes on: its records in segments up to `last_log` with this
// dense number and above do not count.
struct LogCut {
  uint32_t shard = 0;
  uint64_t last_log = 0;
  uint64_t dense_number = 0;
};

// What the log of one shard held. Records go into the memtable as they come, up to the first part
// of a batch over several shards: it and all after it wait until the logs of all shards are read
// and CutIncompleteBatches has said which count. One thread at a time.
class LogReplay final : public WalReplayer {
 public:
  // `min_log_number`: the shard has segments below it in tables. `cut`: of an earlier recovery that
  // did not come to its end. REQUIRES: the memtable outlives ApplyHeld.
  LogReplay(uint32_t shard, uint64_t min_log_number, std::optional<LogCut> cut, Memtable& memtable)
      : shard_(shard), min_log_number_(min_log_number), cut_(cut), memtable_(memtable) {}

  Status Replay(uint64_t log_number, Sequence first_sequence, uint64_t dense_number,
                Slice payload) override;

  // Puts the waiting records that count into the memtable, and forgets all of them.
  Status ApplyHeld();

  // Whether parts of batches are among the records that count and are not in the memtable yet.
  bool holds_parts() const noexcept { return !held_.empty(); }
  // Whether CutIncompleteBatches let this log end before its last record.
  bool cuts() const noexcept { return first_dropped_.has_value(); }
  // Where the log ends, by this recovery or the one before; none: where it does.
  std::optional<LogCut> Cut() const;
  // Of the records that count and are in the memtable; 0: none.
  Sequence last_sequence() const noexcept { return last_sequence_; }
  uint64_t dense_number() const noexcept { return dense_number_; }

  // Finds, in the replays of all shards of a store, the first batch of each log that lacks a part
  // in another one, and lets that log end before it. In one pass: batches are in all logs in the
  // order of their numbers, so an end takes parts of later ones only. Corruption when that order
  // does not hold, a part names a shard that there is not, or a durable batch is incomplete and yet
  // not the last of its log.
  static Status CutIncompleteBatches(std::span<LogReplay* const> shards);

 private:
  struct Held {
    uint64_t log_number;
    Sequence first_sequence;
    uint64_t dense_number;
    std::string operations;
    std::optional<BatchPart> part;
  };
  Status Apply(Sequence first_sequence, uint64_t dense_number, Slice operations);
  // Where a part stands: the shard, and the place in held_.
  struct Place {
    uint64_t batch;
    uint32_t shard;
    size_t held;
  };
  static Result<bool> IsComplete(const BatchPart& part, std::span<const Place> places,
                                 std::span<LogReplay* const> shards);
  Status EndBefore(size_t held);

  const uint32_t shard_;
  const uint64_t min_log_number_;
  const std::optional<LogCut> cut_;
  Memtable& memtable_;
  Sequence last_sequence_ = 0;
  uint64_t dense_number_ = 0;
  uint64_t last_log_ = 0;
  std::vector<Held> held_;
  uint64_t last_batch_ = 0;
  std::optional<uint64_t> first_dropped_;  // dense number
};

// The file RECOVERY in the folder of a store, there only while a recovery that had to cut logs is
// under way. Its cuts are decided once: a shard that has written its part of the decision into
// tables no longer shows what it lacked. Text as in checked_text.h:
//
//   lsmlab-recovery 1
//   cut <shard> <last log number> <dense number>      one line for each cut, decimal
//   checksum <16 hex digits>
inline constexpr size_t kRecoveryBytesMax = 128u << 10;
std::string EncodeRecovery(std::span<const LogCut> cuts);
Result<std::vector<LogCut>> DecodeRecovery(Slice text, const std::string& path);

}  // namespace lsmlab
