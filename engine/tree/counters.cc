#include "engine/tree/counters.h"

#include <utility>

namespace lsmlab {
namespace {

std::atomic<uint64_t> next_owner{1};

}  // namespace

thread_local uint64_t Counters::cached_owner_ = 0;
thread_local CounterCells* Counters::cached_cells_ = nullptr;

// Of the calling thread, from its first count to its end.
class Counters::ThreadLife {
 public:
  static std::shared_ptr<const Thread> Current() {
    // Destructors of thread-local objects may count when this one has run: such cells stay taken.
    static thread_local bool over = false;
    if (over) return std::make_shared<const Thread>();
    static thread_local ThreadLife life(&over);
    return life.thread_;
  }

 private:
  explicit ThreadLife(bool* over) : over_(over) {}
  ~ThreadLife() {
    *over_ = true;
    cached_owner_ = 0;
    // Whoever sees it sees all that the thread has counted, and goes on from there.
    thread_->ended.store(true, std::memory_order_release);
  }
  const std::shared_ptr<Thread> thread_ = std::make_shared<Thread>();
  bool* const over_;
};

Counters::Counters() : id_(next_owner.fetch_add(1, std::memory_order_relaxed)) {}

CounterCells& Counters::LocalSlow() {
  std::shared_ptr<const Thread> thread = ThreadLife::Current();
  std::lock_guard guard(mutex_);
  Owned* mine = nullptr;
  for (Owned& owned : cells_) {
    if (owned.owner == thread) {
      mine = &owned;
      break;
    }
    if (mine == nullptr && owned.owner->ended.load(std::memory_order_acquire)) mine = &owned;
  }
  if (mine == nullptr) {
    mine = &cells_.emplace_back(Owned{nullptr, std::make_unique<CounterCells>()});
  }
  mine->owner = std::move(thread);
  cached_owner_ = id_;
  cached_cells_ = mine->cells.get();
  return *cached_cells_;
}

uint64_t Counters::Sum(Counter counter) const {
  std::lock_guard guard(mutex_);
  uint64_t sum = 0;
  for (const Owned& owned : cells_) {
    sum += owned.cells->value[static_cast<size_t>(counter)].load(std::memory_order_relaxed);
  }
  return sum;
}

size_t Counters::cells() const {
  std::lock_guard guard(mutex_);
  return cells_.size();
}

}  // namespace lsmlab
