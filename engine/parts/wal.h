#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/task.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"
#include "engine/parts/directory_syncs.h"
#include "engine/parts/io.h"
#include "engine/parts/settings.h"

// Write-ahead log of one shard. Variants: `off` (keeps nothing), `append` (one file per memtable),
// `ring` (segments that are used again, prewritten where groups are durable).
// The tree encodes records (engine/format/wal_record.h) and says when they must be durable; the
// variant decides where the bytes go.
//
// Thread safety: StartSegment, Append, Sync, Close by one task at a time (the group leader, under
// the shard's writer lock); Release by any one task beside them. Cold except Append, whose one
// virtual call and one I/O operation serve a whole group of writers.
// Invariants:
//  1. Records reach the segment in the order of Append; one Append is one write (or none, `off`).
//  2. After an Append or Sync that returned ok with durable set, everything appended so far in this
//     and all earlier segments survives power loss.
//  3. After a failed sync or write every further call fails (the log is poisoned until reopen).
// Errors: what the Io reports, and Aborted from then on; of Recover Corruption (file, offset,
// expected, found); InvalidArgument for what a variant cannot take (records in `off`).
// The tasks suspend where the Io does; no other call waits for the disk.
// Lifetime: what the environment points to outlives the log.
//
// The part's own settings (sync, interval) are declared in engine/tree/part_settings.cc and acted
// on by the tree, a variant may look at them; its own stand in its file.
namespace lsmlab {

struct WalPosition {
  uint64_t log_number = 0;
  uint64_t offset = 0;         // where the next record will start in the segment
  uint64_t synced_offset = 0;  // bytes of this segment known to be durable
  // Of the process that writes the segment, where a number may come again after a crash although
  // bytes under it are left; seeds the checksums. 0: it cannot.
  uint64_t incarnation = 0;
};

// What recovery feeds, in order. `records` of a segment arrive oldest first.
class WalReplayer {
 public:
  virtual ~WalReplayer() = default;
  // One whole record (fragments joined). `payload` lives for the call.
  virtual Status Replay(uint64_t log_number, Sequence first_sequence, uint64_t dense_number,
                        Slice payload) = 0;
};

// What the catalog knows about the log.
struct WalExpectation {
  uint64_t min_log_number = 0;  // segments below it are in tables
  // The segment that the last clean close ended, and its length; 0: there was no clean close.
  uint64_t closed_log = 0, closed_bytes = 0;
};

struct WalReplayStats {
  uint64_t segments = 0, records = 0, bytes = 0;
  // After the end of a log that was not closed cleanly. 0 where a segment's file held other bytes
  // before: these cannot be told from a tail.
  uint64_t dropped_tail_bytes = 0;
};

class Wal {
 public:
  virtual ~Wal() = default;

  // Opens a new, empty segment with this number (larger than all before) and makes it the current
  // one. Of the first after Recover it is durably known elsewhere that it is given out: no later
  // process gets it, whatever a power loss takes from the log. Its name is durable on return where
  // the setting `sync` makes groups durable, else after the next Sync or durable Append, as is what
  // the segment before holds.
  virtual Task<Status> StartSegment(uint64_t log_number) = 0;
  virtual WalPosition position() const noexcept = 0;
  // False for `off`: the tree then skips encoding.
  virtual bool keeps_records() const noexcept = 0;
  // Advice: the current segment is as long as segments should get, the memtable had better be
  // sealed and the next segment begun. Append takes more all the same.
  virtual bool segment_is_full() const noexcept = 0;

  // Writes encoded records at the end of the current segment. `durable`: on return they survive
  // power loss. REQUIRES: records stay unchanged until the task ends.
  virtual Task<Status> Append(Slice records, bool durable) = 0;
  virtual Task<Status> Sync() = 0;

  // Deletes segments with numbers below `log_number`, or uses their space again (every tree has
  // flushed past them, and that is durable in the catalog).
  virtual Task<Status> Release(uint64_t log_number) = 0;

  // Reads all segments with numbers >= min_log_number in order, oldest first, whichever variant
  // wrote them (`off` refuses records). Before reading, it syncs segments and directory, so that no
  // decision rests on bytes that a second crash could take away. A record that fails its check:
  // past the last recorded synced offset of the last segment it is the end of the log (later bytes
  // are dropped); before it, or in an earlier segment, or in a segment that was closed cleanly, it
  // is Corruption naming file, offset, expected, found. Dense
  // numbers go up by one from record to record over all live segments: the caller goes on at the
  // last one replayed plus 1, and makes what was replayed durable in tables, and that in the
  // catalog, before it starts a segment (after a failed sync, what is read here may not be on the
  // disk: no later segment may go on from it). REQUIRES: before the first StartSegment. Also
  // reports the largest segment number seen.
  virtual Task<Status> Recover(WalExpectation expected, WalReplayer& replayer,
                               WalReplayStats* stats, uint64_t* largest_log_number) = 0;

  // Writes what Recover replayed once more, names and bytes, and syncs it. After a failed sync the
  // page cache shows, as long as it keeps them, bytes and names that are not on the disk and that
  // no sync will bring there; IoError where it keeps them no longer. For a caller that cannot make
  // everything replayed durable in tables in one step. REQUIRES: after Recover, before StartSegment
  // and Release.
  virtual Task<Status> WriteAgain() = 0;

  // Syncs and writes the end mark; its end is position().offset. No call but position() after it.
  virtual Task<Status> Close() = 0;

  virtual uint64_t bytes_written() const noexcept = 0;
  virtual uint64_t syncs() const noexcept = 0;
};

struct WalEnvironment {
  Io* io = nullptr;
  DirectorySyncs* names = nullptr;  // null: nobody else makes names there
  std::string directory;            // of the shard
  uint32_t shard = 0;
  uint64_t store_id = 0;  // mixed into every checksum: a log of another store cannot be replayed
  uint64_t memtable_bytes = 0;  // of memory, at which a memtable is sealed; 0: not known
  bool read_only = false;       // nothing is changed or synced: a writer may be at work beside it
};

struct WalVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  std::unique_ptr<Wal> (*make)(const SettingBag& bag, const WalEnvironment& environment);
};

}  // namespace lsmlab
