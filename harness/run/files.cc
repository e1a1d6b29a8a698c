#include "harness/run/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "variants/nearest.h"

namespace lsmlab::harness {
namespace {

namespace fs = std::filesystem;

Status PathError(const std::string& path, int error) {
  const std::string message = Shown(path) + ": " + std::strerror(error);
  if (error == ENOENT) return Status::NotFound(message);
  if (error == ENOSPC || error == EDQUOT) return Status::NoSpace(message);
  return Status::IoError(message);
}

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return PathError(path, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(fd) == 0 ? Status() : PathError(path, errno);
}

// What could not be written whole is taken back: a file that it began, or what it added to one.
Status WriteTo(const std::string& path, int flags, std::string_view bytes) {
  const int fd = open(path.c_str(), flags | O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return PathError(path, errno);
  struct stat before {};
  if (fstat(fd, &before) != 0) {
    const Status unknown = PathError(path, errno);
    close(fd);
    return unknown;
  }
  Status status = WriteAll(fd, bytes, path);
  if (!status.ok() &&
      ((flags & O_TRUNC) != 0 ? unlink(path.c_str()) : ftruncate(fd, before.st_size)) != 0) {
    status = PathError(path, errno);
  }
  close(fd);
  return status;
}

}  // namespace

Status WriteWholeFile(const std::string& path, std::string_view bytes) {
  const std::string beside = path + ".new";
  LSMLAB_TRY(WriteTo(beside, O_TRUNC, bytes));
  if (rename(beside.c_str(), path.c_str()) != 0) return PathError(path, errno);
  return {};
}

Result<std::string> ReadWholeFile(const std::string& path, size_t limit) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return PathError(path, errno);
  struct stat info {};
  Status status;
  std::string bytes;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    status = Status::InvalidArgument(Shown(path) + ": not a regular file");
  } else if (static_cast<uint64_t>(info.st_size) > limit) {
    status = Status::InvalidArgument(Shown(path) + ": " + std::to_string(info.st_size) +
                                     " bytes, above the limit of " + std::to_string(limit));
  } else {
    bytes.resize(static_cast<size_t>(info.st_size));
    size_t have = 0;
    ssize_t got = 0;
    while (have < bytes.size() && (got = read(fd, bytes.data() + have, bytes.size() - have)) > 0) {
      have += static_cast<size_t>(got);
    }
    if (got < 0) status = PathError(path, errno);
    bytes.resize(have);
  }
  close(fd);
  if (!status.ok()) return status;
  return bytes;
}

Status AppendLine(const std::string& path, const std::string& line) {
  return WriteTo(path, O_APPEND, line + "\n");
}

Status MakeDirectories(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? PathError(path, error.value()) : Status();
}

Result<std::string> MakeFreshDirectory(const std::string& parent, const std::string& prefix) {
  std::string path = (fs::path(parent) / (prefix + "XXXXXX")).string();
  if (mkdtemp(path.data()) == nullptr) return PathError(path, errno);
  return path;
}

Status RemoveOwnDirectory(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (status.type() == fs::file_type::not_found) return {};
  if (status.type() != fs::file_type::directory) {
    return Status::InvalidArgument(Shown(path) + ": not a directory; left alone");
  }
  fs::remove_all(path, error);
  return error ? PathError(path, error.value()) : Status();
}

Status CopyDirectory(const std::string& from, const std::string& to) {
  if (mkdir(to.c_str(), 0755) != 0) return PathError(to, errno);
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive, error);
  if (error) return PathError(to, error.value());
  const int fd = open(to.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return PathError(to, errno);
  const Status status = syncfs(fd) == 0 ? Status() : PathError(to, errno);
  close(fd);
  return status;
}

std::string ParentDirectory(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

}  // namespace lsmlab::harness
