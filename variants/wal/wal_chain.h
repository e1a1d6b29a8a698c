#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/wal_record.h"
#include "engine/parts/wal.h"

namespace lsmlab {

// The bytes of one segment, and which files they stand in.
struct WalSegmentBytes {
  struct Piece {
    std::string path;
    uint64_t begins;  // offset in `bytes`; the first one's is 0
  };
  uint64_t log_number = 0;
  uint64_t incarnation = 0;  // see WalPosition
  std::vector<Piece> pieces;
  uint64_t skipped = 0;  // bytes of each file before its piece
  Slice bytes;
  bool reused = false;  // the files held other segments before

  // "file offset n: " of a place in `bytes`, for messages.
  std::string At(uint64_t offset) const;
};

// Puts the segments that a crash left behind back into one history. Fed with segments in order of
// number, it replays those that continue each other without a hole and drops the rest, so that what
// is replayed is a prefix of what was written. What may be dropped is what no durable
// acknowledgement covers, and the segments say that themselves:
//  - a fragment that tells a synced offset S > 0 says that [0, S) of its segment and all that the
//    segment goes on from are durable;
//  - a segment header says how much of the segment before it was durable when it began.
// The catalog says of a log that was closed cleanly where it ended: there it must end.
// A hole below such a promise is Corruption. A segment written after an earlier recovery names the
// end which that recovery accepted, so what was dropped once stays dropped.
class WalChain {
 public:
  // `live`: numbers of all segments that will be added, ascending; none is below min_log_number.
  WalChain(WalIdentity store, WalExpectation expected, std::vector<uint64_t> live,
           WalReplayer& replayer, WalReplayStats* stats)
      : identity_(store),
        expected_(expected),
        live_(std::move(live)),
        replayer_(replayer),
        stats_(stats) {}

  Status Add(const WalSegmentBytes& segment);
  // After the last segment: whether one is missing. `directory` is for the message.
  Status Finish(const std::string& directory) const;

  // How many bytes of the segment that was added last were accepted.
  uint64_t AcceptedOf(uint64_t log_number) const noexcept {
    return log_number == tail_log_ ? tail_end_ : 0;
  }
  // What the next segment goes on from: all that was accepted. By the time it begins everything
  // replayed is in tables.
  WalSegmentHeader Continuation() const noexcept {
    return {.previous_log = tail_log_, .previous_end = tail_end_, .previous_synced = tail_end_};
  }

 private:
  enum class Link : uint8_t { kContinues, kHole, kContradiction };
  Link Judge(const WalSegmentHeader& header, uint64_t log_number) const;
  Status Accept(WalRecordReader& reader, const WalSegmentBytes& segment);
  Status Drop(WalRecordReader& reader, const WalSegmentBytes& segment, uint64_t promised);
  Status Replay(const WalRecordReader& reader, const WalSegmentBytes& segment);
  // Corruption when something durable lies behind the place where the reader stopped.
  Status CheckEnd(const WalRecordReader& reader, const WalSegmentBytes& segment,
                  WalRecordReader::Outcome outcome, bool closed) const;
  void CountDropped(const WalSegmentBytes& segment, uint64_t kept);

  WalIdentity identity_;
  WalExpectation expected_;
  std::vector<uint64_t> live_;
  WalReplayer& replayer_;
  WalReplayStats* stats_;
  uint64_t tail_log_ = 0;  // last accepted segment; 0: none
  uint64_t tail_end_ = 0;
  uint64_t next_dense_ = 0;  // 0: not known yet
  bool closed_seen_ = false;
};

}  // namespace lsmlab
