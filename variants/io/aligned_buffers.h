#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace lsmlab {

// Memory for direct I/O and block frames: aligned to 4096, recycled by size. From 64 KiB (where
// everything is to be in slabs, from 4 KiB) to 1 MiB buffers are cut from slabs of 2 MiB that ask
// for huge pages; larger ones have mappings of their own. Slabs are kept until the end. Under
// sanitizers everything comes from the heap, so that a use after FreeBuffer is found. Thread-safe.
class AlignedBuffers {
 public:
  static constexpr size_t kAlignment = 4096;
  static constexpr size_t kSlabBytes = size_t{2} << 20;
  // Slabs that have a number.
  static constexpr uint32_t kNumberedSlabs = 2048;
  struct Slab {
    uint32_t number;  // from 0, in order of making
    char* begin;
  };

  explicit AlignedBuffers(bool all_in_slabs = false) : all_in_slabs_(all_in_slabs) {}
  AlignedBuffers(const AlignedBuffers&) = delete;
  // REQUIRES: every buffer was given back.
  ~AlignedBuffers();

  // At least `bytes` (> 0); contents undefined. Throws std::bad_alloc.
  void* Allocate(size_t bytes);
  // `bytes` as at allocation.
  void Free(void* buffer, size_t bytes) noexcept;

  // The slab that a live buffer was cut from; nothing where it has one of its own, or the slab no
  // number.
  std::optional<Slab> SlabOf(const void* buffer) const noexcept;

 private:
  static constexpr size_t kSmallClasses = 15;  // 4 KiB to 60 KiB in steps of 4 KiB
  static constexpr size_t kSlabClasses = 5;    // 64 KiB, 128 KiB ... 1 MiB
  struct SizeClass {
    std::mutex mutex;
    std::vector<void*> idle;
  };
  static size_t ClassOf(size_t bytes) noexcept;
  bool IsFromSlab(size_t size_class) const noexcept {
    return all_in_slabs_ || size_class >= kSmallClasses;
  }
  void* Carve(size_t size_class);
  void Number(char* slab) noexcept;

  const bool all_in_slabs_;
  std::array<SizeClass, kSmallClasses + kSlabClasses> classes_;
  std::mutex slabs_mutex_;
  std::vector<void*> slabs_;
  // Address and number of slabs (both in one word), by address, open addressing: read without a
  // lock, written under slabs_mutex_.
  static constexpr size_t kSlabTable = 2 * kNumberedSlabs;
  std::array<std::atomic<uintptr_t>, kSlabTable> slab_table_{};
  std::atomic<size_t> outstanding_{0};
};

}  // namespace lsmlab
