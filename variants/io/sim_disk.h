#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/parts/io.h"
#include "variants/io/sim_faults.h"
#include "variants/io/sim_inode.h"
#include "variants/io/site_counters.h"

namespace lsmlab {

// What a power cut (or, kAll, only the process' death) leaves. The seed draws one of the states
// that the mode allows.
enum class CrashMode : uint8_t {
  kDurable,  // what was made durable, nothing else
  kAll,      // everything: the process died, the kernel lived
  kPrefix,   // per file the first k pending changes, the next one torn at a sector; the first m
             // changes of names
  kSectors,  // each 512-byte sector of each pending write with probability 10, 50 or 90 %:
             // reordered and torn writes; the first m changes of names
  kSizes,    // as kSectors, but what is lost may still have grown the file, with zeros
  kNames,    // any subset of the changes of names, e.g. a rename before the data of the renamed
             // file, or a later unlink before it; data as one of kDurable, kPrefix, kAll
};
constexpr int kCrashModes = 6;

// A disk in memory with the promises of ext4 and no more. Reads see all writes. Data of a file
// becomes durable by kSync or kDataSync of the file or by a write with data_sync_after; its name
// only by kSyncDir of the directory. A failed sync forgets that the pages were dirty: reads go on
// to see the data, a later sync succeeds, a crash shows what was there before.
//
// Paths are absolute or relative to the root, without "..". Several Ios may use a disk, one after
// another or at once. Thread-safe.
class SimDisk : public std::enable_shared_from_this<SimDisk> {
 public:
  struct Options {
    uint64_t capacity = 0;          // bytes of files, in whole pages; 0: no limit
    bool implicit_parents = false;  // kMakeDir also makes the directories above
    bool trace = true;              // whether trace_hash() covers the operations
  };

  static std::shared_ptr<SimDisk> Make() { return Make(Options()); }
  static std::shared_ptr<SimDisk> Make(const Options& options);
  SimDisk(const SimDisk&) = delete;

  // Runs an operation to its end, except for waking its coroutine. `direct`: mode of a kOpen.
  void Run(IoOp& op, bool direct);

  // Crash points passed so far. Each operation is one; a write with data_sync_after is two: when it
  // is pending and when it is durable.
  uint64_t steps() const;
  // Called after each step, on the thread of the operation, with the number of the step. It may
  // use this disk. REQUIRES: set while no operation runs.
  void SetAfterStep(std::function<void(uint64_t step)> hook) { after_step_ = std::move(hook); }
  // Keeps an image of the disk as it is right after that step, for TakeImage.
  void SnapshotAt(uint64_t step);
  std::shared_ptr<SimDisk> TakeImage();

  // A copy of the present state with all that is pending. Shares pages; no faults, locks, hooks.
  std::shared_ptr<SimDisk> Snapshot() const;
  // The disk as it is found after a crash at this moment: nothing is pending.
  std::shared_ptr<SimDisk> Crash(CrashMode mode, uint64_t seed) const;

  void Arm(const SimFault& fault);
  void DisarmFaults();
  SimFaults faults() const;  // what was seen and failed
  void set_capacity(uint64_t bytes);

  // The same for equal sequences of operations, outcomes and data: kind, site, path, offset,
  // length, checksum of the data, status.
  uint64_t trace_hash() const;
  // What passed, counted here and not by the Io.
  IoCounters counters() const { return counters_.All(); }

  // For tests. Paths of all regular files, ordered; the bytes that a read would see; overwriting
  // the bytes, durably and without counting; flipping one bit of them.
  std::vector<std::string> Files() const;
  Result<std::string> Contents(const std::string& path) const;
  Status SetContents(const std::string& path, std::string_view bytes);
  Status FlipBit(const std::string& path, uint64_t bit);
  // Makes a directory and all above it, durably.
  void MakeDirectories(const std::string& path);

 private:
  friend class SimFile;
  friend class SimLockFile;
  friend class SimCrash;
  struct Place {
    std::shared_ptr<SimInode> directory;  // null: the root itself
    std::string name;
    std::shared_ptr<SimInode> inode;  // null: there is none of that name
  };
  using Written = std::shared_ptr<const std::string>;

  explicit SimDisk(const Options& options);

  std::shared_ptr<SimDisk> CopyLocked() const;
  Status Step(IoOp& op, bool direct);
  void EndStep(std::unique_lock<std::mutex>& lock, const IoOp& op, IoKind kind);
  Status Inject(IoOp& op, const SimFault& fault);

  Status Open(IoOp& op, bool direct);
  Status Read(IoOp& op);
  Status Write(IoOp& op);
  Status Put(IoOp& op);
  Status SyncWritten(const IoOp& op, const Written& written);
  Status Truncate(const IoOp& op);
  Status Allocate(const IoOp& op);
  Status SyncDirectory(const IoOp& op);
  Status MakeDirectory(const IoOp& op);
  Status List(IoOp& op);
  Status Rename(const IoOp& op);
  Status Unlink(const IoOp& op);
  Status Lock(IoOp& op);

  Result<Place> Find(const char* operation, const std::string& path) const;
  Result<std::shared_ptr<SimInode>> FindFile(const std::string& path) const;
  std::shared_ptr<SimInode> Create(const Place& place, bool is_directory);
  void MakeChain(const std::string& path, bool with_last);
  std::vector<NameChange> TakeNameChanges(const SimInode& directory);
  static uint64_t InPages(uint64_t bytes) {
    return (bytes + SimContent::kPageBytes - 1) / SimContent::kPageBytes * SimContent::kPageBytes;
  }
  // Charges the inode for `bytes` in all; false when the disk is full.
  bool Charge(SimInode& inode, uint64_t bytes);
  void ReleaseIfUnused(SimInode& inode);

  mutable std::mutex mutex_;  // guards everything below, and all inodes
  Options options_;
  std::shared_ptr<SimInode> root_;
  std::vector<NameChange> name_changes_;  // not durable yet, in order
  uint64_t next_inode_ = 1;
  uint64_t used_ = 0;  // bytes charged
  SimFaults faults_;
  SiteCounters counters_;
  uint64_t steps_ = 0;
  uint64_t trace_hash_ = 0;
  std::optional<uint64_t> snapshot_at_;
  std::shared_ptr<SimDisk> image_;
  std::function<void(uint64_t)> after_step_;
};

}  // namespace lsmlab
