#pragma once

#include <liburing.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "engine/async/run_loop.h"
#include "engine/base/status.h"
#include "engine/parts/io.h"
#include "variants/io/site_counters.h"

namespace lsmlab {

// One io_uring and the operations of one RunLoop in it. The kernel's rings are never walked while a
// coroutine runs: completions are copied out first, and only posted to their loops.
//
// Thread safety: Wake from any thread; everything else by whoever drives the loop, one thread at a
// time. That may be another thread than before (executor `inline`), so the ring is made without
// IORING_SETUP_SINGLE_ISSUER, which gains less than the noise on reads in flight.
class UringRing final : public Waker {
 public:
  // Fails where the kernel gives no ring, with the reason. `counters` outlives it.
  static Result<std::unique_ptr<UringRing>> Make(uint32_t read_depth, SiteCounters* counters);
  // REQUIRES: !busy().
  ~UringRing();
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;

  // Begins a read, write, sync, allocation, unlink, or the sync of the directory op.opened.
  // REQUIRES: aligned as the file asks, length > 0 where there is one.
  void Start(IoOp& op) noexcept;

  // See Io::Poll; `loop` is the one whose work ends a wait.
  size_t Poll(int64_t deadline_ns, const RunLoop& loop) noexcept;
  // Hands everything that was begun to the kernel.
  void Submit() noexcept;
  // Whether operations are under way or waiting for room.
  bool busy() const noexcept { return under_way_ > 0; }
  // To poll(2) for completions.
  int fd() const noexcept { return ring_.ring_fd; }

  void Wake() noexcept override;

 private:
  // Operations that wait for room, in order.
  struct Backlog {
    IoOp* first = nullptr;
    IoOp* last = nullptr;
    void Push(IoOp& op) noexcept;
    IoOp* Pop() noexcept;
  };

  UringRing(uint32_t read_depth, SiteCounters* counters) noexcept
      : read_depth_(read_depth), counters_(*counters) {}
  bool HasRoom(const IoOp& op) const noexcept;
  void Enqueue(IoOp& op) noexcept;
  void Prepare(IoOp& op) noexcept;
  io_uring_sqe* NextEntry() noexcept;
  void ArmWake() noexcept;
  size_t Reap() noexcept;
  bool Complete(IoOp& op, int result) noexcept;
  bool CompleteTransfer(IoOp& op, int result) noexcept;
  void StartWaiting() noexcept;
  void Wait(int64_t deadline_ns, const RunLoop& loop) noexcept;

  const uint32_t read_depth_;
  SiteCounters& counters_;
  io_uring ring_{};
  uint32_t unsubmitted_ = 0;  // entries that the kernel has not seen
  uint32_t in_kernel_ = 0;    // entries prepared and not completed, the wake-up aside
  uint32_t reads_ = 0;        // of them reads
  uint64_t under_way_ = 0;    // operations begun and not completed
  Backlog reads_waiting_, others_waiting_;

  int wake_fd_ = -1;  // eventfd
  uint64_t wake_count_ = 0;
  bool wake_armed_ = false;  // a read of wake_fd_ is in the ring
  std::atomic<bool> sleeping_{false};
};

}  // namespace lsmlab
