#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#include "engine/async/run_loop.h"
#include "engine/async/sync.h"
#include "engine/async/task.h"
#include "engine/parts/io.h"

// How something is done on an event loop by those who are not on it, in three forms:
//  - the sender waits (CallOn, Visit): its coroutine goes there as a message, runs what it has to,
//    and comes home. Nothing is allocated for the way, and the answer is the coroutine's own value;
//  - the sender is told by a callback (Send), and waits for room at most;
//  - the sender does not wait at all (TrySend), and is refused where there is no room.
// A loop takes a bounded number of visitors, of which a message that is sent is one until its
// callback has returned; a caller above that waits at home, where others go on, so two loops that
// call each other cannot block: going home needs no room. A thread without a loop waits in RunSync.
// Calls of a store as messages: StoreClient (engine/store_client.h).
//
// Thread safety: all from any thread, Leave on the visited loop's. Invariant: whoever has entered a
// loop leaves it once, on that loop. Among those who wait for room there is no order.
// Errors: none. Nothing blocks a thread but RunSync; what waits suspends, for a place, on the way
// and in the task.
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
  // tells that one has become free.
  virtual bool TryEnter(int loop, uint64_t* ticket) noexcept = 0;
  virtual AsyncEvent& PlaceFree(int loop) noexcept = 0;
  // From await_suspend, with a place. Enter: the coroutine goes on as a visitor of `loop`, which
  // completes operations of its Io until it leaves. Leave: a visitor of this thread's loop goes
  // back to node.home, and its place is free. The node is the coroutine's until it is resumed.
  virtual void Enter(int loop, VisitNode& node) noexcept = 0;
  virtual void Leave(VisitNode& node) noexcept = 0;
  // With a place: the task is run to its end on `loop`, and then the place is free.
  virtual void Deliver(int loop, Task<void> task, Io& io) = 0;

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

// Takes a place on the loop as soon as there is one.
inline Task<void> TakePlace(Mailboxes& boxes, int loop) {
  while (true) {
    uint64_t ticket = 0;
    if (boxes.TryEnter(loop, &ticket)) co_return;
    co_await boxes.PlaceFree(loop).Wait(ticket);
  }
}

// What a callback holds is gone before the place is free.
template <typename T>
Task<void> RunAndTell(Task<T> task, std::function<void(T value)> done) {
  T value = co_await task;
  if (done) std::exchange(done, nullptr)(std::move(value));
}

// Visit and CallOn. Where it is shows when it runs: who has made it may be elsewhere.
// `from_loops_only`: where the thread is no loop, the task runs on it.
template <typename T>
Task<T> ThereAndBack(Mailboxes& boxes, int loop, Io& io, Task<T> task, bool from_loops_only) {
  const int home = boxes.CurrentLoop();
  const int away = loop % boxes.loops();
  if (home == away || (home < 0 && from_loops_only)) co_return co_await task;
  uint64_t ticket = 0;
  const bool has_place = boxes.TryEnter(away, &ticket);
  if (!has_place) co_await TakePlace(boxes, away);
  RunLoop* const back = &RunLoop::Current();
  co_await Travel(boxes, away, io, nullptr);
  T value = co_await task;
  co_await Travel(boxes, home, io, back);
  co_return value;
}

}  // namespace internal

// Runs the task, which was not started, on loop `loop` % loops() and gives its value back where it
// is awaited; on that loop already: runs it where it is. Awaited by a coroutine of any loop, or run
// by RunSync. REQUIRES: `io` is that of the calling job; the task calls no other loop.
template <typename T>
Task<T> Visit(Mailboxes& boxes, int loop, Io& io, Task<T> task) {
  return internal::ThereAndBack(boxes, loop, io, std::move(task), false);
}

// The same for callers whose thread may be no loop, for which the way would be dearer than what it
// is for: runs the task where it is then.
template <typename T>
Task<T> CallOn(Mailboxes& boxes, int loop, Io& io, Task<T> task) {
  return internal::ThereAndBack(boxes, loop, io, std::move(task), true);
}

// Ends when the task, which was not started, is on its way to loop `loop` % loops(), be it the
// sender's own. It runs there to its end, and there `done` (may be empty) takes its value: short,
// without waiting, it must not throw; it may call TrySend. Drain waits for both. REQUIRES: `io` is
// what the task waits in; the task calls no other loop.
template <typename T>
Task<void> Send(Mailboxes& boxes, int loop, Io& io, Task<T> task,
                std::type_identity_t<std::function<void(T value)>> done) {
  const int there = loop % boxes.loops();
  co_await internal::TakePlace(boxes, there);
  boxes.Deliver(there, internal::RunAndTell(std::move(task), std::move(done)), io);
}

// The same at once. False: the loop has no room now; nothing was begun or taken over, so that what
// was moved here can be moved here again (a `done` that is a std::function already, not what one
// would be made of).
template <typename T>
bool TrySend(Mailboxes& boxes, int loop, Io& io, Task<T>&& task,
             std::type_identity_t<std::function<void(T value)>>&& done) {
  const int there = loop % boxes.loops();
  uint64_t ticket = 0;
  if (!boxes.TryEnter(there, &ticket)) return false;
  boxes.Deliver(there, internal::RunAndTell(std::move(task), std::move(done)), io);
  return true;
}

}  // namespace lsmlab
