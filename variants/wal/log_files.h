#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/format/wal_record.h"
#include "engine/parts/wal.h"

// What the logs of all variants left on the disk, so that a store may be opened with another
// variant than it was written with.
namespace lsmlab {

// Segments are read whole at recovery, and offsets in them stay small.
inline constexpr uint64_t kLogSegmentBytesMax = (uint64_t{1} << 31) - 1;
// Longer segments get no more memtables' records: with room for the largest group they stay below
// that.
inline constexpr uint64_t kFullSegmentBytes = uint64_t{1} << 30;

// A growing file NNNNNN.log, which is a whole segment, or a slot NNNNNN.ring, which holds a piece
// of a segment or nothing.
struct LogFile {
  std::string path;
  uint64_t log_number = 0;     // 0: a slot that holds nothing
  uint64_t incarnation = 0;    // of a slot
  uint64_t slot = 0;           // number of a slot; 0: a growing file
  uint32_t piece = 0;          // of a slot: which piece of the segment
  bool heads_durable = false;  // of a slot: those of the pieces before are, too
  uint64_t bytes = 0;
  bool finished = true;  // false: a slot that was never made ready for use
};

// What recovery accepted of a file: its first bytes, behind a head in a slot.
struct AcceptedLog {
  std::string path;
  uint64_t head_bytes = 0;
  uint64_t bytes = 0;  // with the head
  uint64_t checksum = 0;
};

struct FoundLogs {
  std::vector<LogFile> files;  // ordered by log number, then piece
  uint64_t largest_log_number = 0;
  std::vector<AcceptedLog> accepted;  // in order
  WalSegmentHeader continuation;      // what the next segment goes on from
};

// Wal::Recover for logs of any variant, see there.
Task<Status> RecoverLogs(const WalEnvironment& environment, WalExpectation expected,
                         WalReplayer& replayer, WalReplayStats* stats, FoundLogs* found);

// Makes the names of new log files durable.
Task<Status> SyncLogNames(const WalEnvironment& environment, IoSite site);

// Wal::WriteAgain for these.
Task<Status> WriteLogsAgain(Io& io, std::vector<AcceptedLog> logs);

}  // namespace lsmlab
