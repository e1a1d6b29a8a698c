#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/async/sync.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"

namespace lsmlab {

// One writer in the queue; lives in its caller's frame or stack until it is done.
struct Writer {
  // What to write: an encoded batch, or, when `payload` is empty, the single operation. Neither
  // (count 0): a barrier that takes effect after everything queued before it.
  Slice payload;
  EntryKind kind = EntryKind::kInvalid;
  Slice key, value;
  uint32_t count = 0;
  bool sync_log = false;  // make the log durable, whatever the setting; REQUIRES: alone
  bool rotate = false;    // seal the memtable afterwards
  bool alone = false;     // joins no group, leads one of its own

  Status status;

  size_t bytes() const noexcept { return payload.size() + key.size() + value.size() + 16; }
  // False: a full disk is no reason to refuse it, nor need it wait for a flush.
  bool needs_room() const noexcept { return count > 0 || rotate; }

  enum State : uint32_t { kWaiting, kParked, kLeader, kDone };
  std::atomic<uint32_t> state{kWaiting};
  Writer* older = nullptr;
  Writer* newer = nullptr;
  WaitNode node;
};

// Writers form a group: the first one in becomes its leader, does the work for all, and hands the
// leadership to the oldest writer that came meanwhile. Joining is one compare-and-swap.
// Thread-safe; the leader's methods by the leader only.
class WriteQueue {
 public:
  // True: the writer leads now. False: Wait for it.
  bool Join(Writer* writer) noexcept;
  // The same where nobody leads or waits; false: the writer is in no queue.
  bool JoinEmpty(Writer* writer) noexcept;

  // Until the writer leads or is done (see its state). Spins for some microseconds where that can
  // help: waking a sleeping thread costs more than most groups take.
  class [[nodiscard]] WaitAwaiter {
   public:
    explicit WaitAwaiter(Writer* writer) noexcept : writer_(writer) {}
    WaitAwaiter(const WaitAwaiter&) = delete;
    bool await_ready() const noexcept;
    bool await_suspend(std::coroutine_handle<> h) noexcept;
    void await_resume() const noexcept {}

   private:
    Writer* writer_;
  };
  WaitAwaiter Wait(Writer* writer) noexcept { return WaitAwaiter(writer); }

  // Leader: the group is the writers queued so far, oldest first, itself included, until max_bytes
  // are reached, one with `rotate` is in or one `alone` is next; of one `alone` itself only.
  // Returns the last one; members are linked by `newer`.
  Writer* Gather(Writer* leader, size_t max_bytes) noexcept;
  // Leader: hands over, then completes every other member up to `last` with `status`.
  void Finish(Writer* leader, Writer* last, const Status& status) noexcept;

 private:
  static void LinkNewer(Writer* newest) noexcept;
  static void SetState(Writer* writer, uint32_t state) noexcept;
  static bool IsParkedHere(const Writer& writer) noexcept;
  static void Complete(Writer* writer, const Status& status) noexcept;
  std::atomic<Writer*> newest_{nullptr};
};

}  // namespace lsmlab
