#include "variants/io/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "engine/base/checksum.h"
#include "variants/io/posix_errors.h"
#include "variants/io/sim_file.h"

// The operations on files, and what surrounds every operation. Names: sim_names.cc.
namespace lsmlab {
namespace {

SimFile& FileOf(const IoOp& op) { return static_cast<SimFile&>(*op.file); }

}  // namespace

SimDisk::SimDisk(const Options& options)
    : options_(options), root_(std::make_shared<SimInode>(0, true)) {}

std::shared_ptr<SimDisk> SimDisk::Make(const Options& options) {
  return std::shared_ptr<SimDisk>(new SimDisk(options));
}

void SimDisk::Run(IoOp& op, bool direct) {
  std::unique_lock lock(mutex_);
  op.transferred = 0;
  op.status = Step(op, direct);
  const bool syncs = op.status.ok() && op.kind == IoKind::kWrite && op.data_sync_after;
  Written written;
  if (syncs && op.length > 0) written = FileOf(op).inode().pending.back().data;
  EndStep(lock, op, op.kind);
  if (syncs) {
    lock.lock();
    op.status = SyncWritten(op, written);
    EndStep(lock, op, IoKind::kDataSync);
  }
  if (op.status.ok()) counters_.Count(op);
}

// Gives the lock back, then tells the hook.
void SimDisk::EndStep(std::unique_lock<std::mutex>& lock, const IoOp& op, IoKind kind) {
  const uint64_t step = ++steps_;
  if (options_.trace) {
    uint64_t hash = MixSeed(trace_hash_, static_cast<uint64_t>(kind) << 8 |
                                             static_cast<uint64_t>(op.site) << 16 |
                                             static_cast<uint64_t>(op.status.code()));
    hash = MixSeed(hash, Checksum(IoPath(op), op.offset));
    hash = MixSeed(hash, op.length);
    const size_t bytes = kind == IoKind::kRead ? op.transferred : op.length;
    const bool has_data = kind == IoKind::kRead || kind == IoKind::kWrite;
    trace_hash_ = has_data ? Checksum(op.data, bytes, hash) : hash;
  }
  if (snapshot_at_ == step) {
    snapshot_at_.reset();
    image_ = CopyLocked();
  }
  lock.unlock();
  if (after_step_) after_step_(step);
}

Status SimDisk::Step(IoOp& op, bool direct) {
  const std::optional<SimFault> fault = faults_.Check(op.kind, op.site);
  if (fault) return Inject(op, *fault);
  switch (op.kind) {
    case IoKind::kOpen:
      return Open(op, direct);
    case IoKind::kRead:
      return Read(op);
    case IoKind::kWrite:
      return Write(op);
    case IoKind::kSync:
    case IoKind::kDataSync:
      FileOf(op).inode().FoldPending();
      return Status();
    case IoKind::kAllocate:
      return Allocate(op);
    case IoKind::kTruncate:
      return Truncate(op);
    case IoKind::kSyncDir:
      return SyncDirectory(op);
    case IoKind::kMakeDir:
      return MakeDirectory(op);
    case IoKind::kList:
      return List(op);
    case IoKind::kRename:
      return Rename(op);
    case IoKind::kUnlink:
      return Unlink(op);
    case IoKind::kLock:
      return Lock(op);
  }
  return Status::NotSupported("unknown I/O operation");
}

Status SimDisk::Inject(IoOp& op, const SimFault& fault) {
  switch (op.kind) {
    case IoKind::kSync:
    case IoKind::kDataSync:
      FileOf(op).inode().LosePending();
      break;
    case IoKind::kSyncDir: {
      Result<Place> place = Find("fsync directory", op.path);
      if (place.ok() && place->inode != nullptr) TakeNameChanges(*place->inode);
      break;
    }
    case IoKind::kWrite: {
      // A device tears at its sectors, also what was asked for in larger units.
      const size_t length = std::exchange(op.length, op.length / 2 / kSimSector * kSimSector);
      const Status half = FileOf(op).writable() ? Put(op) : Status();
      op.length = length;
      op.transferred = 0;
      if (!half.ok()) return half;
      break;
    }
    default:
      break;
  }
  return StatusFromErrno(IoKindName(op.kind), IoPath(op) + " (injected)",
                         fault.no_space ? ENOSPC : EIO);
}

Status SimDisk::Read(IoOp& op) {
  if (!IsAligned(op)) return Misaligned(op);
  op.transferred = FileOf(op).inode().current.Read(op.offset, op.data, op.length);
  return Status();
}

Status SimDisk::Write(IoOp& op) {
  SimFile& file = FileOf(op);
  if (!file.writable()) return StatusFromErrno("write", file.path(), EBADF);
  if (!IsAligned(op)) return Misaligned(op);
  return Put(op);
}

Status SimDisk::Put(IoOp& op) {
  SimFile& file = FileOf(op);
  if (op.length == 0) return Status();
  SimInode& inode = file.inode();
  const uint64_t end = std::max(op.offset + op.length, inode.current.size());
  if (!Charge(inode, end)) return StatusFromErrno("write", file.path(), ENOSPC);
  inode.current.Write(op.offset, op.data, op.length);
  auto bytes = std::make_shared<const std::string>(static_cast<const char*>(op.data), op.length);
  inode.pending.push_back(PendingChange{std::move(bytes), op.offset, false});
  op.transferred = op.length;
  file.NoteSize();
  return Status();
}

// The second half of a write with data_sync_after: makes just these bytes durable.
Status SimDisk::SyncWritten(const IoOp& op, const Written& written) {
  SimInode& inode = FileOf(op).inode();
  const std::optional<SimFault> fault = faults_.Check(IoKind::kDataSync, op.site);
  auto change = std::find_if(inode.pending.begin(), inode.pending.end(),
                             [&](const PendingChange& c) { return c.data == written; });
  // Another sync of the file may have come between the halves.
  const bool still_pending = written != nullptr && change != inode.pending.end();
  if (fault) {
    if (still_pending) {
      inode.pending.erase(change);
      inode.lost = true;
    }
    return StatusFromErrno("fdatasync", op.file->path() + " (injected)",
                           fault->no_space ? ENOSPC : EIO);
  }
  if (!still_pending) return Status();
  change->ApplyTo(inode.durable);
  // It stays in the queue behind older changes, so that these cannot overwrite it after a crash.
  change->durable = true;
  const auto first = std::find_if(inode.pending.begin(), inode.pending.end(),
                                  [](const PendingChange& c) { return !c.durable; });
  inode.pending.erase(inode.pending.begin(), first);
  return Status();
}

Status SimDisk::Truncate(const IoOp& op) {
  SimFile& file = FileOf(op);
  if (!file.writable()) return StatusFromErrno("truncate", file.path(), EBADF);
  SimInode& inode = file.inode();
  inode.current.Resize(op.length);
  inode.pending.push_back(PendingChange{nullptr, op.length, false});
  file.NoteSize();
  const uint64_t left = InPages(op.length);
  if (left < inode.charged) {
    used_ -= inode.charged - left;
    inode.charged = left;
  }
  return Status();
}

Status SimDisk::Allocate(const IoOp& op) {
  SimFile& file = FileOf(op);
  if (!file.writable()) return StatusFromErrno("allocate", file.path(), EBADF);
  SimInode& inode = file.inode();
  const uint64_t end = op.offset + op.length;
  if (!Charge(inode, end)) return StatusFromErrno("allocate", file.path(), ENOSPC);
  if (end <= inode.current.size()) return Status();
  inode.current.Resize(end);
  inode.pending.push_back(PendingChange{nullptr, end, false});
  file.NoteSize();
  return Status();
}

bool SimDisk::Charge(SimInode& inode, uint64_t bytes) {
  const uint64_t wanted = InPages(bytes);
  if (wanted <= inode.charged) return true;
  const uint64_t more = wanted - inode.charged;
  if (options_.capacity != 0 && used_ + more > options_.capacity) return false;
  used_ += more;
  inode.charged = wanted;
  return true;
}

void SimDisk::ReleaseIfUnused(SimInode& inode) {
  if (inode.links > 0 || inode.handles > 0) return;
  used_ -= std::exchange(inode.charged, 0);
}

uint64_t SimDisk::steps() const {
  std::lock_guard guard(mutex_);
  return steps_;
}

void SimDisk::SnapshotAt(uint64_t step) {
  std::lock_guard guard(mutex_);
  snapshot_at_ = step;
  image_.reset();
}

std::shared_ptr<SimDisk> SimDisk::TakeImage() {
  std::lock_guard guard(mutex_);
  return std::exchange(image_, nullptr);
}

void SimDisk::Arm(const SimFault& fault) {
  std::lock_guard guard(mutex_);
  faults_.Arm(fault);
}

void SimDisk::DisarmFaults() {
  std::lock_guard guard(mutex_);
  faults_.Disarm();
}

SimFaults SimDisk::faults() const {
  std::lock_guard guard(mutex_);
  return faults_;
}

void SimDisk::set_capacity(uint64_t bytes) {
  std::lock_guard guard(mutex_);
  options_.capacity = bytes;
}

uint64_t SimDisk::trace_hash() const {
  std::lock_guard guard(mutex_);
  return trace_hash_;
}

}  // namespace lsmlab
