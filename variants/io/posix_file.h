#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "engine/parts/io.h"
#include "variants/io/direct_files.h"

// Files as descriptors, and the operations on them as blocking system calls: all of `posix`, and
// what `uring` does not hand to its ring.
namespace lsmlab {

// The kernel moves at most this much per call; whole pages, so that direct transfers stay aligned.
constexpr size_t kMaxTransfer = size_t{1} << 30;
// A call that is interrupted this often in a row is given up with EINTR.
constexpr int kMaxInterrupts = 1000;

class PosixFile : public IoFile {
 public:
  PosixFile(std::string path, int fd, bool direct, uint64_t size)
      : IoFile(std::move(path)), fd_(fd), direct_(direct), size_(size) {}
  // Nothing is left to lose: what must stay was synced, and that reported its errors.
  ~PosixFile() override {
    if (fd_ >= 0) close(fd_);
  }
  size_t alignment() const noexcept override { return direct_ ? kDirectAlignment : 1; }
  uint64_t size() const noexcept override { return size_.load(std::memory_order_acquire); }

  int fd() const noexcept { return fd_; }
  // Leaves this one without a descriptor.
  int TakeFd() noexcept { return std::exchange(fd_, -1); }
  void set_size(uint64_t size) noexcept { size_.store(size, std::memory_order_release); }

 private:
  int fd_;
  bool direct_;
  std::atomic<uint64_t> size_;
};

inline PosixFile& PosixFileOf(const IoOp& op) { return static_cast<PosixFile&>(*op.file); }

// Does the operation: sets `transferred`, `opened`, `entries` and the file's size, and returns the
// status. `direct` decides the mode of files that it opens. Any thread.
Status RunBlocking(IoOp& op, Direct direct);

// The pieces of a kOpen, for whoever makes the call itself: the flags of open(2), and what its
// answer means, a descriptor or minus an errno. Nothing here waits for a device.
constexpr unsigned kFileMode = 0600;
int OpenFlags(const IoOp& op, Direct direct) noexcept;
Status FinishOpen(IoOp& op, Direct direct, int answer);
// The same for a directory that is to be synced, and for a kMakeDir (0, or minus an errno).
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
constexpr unsigned kDirectoryMode = 0700;
Status FinishMakeDir(const IoOp& op, int answer);

// Whether a transfer of direct files may go on after it moved op.transferred bytes: it has not
// ended inside a block, which only the end of the file explains (reads) or nothing (writes).
inline bool EndsOnBlock(const IoOp& op) noexcept {
  return op.transferred % op.file->alignment() == 0;
}

}  // namespace lsmlab
