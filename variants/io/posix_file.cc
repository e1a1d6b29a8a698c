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

Status Open(IoOp& op, Direct mode) {
  const bool direct = IsDirect(mode, op.site);
  // O_NONBLOCK: a pipe in the place of a file must not hold up the open.
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
  // Plain calls on files ignore it. io_uring does not: on some devices nothing would ever be done.
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  op.opened = std::make_unique<PosixFile>(op.path, fd, direct, static_cast<uint64_t>(info.st_size));
  return Status();
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
  const Result<std::unique_ptr<IoFile>> opened = OpenDirectory(op.path);
  if (!opened.ok()) return opened.status();
  if (fsync(static_cast<PosixFile&>(*opened.value()).fd()) == 0) return Status();
  return Failed("fsync directory", op.path);
}

Status MakeDir(const IoOp& op) {
  if (mkdir(op.path.c_str(), 0700) == 0) return Status();
  const int error = errno;
  struct stat info;
  if (error == EEXIST && stat(op.path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return Status();
  }
  return StatusFromErrno("make directory", op.path, error);
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

Status Lock(IoOp& op) {
  Result<std::unique_ptr<IoFile>> lock = AcquirePosixLock(op.path);
  if (!lock.ok()) return lock.status();
  op.opened = std::move(lock).value();
  return Status();
}

}  // namespace

Result<std::unique_ptr<IoFile>> OpenDirectory(const std::string& path) {
  const int fd =
      Uninterrupted([&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return Failed("open directory", path);
  return std::unique_ptr<IoFile>(std::make_unique<PosixFile>(path, fd, false, 0));
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
      return Lock(op);
  }
  return Status::NotSupported("unknown I/O operation");
}

}  // namespace lsmlab
