#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <vector>

namespace lsmlab {

// Memory for direct I/O and block frames: aligned to 4096, recycled by size. From 64 KiB to 1 MiB
// buffers are cut from slabs of 2 MiB that ask for huge pages; larger ones have mappings of their
// own. Slabs are kept until the end. Under sanitizers everything comes from the heap, so that a
// use after FreeBuffer is found. Thread-safe.
class AlignedBuffers {
 public:
  static constexpr size_t kAlignment = 4096;

  AlignedBuffers() = default;
  AlignedBuffers(const AlignedBuffers&) = delete;
  // REQUIRES: every buffer was given back.
  ~AlignedBuffers();

  // At least `bytes` (> 0); contents undefined. Throws std::bad_alloc.
  void* Allocate(size_t bytes);
  // `bytes` as at allocation.
  void Free(void* buffer, size_t bytes) noexcept;

 private:
  static constexpr size_t kSmallClasses = 15;  // 4 KiB to 60 KiB in steps of 4 KiB
  static constexpr size_t kSlabClasses = 5;    // 64 KiB, 128 KiB ... 1 MiB
  struct SizeClass {
    std::mutex mutex;
    std::vector<void*> idle;
  };
  void* Carve(size_t slab_class);

  std::array<SizeClass, kSmallClasses + kSlabClasses> classes_;
  std::mutex slabs_mutex_;
  std::vector<void*> slabs_;
  std::atomic<size_t> outstanding_{0};
};

}  // namespace lsmlab
