#include "variants/io/posix_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include "variants/io/posix_errors.h"
#include "variants/io/posix_lock.h"

namespace lsmlab {
namespace {

template <typename Call>
auto Uninterrupted(Call call) {
  auto result = call();
  for (int i = 0; result < 0 && errno == EINTR && i < kMaxInterrupts; ++i) result = call();
  return result;
}

Status Failed(const char* operation, const std::string& path) {
  return StatusFromErrno(operation, path, errno);
}

Status RefusesDirect(const char* operation, const std::string& path) {
  return Status::IoError(std::string(operation) + " " + path +
                         ": the file system refuses direct I/O; set io.direct to none");
}

Status Open(IoOp& op, Direct mode) {
  const int flags = OpenFlags(op, mode);
  const int fd = Uninterrupted([&] { return open(op.path.c_str(), flags, kFileMode); });
  return FinishOpen(op, mode, fd >= 0 ? fd : -errno);
}

Status Read(IoOp& op) {
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
    if (got == 0 || !EndsOnBlock(op)) break;
  }
  return Status();
}

Status Write(IoOp& op) {
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
    if (op.transferred < op.length && !EndsOnBlock(op)) {
      return Status::IoError("write " + file.path() + ": a direct write ended inside a block");
    }
  }
  const uint64_t end = op.offset + op.length;
  if (end > file.size()) file.set_size(end);
  return Status();
}

Status Sync(const IoOp& op) {
  PosixFile& file = PosixFileOf(op);
  const bool all = op.kind == IoKind::kSync;
  // Not repeated when interrupted: after any failure of a sync nobody knows what is durable.
  if ((all ? fsync(file.fd()) : fdatasync(file.fd())) == 0) return Status();
  return Failed(all ? "fsync" : "fdatasync", file.path());
}

Status Allocate(const IoOp& op) {
  PosixFile& file = PosixFileOf(op);
  if (op.length == 0) return Status();
  const auto length = static_cast<off_t>(op.length);
  const int result =
      Uninterrupted([&] { return fallocate(file.fd(), 0, static_cast<off_t>(op.offset), length); });
  if (result == 0) file.set_size(std::max(file.size(), op.offset + op.length));
  // Reserving is an optimisation; a file system without it is as good.
  if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return Status();
  return Failed("allocate", file.path());
}

Status SyncDir(const IoOp& op) {
  const int fd = Uninterrupted([&] { return open(op.path.c_str(), kDirectoryFlags); });
  if (fd < 0) return Failed("open directory", op.path);
  Status status = fsync(fd) == 0 ? Status() : Failed("fsync directory", op.path);
  close(fd);
  return status;
}

Status MakeDir(const IoOp& op) {
  return FinishMakeDir(op, mkdir(op.path.c_str(), kDirectoryMode) == 0 ? 0 : -errno);
}

Status List(IoOp& op) {
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

// Every store that writes locks its directory when it opens, and there it learns what its first
// flush would otherwise: that no file of it can be direct.
Status Lock(IoOp& op, Direct direct) {
  Result<std::unique_ptr<IoFile>> lock = AcquirePosixLock(op.path);
  if (!lock.ok()) return lock.status();
  if (direct != Direct::kNone) {
    const int fd = open(op.path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == EINVAL) return RefusesDirect("lock", op.path);
    if (fd >= 0) close(fd);
  }
  op.opened = std::move(lock).value();
  return Status();
}

}  // namespace

int OpenFlags(const IoOp& op, Direct direct) noexcept {
  // O_NONBLOCK: a pipe in the place of a file must not hold up the open.
  int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  if (IsDirect(direct, op.site)) flags |= O_DIRECT;
  switch (op.mode) {
    case OpenMode::kRead:
      return flags | O_RDONLY;
    case OpenMode::kReadWrite:
      return flags | O_RDWR;
    case OpenMode::kCreate:
      return flags | O_RDWR | O_CREAT | O_EXCL;
  }
  return flags;
}

Status FinishOpen(IoOp& op, Direct direct, int answer) {
  const char* name = op.mode == OpenMode::kCreate ? "create" : "open";
  const bool is_direct = IsDirect(direct, op.site);
  if (answer == -EINVAL && is_direct) return RefusesDirect(name, op.path);
  if (answer < 0) return StatusFromErrno(name, op.path, -answer);
  const int fd = answer;
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return Status::IoError(std::string(name) + " " + op.path + ": not a regular file");
  }
  // Plain calls on files ignore it. io_uring does not: on some devices nothing would ever be done.
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  op.opened =
      std::make_unique<PosixFile>(op.path, fd, is_direct, static_cast<uint64_t>(info.st_size));
  return Status();
}

Status FinishMakeDir(const IoOp& op, int answer) {
  if (answer == 0) return Status();
  struct stat info;
  if (answer == -EEXIST && stat(op.path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return Status();
  }
  return StatusFromErrno("make directory", op.path, -answer);
}

Status RunBlocking(IoOp& op, Direct direct) {
  op.transferred = 0;
  switch (op.kind) {
    case IoKind::kOpen:
      return Open(op, direct);
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
      return Lock(op, direct);
  }
  return Status::NotSupported("unknown I/O operation");
}

}  // namespace lsmlab
