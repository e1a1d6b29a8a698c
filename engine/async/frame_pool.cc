#include "engine/async/frame_pool.h"

#include <atomic>
#include <new>

namespace lsmlab {
namespace {

constexpr size_t kClassBytes = 64;
constexpr size_t kClasses = 32;
// Frames kept per class and thread: enough for deep chains, bounded for threads that only free.
constexpr int kKeepPerClass = 64;

struct FreeFrameNode {
  FreeFrameNode* next;
};

struct ThreadCache {
  FreeFrameNode* lists[kClasses] = {};
  int counts[kClasses] = {};
  // Plain counter per thread, summed by LiveFrames: a shared atomic would cost as much as malloc.
  std::atomic<long> live{0};
  ThreadCache* next = nullptr;
  ThreadCache* previous = nullptr;
  ThreadCache();
  ~ThreadCache();
};

struct Caches {
  std::atomic_flag lock;
  ThreadCache* head = nullptr;
  std::atomic<long> live_of_ended_threads{0};
  void Lock() noexcept {
    while (lock.test_and_set(std::memory_order_acquire)) {
    }
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
  for (FreeFrameNode* node : lists) {
    while (node != nullptr) {
      FreeFrameNode* following = node->next;
      ::operator delete(node);
      node = following;
    }
  }
  Caches& all = AllCaches();
  all.Lock();
  if (previous != nullptr) previous->next = next;
  if (next != nullptr) next->previous = previous;
  if (all.head == this) all.head = next;
  all.Unlock();
  all.live_of_ended_threads.fetch_add(live.load(std::memory_order_relaxed),
                                      std::memory_order_relaxed);
}

ThreadCache& Cache() {
  thread_local ThreadCache cache;
  return cache;
}

void Count(ThreadCache& cache, long change) noexcept {
  cache.live.store(cache.live.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
}

}  // namespace

void* AllocateFrame(size_t bytes) {
  ThreadCache& cache = Cache();
  Count(cache, 1);
  const size_t index = (bytes + kClassBytes - 1) / kClassBytes - 1;
  if (index >= kClasses) return ::operator new(bytes);
  FreeFrameNode* node = cache.lists[index];
  if (node == nullptr) return ::operator new((index + 1) * kClassBytes);
  cache.lists[index] = node->next;
  --cache.counts[index];
  return node;
}

void FreeFrame(void* frame, size_t bytes) noexcept {
  ThreadCache& cache = Cache();
  Count(cache, -1);
  const size_t index = (bytes + kClassBytes - 1) / kClassBytes - 1;
  if (index >= kClasses || cache.counts[index] >= kKeepPerClass) {
    ::operator delete(frame);
    return;
  }
  auto* node = static_cast<FreeFrameNode*>(frame);
  node->next = cache.lists[index];
  cache.lists[index] = node;
  ++cache.counts[index];
}

long LiveFrames() noexcept {
  Caches& all = AllCaches();
  long live = all.live_of_ended_threads.load(std::memory_order_relaxed);
  all.Lock();
  for (ThreadCache* cache = all.head; cache != nullptr; cache = cache->next) {
    live += cache->live.load(std::memory_order_relaxed);
  }
  all.Unlock();
  return live;
}

}  // namespace lsmlab
