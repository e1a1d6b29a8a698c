#include "engine/base/epoch.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
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
  // The epoch of the object whose deleter has retired this one, of that one's if it was retired
  // so itself, and so on up to the first; its own if no deleter has.
  uint64_t root;
  void* object;
  void (*deleter)(void*);
};

struct Domain {
  SlotBlock slots;
  std::mutex mutex;             // guards the rest; leaf lock, never held while a deleter runs
  std::deque<Retired> waiting;  // by rising epoch
  size_t bytes_retired = 0;     // since it was last collected for bytes
  // Taken out of `waiting`, not all deleters finished: one list of each collector.
  std::vector<const std::vector<Retired>*> being_freed;
};

// While a deleter runs: the root of its object. 0: none runs.
thread_local uint64_t thread_root = 0;

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

namespace {

// REQUIRES: domain.mutex is held.
void Retire(Domain& domain, void* object, void (*deleter)(void*)) {
  // A reader that announces a later epoch than this one entered after the object was unlinked.
  const uint64_t epoch = global_epoch.fetch_add(1, std::memory_order_seq_cst);
  domain.waiting.push_back({epoch, thread_root != 0 ? thread_root : epoch, object, deleter});
}

bool AnyRootBefore(const auto& objects, uint64_t end) {
  return std::any_of(objects.begin(), objects.end(),
                     [end](const Retired& retired) { return retired.root < end; });
}

// Whether something of a root before `end` waits or is being freed.
bool StillHolds(Domain& domain, uint64_t end) {
  std::lock_guard guard(domain.mutex);
  return AnyRootBefore(domain.waiting, end) ||
         std::any_of(domain.being_freed.begin(), domain.being_freed.end(),
                     [end](const auto* objects) { return AnyRootBefore(*objects, end); });
}

void RunDeleters(const std::vector<Retired>& objects) {
  // A deleter that retires may have come here itself.
  const uint64_t outer_root = thread_root;
  for (const Retired& retired : objects) {
    thread_root = retired.root;
    retired.deleter(retired.object);
  }
  thread_root = outer_root;
}

}  // namespace

void EpochRetire(void* object, void (*deleter)(void*), size_t bytes) {
  Domain& domain = TheDomain();
  bool collect;
  {
    std::lock_guard guard(domain.mutex);
    Retire(domain, object, deleter);
    domain.bytes_retired += bytes;
    collect = domain.waiting.size() % kCollectEvery == 0 || domain.bytes_retired >= kCollectBytes;
    if (collect) domain.bytes_retired = 0;
  }
  if (collect) EpochCollect();
}

void EpochDefer(void* object, void (*deleter)(void*)) {
  Domain& domain = TheDomain();
  std::lock_guard guard(domain.mutex);
  Retire(domain, object, deleter);
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
    domain.being_freed.push_back(&free_now);
  }
  RunDeleters(free_now);
  // Counted last: deleters may have retired more, and another thread may still run its own.
  std::lock_guard guard(domain.mutex);
  std::erase(domain.being_freed, &free_now);
  size_t waiting = domain.waiting.size();
  for (const auto* objects : domain.being_freed) waiting += objects->size();
  return waiting;
}

// Why waiting for roots before `end` is enough, and comes to an end:
//
// 1. What was retired before the call has an epoch, and so a root, before `end`: epochs are given
//    out under the mutex, and rise. A deleter passes its root on, so what it retires counts, too,
//    on whatever thread it runs; it does so before its own list leaves `being_freed`, so there is
//    no moment in which neither of the two is to be seen.
// 2. An object is freed once every guard inside announces a later epoch than its own. A guard that
//    is made from now on announces `end` or more: it reads a variable that is no less already. One
//    that has read it before and not announced it yet is as good as inside, and soon will be seen
//    there, or is seen as outside; then the barrier of OldestEntered, or the order of sequentially
//    consistent operations, says that it begins to read after the object was unlinked, so it cannot
//    have found it. Each thread is in such a state once: what it reads next is `end` or more.
// 3. So an object with an epoch before `end` waits for guards made before, and one of a deleter's
//    for guards made before that ran. Objects are taken in order of their epochs, so what others
//    retire later stands behind both.
// 4. What was read under a guard is read before its object is freed: the announcement that ends it
//    and the one of the thread's next guard are releases, and OldestEntered acquires them.
void EpochDrain() {
  LSMLAB_ASSERT(ReadGuard::Depth() == 0);
  LSMLAB_ASSERT(thread_root == 0);
  Domain& domain = TheDomain();
  uint64_t end;
  {
    std::lock_guard guard(domain.mutex);
    end = global_epoch.load(std::memory_order_relaxed);
  }
  while (true) {
    EpochCollect();
    if (!StillHolds(domain, end)) return;
    sched_yield();
  }
}

}  // namespace lsmlab
