#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/async/task.h"
#include "engine/parts/io.h"

// Reads of any bytes of a file, whether it is direct or not.
namespace lsmlab {

// Memory for one read, aligned as the file needs it.
class ReadBuffer {
 public:
  ReadBuffer() noexcept = default;
  // Room for `bytes` plus what an aligned read takes more, and 64 spare bytes.
  ReadBuffer(Io& io, size_t bytes)
      : io_(&io), bytes_(bytes), data_(static_cast<char*>(io.AllocateBuffer(bytes))) {}
  ReadBuffer(ReadBuffer&& o) noexcept
      : io_(o.io_), bytes_(o.bytes_), data_(std::exchange(o.data_, nullptr)) {}
  ReadBuffer& operator=(ReadBuffer&& o) noexcept {
    std::swap(io_, o.io_);
    std::swap(bytes_, o.bytes_);
    std::swap(data_, o.data_);
    return *this;
  }
  ~ReadBuffer() {
    if (data_ != nullptr) io_->FreeBuffer(data_, bytes_);
  }
  char* data() const noexcept { return data_; }
  size_t bytes() const noexcept { return bytes_; }

 private:
  Io* io_ = nullptr;
  size_t bytes_ = 0;
  char* data_ = nullptr;
};

// A byte range of a file widened to the file's alignment.
struct AlignedRange {
  AlignedRange(const IoFile& file, uint64_t offset, uint64_t size) noexcept;
  uint64_t offset;
  size_t length;
  size_t skip;    // from `offset` to the range asked for
  size_t needed;  // from `offset` to its end; beyond, a file that was written buffered may end
};

// Reads the bytes into memory of any place; of a direct file through a buffer of the Io.
Task<Status> ReadInto(Io& io, IoSite site, IoFile& file, uint64_t offset, uint64_t size, char* to);

}  // namespace lsmlab
