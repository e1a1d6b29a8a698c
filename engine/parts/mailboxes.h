#pragma once

#include <coroutine>
#include <cstdint>
#include <utility>

#include "engine/async/run_loop.h"
#include "engine/async/sync.h"
#include "engine/async/task.h"
#include "engine/parts/io.h"

// How a task on one event loop does something on another: its coroutine goes there as a message,
// runs what it has to, and comes home (CallOn). Nothing is allocated for the way, and the answer is
// the coroutine's own value. A loop takes a bounded number of visitors; a caller above that waits
// at home, where others go on, so two loops that call each other cannot block: going home needs no
// room. Threads without a loop send messages by StoreClient (engine/store_client.h).
//
// Thread safety: each method from any thread that is a loop of these, PlaceFree and CurrentLoop
// from all. Invariant: whoever has entered a loop leaves it once, on that loop.
// Errors: none. Nothing blocks a thread; CallOn suspends, for a place, on the way and in the task.
// Lifetime: these are the executor's and live as long; the Io outlives the visit.
namespace lsmlab {

// A coroutine under way to a loop, and the Io that it waits in there.
struct VisitNode : WaitNode {
  Io* io = nullptr;
};

class Mailboxes {
 public:
  // The loop whose thread this is; -1: none of these.
  virtual int CurrentLoop() const noexcept = 0;
  virtual int loops() const noexcept = 0;

  // Takes a visitor's place on the loop; false: none is free, and `ticket` is for the event that
  // tells that one has become free. Any loop's thread.
  virtual bool TryEnter(int loop, uint64_t* ticket) noexcept = 0;
  virtual AsyncEvent& PlaceFree(int loop) noexcept = 0;
  // From await_suspend on a loop's thread. Enter: the coroutine goes on as a visitor of `loop`,
  // which completes operations of its Io until it leaves. Leave: a visitor of this thread's loop
  // goes back to node.home, and its place is free. The node is the coroutine's until it is resumed.
  virtual void Enter(int loop, VisitNode& node) noexcept = 0;
  virtual void Leave(VisitNode& node) noexcept = 0;

 protected:
  ~Mailboxes() = default;
};

namespace internal {

// To `loop`, or, where `home` is set, back to it.
class [[nodiscard]] Travel {
 public:
  Travel(Mailboxes& boxes, int loop, Io& io, RunLoop* home) noexcept : boxes_(boxes), loop_(loop) {
    node_.io = &io;
    node_.home = home;
  }
  Travel(const Travel&) = delete;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) noexcept {
    node_.handle = h;
    node_.home != nullptr ? boxes_.Leave(node_) : boxes_.Enter(loop_, node_);
  }
  void await_resume() const noexcept {}

 private:
  Mailboxes& boxes_;
  const int loop_;
  VisitNode node_;
};

}  // namespace internal

// Runs the task, which was not started, on loop `loop` % loops() and gives its value back here. On
// that loop already, or on a thread without a loop: runs it where it is. Called from a coroutine.
// REQUIRES: `io` is that of the calling job; the task calls no other loop.
template <typename T>
Task<T> CallOn(Mailboxes& boxes, int loop, Io& io, Task<T> task) {
  const int home = boxes.CurrentLoop();
  const int away = loop % boxes.loops();
  if (home < 0 || home == away) co_return co_await task;
  while (true) {
    uint64_t ticket = 0;
    if (boxes.TryEnter(away, &ticket)) break;
    co_await boxes.PlaceFree(away).Wait(ticket);
  }
  RunLoop* const back = &RunLoop::Current();
  co_await internal::Travel(boxes, away, io, nullptr);
  T value = co_await task;
  co_await internal::Travel(boxes, home, io, back);
  co_return value;
}

}  // namespace lsmlab
