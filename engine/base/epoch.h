#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

// Epoch-based reclamation (Fraser 2004): readers announce the epoch they entered in; what was
// unlinked is freed when every thread inside has entered later. One domain for the process, so a
// single announcement covers versions, memtables, table objects and blocks of every store.
namespace lsmlab {

namespace internal {
struct alignas(128) EpochSlot {
  std::atomic<uint64_t> entered{0};  // 0: outside
  uint32_t depth = 0;                // nesting, owner thread only
  std::atomic<bool> in_use{false};
};
EpochSlot* AcquireEpochSlot();
extern std::atomic<uint64_t> global_epoch;
// Whether the kernel can make every thread of the process pass a memory barrier (membarrier(2)).
// Then a guard announces itself with a plain store, and whoever frees pays for the order of that
// store and the reads after it. Set before main. Not changed later but by tests.
extern bool barrier_on_collect;
extern thread_local EpochSlot* thread_epoch_slot;
inline EpochSlot& ThreadEpochSlot() {
  EpochSlot* slot = thread_epoch_slot;
  return slot != nullptr ? *slot : *AcquireEpochSlot();
}
}  // namespace internal

// Everything reachable when the guard was made stays alive until it ends. Nests. Costs a plain
// store (without membarrier(2): a sequentially consistent one). Never held across a suspension:
// code that may suspend takes counted references (ViewRef, BlockRef) instead. REQUIRES: ended on
// the thread it was made on.
class ReadGuard {
 public:
  ReadGuard() noexcept : slot_(internal::ThreadEpochSlot()) {
    if (slot_.depth++ == 0) {
      const uint64_t epoch = internal::global_epoch.load(std::memory_order_acquire);
      if (internal::barrier_on_collect) [[likely]] {
        // Release, as when it ends: a collector that meets this guard instead of the one before has
        // to know that one's reads behind it. A plain store on x86-64.
        slot_.entered.store(epoch, std::memory_order_release);
        // Holds the compiler; the processor is EpochCollect's part.
        std::atomic_signal_fence(std::memory_order_seq_cst);
      } else {
        slot_.entered.store(epoch, std::memory_order_seq_cst);
      }
    }
  }
  ~ReadGuard() {
    if (--slot_.depth == 0) slot_.entered.store(0, std::memory_order_release);
  }
  ReadGuard(const ReadGuard&) = delete;
  ReadGuard& operator=(const ReadGuard&) = delete;

  // Nesting depth of the calling thread, for asserting 0 before a suspension.
  static uint32_t Depth() noexcept { return internal::ThreadEpochSlot().depth; }

 private:
  internal::EpochSlot& slot_;
};

// Calls deleter(object) once no guard that could reach the object is left. The caller has already
// made it unreachable for newcomers. Thread-safe. May free other retired objects in this call;
// deleters may retire more. `bytes`: what waiting keeps from being freed, so that little waits.
void EpochRetire(void* object, void (*deleter)(void*), size_t bytes = 0);

// The same for a caller that holds a lock: no deleter runs in this call. Somebody calls
// EpochCollect when the lock is released, soon.
void EpochDefer(void* object, void (*deleter)(void*));

template <typename T>
void EpochDelete(T* object) {
  EpochRetire(object, [](void* p) { delete static_cast<T*>(p); });
}

// Frees what can be freed now. Returns how many objects still wait.
size_t EpochCollect();

// Returns when everything that was retired before the call is freed, and what the deleters of that
// have retired in turn. Waits for the guards that can reach any of it: those that were made before
// it was retired, of whatever store. Neither later guards nor what others retire meanwhile hold it
// up. REQUIRES: the calling thread holds no guard and runs no deleter. For closing a store and for
// tests.
void EpochDrain();

}  // namespace lsmlab
