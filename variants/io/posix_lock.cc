#include "variants/io/posix_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <set>
#include <utility>

#include "variants/io/posix_errors.h"

namespace lsmlab {
namespace {

using FileId = std::pair<dev_t, ino_t>;

struct Registry {
  std::mutex mutex;
  std::set<FileId> held;
};

Registry& HeldHere() {
  static auto* registry = new Registry;
  return *registry;
}

class LockFile final : public IoFile {
 public:
  LockFile(std::string path, int fd, FileId id) : IoFile(std::move(path)), fd_(fd), id_(id) {}
  ~LockFile() override {
    // First the lock of the system, then the name in the registry: whoever finds it gone can lock.
    close(fd_);
    std::lock_guard guard(HeldHere().mutex);
    HeldHere().held.erase(id_);
  }
  size_t alignment() const noexcept override { return 1; }
  uint64_t size() const noexcept override { return 0; }

 private:
  int fd_;
  FileId id_;
};

// The text that the holder left: for the message only, it decides nothing.
std::string HolderText(int fd) {
  char text[32] = {};
  const ssize_t got = pread(fd, text, sizeof text - 1, 0);
  std::string digits;
  for (ssize_t i = 0; i < got && text[i] >= '0' && text[i] <= '9'; ++i) digits += text[i];
  return digits.empty() ? "another process" : "process " + digits;
}

void WriteHolder(int fd) {
  const std::string text = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) != 0) return;
  const ssize_t written = pwrite(fd, text.data(), text.size(), 0);
  (void)written;
}

}  // namespace

Result<std::unique_ptr<IoFile>> AcquirePosixLock(const std::string& path) {
  const int fd =
      open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
  if (fd < 0) return StatusFromErrno("lock", path, errno);
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return Status::IoError("lock " + path + ": not a regular file");
  }
  const FileId id(info.st_dev, info.st_ino);
  {
    std::lock_guard guard(HeldHere().mutex);
    if (!HeldHere().held.insert(id).second) {
      close(fd);
      return Status::Busy("lock " + path + ": held by another store of this process");
    }
  }
  auto lock = std::make_unique<LockFile>(path, fd, id);
  int locked;
  do {
    locked = flock(fd, LOCK_EX | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  if (locked != 0) {
    const int error = errno;
    if (error != EWOULDBLOCK) return StatusFromErrno("lock", path, error);
    return Status::Busy("lock " + path + ": held by " + HolderText(fd));
  }
  WriteHolder(fd);  // tells people who holds it; a full disk is no reason to refuse
  return Result<std::unique_ptr<IoFile>>(std::move(lock));
}

}  // namespace lsmlab
