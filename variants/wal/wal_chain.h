#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/wal_record.h"
#include "engine/parts/wal.h"

namespace lsmlab {

// Puts the segments that a crash left behind back into one history. Fed with segments in order of
// number, it replays those that continue each other without a hole and drops the rest, so that what
// is replayed is a prefix of what was written. What may be dropped is what no durable
// acknowledgement covers, and the segments say that themselves:
//  - a fragment that tells a synced offset S > 0 says that [0, S) of its segment and all that the
//    segment goes on from are durable;
//  - a segment header says how much of the segment before it was durable when it began.
// A hole below such a promise is Corruption. A segment written after an earlier recovery names the
// end which that recovery accepted, so what was dropped once stays dropped.
class WalChain {
 public:
  // `live`: numbers of all segments that will be added, ascending; none is below min_log_number.
  WalChain(WalIdentity store, uint64_t min_log_number, std::vector<uint64_t> live,
           WalReplayer& replayer, WalReplayStats* stats)
      : identity_(store),
        min_log_number_(min_log_number),
        live_(std::move(live)),
        replayer_(replayer),
        stats_(stats) {}

  // `path` is for messages.
  Status Add(uint64_t log_number, const std::string& path, Slice bytes);

  // What the next segment goes on from: all that was accepted. Everything replayed is durable,
  // since recovery syncs before it reads.
  WalSegmentHeader Continuation() const noexcept {
    return {.previous_log = tail_log_, .previous_end = tail_end_, .previous_synced = tail_end_};
  }

 private:
  enum class Link : uint8_t { kContinues, kHole, kContradiction };
  Link Judge(const WalSegmentHeader& header, uint64_t log_number) const;
  Status Accept(WalRecordReader& reader, uint64_t log_number, const std::string& path, Slice bytes);
  Status Drop(WalRecordReader& reader, const std::string& path, Slice bytes, uint64_t promised);
  Status Replay(const WalRecordReader& reader, uint64_t log_number, const std::string& path);
  // Corruption when something durable lies behind the place where the reader stopped.
  Status CheckEnd(const WalRecordReader& reader, const std::string& path,
                  WalRecordReader::Outcome outcome, bool closed) const;

  WalIdentity identity_;
  uint64_t min_log_number_;
  std::vector<uint64_t> live_;
  WalReplayer& replayer_;
  WalReplayStats* stats_;
  uint64_t tail_log_ = 0;  // last accepted segment; 0: none
  uint64_t tail_end_ = 0;
  uint64_t next_dense_ = 0;  // 0: not known yet
};

}  // namespace lsmlab
