#include "engine/tree/counters.h"

namespace lsmlab {
namespace {

std::atomic<uint64_t> next_owner{1};
std::atomic<uint64_t> next_thread{1};

uint64_t ThreadNumber() {
  thread_local const uint64_t number = next_thread.fetch_add(1, std::memory_order_relaxed);
  return number;
}

}  // namespace

thread_local uint64_t Counters::cached_owner_ = 0;
thread_local CounterCells* Counters::cached_cells_ = nullptr;

Counters::Counters() : id_(next_owner.fetch_add(1, std::memory_order_relaxed)) {}

CounterCells& Counters::LocalSlow() {
  std::lock_guard guard(mutex_);
  const uint64_t thread = ThreadNumber();
  CounterCells* mine = nullptr;
  for (auto& [owner, cells] : cells_) {
    if (owner == thread) mine = cells.get();
  }
  if (mine == nullptr) {
    cells_.emplace_back(thread, std::make_unique<CounterCells>());
    mine = cells_.back().second.get();
  }
  cached_owner_ = id_;
  cached_cells_ = mine;
  return *mine;
}

uint64_t Counters::Sum(Counter counter) const {
  std::lock_guard guard(mutex_);
  uint64_t sum = 0;
  for (const auto& [thread, cells] : cells_) {
    sum += cells->value[static_cast<size_t>(counter)].load(std::memory_order_relaxed);
  }
  return sum;
}

}  // namespace lsmlab
