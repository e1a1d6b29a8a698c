#include "engine/base/arena.h"

#include <sys/mman.h>

#include <mutex>
#include <new>

namespace lsmlab {
namespace {

// Chunks kept in any case: 64 MiB.
constexpr size_t kPoolChunks = 32;

struct ChunkPool {
  std::mutex mutex;
  size_t limit = kPoolChunks;
  std::vector<char*> idle;  // the one used last is taken first
};

ChunkPool& Pool() {
  static auto* pool = new ChunkPool;
  return *pool;
}

// Maps `bytes` aligned to 2 MiB: maps one chunk more, and gives the ends back.
char* MapAligned(size_t bytes) {
  const size_t padded = bytes + Arena::kChunkBytes;
  void* raw = mmap(nullptr, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  const auto start = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = (start + Arena::kChunkBytes - 1) & ~(Arena::kChunkBytes - 1);
  if (aligned > start) munmap(raw, aligned - start);
  const uintptr_t end = start + padded;
  if (end > aligned + bytes) {
    munmap(reinterpret_cast<void*>(aligned + bytes), end - aligned - bytes);
  }
  auto* memory = reinterpret_cast<char*>(aligned);
  madvise(memory, bytes, MADV_HUGEPAGE);  // a hint: small pages serve as well
  return memory;
}

}  // namespace

Arena::Reserve::Reserve(size_t bytes) noexcept : chunks_((bytes + kChunkBytes - 1) / kChunkBytes) {
  std::lock_guard guard(Pool().mutex);
  Pool().limit += chunks_;
}

Arena::Reserve::~Reserve() {
  std::lock_guard guard(Pool().mutex);
  Pool().limit -= chunks_;
  for (; Pool().idle.size() > Pool().limit; Pool().idle.pop_back()) {
    munmap(Pool().idle.back(), kChunkBytes);
  }
}

Arena::~Arena() {
  for (const Mapping& mapping : mappings_) {
    if (mapping.bytes == kChunkBytes) {
      std::lock_guard guard(Pool().mutex);
      if (Pool().idle.size() < Pool().limit) {
        Pool().idle.push_back(mapping.start);
        continue;
      }
    }
    munmap(mapping.start, mapping.bytes);
  }
}

char* Arena::AllocateSlow(size_t bytes, size_t alignment) {
  const bool whole_chunk = bytes <= kChunkBytes;
  const size_t mapped = whole_chunk ? kChunkBytes : (bytes + kChunkBytes - 1) & ~(kChunkBytes - 1);
  // May throw, so before there is a mapping to lose.
  if (mappings_.size() == mappings_.capacity()) mappings_.reserve(2 * mappings_.size() + 8);
  char* memory = nullptr;
  if (whole_chunk) {
    std::lock_guard guard(Pool().mutex);
    if (!Pool().idle.empty()) {
      memory = Pool().idle.back();
      Pool().idle.pop_back();
    }
  }
  if (memory == nullptr) memory = MapAligned(mapped);
  mappings_.push_back({memory, mapped});
  mapped_.store(mapped_.load(std::memory_order_relaxed) + mapped, std::memory_order_relaxed);
  // A large piece leaves the current chunk in use, unless its own remainder is the larger one. The
  // other remainder is lost.
  size_t lost = mapped - bytes;
  if (static_cast<size_t>(end_ - next_) < mapped - bytes) {
    lost = static_cast<size_t>(end_ - next_);
    next_ = memory + bytes;
    end_ = memory + mapped;
  }
  used_.store(used_.load(std::memory_order_relaxed) + bytes + lost, std::memory_order_relaxed);
  return memory;
}

}  // namespace lsmlab
