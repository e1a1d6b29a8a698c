#include "engine/base/epoch.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/base/assert.h"

namespace lsmlab {
namespace internal {

std::atomic<uint64_t> global_epoch{1};
thread_local EpochSlot* thread_epoch_slot = nullptr;

namespace {

bool Membarrier(int command) noexcept { return ::syscall(SYS_membarrier, command, 0, 0) == 0; }

}  // namespace

bool barrier_on_collect = Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);

}  // namespace internal

namespace {

using internal::EpochSlot;
using internal::global_epoch;

// A slot belongs to a thread that has read a store, and returns when the thread ends. More threads
// at once than a block has get another block, which stays.
struct SlotBlock {
  EpochSlot slots[256];
  std::atomic<SlotBlock*> next{nullptr};
};
// Retired objects that trigger a collection.
constexpr size_t kCollectEvery = 128;
// Or so many bytes of them.
constexpr size_t kCollectBytes = 1u << 20;

struct Retired {
  uint64_t epoch;
  void* object;
  void (*deleter)(void*);
};

struct Domain {
  SlotBlock slots;
  std::mutex mutex;  // guards the rest; leaf lock, never held while a deleter runs
  std::deque<Retired> waiting;
  size_t bytes_retired = 0;  // since it was last collected for bytes
  size_t being_freed = 0;    // taken out of `waiting`, deleter not finished
};

Domain& TheDomain() {
  static auto* domain = new Domain;
  return *domain;
}

struct SlotLease {
  EpochSlot* slot = nullptr;
  ~SlotLease() {
    if (slot == nullptr) return;
    internal::thread_epoch_slot = nullptr;
    slot->in_use.store(false, std::memory_order_release);
  }
};

// Every other thread passes a full barrier: what a guard announced before is seen from here on, and
// a guard that announces later sees what was unlinked before.
void BarrierOfAllThreads() noexcept {
  if (!internal::barrier_on_collect) return;
  if (internal::Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) return;
  // A forked child has to register itself.
  LSMLAB_ASSERT(internal::Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
  LSMLAB_ASSERT(internal::Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
}

// The oldest epoch that a thread inside announces, or the current one.
uint64_t OldestEntered() {
  BarrierOfAllThreads();
  uint64_t oldest = global_epoch.load(std::memory_order_seq_cst);
  for (SlotBlock* block = &TheDomain().slots; block != nullptr;
       block = block->next.load(std::memory_order_acquire)) {
    for (EpochSlot& slot : block->slots) {
      const uint64_t entered = slot.entered.load(std::memory_order_seq_cst);
      if (entered != 0 && entered < oldest) oldest = entered;
    }
  }
  return oldest;
}

EpochSlot* TakeFreeSlot(SlotBlock& block) {
  for (EpochSlot& slot : block.slots) {
    bool expected = false;
    if (!slot.in_use.load(std::memory_order_relaxed) &&
        slot.in_use.compare_exchange_strong(expected, true, std::memory_order_acq_rel)) {
      return &slot;
    }
  }
  return nullptr;
}

// The block after this one, which is made where there is none.
SlotBlock& BlockAfter(SlotBlock& block) {
  SlotBlock* next = block.next.load(std::memory_order_acquire);
  if (next == nullptr) {
    auto made = std::make_unique<SlotBlock>();
    if (block.next.compare_exchange_strong(next, made.get(), std::memory_order_acq_rel)) {
      next = made.release();
    }
  }
  return *next;
}

}  // namespace

EpochSlot* internal::AcquireEpochSlot() {
  thread_local SlotLease lease;
  SlotBlock* block = &TheDomain().slots;
  EpochSlot* slot = TakeFreeSlot(*block);
  while (slot == nullptr) {
    block = &BlockAfter(*block);
    slot = TakeFreeSlot(*block);
  }
  slot->depth = 0;
  lease.slot = slot;
  thread_epoch_slot = slot;
  return slot;
}

void EpochRetire(void* object, void (*deleter)(void*), size_t bytes) {
  Domain& domain = TheDomain();
  bool collect;
  {
    std::lock_guard guard(domain.mutex);
    // A reader that announces a later epoch than this one entered after the object was unlinked.
    const uint64_t epoch = global_epoch.fetch_add(1, std::memory_order_seq_cst);
    domain.waiting.push_back({epoch, object, deleter});
    domain.bytes_retired += bytes;
    collect = domain.waiting.size() % kCollectEvery == 0 || domain.bytes_retired >= kCollectBytes;
    if (collect) domain.bytes_retired = 0;
  }
  if (collect) EpochCollect();
}

size_t EpochCollect() {
  Domain& domain = TheDomain();
  std::vector<Retired> free_now;
  {
    std::lock_guard guard(domain.mutex);
    const uint64_t oldest = domain.waiting.empty() ? 0 : OldestEntered();
    while (!domain.waiting.empty() && domain.waiting.front().epoch < oldest) {
      free_now.push_back(domain.waiting.front());
      domain.waiting.pop_front();
    }
    domain.being_freed += free_now.size();
  }
  for (const Retired& retired : free_now) retired.deleter(retired.object);
  // Counted last: deleters may have retired more, and another thread may still run its own.
  std::lock_guard guard(domain.mutex);
  domain.being_freed -= free_now.size();
  return domain.waiting.size() + domain.being_freed;
}

void EpochDrain() {
  LSMLAB_ASSERT(ReadGuard::Depth() == 0);
  while (EpochCollect() > 0) sched_yield();
}

}  // namespace lsmlab
