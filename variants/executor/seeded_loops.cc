#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/async/sync.h"
#include "engine/parts/mailboxes.h"
#include "variants/executor/stepped_executor.h"

namespace lsmlab {
namespace {

// The event loops of `reactor` without threads: tasks live on loops, call each other through
// mailboxes and wait for a visitor's place as they do there, but all of it happens in steps on the
// caller's thread, in a drawn order. Priorities and shares of time are left to the draw.
class SeededLoops final : public SteppedExecutor, private Mailboxes {
 public:
  SeededLoops(uint64_t seed, size_t loops, uint32_t visitors)
      : SteppedExecutor(seed, loops), boxes_(loops), visitors_(visitors) {}

  int loops() const noexcept override { return static_cast<int>(boxes_.size()); }
  int background_threads() const noexcept override { return loops(); }
  Mailboxes* mailboxes() noexcept override { return this; }
  void SpawnOn(int loop, Priority priority, Task<void> task, Io& io) override {
    SpawnAt(loop % loops(), priority, std::move(task), io);
  }

 private:
  struct Box {
    void Free() noexcept {
      --inside;
      place_free.Notify();
    }
    uint32_t inside = 0;
    AsyncEvent place_free;
  };
  int CurrentLoop() const noexcept override { return place(); }
  bool TryEnter(int loop, uint64_t* ticket) noexcept override {
    Box& box = At(loop);
    *ticket = box.place_free.Ticket();
    if (box.inside == visitors_) return false;
    ++box.inside;
    return true;
  }
  AsyncEvent& PlaceFree(int loop) noexcept override { return At(loop).place_free; }
  void Enter(int loop, VisitNode& node) noexcept override {
    node.home = &LoopOf(loop);
    node.home->Post(&node);
  }
  void Leave(VisitNode& node) noexcept override {
    At(place()).Free();
    node.home->Post(&node);
  }
  void Deliver(int loop, Task<void> task, Io& io) override {
    SpawnAt(loop, Priority::kForeground, OnItsPlace(At(loop), std::move(task)), io);
  }
  static Task<void> OnItsPlace(Box& box, Task<void> task) {
    co_await task;
    box.Free();
  }
  Box& At(int loop) noexcept { return boxes_[static_cast<size_t>(loop)]; }

  std::vector<Box> boxes_;
  const uint32_t visitors_;
};

}  // namespace

std::unique_ptr<Executor> MakeSeededLoops(uint64_t seed, size_t loops, uint32_t visitors) {
  return std::make_unique<SeededLoops>(seed, loops, visitors);
}

}  // namespace lsmlab
