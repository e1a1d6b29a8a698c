#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace lsmlab {

// A zeroed array of plain memory at a cache line's start, with 64 spare bytes after it; from 2 MiB
// on at a huge page's start and asked to be one, so that a cold probe of a large filter or index
// costs no TLB miss of its own.
class AlignedBytes {
 public:
  AlignedBytes() noexcept = default;
  explicit AlignedBytes(size_t bytes) : size_(bytes) {
    constexpr size_t kHuge = 2u << 20;
    const size_t alignment = bytes >= kHuge ? kHuge : 64;
    reserved_ = (bytes + 64 + alignment - 1) / alignment * alignment;
    data_.reset(static_cast<char*>(std::aligned_alloc(alignment, reserved_)));
    if (data_ == nullptr) throw std::bad_alloc();
    if (alignment == kHuge) madvise(data_.get(), reserved_, MADV_HUGEPAGE);
    std::memset(data_.get(), 0, bytes + 64);
  }
  char* data() noexcept { return data_.get(); }
  const char* data() const noexcept { return data_.get(); }
  template <typename T>
  T* as() noexcept {
    return reinterpret_cast<T*>(data_.get());
  }
  template <typename T>
  const T* as() const noexcept {
    return reinterpret_cast<const T*>(data_.get());
  }
  size_t size() const noexcept { return size_; }
  size_t reserved() const noexcept { return reserved_; }  // what it takes from memory

 private:
  struct Free {
    void operator()(char* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<char[], Free> data_;
  size_t size_ = 0;
  size_t reserved_ = 0;
};

}  // namespace lsmlab
