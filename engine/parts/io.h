#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/run_loop.h"
#include "engine/async/task.h"
#include "engine/base/epoch.h"
#include "engine/base/status.h"
#include "engine/parts/settings.h"

// I/O: every operation on a disk that the engine does goes through this part. Variants: `posix`
// (finishes inside the call), `uring` (a ring per thread or loop), `simulated` (in memory: crash
// model, faults, deferral).
//
// Thread safety: an Io is used by all threads of a store; one IoFile may be read by many threads at
// once, written and synced by one at a time, whose writes of different places may be under way
// together. Dispatch is virtual: an operation costs microseconds.
// Invariants:
//  1. An operation that was begun is complete exactly once: when Start returns true, else when its
//     node is posted.
//  2. Its status is ok only if all of it was done; but a read may end early, with the file, and an
//     allocation may do nothing.
// Start blocks the thread for as long as an operation takes that the part does not defer, Poll as
// it says; nothing here suspends but IoWait.
// Lifetime: an Io outlives its files, its buffers and what is under way in it.
//
// The part has no settings of its own; a variant's stand in its file. Provisional: Place(), as one
// variant has several places to wait in.
namespace lsmlab {

enum class IoKind : uint8_t {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kDataSync,
  kAllocate,
  kTruncate,
  kSyncDir,
  kMakeDir,
  kList,
  kRename,
  kUnlink,
  kLock,
};

// Who asks: for fault injection by call site, and for accounting of device bytes by cause.
enum class IoSite : uint8_t {
  kOther,
  kWal,
  kFlush,
  kCompactionRead,
  kCompactionWrite,
  kTableOpen,
  kBlockRead,
  kCatalog,
  kIdentity,
  kLock,
  kRecovery,
  kSweep,
  kValueFile,     // value files being written
  kDurableWal,    // log segments of which every write is durable by itself: these may be direct
  kValueRead,     // values being read
  kValueCollect,  // values being read by a job that moves them
  kCount,
};

enum class OpenMode : uint8_t {
  kRead,       // must exist
  kCreate,     // must not exist; opened for writing (and reading); mode 0600
  kReadWrite,  // must exist
};

// Buffered through the page cache, or O_DIRECT. A file keeps one mode for life; the `direct`
// setting of the part decides which files are direct, by IoSite.
class IoFile {
 public:
  virtual ~IoFile() = default;  // closes; everything to be kept was synced before
  // Alignment that offset, length and memory of each operation must have: 1 or 4096.
  virtual size_t alignment() const noexcept = 0;
  virtual uint64_t size() const noexcept = 0;  // at open, grown by writes through this object
  const std::string& path() const noexcept { return path_; }

 protected:
  explicit IoFile(std::string path) : path_(std::move(path)) {}

 private:
  std::string path_;
};

struct DirEntry {
  std::string name;
  bool is_directory = false;
  uint64_t size = 0;
  bool is_regular = false;  // neither: a link, pipe, socket or device, which no store ever makes
};

// One operation. The caller keeps it, its buffers and strings alive and unmoved until it is
// complete; the I/O part writes `status`, `transferred` and the out fields, then resumes `node`.
struct IoOp {
  IoOp(IoKind k, IoSite s) noexcept : kind(k), site(s) {}
  IoOp(const IoOp&) = delete;
  IoOp& operator=(const IoOp&) = delete;

  IoKind kind;
  IoSite site;
  OpenMode mode = OpenMode::kRead;
  bool data_sync_after = false;  // kWrite: durable when complete (RWF_DSYNC)
  IoFile* file = nullptr;        // kRead ... kTruncate
  uint64_t offset = 0;           // kAllocate: `length` bytes from there on belong to the file
                                 // then, as zeros where nothing was written; where a file
                                 // system cannot do that: nothing
  void* data = nullptr;          // kRead: target; kWrite: source (not changed)
  size_t length = 0;
  std::string path;                // kOpen, kSyncDir ... kLock
  std::string path_to;             // kRename
  std::unique_ptr<IoFile> opened;  // out: kOpen; kLock: held until it is destroyed
  std::vector<DirEntry> entries;   // out: kList, ordered by name
  size_t transferred = 0;          // out: kRead: less than length only at the end of file;
                                   // kWrite: always all (the part loops over short writes)
  Status status;                   // out
  WaitNode node;                   // the waiting coroutine
  // The I/O part's own, until the operation is complete.
  IoOp* next = nullptr;
  int attempts = 0;
};

struct IoCounters {
  uint64_t reads = 0, read_bytes = 0, writes = 0, write_bytes = 0, syncs = 0;
  // What an Io with rings had to do without, of all call sites: operations that blocked their
  // thread because it could have no ring, and regions of buffers that the kernel would not
  // register.
  uint64_t without_ring = 0, buffers_refused = 0;
};

class Io : public Waker {
 public:
  virtual ~Io() = default;

  // Begins the operation. True: complete on return. False: it will be completed by Poll of some
  // thread, which posts op.node to its home loop. Errors are in op.status: NotFound for a missing
  // file or directory, NoSpace for a full disk, Busy for a held lock, else IoError naming the
  // operation, path and errno text. EINTR and short transfers are handled inside.
  // A failed kSync or kDataSync is never retried by anyone (the kernel has dropped the pages).
  virtual bool Start(IoOp& op) noexcept = 0;

  // Completes what can be completed, and returns how many operations that were. When there are
  // none, waits (until deadline_ns of the monotonic clock; 0: does not wait; INT64_MAX: no limit)
  // until one is complete, the calling thread's RunLoop has something ready, or nothing is under
  // way any more. So 0 without a deadline and with an idle loop means that no operation of this
  // thread is left. Wake() makes all threads inside look at their loops again.
  virtual size_t Poll(int64_t deadline_ns) noexcept = 0;
  // Whether Start can return false.
  virtual bool defers() const noexcept = 0;
  // The variant that does the work, which a fallback may have made another than was asked for;
  // empty in test doubles.
  virtual std::string_view backend() const noexcept { return {}; }
  // What ends a wait of the calling thread in Poll, and as few others as possible: valid while its
  // RunLoop has operations under way.
  virtual Waker& Place() noexcept { return *this; }

  // Aligned memory (4096) for direct operations and block frames; from 2 MiB pages where possible.
  // Never fails except by std::bad_alloc.
  virtual void* AllocateBuffer(size_t bytes) = 0;
  virtual void FreeBuffer(void* buffer, size_t bytes) noexcept = 0;

  // Totals over all sites, and by site, as seen at this boundary (not the page cache below).
  virtual IoCounters Counters() const noexcept = 0;
  virtual IoCounters Counters(IoSite site) const noexcept = 0;
};

// co_await IoWait(io, op): starts it, suspends if it is not complete at once. The outcome is in op.
class [[nodiscard]] IoWait {
 public:
  IoWait(Io& io, IoOp& op) noexcept : io_(io), op_(op) {}
  IoWait(const IoWait&) = delete;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> h) noexcept {
    LSMLAB_INVARIANT(ReadGuard::Depth() == 0);
    op_.node.handle = h;
    op_.node.home = &RunLoop::Current();
    return !io_.Start(op_);
  }
  void await_resume() const noexcept {}

 private:
  Io& io_;
  IoOp& op_;
};

// One way to do I/O, as it stands in the registry.
struct IoVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  Result<std::unique_ptr<Io>> (*make)(const SettingBag& settings);
};

// A sync that failed is never tried again, also when the disk was full: as IoError it cannot be
// taken for a shortage that passes.
inline Status FailedSync(const Status& status) {
  if (status.code() != StatusCode::kNoSpace) return status;
  return Status::IoError(std::string(status.message()));
}

// The operations as tasks. Paths are taken by value into the frame.
Task<Result<std::unique_ptr<IoFile>>> OpenFile(Io& io, IoSite site, OpenMode mode,
                                               std::string path);
// Reads `length` bytes, fewer only where the file ends; a file that ends before the first `least`
// of them is Corruption naming file and offset. Direct reads are rounded up, files end anywhere.
Task<Status> ReadAtLeast(Io& io, IoSite site, IoFile& file, uint64_t offset, void* data,
                         size_t length, size_t least);
// The same with all of them asked for.
Task<Status> ReadExactly(Io& io, IoSite site, IoFile& file, uint64_t offset, void* data,
                         size_t length);
Task<Status> WriteAt(Io& io, IoSite site, IoFile& file, uint64_t offset, const void* data,
                     size_t length);
// Durable when it returns ok (RWF_DSYNC), these bytes and nothing that was written before.
Task<Status> WriteDurably(Io& io, IoSite site, IoFile& file, uint64_t offset, const void* data,
                          size_t length);
Task<Status> DataSync(Io& io, IoSite site, IoFile& file);
Task<Status> SyncDirectory(Io& io, IoSite site, std::string path);
Task<Status> MakeDirectory(Io& io, IoSite site, std::string path);  // exists already: ok
Task<Result<std::vector<DirEntry>>> ListDirectory(Io& io, IoSite site, std::string path);
Task<Status> RenameFile(Io& io, IoSite site, std::string from, std::string to);
Task<Status> UnlinkFile(Io& io, IoSite site, std::string path);
// The whole file; InvalidArgument when it is larger than `limit`.
Task<Result<std::string>> ReadFile(Io& io, IoSite site, std::string path, size_t limit);

}  // namespace lsmlab
