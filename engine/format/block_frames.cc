#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include "engine/base/assert.h"
#include "engine/parts/block_cache.h"

// Memory of blocks. A frame holds the Block, its data right behind it, and 64 spare bytes after
// the data. Frames of up to 128 KiB come in size classes (eight for each doubling, so at most 1/8
// is lost) out of slabs of 2 MiB, aligned and asked to be huge pages: a cold block then costs no
// TLB miss of its own. Larger frames are allocated one by one.
//
// Each class has a mutex: a frame is taken and given back beside a device read, never by a hit.
// A slab whose frames are all free goes back to a short list that every class draws from.
namespace lsmlab {
namespace {

constexpr size_t kSlabBytes = 2u << 20;
constexpr size_t kSlabHeaderBytes = 64;
constexpr size_t kTailBytes = kBlockOverhead - kBlockDataOffset;
constexpr size_t kPageBytes = 4096;
constexpr size_t kSmallestFrame = 512;
constexpr int kClasses = 8 * 8 + 1;
// Empty slabs kept for the next need: this many, and a share of those in use. A slab given back and
// mapped again is cleared by the kernel, which costs as much as several compactions of its bytes.
constexpr size_t kSpareSlabs = 8;
constexpr size_t kSpareShare = 8;

static_assert(sizeof(Block) == kBlockDataOffset);

std::atomic<uint64_t> frame_bytes{0};

// Class 8*d+s holds frames of 512 * 2^d * (1 + s/8) bytes.
constexpr size_t ClassBytes(int c) { return (kSmallestFrame >> 3 << (c >> 3)) * (8 + (c & 7)); }
constexpr int ClassOf(size_t bytes) {
  int c = 0;
  while (ClassBytes(c) < bytes) c += 8;
  if (c > 0) c -= 8;
  while (ClassBytes(c) < bytes) ++c;
  return c;
}
static_assert(ClassBytes(kClasses - 1) == kLargestPooledFrame);

struct IdleFrame {
  IdleFrame* next;
};

// At the start of every slab; a frame finds it by masking its address.
struct Slab {
  Slab* next;  // in its class's list of slabs with free frames, or in the spare list
  Slab* previous;
  IdleFrame* free;
  uint32_t used;    // frames handed out
  uint32_t carved;  // frames cut from the untouched rest so far
  int frame_class;
};
static_assert(sizeof(Slab) <= kSlabHeaderBytes);

// Where the frames of a slab start. Frames of whole pages start a page: huge pages of a virtual
// machine are often none of the host's, and each page touched may then cost a walk of its tables.
constexpr size_t FirstFrame(int c) {
  return ClassBytes(c) % kPageBytes == 0 ? kPageBytes : kSlabHeaderBytes;
}
constexpr size_t Capacity(int c) { return (kSlabBytes - FirstFrame(c)) / ClassBytes(c); }

Slab* MapSlab() {
  // Twice the size, then the unaligned ends are given back.
  void* raw =
      mmap(nullptr, 2 * kSlabBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  const uintptr_t start = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = (start + kSlabBytes - 1) & ~(kSlabBytes - 1);
  if (aligned > start) munmap(raw, aligned - start);
  munmap(reinterpret_cast<void*>(aligned + kSlabBytes), start + kSlabBytes - aligned);
  madvise(reinterpret_cast<void*>(aligned), kSlabBytes, MADV_HUGEPAGE);
  return reinterpret_cast<Slab*>(aligned);
}

class SpareSlabs {
 public:
  Slab* Take() {
    std::lock_guard guard(mutex_);
    ++in_use_;
    if (head_ == nullptr) return nullptr;
    Slab* slab = head_;
    head_ = slab->next;
    --count_;
    return slab;
  }
  // As fewer are in use, fewer are kept.
  void Give(Slab* slab) {
    Slab* surplus = nullptr;
    {
      std::lock_guard guard(mutex_);
      --in_use_;
      slab->next = head_;
      head_ = slab;
      ++count_;
      for (size_t most = kSpareSlabs + in_use_ / kSpareShare; count_ > most; --count_) {
        slab = std::exchange(head_, head_->next);
        slab->next = std::exchange(surplus, slab);
      }
    }
    while (surplus != nullptr) munmap(std::exchange(surplus, surplus->next), kSlabBytes);
  }

 private:
  std::mutex mutex_;
  Slab* head_ = nullptr;
  size_t count_ = 0;
  size_t in_use_ = 0;  // slabs with frames in them
};

SpareSlabs& Spares() {
  static auto* spares = new SpareSlabs;
  return *spares;
}

class FrameClass {
 public:
  void* Take(int c) {
    std::lock_guard guard(mutex_);
    if (with_free_ == nullptr) AddSlab(c);
    Slab* slab = with_free_;
    void* frame;
    if (slab->free != nullptr) {
      frame = slab->free;
      slab->free = slab->free->next;
    } else {
      frame = reinterpret_cast<char*>(slab) + FirstFrame(c) + slab->carved * ClassBytes(c);
      ++slab->carved;
    }
    if (++slab->used == Capacity(c)) Unlink(slab);
    return frame;
  }
  void Give(void* frame, int c) {
    Slab* slab = reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(frame) & ~(kSlabBytes - 1));
    {
      std::lock_guard guard(mutex_);
      auto* free = static_cast<IdleFrame*>(frame);
      free->next = slab->free;
      slab->free = free;
      if (slab->used-- == Capacity(c)) Link(slab);
      if (slab->used > 0) return;
      Unlink(slab);
    }
    Spares().Give(slab);
  }

 private:
  void AddSlab(int c) {
    Slab* slab = Spares().Take();
    if (slab == nullptr) slab = MapSlab();
    slab->free = nullptr;
    slab->used = 0;
    slab->carved = 0;
    slab->frame_class = c;
    Link(slab);
  }
  void Link(Slab* slab) {
    slab->previous = nullptr;
    slab->next = with_free_;
    if (with_free_ != nullptr) with_free_->previous = slab;
    with_free_ = slab;
  }
  void Unlink(Slab* slab) {
    (slab->previous != nullptr ? slab->previous->next : with_free_) = slab->next;
    if (slab->next != nullptr) slab->next->previous = slab->previous;
  }

  std::mutex mutex_;
  Slab* with_free_ = nullptr;
};

FrameClass& ClassAt(int c) {
  static auto* classes = new FrameClass[kClasses];
  return classes[c];
}

void DestroySlabFrame(Block* block) {
  const uint32_t charge = block->charge;
  frame_bytes.fetch_sub(charge, std::memory_order_relaxed);
  block->~Block();
  const int c = ClassOf(charge);
  ClassAt(c).Give(block, c);
}

void DestroyLargeFrame(Block* block) {
  frame_bytes.fetch_sub(block->charge, std::memory_order_relaxed);
  block->~Block();
  std::free(block);
}

// Sanitizers see the end and the death of every frame only when each is an allocation of its own.
#if defined(LSMLAB_SANITIZED)
constexpr bool kUseSlabs = false;
#else
constexpr bool kUseSlabs = true;
#endif

}  // namespace

Block* AllocateBlock(size_t size) {
  size_t bytes = (kBlockDataOffset + size + kTailBytes + 63) & ~size_t{63};
  LSMLAB_ASSERT(bytes < (size_t{1} << 32));
  void* frame;
  const bool from_slab = kUseSlabs && bytes <= kLargestPooledFrame;
  if (from_slab) {
    const int c = ClassOf(bytes);
    bytes = ClassBytes(c);
    frame = ClassAt(c).Take(c);
  } else {
    frame = std::aligned_alloc(64, bytes);
    if (frame == nullptr) throw std::bad_alloc();
  }
  auto* block = new (frame) Block;
  block->size = static_cast<uint32_t>(size);
  block->charge = static_cast<uint32_t>(bytes);
  block->data = static_cast<char*>(frame) + kBlockDataOffset;
  block->destroy = from_slab ? DestroySlabFrame : DestroyLargeFrame;
  frame_bytes.fetch_add(bytes, std::memory_order_relaxed);
  return block;
}

uint64_t BlockFrameBytes() noexcept { return frame_bytes.load(std::memory_order_relaxed); }

}  // namespace lsmlab
