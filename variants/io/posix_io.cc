#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <utility>

#include "variants/io/aligned_buffers.h"
#include "variants/io/direct_files.h"
#include "variants/io/ios.h"
#include "variants/io/posix_errors.h"
#include "variants/io/posix_lock.h"
#include "variants/io/site_counters.h"

namespace lsmlab {
namespace {

// The kernel moves at most this much per call; whole pages, so that direct transfers stay aligned.
constexpr size_t kMaxTransfer = size_t{1} << 30;
// A call that is interrupted this often in a row is given up with EINTR.
constexpr int kMaxInterrupts = 1000;

template <typename Call>
auto Uninterrupted(Call call) {
  auto result = call();
  for (int i = 0; result < 0 && errno == EINTR && i < kMaxInterrupts; ++i) result = call();
  return result;
}

class PosixFile final : public IoFile {
 public:
  PosixFile(std::string path, int fd, bool direct, uint64_t size)
      : IoFile(std::move(path)), fd_(fd), direct_(direct), size_(size) {}
  // Nothing is left to lose: what must stay was synced, and that reported its errors.
  ~PosixFile() override { close(fd_); }
  size_t alignment() const noexcept override { return direct_ ? kDirectAlignment : 1; }
  uint64_t size() const noexcept override { return size_.load(std::memory_order_acquire); }

  int fd() const noexcept { return fd_; }
  void set_size(uint64_t size) noexcept { size_.store(size, std::memory_order_release); }

 private:
  int fd_;
  bool direct_;
  std::atomic<uint64_t> size_;
};

PosixFile& PosixFileOf(const IoOp& op) { return static_cast<PosixFile&>(*op.file); }

Status Failed(const char* operation, const std::string& path) {
  return StatusFromErrno(operation, path, errno);
}

class PosixIo final : public Io {
 public:
  explicit PosixIo(Direct direct) : direct_(direct) {}

  bool Start(IoOp& op) noexcept override {
    op.status = Run(op);
    if (op.status.ok()) counters_.Count(op);
    return true;
  }
  size_t Poll(int64_t) noexcept override { return 0; }
  void Wake() noexcept override {}
  bool defers() const noexcept override { return false; }

  void* AllocateBuffer(size_t bytes) override { return buffers_.Allocate(bytes); }
  void FreeBuffer(void* buffer, size_t bytes) noexcept override { buffers_.Free(buffer, bytes); }
  IoCounters Counters() const noexcept override { return counters_.All(); }
  IoCounters Counters(IoSite site) const noexcept override { return counters_.Of(site); }

 private:
  Status Run(IoOp& op);
  Status Open(IoOp& op);
  static Status Read(IoOp& op);
  static Status Write(IoOp& op);
  static Status Sync(const IoOp& op);
  static Status Allocate(const IoOp& op);
  static Status SyncDir(const IoOp& op);
  static Status MakeDir(const IoOp& op);
  static Status List(IoOp& op);
  static Status Lock(IoOp& op);

  Direct direct_;
  SiteCounters counters_;
  AlignedBuffers buffers_;
};

Status PosixIo::Run(IoOp& op) {
  op.transferred = 0;
  switch (op.kind) {
    case IoKind::kOpen:
      return Open(op);
    case IoKind::kRead:
      return Read(op);
    case IoKind::kWrite:
      return Write(op);
    case IoKind::kSync:
    case IoKind::kDataSync:
      return Sync(op);
    case IoKind::kAllocate:
      return Allocate(op);
    case IoKind::kTruncate: {
      PosixFile& file = PosixFileOf(op);
      const auto size = static_cast<off_t>(op.length);
      if (Uninterrupted([&] { return ftruncate(file.fd(), size); }) != 0) {
        return Failed("truncate", file.path());
      }
      file.set_size(op.length);
      return Status();
    }
    case IoKind::kSyncDir:
      return SyncDir(op);
    case IoKind::kMakeDir:
      return MakeDir(op);
    case IoKind::kList:
      return List(op);
    case IoKind::kRename:
      if (rename(op.path.c_str(), op.path_to.c_str()) == 0) return Status();
      return Failed("rename", op.path);
    case IoKind::kUnlink:
      if (unlink(op.path.c_str()) == 0) return Status();
      return Failed("unlink", op.path);
    case IoKind::kLock:
      return Lock(op);
  }
  return Status::NotSupported("unknown I/O operation");
}

Status PosixIo::Open(IoOp& op) {
  const bool direct = IsDirect(direct_, op.site);
  // O_NONBLOCK: a pipe in the place of a file must not hold up the open; files ignore it.
  int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | (direct ? O_DIRECT : 0);
  const char* name = "open";
  switch (op.mode) {
    case OpenMode::kRead:
      flags |= O_RDONLY;
      break;
    case OpenMode::kReadWrite:
      flags |= O_RDWR;
      break;
    case OpenMode::kCreate:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      name = "create";
      break;
  }
  const int fd = Uninterrupted([&] { return open(op.path.c_str(), flags, 0600); });
  if (fd < 0) {
    if (direct && errno == EINVAL) {
      return Status::IoError(std::string(name) + " " + op.path +
                             ": the file system refuses direct I/O; set io.direct to none");
    }
    return Failed(name, op.path);
  }
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return Status::IoError(std::string(name) + " " + op.path + ": not a regular file");
  }
  op.opened = std::make_unique<PosixFile>(op.path, fd, direct, static_cast<uint64_t>(info.st_size));
  return Status();
}

Status PosixIo::Read(IoOp& op) {
  PosixFile& file = PosixFileOf(op);
  if (!IsAligned(op)) return Misaligned(op);
  char* to = static_cast<char*>(op.data);
  while (op.transferred < op.length) {
    const size_t want = std::min(op.length - op.transferred, kMaxTransfer);
    const auto at = static_cast<off_t>(op.offset + op.transferred);
    const ssize_t got =
        Uninterrupted([&] { return pread(file.fd(), to + op.transferred, want, at); });
    if (got < 0) return Failed("read", file.path());
    op.transferred += static_cast<size_t>(got);
    // A direct transfer that ends inside a block has met the end of the file.
    if (got == 0 || op.transferred % file.alignment() != 0) break;
  }
  return Status();
}

Status PosixIo::Write(IoOp& op) {
  PosixFile& file = PosixFileOf(op);
  if (!IsAligned(op)) return Misaligned(op);
  char* from = static_cast<char*>(op.data);
  while (op.transferred < op.length) {
    iovec piece{from + op.transferred, std::min(op.length - op.transferred, kMaxTransfer)};
    const auto at = static_cast<off_t>(op.offset + op.transferred);
    const int flags = op.data_sync_after ? RWF_DSYNC : 0;
    const ssize_t put = Uninterrupted([&] { return pwritev2(file.fd(), &piece, 1, at, flags); });
    if (put < 0) return Failed("write", file.path());
    if (put == 0) return StatusFromErrno("write", file.path(), EIO);
    op.transferred += static_cast<size_t>(put);
    if (op.transferred < op.length && op.transferred % file.alignment() != 0) {
      return Status::IoError("write " + file.path() + ": a direct write ended inside a block");
    }
  }
  const uint64_t end = op.offset + op.length;
  if (end > file.size()) file.set_size(end);
  return Status();
}

Status PosixIo::Sync(const IoOp& op) {
  PosixFile& file = PosixFileOf(op);
  const bool all = op.kind == IoKind::kSync;
  // Not repeated when interrupted: after any failure of a sync nobody knows what is durable.
  if ((all ? fsync(file.fd()) : fdatasync(file.fd())) == 0) return Status();
  return Failed(all ? "fsync" : "fdatasync", file.path());
}

Status PosixIo::Allocate(const IoOp& op) {
  PosixFile& file = PosixFileOf(op);
  if (op.length == 0) return Status();
  const auto length = static_cast<off_t>(op.length);
  const int result =
      Uninterrupted([&] { return fallocate(file.fd(), FALLOC_FL_KEEP_SIZE, 0, length); });
  // Reserving is an optimisation; a file system without it is as good.
  if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return Status();
  return Failed("allocate", file.path());
}

Status PosixIo::SyncDir(const IoOp& op) {
  const int fd =
      Uninterrupted([&] { return open(op.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return Failed("open directory", op.path);
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  return result == 0 ? Status() : StatusFromErrno("fsync directory", op.path, error);
}

Status PosixIo::MakeDir(const IoOp& op) {
  if (mkdir(op.path.c_str(), 0700) == 0) return Status();
  const int error = errno;
  struct stat info;
  if (error == EEXIST && stat(op.path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return Status();
  }
  return StatusFromErrno("make directory", op.path, error);
}

Status PosixIo::List(IoOp& op) {
  op.entries.clear();
  DIR* dir = opendir(op.path.c_str());
  if (dir == nullptr) return Failed("list", op.path);
  int error = 0;
  for (;;) {
    errno = 0;
    const dirent* found = readdir(dir);
    if (found == nullptr) {
      error = errno;
      break;
    }
    const std::string_view name = found->d_name;
    if (name == "." || name == "..") continue;
    struct stat info;
    if (fstatat(dirfd(dir), found->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // unlinked since
      error = errno;
      break;
    }
    DirEntry& entry = op.entries.emplace_back();
    entry.name = name;
    entry.is_directory = S_ISDIR(info.st_mode);
    entry.is_regular = S_ISREG(info.st_mode);
    entry.size = static_cast<uint64_t>(info.st_size);
  }
  closedir(dir);
  if (error != 0) return StatusFromErrno("list", op.path, error);
  std::sort(op.entries.begin(), op.entries.end(),
            [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
  return Status();
}

Status PosixIo::Lock(IoOp& op) {
  Result<std::unique_ptr<IoFile>> lock = AcquirePosixLock(op.path);
  if (!lock.ok()) return lock.status();
  op.opened = std::move(lock).value();
  return Status();
}

constexpr SettingSpec kPosixSettings[] = {kDirectSetting};

Result<std::unique_ptr<Io>> MakePosix(const SettingBag& settings) {
  return Result<std::unique_ptr<Io>>(
      std::make_unique<PosixIo>(ParseDirect(settings.Choice("direct"))));
}

}  // namespace

constinit const IoVariant kPosixIo{"posix", "blocking system calls (pread, pwritev2, fdatasync)",
                                   kPosixSettings, MakePosix};

}  // namespace lsmlab
