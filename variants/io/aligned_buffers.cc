#include "variants/io/aligned_buffers.h"

#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <new>

#include "engine/base/assert.h"

namespace lsmlab {
namespace {

constexpr size_t kSlabBytes = size_t{2} << 20;
constexpr size_t kSmallestInSlab = size_t{64} << 10;
constexpr size_t kLargestInSlab = size_t{1} << 20;
// Idle small buffers kept per class; more go back to the heap.
constexpr size_t kKeepSmall = 1024;

size_t RoundUp(size_t bytes, size_t step) { return (bytes + step - 1) / step * step; }

void* FromHeap(size_t alignment, size_t bytes) {
  void* memory = std::aligned_alloc(alignment, RoundUp(bytes, alignment));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

// Aligned to 2 MiB, so that the kernel can back it with huge pages; it is asked to, and may refuse.
void* HugeFromHeap(size_t bytes) {
  void* memory = FromHeap(kSlabBytes, bytes);
  madvise(memory, RoundUp(bytes, kSlabBytes), MADV_HUGEPAGE);
  return memory;
}

// The class of a slab buffer: 0 for 64 KiB, 4 for 1 MiB.
[[maybe_unused]] size_t SlabClass(size_t bytes) {
  return static_cast<size_t>(std::bit_width((bytes - 1) / kSmallestInSlab));
}

}  // namespace

AlignedBuffers::~AlignedBuffers() {
  LSMLAB_ASSERT(outstanding_.load(std::memory_order_acquire) == 0);
  for (size_t i = 0; i < kSmallClasses; ++i) {
    for (void* buffer : classes_[i].idle) std::free(buffer);
  }
  for (void* slab : slabs_) std::free(slab);
}

void* AlignedBuffers::Carve(size_t slab_class) {
  const size_t piece = kSmallestInSlab << slab_class;
  char* slab = static_cast<char*>(HugeFromHeap(kSlabBytes));
  {
    std::lock_guard guard(slabs_mutex_);
    slabs_.push_back(slab);
  }
  SizeClass& mine = classes_[kSmallClasses + slab_class];
  std::lock_guard guard(mine.mutex);
  for (size_t offset = piece; offset < kSlabBytes; offset += piece) {
    mine.idle.push_back(slab + offset);
  }
  return slab;
}

void* AlignedBuffers::Allocate(size_t bytes) {
  LSMLAB_ASSERT(bytes > 0);
  void* buffer = nullptr;
#if defined(LSMLAB_SANITIZED)
  buffer = FromHeap(kAlignment, bytes);
#else
  if (bytes > kLargestInSlab) {
    buffer = HugeFromHeap(bytes);
  } else {
    const size_t small = RoundUp(bytes, kAlignment) / kAlignment - 1;
    const bool from_slab = small >= kSmallClasses;
    SizeClass& mine = classes_[from_slab ? kSmallClasses + SlabClass(bytes) : small];
    {
      std::lock_guard guard(mine.mutex);
      if (!mine.idle.empty()) {
        buffer = mine.idle.back();
        mine.idle.pop_back();
      }
    }
    if (buffer == nullptr) {
      buffer = from_slab ? Carve(SlabClass(bytes)) : FromHeap(kAlignment, bytes);
    }
  }
#endif
  outstanding_.fetch_add(1, std::memory_order_relaxed);
  return buffer;
}

void AlignedBuffers::Free(void* buffer, size_t bytes) noexcept {
  outstanding_.fetch_sub(1, std::memory_order_release);
#if !defined(LSMLAB_SANITIZED)
  if (bytes <= kLargestInSlab) {
    const size_t small = RoundUp(bytes, kAlignment) / kAlignment - 1;
    const bool from_slab = small >= kSmallClasses;
    SizeClass& mine = classes_[from_slab ? kSmallClasses + SlabClass(bytes) : small];
    std::lock_guard guard(mine.mutex);
    if (from_slab || mine.idle.size() < kKeepSmall) {
      mine.idle.push_back(buffer);
      return;
    }
  }
#endif
  std::free(buffer);
}

}  // namespace lsmlab
