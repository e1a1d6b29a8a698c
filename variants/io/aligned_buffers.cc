#include "variants/io/aligned_buffers.h"

#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <new>

#include "engine/base/assert.h"

namespace lsmlab {
namespace {

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
  constexpr size_t kHugePage = AlignedBuffers::kSlabBytes;
  void* memory = FromHeap(kHugePage, bytes);
  madvise(memory, RoundUp(bytes, kHugePage), MADV_HUGEPAGE);
  return memory;
}

size_t SlabPlace(uintptr_t slab) noexcept {
  return static_cast<size_t>((slab / AlignedBuffers::kSlabBytes) * 0x9e3779b97f4a7c15u >> 32);
}

}  // namespace

// From 4 KiB to 60 KiB a class for each page, then one for each power of two.
size_t AlignedBuffers::ClassOf(size_t bytes) noexcept {
  const size_t pages = RoundUp(bytes, kAlignment) / kAlignment;
  if (pages <= kSmallClasses) return pages - 1;
  return kSmallClasses + static_cast<size_t>(std::bit_width((bytes - 1) / kSmallestInSlab));
}

AlignedBuffers::~AlignedBuffers() {
  LSMLAB_ASSERT(outstanding_.load(std::memory_order_acquire) == 0);
  for (size_t i = 0; i < kSmallClasses && !all_in_slabs_; ++i) {
    for (void* buffer : classes_[i].idle) std::free(buffer);
  }
  for (void* slab : slabs_) std::free(slab);
}

void* AlignedBuffers::Carve(size_t size_class) {
  const size_t piece = size_class < kSmallClasses ? (size_class + 1) * kAlignment
                                                  : kSmallestInSlab << (size_class - kSmallClasses);
  char* slab = static_cast<char*>(HugeFromHeap(kSlabBytes));
  {
    std::lock_guard guard(slabs_mutex_);
    slabs_.push_back(slab);
    Number(slab);
  }
  SizeClass& mine = classes_[size_class];
  std::lock_guard guard(mine.mutex);
  for (size_t offset = piece; offset + piece <= kSlabBytes; offset += piece) {
    mine.idle.push_back(slab + offset);
  }
  return slab;
}

void AlignedBuffers::Number(char* slab) noexcept {
  const size_t number = slabs_.size() - 1;
  if (number >= kNumberedSlabs) return;
  const auto address = reinterpret_cast<uintptr_t>(slab);
  size_t at = SlabPlace(address);
  while (slab_table_[at % kSlabTable].load(std::memory_order_relaxed) != 0) ++at;
  slab_table_[at % kSlabTable].store(address | number, std::memory_order_release);
}

std::optional<AlignedBuffers::Slab> AlignedBuffers::SlabOf(const void* buffer) const noexcept {
  const uintptr_t begin = reinterpret_cast<uintptr_t>(buffer) & ~(kSlabBytes - 1);
  for (size_t at = SlabPlace(begin);; ++at) {
    const uintptr_t entry = slab_table_[at % kSlabTable].load(std::memory_order_acquire);
    if (entry == 0) return std::nullopt;
    if ((entry & ~(kSlabBytes - 1)) != begin) continue;
    return Slab{static_cast<uint32_t>(entry % kSlabBytes), reinterpret_cast<char*>(begin)};
  }
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
    const size_t size_class = ClassOf(bytes);
    SizeClass& mine = classes_[size_class];
    {
      std::lock_guard guard(mine.mutex);
      if (!mine.idle.empty()) {
        buffer = mine.idle.back();
        mine.idle.pop_back();
      }
    }
    if (buffer == nullptr) {
      buffer = IsFromSlab(size_class) ? Carve(size_class) : FromHeap(kAlignment, bytes);
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
    const size_t size_class = ClassOf(bytes);
    SizeClass& mine = classes_[size_class];
    std::lock_guard guard(mine.mutex);
    if (IsFromSlab(size_class) || mine.idle.size() < kKeepSmall) {
      mine.idle.push_back(buffer);
      return;
    }
  }
#endif
  std::free(buffer);
}

}  // namespace lsmlab
