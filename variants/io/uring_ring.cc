#include "variants/io/uring_ring.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "engine/base/clock.h"
#include "engine/base/cpus.h"
#include "variants/io/posix_errors.h"
#include "variants/io/posix_file.h"

namespace lsmlab {
namespace {

// The completion ring holds twice as many, so it never overflows.
constexpr uint32_t kRingEntries = 256;
// One entry stays free for the wake-up.
constexpr uint32_t kMaxInKernel = kRingEntries - 1;
// Entries handed over together: with more, the device idles until the last is prepared; with fewer,
// each pays for a system call.
constexpr uint32_t kSubmitTogether = 4;
constexpr size_t kLargeTransfer = 64u << 10;

// Why the kernel gives no ring, in words.
Status NoRing(const char* what, int error) {
  std::string reason = std::strerror(error);
  if (error == ENOSYS) reason = "this kernel has none";
  if (error == EPERM) {
    reason = "forbidden here, by kernel.io_uring_disabled or a filter of system calls";
  }
  if (error == ENOMEM) reason = "no memory, or RLIMIT_MEMLOCK is too low";
  return Status::NotSupported("io_uring: " + std::string(what) + ": " + reason);
}

bool IsTransient(int result) noexcept { return result == -EINTR || result == -EAGAIN; }

// Of the sync of a directory: whether that is open, and what is left to do is the sync itself.
bool IsOpened(const IoOp& op) noexcept { return op.opened != nullptr; }

// What messages call it when it has failed.
const char* NameOfFailed(const IoOp& op) noexcept {
  if (op.kind == IoKind::kSyncDir && !IsOpened(op)) return "open directory";
  return IoKindName(op.kind);
}

// Whether an operation that ended so did not happen and is to be begun again. The thread that began
// it may have ended meanwhile (executor `inline` has no thread of its own): what the kernel then
// had not done yet comes back as cancelled, and transfers also as a bad address, theirs being gone.
bool IsToBeginAgain(const IoOp& op, int result) noexcept {
  if (result == -ECANCELED) return true;
  switch (op.kind) {
    case IoKind::kSync:
    case IoKind::kDataSync:
      // After any failure of a sync nobody knows what is durable; one that was cancelled never ran.
      return false;
    case IoKind::kSyncDir:
      return !IsOpened(op) && IsTransient(result);
    case IoKind::kRead:
    case IoKind::kWrite:
      return IsTransient(result) || result == -EFAULT;
    default:
      return IsTransient(result);
  }
}

// IORING_OP_FTRUNCATE: the number is the kernel's for good, and older headers lack the name.
constexpr int kTruncateCode = 55;

}  // namespace

bool TruncatesInRing(const io_uring_probe& probe) noexcept {
  return io_uring_opcode_supported(&probe, kTruncateCode) != 0;
}

void UringRing::Backlog::Push(IoOp& op) noexcept {
  op.next = nullptr;
  (last == nullptr ? first : last->next) = &op;
  last = &op;
}

IoOp* UringRing::Backlog::Pop() noexcept {
  IoOp* op = first;
  if (op == nullptr) return nullptr;
  first = op->next;
  if (first == nullptr) last = nullptr;
  return op;
}

Result<std::unique_ptr<UringRing>> UringRing::Make(const UringShared& shared) {
  std::unique_ptr<UringRing> made(new UringRing(shared));
  const int error = io_uring_queue_init(kRingEntries, &made->ring_, 0);
  if (error < 0) {
    made->ring_.ring_fd = -1;
    return NoRing("setting up a ring", -error);
  }
  constexpr uint32_t kNeeded = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
  if ((made->ring_.features & kNeeded) != kNeeded) {
    return Status::NotSupported("io_uring: this kernel's drops completions or waits without limit");
  }
  if (ThisThreadIsPinned()) {
    // The kernel's workers for this ring would be bound to the same processor, and have to wait for
    // it. Refused: they stay so.
    const cpu_set_t cpus = AllowedCpuSet();
    (void)io_uring_register_iowq_aff(&made->ring_, sizeof cpus, &cpus);
  }
  made->wake_fd_ = eventfd(0, EFD_CLOEXEC);
  if (made->wake_fd_ < 0) return StatusFromErrno("make an event for", "io_uring", errno);
  const Status tables = made->MakeTables();
  if (!tables.ok()) return tables;
  return made;
}

Status UringRing::MakeTables() {
  if (shared_.files != nullptr) {
    const int error = io_uring_register_files_sparse(&ring_, shared_.files->places());
    if (error < 0) return NoRing("registering files", -error);
    files_.resize(shared_.files->places());
  }
  if (shared_.buffers != nullptr) {
    const int error = io_uring_register_buffers_sparse(&ring_, AlignedBuffers::kNumberedSlabs);
    if (error < 0) return NoRing("registering buffers", -error);
    slabs_.resize(AlignedBuffers::kNumberedSlabs, SlabState::kUnknown);
  }
  return Status();
}

void UringRing::ForgetFile(uint32_t place) noexcept {
  const int none = -1;
  io_uring_register_files_update(&ring_, place, &none, 1);
}

UringRing::Target UringRing::TargetOf(const IoOp& op) noexcept {
  // The sync of a directory has one that is opened for it alone.
  if (op.kind == IoKind::kSyncDir) return {static_cast<PosixFile&>(*op.opened).fd(), 0};
  const int fd = PosixFileOf(op).fd();
  if (files_.empty()) return {fd, 0};
  const auto& file = static_cast<const UringFile&>(*op.file);
  if (file.place() == UringFileTable::kNone) return {fd, 0};
  uint64_t& known = files_[file.place()];
  if (known != file.serial()) {
    if (io_uring_register_files_update(&ring_, file.place(), &fd, 1) != 1) return {fd, 0};
    known = file.serial();
    shared_.files->Note(file.place(), this);
  }
  return {static_cast<int>(file.place()), IOSQE_FIXED_FILE};
}

bool UringRing::RegisterSlab(const AlignedBuffers::Slab& slab) noexcept {
  SlabState& state = slabs_[slab.number];
  if (state == SlabState::kUnknown) {
    const iovec memory{slab.begin, AlignedBuffers::kSlabBytes};
    const int registered =
        io_uring_register_buffers_update_tag(&ring_, slab.number, &memory, nullptr, 1);
    state = registered == 1 ? SlabState::kRegistered : SlabState::kRefused;
    if (registered != 1) shared_.counters->CountRefusedBuffers();
  }
  return state == SlabState::kRegistered;
}

int UringRing::RegisteredSlabOf(const void* data) noexcept {
  if (slabs_.empty()) return -1;
  const std::optional<AlignedBuffers::Slab> slab = shared_.buffers->SlabOf(data);
  if (!slab.has_value() || !RegisterSlab(*slab)) return -1;
  return static_cast<int>(slab->number);
}

UringRing::~UringRing() {
  LSMLAB_ASSERT(under_way_ == 0);
  if (!files_.empty()) shared_.files->Remove(this);
  // Ends the read of wake_fd_ that may be in the ring, and with it the kernel's use of wake_count_.
  if (wake_armed_) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
    int result = 0;
    while (wake_armed_ && (result >= 0 || IsTransient(result))) {
      result = io_uring_submit_and_wait(&ring_, 1);
      Reap();
    }
  }
  if (ring_.ring_fd >= 0) io_uring_queue_exit(&ring_);
  if (wake_fd_ >= 0) close(wake_fd_);
}

void UringRing::Start(IoOp& op) noexcept {
  op.transferred = 0;
  op.attempts = 0;
  ++under_way_;
  if (shared_.asked != nullptr && IsAwaitedByCaller(op)) {
    shared_.asked->fetch_add(1, std::memory_order_relaxed);
  }
  Enqueue(op);
}

UringRing::Backlog& UringRing::BacklogFor(const IoOp& op) noexcept {
  if (IsBackgroundTransfer(op)) {
    // Stopped writers may wait for a flush, and commits for the opening of a table: merges wait.
    const bool is_urgent = op.site == IoSite::kFlush || op.site == IoSite::kTableOpen;
    return is_urgent ? flushes_waiting_ : background_waiting_;
  }
  return op.kind == IoKind::kRead ? reads_waiting_ : others_waiting_;
}

bool UringRing::HasRoom(const IoOp& op) const noexcept {
  if (in_kernel_ >= kMaxInKernel) return false;
  if (IsBackgroundTransfer(op)) return background_.HasRoom();
  return op.kind != IoKind::kRead || reads_ < shared_.read_depth;
}

void UringRing::Enqueue(IoOp& op) noexcept {
  Backlog& waiting = BacklogFor(op);
  // Nobody overtakes those that wait already.
  if (waiting.first != nullptr || !HasRoom(op)) return waiting.Push(op);
  Prepare(op);
}

// There is always one: kMaxInKernel counts the entries that the kernel has not seen, too.
io_uring_sqe* UringRing::NextEntry() noexcept {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  LSMLAB_ASSERT(entry != nullptr);
  return entry;
}

void UringRing::PrepareTransfer(io_uring_sqe* entry, const IoOp& op, int fd, size_t most) noexcept {
  char* data = static_cast<char*>(op.data) + op.transferred;
  const auto length = static_cast<unsigned>(std::min(op.length - op.transferred, most));
  const uint64_t offset = op.offset + op.transferred;
  const int slab = RegisteredSlabOf(op.data);
  if (op.kind == IoKind::kRead) {
    if (slab >= 0) return io_uring_prep_read_fixed(entry, fd, data, length, offset, slab);
    return io_uring_prep_read(entry, fd, data, length, offset);
  }
  if (slab >= 0) {
    io_uring_prep_write_fixed(entry, fd, data, length, offset, slab);
  } else {
    io_uring_prep_write(entry, fd, data, length, offset);
  }
  if (op.data_sync_after) entry->rw_flags = RWF_DSYNC;
}

// False: the operation is on a file that is open.
bool UringRing::PrepareOnPath(io_uring_sqe* entry, const IoOp& op) noexcept {
  const char* path = op.path.c_str();
  switch (op.kind) {
    case IoKind::kOpen:
      io_uring_prep_openat(entry, AT_FDCWD, path, OpenFlags(op, shared_.direct), kFileMode);
      return true;
    case IoKind::kSyncDir:
      if (IsOpened(op)) return false;
      io_uring_prep_openat(entry, AT_FDCWD, path, kDirectoryFlags, 0);
      return true;
    case IoKind::kMakeDir:
      io_uring_prep_mkdir(entry, path, kDirectoryMode);
      return true;
    case IoKind::kRename:
      io_uring_prep_rename(entry, path, op.path_to.c_str());
      return true;
    case IoKind::kUnlink:
      io_uring_prep_unlink(entry, path, 0);
      return true;
    default:
      return false;
  }
}

// `fd`: a descriptor, or a place in the table; `most`: bytes that a transfer may move.
void UringRing::PrepareOnFile(io_uring_sqe* entry, const IoOp& op, int fd, size_t most) noexcept {
  switch (op.kind) {
    case IoKind::kRead:
    case IoKind::kWrite:
      return PrepareTransfer(entry, op, fd, most);
    case IoKind::kDataSync:
      return io_uring_prep_fsync(entry, fd, IORING_FSYNC_DATASYNC);
    case IoKind::kAllocate:
      return io_uring_prep_fallocate(entry, fd, 0, static_cast<off_t>(op.offset),
                                     static_cast<off_t>(op.length));
    case IoKind::kTruncate:
      return io_uring_prep_rw(kTruncateCode, entry, fd, nullptr, 0, op.length);
    default:
      return io_uring_prep_fsync(entry, fd, 0);
  }
}

// The rest of a transfer, from op.transferred on, or a piece of it; the whole of anything else.
void UringRing::Prepare(IoOp& op) noexcept {
  const bool in_background = IsBackgroundTransfer(op);
  const size_t most = std::min(in_background ? background_.Begin() : SIZE_MAX, kMaxTransfer);
  io_uring_sqe* entry = NextEntry();
  if (!PrepareOnPath(entry, op)) {
    const Target target = TargetOf(op);
    PrepareOnFile(entry, op, target.fd, most);
    entry->flags |= target.flags;
  }
  io_uring_sqe_set_data(entry, &op);
  if (op.kind == IoKind::kRead && !in_background) ++reads_;
  ++in_kernel_;
  // A large one costs the device so much that it had better begin: a flush fills its next piece
  // meanwhile, and may come to no Poll.
  if (++unsubmitted_ >= kSubmitTogether || op.length >= kLargeTransfer) Submit();
}

void UringRing::Submit() noexcept {
  if (unsubmitted_ == 0) return;
  const int submitted = io_uring_submit(&ring_);
  unsubmitted_ = io_uring_sq_ready(&ring_);
  // Short of memory or interrupted: the next Poll tries again.
  LSMLAB_ASSERT(submitted >= 0 || IsTransient(submitted) || submitted == -EBUSY ||
                submitted == -ENOMEM);
}

void UringRing::ArmWake() noexcept {
  if (wake_armed_) return;
  io_uring_sqe* entry = NextEntry();
  io_uring_prep_read(entry, wake_fd_, &wake_count_, sizeof wake_count_, 0);
  io_uring_sqe_set_data(entry, nullptr);
  ++unsubmitted_;
  wake_armed_ = true;
}

size_t UringRing::Reap() noexcept {
  struct Found {
    IoOp* op;
    int result;
  };
  Found found[64];
  size_t completed = 0;
  for (;;) {
    unsigned head, seen = 0;
    io_uring_cqe* completion;
    io_uring_for_each_cqe(&ring_, head, completion) {
      if (seen == std::size(found)) break;
      found[seen++] = {static_cast<IoOp*>(io_uring_cqe_get_data(completion)), completion->res};
    }
    if (seen == 0) return completed;
    io_uring_cq_advance(&ring_, seen);
    for (unsigned i = 0; i < seen; ++i) {
      if (found[i].op == nullptr) {
        wake_armed_ = false;
        continue;
      }
      IoOp& op = *found[i].op;
      --in_kernel_;
      const bool in_background = IsBackgroundTransfer(op);
      if (in_background) background_.End();
      if (op.kind == IoKind::kRead && !in_background) --reads_;
      if (!Complete(op, found[i].result)) {
        if (in_background) {
          Prepare(op);  // what a job has begun ends before more of the background begins
        } else {
          Enqueue(op);
        }
        continue;
      }
      --under_way_;
      ++completed;
      if (op.status.ok()) shared_.counters->Count(op);
      op.node.home->Post(&op.node);
    }
    StartWaiting();
  }
}

void UringRing::StartWaiting() noexcept {
  for (Backlog* waiting :
       {&reads_waiting_, &others_waiting_, &flushes_waiting_, &background_waiting_}) {
    while (waiting->first != nullptr && HasRoom(*waiting->first)) Prepare(*waiting->Pop());
  }
}

// False: there is more of it to do.
bool UringRing::Complete(IoOp& op, int result) noexcept {
  if (IsToBeginAgain(op, result) && ++op.attempts < kMaxInterrupts) return false;
  const bool is_sync_of_directory = op.kind == IoKind::kSyncDir;
  if (is_sync_of_directory && !IsOpened(op) && result >= 0) {
    op.opened = std::make_unique<PosixFile>(op.path, result, false, 0);
    return false;
  }
  if (result >= 0 && (op.kind == IoKind::kRead || op.kind == IoKind::kWrite)) {
    op.status = Status();
    return CompleteTransfer(op, result);
  }
  op.status = StatusOf(op, result);
  if (is_sync_of_directory) op.opened.reset();
  return true;
}

// Of an operation that has ended: also takes over what else the answer tells.
Status UringRing::StatusOf(IoOp& op, int result) noexcept {
  if (op.kind == IoKind::kMakeDir) return FinishMakeDir(op, result);
  if (op.kind == IoKind::kOpen) {
    Status status = FinishOpen(op, shared_.direct, result);
    if (status.ok()) LetRegister(op, shared_.files);
    return status;
  }
  // Reserving space is an optimisation; a file system without it is as good.
  const bool lacks = result == -EOPNOTSUPP || result == -ENOSYS;
  if (op.kind == IoKind::kAllocate && lacks) return Status();
  if (result < 0) return StatusFromErrno(NameOfFailed(op), IoPath(op), -result);
  if (op.kind == IoKind::kAllocate) {
    PosixFile& file = PosixFileOf(op);
    file.set_size(std::max(file.size(), op.offset + op.length));
  }
  if (op.kind == IoKind::kTruncate) PosixFileOf(op).set_size(op.length);
  return Status();
}

bool UringRing::CompleteTransfer(IoOp& op, int result) noexcept {
  op.transferred += static_cast<size_t>(result);
  if (op.kind == IoKind::kRead) {
    // A direct transfer that ends inside a block has met the end of the file.
    return result == 0 || op.transferred == op.length || !EndsOnBlock(op);
  }
  if (result == 0) {
    op.status = StatusFromErrno("write", IoPath(op), EIO);
    return true;
  }
  if (op.transferred < op.length) {
    if (EndsOnBlock(op)) return false;
    op.status = Status::IoError("write " + IoPath(op) + ": a direct write ended inside a block");
    return true;
  }
  PosixFile& file = PosixFileOf(op);
  if (op.offset + op.length > file.size()) file.set_size(op.offset + op.length);
  return true;
}

size_t UringRing::Poll(int64_t deadline_ns, const RunLoop& loop) noexcept {
  for (;;) {
    size_t completed = Reap();
    if (completed > 0 || !busy()) {
      // What the completed ones made room for is on its way before their coroutines run.
      Submit();
      return completed;
    }
    if (deadline_ns == 0 || loop.HasReady()) {
      Submit();
      return Reap();
    }
    if (deadline_ns != INT64_MAX && NowNanos() >= deadline_ns) {
      Submit();
      return 0;
    }
    Wait(deadline_ns, loop);
  }
}

void UringRing::Wait(int64_t deadline_ns, const RunLoop& loop) noexcept {
  ArmWake();
  sleeping_.store(true, std::memory_order_seq_cst);
  if (!loop.HasReady()) {
    __kernel_timespec limit{};
    if (deadline_ns != INT64_MAX) {
      const int64_t left = std::max<int64_t>(deadline_ns - NowNanos(), 0);
      limit = {left / 1'000'000'000, left % 1'000'000'000};
    }
    io_uring_cqe* completion = nullptr;
    const int result = io_uring_submit_and_wait_timeout(
        &ring_, &completion, 1, deadline_ns == INT64_MAX ? nullptr : &limit, nullptr);
    unsubmitted_ = io_uring_sq_ready(&ring_);
    LSMLAB_ASSERT(result >= 0 || IsTransient(result) || result == -ETIME || result == -EBUSY ||
                  result == -ENOMEM);
  }
  sleeping_.store(false, std::memory_order_seq_cst);
}

void UringRing::Wake() noexcept {
  // The owner says that it sleeps and then looks at its loop once more: either it sees what was
  // posted before this call, or this sees that it sleeps.
  if (!sleeping_.load(std::memory_order_seq_cst)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

}  // namespace lsmlab
