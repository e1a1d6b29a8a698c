#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/base/random.h"
#include "tests/crash/crash_history.h"
#include "tests/support/compositions.h"
#include "variants/io/simulated_io.h"

namespace lsmlab::test {

// How far the writes had come at some moment.
struct Progress {
  uint32_t issued = 0;        // writes whose call had begun
  uint32_t acknowledged = 0;  // writes whose call had returned ok
  uint32_t durable = 0;       // writes that the store had promised to keep through a power loss
};

// The disk right after one of its operations, with everything that was pending then.
struct Moment {
  uint64_t step = 0;
  std::shared_ptr<SimDisk> disk;
  Progress progress;
};

using MakeIo = std::function<std::unique_ptr<Io>(std::shared_ptr<SimDisk>)>;

enum class CrashStep : uint8_t { kPut, kDelete, kBatch, kSync, kFlush, kDrain, kMerge, kReopen };

struct CrashRun {
  TestComposition composition;
  std::string sync = "none";  // wal.sync
  uint64_t seed = 1;
  uint32_t writes = 100;
  uint64_t every = 1;  // a moment after every so many operations of the disk
  // What is done with the new store, over keys "a" and "b", in place of `writes` steps that are
  // drawn; the moments then begin when it is open.
  std::vector<CrashStep> script = {};
  // Empty: the simulated disk as it is. Used by the workload, not by the recoveries.
  MakeIo make_io;
  std::function<bool()> wanted;     // asked after each operation; empty: all moments are
  const WalVariant* wal = nullptr;  // null: what the composition says; also for the workload only
  // How a batch is written, for the workload only; empty: as one.
  std::function<Status(Store& store, const WriteBatch& batch)> write;
};

// A small store on a simulated disk, driven by one caller on the inline executor: puts, deletes and
// batches, flushes, compactions, syncs, a clean close and a reopen in between; however short it is,
// two flushes and a merge. Collects moments from the first operation of its creation on, and one
// after the last close.
class CrashWorkload {
 public:
  explicit CrashWorkload(CrashRun run);
  // Ends early, and returns why, at the first error of the store.
  Status Run();

  const CrashRun& run() const noexcept { return run_; }
  const History& history() const noexcept { return history_; }
  const std::vector<Moment>& moments() const noexcept { return moments_; }
  uint64_t flushes() const noexcept { return flushes_; }
  uint64_t compactions() const noexcept { return compactions_; }  // and moves
  const Progress& progress() const noexcept { return progress_; }
  SimDisk& disk() noexcept { return *disk_; }
  const std::shared_ptr<SimDisk>& shared_disk() const noexcept { return disk_; }
  // The same composition, on some disk.
  StoreOptions OptionsOn(std::shared_ptr<SimDisk> disk) const;
  bool log_kept() const noexcept { return log_kept_; }
  bool footers() const noexcept { return footers_; }

 private:
  Status Open();
  Status Close();
  Status Write(const std::vector<History::Change>& changes);
  Status Do(CrashStep step);
  Status Drawn();
  Status Settle();

  const CrashRun run_;
  Composition composition_;
  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  std::unique_ptr<Store> store_;
  Random random_;
  History history_;
  Progress progress_;
  std::vector<Moment> moments_;
  bool log_kept_ = true;
  bool footers_ = false;  // the catalog
  bool acknowledged_is_durable_ = false;
  bool begun_ = false;  // the script
  uint64_t flushes_ = 0, compactions_ = 0;
};

// What must hold after a crash with this mode: at least and at most so many writes.
uint32_t LeastAfter(CrashMode mode, const Progress& progress, bool log_kept);

// Opens a store on the disk that a crash left and checks the promises: exactly a prefix of the
// writes within the bounds; what the store showed survives another power loss at once; it can be
// written, flushed, compacted, verified, closed and opened again. Ok, or what does not hold.
Status CheckRecovered(const CrashWorkload& workload, std::shared_ptr<SimDisk> disk, uint32_t least,
                      uint32_t most);

// Crashes at a moment with a mode, then again at up to `again` moments of the recovery. Counts the
// points in *points. The message names run, step, mode and damage seed.
Status CheckCrash(const CrashWorkload& workload, const Moment& moment, CrashMode mode,
                  uint64_t damage, int again, uint64_t* points);

}  // namespace lsmlab::test
