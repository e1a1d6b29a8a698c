#pragma once

#include <liburing.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/async/run_loop.h"
#include "engine/base/status.h"
#include "engine/parts/io.h"
#include "variants/io/aligned_buffers.h"
#include "variants/io/direct_files.h"
#include "variants/io/site_counters.h"
#include "variants/io/uring_files.h"
#include "variants/io/uring_pace.h"

namespace lsmlab {

// What the rings of one Io have in common; all of it outlives them.
struct UringShared {
  uint32_t read_depth = 1;
  Direct direct = Direct::kNone;
  SiteCounters* counters = nullptr;
  std::shared_ptr<UringFileTable> files = nullptr;  // of registered files; null: none are
  const AlignedBuffers* buffers = nullptr;          // whose slabs are registered; null: none are
  std::atomic<uint64_t>* asked = nullptr;           // see BackgroundPace
};

// Whether the kernel of this probe has what kTruncate needs, which came with Linux 6.9.
bool TruncatesInRing(const io_uring_probe& probe) noexcept;

// One io_uring and the operations of one RunLoop in it. The kernel's rings are never walked while a
// coroutine runs: completions are copied out first, and only posted to their loops.
//
// Thread safety: Wake from any thread; everything else by whoever drives the loop, one thread at a
// time. That may be another thread than before (executor `inline`), so the ring is made without
// IORING_SETUP_SINGLE_ISSUER, which gains less than the noise on reads in flight.
class UringRing final : public Waker {
 public:
  // Fails where the kernel gives no ring, or none with the tables that are asked for, with the
  // reason.
  static Result<std::unique_ptr<UringRing>> Make(const UringShared& shared);
  // REQUIRES: !busy().
  ~UringRing();
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;

  // Begins any operation but a listing or a lock; a truncation where TruncatesInRing(). REQUIRES:
  // aligned as the file asks, length > 0 where bytes are moved or allocated.
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
  // Takes a file out of the table, if it is there. Any thread.
  void ForgetFile(uint32_t place) noexcept;
  // Registers a slab, unless it was before; false: the kernel refuses, for want of memory or
  // because of the limit on locked memory, and its buffers are used as any other memory is.
  bool RegisterSlab(const AlignedBuffers::Slab& slab) noexcept;

 private:
  // Transfers of flushes and compactions under way together while no caller asks for anything.
  static constexpr uint32_t kMostInBackground = 32;

  // Operations that wait for room, in order.
  struct Backlog {
    IoOp* first = nullptr;
    IoOp* last = nullptr;
    void Push(IoOp& op) noexcept;
    IoOp* Pop() noexcept;
  };

  enum class SlabState : uint8_t { kUnknown, kRegistered, kRefused };
  // How the kernel is told of an operation's file: by descriptor, or by its place in the table.
  struct Target {
    int fd;
    unsigned flags;
  };

  explicit UringRing(const UringShared& shared) noexcept
      : shared_(shared), background_(shared.asked, kMostInBackground) {}
  Status MakeTables();
  Target TargetOf(const IoOp& op) noexcept;
  int RegisteredSlabOf(const void* data) noexcept;
  Backlog& BacklogFor(const IoOp& op) noexcept;
  bool HasRoom(const IoOp& op) const noexcept;
  void Enqueue(IoOp& op) noexcept;
  void Prepare(IoOp& op) noexcept;
  bool PrepareOnPath(io_uring_sqe* entry, const IoOp& op) noexcept;
  void PrepareOnFile(io_uring_sqe* entry, const IoOp& op, int fd, size_t most) noexcept;
  void PrepareTransfer(io_uring_sqe* entry, const IoOp& op, int fd, size_t most) noexcept;
  io_uring_sqe* NextEntry() noexcept;
  void ArmWake() noexcept;
  size_t Reap() noexcept;
  bool Complete(IoOp& op, int result) noexcept;
  Status StatusOf(IoOp& op, int result) noexcept;
  bool CompleteTransfer(IoOp& op, int result) noexcept;
  void StartWaiting() noexcept;
  void Wait(int64_t deadline_ns, const RunLoop& loop) noexcept;

  const UringShared shared_;
  io_uring ring_{};
  uint32_t unsubmitted_ = 0;  // entries that the kernel has not seen
  uint32_t in_kernel_ = 0;    // entries prepared and not completed, the wake-up aside
  uint32_t reads_ = 0;        // of them reads, those of the background aside
  uint64_t under_way_ = 0;    // operations begun and not completed
  BackgroundPace background_;
  Backlog reads_waiting_, others_waiting_, flushes_waiting_, background_waiting_;
  std::vector<uint64_t> files_;   // by place: the serial number of the file in the table
  std::vector<SlabState> slabs_;  // by number

  int wake_fd_ = -1;  // eventfd
  uint64_t wake_count_ = 0;
  bool wake_armed_ = false;  // a read of wake_fd_ is in the ring
  std::atomic<bool> sleeping_{false};
};

}  // namespace lsmlab
