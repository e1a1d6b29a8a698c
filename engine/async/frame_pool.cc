#include "engine/async/frame_pool.h"

#include <atomic>
#include <new>
#include <utility>

namespace lsmlab {
namespace {

constexpr size_t kClassBytes = 64;
constexpr size_t kFrameClasses = 32;
// Frames kept per class and thread: enough for deep chains, bounded for threads that only free.
// None under sanitizers: a recycled frame would hide a use after its end.
#if defined(LSMLAB_SANITIZED)
constexpr int kKeepPerClass = 0;
#else
constexpr int kKeepPerClass = 64;
#endif

struct FreeFrameNode {
  FreeFrameNode* next;
};

struct ThreadCache {
  FreeFrameNode* lists[kFrameClasses] = {};
  int counts[kFrameClasses] = {};
  // Plain counter per thread, summed by LiveFrames: a shared atomic would cost as much as malloc.
  std::atomic<long> live{0};
  ThreadCache* next = nullptr;
  ThreadCache* previous = nullptr;
  ThreadCache();
  ~ThreadCache();
  void Count(long change) noexcept {
    live.store(live.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }
};

// Objects that outlive a thread's cache (statics, other thread_locals) may still end coroutines:
// then `ended` is set and their frames come from the heap. Plain pointers, because a thread_local
// with a destructor is tested for its construction at each access.
constinit thread_local ThreadCache* current = nullptr;
constinit thread_local bool ended = false;

struct Caches {
  std::atomic_flag lock;
  ThreadCache* head = nullptr;
  std::atomic<long> live_of_ended_threads{0};
  void Lock() noexcept {
    while (lock.test_and_set(std::memory_order_acquire)) __builtin_ia32_pause();
  }
  void Unlock() noexcept { lock.clear(std::memory_order_release); }
};

Caches& AllCaches() {
  static Caches caches;
  return caches;
}

ThreadCache::ThreadCache() {
  Caches& all = AllCaches();
  all.Lock();
  next = all.head;
  if (next != nullptr) next->previous = this;
  all.head = this;
  all.Unlock();
}

ThreadCache::~ThreadCache() {
  for (size_t i = 0; i < kFrameClasses; ++i) {
    FreeFrameNode* node = std::exchange(lists[i], nullptr);
    while (node != nullptr) {
      FreeFrameNode* following = node->next;
      ::operator delete(node);
      node = following;
    }
  }
  current = nullptr;
  ended = true;
  Caches& all = AllCaches();
  all.Lock();
  if (previous != nullptr) previous->next = next;
  if (next != nullptr) next->previous = previous;
  if (all.head == this) all.head = next;
  all.live_of_ended_threads.fetch_add(live.load(std::memory_order_relaxed),
                                      std::memory_order_relaxed);
  all.Unlock();
}

ThreadCache* MakeCache() noexcept {
  if (ended) return nullptr;
  thread_local ThreadCache cache;
  current = &cache;
  return current;
}

// The ways that are seldom taken stand apart, so that the others need no registers of theirs.
[[gnu::noinline]] void* AllocateOnHeap(size_t bytes) {
  ThreadCache* cache = current != nullptr ? current : MakeCache();
  if (cache != nullptr) {
    cache->Count(1);
  } else {
    AllCaches().live_of_ended_threads.fetch_add(1, std::memory_order_relaxed);
  }
  return ::operator new((bytes + kClassBytes - 1) / kClassBytes * kClassBytes);
}
[[gnu::noinline]] void FreeOnHeap(void* frame) noexcept {
  ThreadCache* cache = current != nullptr ? current : MakeCache();
  if (cache != nullptr) {
    cache->Count(-1);
  } else {
    AllCaches().live_of_ended_threads.fetch_sub(1, std::memory_order_relaxed);
  }
  ::operator delete(frame);
}

}  // namespace

void* AllocateFrame(size_t bytes) {
  ThreadCache* const cache = current;
  const size_t index = (bytes + kClassBytes - 1) / kClassBytes - 1;
  if (cache == nullptr || index >= kFrameClasses) [[unlikely]]
    return AllocateOnHeap(bytes);
  FreeFrameNode* const node = cache->lists[index];
  if (node == nullptr) [[unlikely]]
    return AllocateOnHeap(bytes);
  cache->lists[index] = node->next;
  --cache->counts[index];
  cache->Count(1);
  return node;
}

void FreeFrame(void* frame, size_t bytes) noexcept {
  ThreadCache* const cache = current;
  const size_t index = (bytes + kClassBytes - 1) / kClassBytes - 1;
  if (cache == nullptr || index >= kFrameClasses || cache->counts[index] >= kKeepPerClass)
      [[unlikely]] {
    return FreeOnHeap(frame);
  }
  auto* const node = static_cast<FreeFrameNode*>(frame);
  node->next = cache->lists[index];
  cache->lists[index] = node;
  ++cache->counts[index];
  cache->Count(-1);
}

long LiveFrames() noexcept {
  Caches& all = AllCaches();
  all.Lock();
  long live = all.live_of_ended_threads.load(std::memory_order_relaxed);
  for (ThreadCache* cache = all.head; cache != nullptr; cache = cache->next) {
    live += cache->live.load(std::memory_order_relaxed);
  }
  all.Unlock();
  return live;
}

}  // namespace lsmlab
