#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "engine/base/clock.h"
#include "variants/io/aligned_buffers.h"
#include "variants/io/direct_files.h"
#include "variants/io/ios.h"
#include "variants/io/posix_errors.h"
#include "variants/io/posix_file.h"
#include "variants/io/site_counters.h"
#include "variants/io/uring_ring.h"

// I/O by io_uring. What may wait for the device goes through the ring of the loop that asks for it:
// reads, direct and durable writes, syncs, allocations, truncations, and whatever opens a file or
// changes a directory. What still blocks the thread that calls:
//  - a buffered write that is not synced: a copy into the page cache, which the kernel would hand
//    to a thread of its own at ten times its price; it waits only where the kernel slows writers
//    down, with too much memory not written back;
//  - listing a directory and taking the lock, which io_uring has no operation for; an open does
//    both, and nothing later;
//  - closing a file: of one that was unlinked the kernel frees the space then;
//  - truncation on a kernel before 6.9.
namespace lsmlab {
namespace {

constexpr rlim_t kRegisteredFilesMost = 1024;

std::atomic<uint64_t> next_io_number{1};

class UringIo final : public Io {
 public:
  // `registered_files`: places in the tables of files, 0: files are not registered.
  UringIo(Direct direct, bool truncates, uint32_t read_depth, uint32_t registered_files,
          bool registered_buffers)
      : direct_(direct), truncates_(truncates), buffers_(registered_buffers) {
    shared_ = {.read_depth = read_depth,
               .direct = direct,
               .counters = &counters_,
               .files = registered_files == 0 ? nullptr
                                              : std::make_shared<UringFileTable>(registered_files),
               .buffers = registered_buffers ? &buffers_ : nullptr,
               .asked = &asked_};
  }

  bool Start(IoOp& op) noexcept override;
  size_t Poll(int64_t deadline_ns) noexcept override;
  void Wake() noexcept override {
    std::lock_guard guard(mutex_);
    for (auto& [loop, ring] : rings_) ring->Wake();
  }
  Waker& Place() noexcept override {
    UringRing* ring = Find(RunLoop::Current().context());
    return ring != nullptr ? static_cast<Waker&>(*ring) : *this;
  }
  bool defers() const noexcept override { return true; }
  std::string_view backend() const noexcept override { return "uring"; }

  void* AllocateBuffer(size_t bytes) override { return buffers_.Allocate(bytes); }
  void FreeBuffer(void* buffer, size_t bytes) noexcept override { buffers_.Free(buffer, bytes); }
  IoCounters Counters() const noexcept override { return counters_.All(); }
  IoCounters Counters(IoSite site) const noexcept override { return counters_.Of(site); }

 private:
  bool IsForTheRing(const IoOp& op) const noexcept;
  // The loop's ring; null: it has none yet.
  UringRing* Find(const RunLoop& loop) noexcept;
  Result<UringRing*> FindOrMake(const RunLoop& loop) noexcept;
  bool FinishNow(IoOp& op, Status status) noexcept {
    op.status = std::move(status);
    if (op.status.ok()) counters_.Count(op);
    return true;
  }

  const Direct direct_;
  const bool truncates_;  // in the ring
  const uint64_t number_ = next_io_number.fetch_add(1, std::memory_order_relaxed);
  SiteCounters counters_;
  AlignedBuffers buffers_;
  alignas(64) std::atomic<uint64_t> asked_{0};  // by callers, of the device
  UringShared shared_;
  std::mutex mutex_;  // guards rings_
  // By loop. Loops are recycled among threads, and their rings with them.
  std::unordered_map<const RunLoop*, std::unique_ptr<UringRing>> rings_;
};

bool UringIo::IsForTheRing(const IoOp& op) const noexcept {
  switch (op.kind) {
    case IoKind::kRead:
      return op.length > 0;
    case IoKind::kWrite:
      return op.length > 0 && (op.data_sync_after || op.file->alignment() > 1);
    case IoKind::kAllocate:
      return op.length > 0;
    case IoKind::kTruncate:
      return truncates_;
    case IoKind::kList:
    case IoKind::kLock:
      return false;
    default:
      return true;
  }
}

UringRing* UringIo::Find(const RunLoop& loop) noexcept {
  // The ring that this thread used last: of this Io and loop, as a rule.
  struct Last {
    uint64_t io = 0;
    const RunLoop* loop = nullptr;
    UringRing* ring = nullptr;
  };
  static constinit thread_local Last last;
  if (last.io == number_ && last.loop == &loop) return last.ring;
  std::lock_guard guard(mutex_);
  const auto found = rings_.find(&loop);
  if (found == rings_.end()) return nullptr;
  last = Last{number_, &loop, found->second.get()};
  return last.ring;
}

Result<UringRing*> UringIo::FindOrMake(const RunLoop& loop) noexcept {
  if (UringRing* ring = Find(loop); ring != nullptr) return ring;
  Result<std::unique_ptr<UringRing>> made = UringRing::Make(shared_);
  if (!made.ok()) return made.status();
  std::lock_guard guard(mutex_);
  return rings_.emplace(&loop, std::move(made).value()).first->second.get();
}

bool UringIo::Start(IoOp& op) noexcept {
  if (!IsForTheRing(op)) return FinishNow(op, RunBlocking(op, direct_));
  const bool transfers = op.kind == IoKind::kRead || op.kind == IoKind::kWrite;
  if (transfers && !IsAligned(op)) return FinishNow(op, Misaligned(op));
  const Result<UringRing*> ring = FindOrMake(RunLoop::Current().context());
  if (!ring.ok()) {
    // Too many threads for the limit on open files, as a rule. To fail would be worse: a sync that
    // was never tried would count as one that failed.
    counters_.CountWithoutRing();
    Status status = RunBlocking(op, direct_);
    if (status.ok() && op.kind == IoKind::kOpen) LetRegister(op, shared_.files);
    return FinishNow(op, std::move(status));
  }
  ring.value()->Start(op);
  return false;
}

size_t UringIo::Poll(int64_t deadline_ns) noexcept {
  const RunLoop& loop = RunLoop::Current().context();
  const RunLoop& own = RunLoop::OfThread();
  UringRing* ring = Find(loop);
  if (&own == &loop) return ring == nullptr ? 0 : ring->Poll(deadline_ns, loop);
  // An executor drives its own loop on this thread, whose call began on the thread's loop: what
  // both wait for is looked after here.
  UringRing* other = Find(own);
  if (ring == nullptr || !ring->busy()) std::swap(ring, other);
  if (ring == nullptr || !ring->busy()) return 0;
  if (other == nullptr || !other->busy()) return ring->Poll(deadline_ns, loop);
  for (;;) {
    const size_t completed = ring->Poll(0, loop) + other->Poll(0, loop);
    if (completed > 0 || deadline_ns == 0 || loop.HasReady()) return completed;
    // Not for ever: the kernel may not have taken everything yet.
    int wait_ms = 1000;
    if (deadline_ns != INT64_MAX) {
      const int64_t left = deadline_ns - NowNanos();
      if (left <= 0) return 0;
      wait_ms = static_cast<int>(std::min<int64_t>(left / 1'000'000 + 1, wait_ms));
    }
    // Nobody posts to these loops meanwhile: such executors have one caller at a time.
    pollfd rings[] = {{ring->fd(), POLLIN, 0}, {other->fd(), POLLIN, 0}};
    poll(rings, 2, wait_ms);
  }
}

constexpr SettingSpec kUringSettings[] = {
    kDirectSetting,
    {"queue_depth", SettingType::kInteger, "32", 1, 128, "",
     "reads of callers that one thread or loop has at the device at a time; more wait, because a "
     "device that is asked for more gives little more throughput for much more latency"},
    {"registered_files", SettingType::kBool, "false", 0, 0, "",
     "files are registered with each ring that uses them, up to 1024, so that the kernel need not "
     "look up descriptors"},
    {"registered_buffers", SettingType::kBool, "false", 0, 0, "",
     "memory for direct I/O is registered with each ring, and so locked, up to 4 GiB; what the "
     "kernel refuses to lock is used as it is"},
    {"fallback", SettingType::kChoice, "none", 0, 0, "none|posix",
     "what is used where the kernel offers no io_uring; none: opening fails and says why"},
};

// The kernel allows a table no more places than a process may have files open.
uint32_t RegisteredFiles(const SettingBag& settings) {
  if (!settings.Bool("registered_files")) return 0;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<uint32_t>(std::clamp<rlim_t>(limit.rlim_cur, 1, kRegisteredFilesMost));
}

// A ring that works, with every operation and table that is needed. The value: whether it also
// truncates files.
Result<bool> Probe(const SettingBag& settings) {
  SiteCounters counters;
  AlignedBuffers buffers(/*all_in_slabs=*/true);
  UringShared shared = {.read_depth = 1, .counters = &counters};
  if (settings.Bool("registered_files")) {
    shared.files = std::make_shared<UringFileTable>(RegisteredFiles(settings));
  }
  if (settings.Bool("registered_buffers")) shared.buffers = &buffers;
  const Result<std::unique_ptr<UringRing>> ring = UringRing::Make(shared);
  if (!ring.ok()) return ring.status();
  const std::unique_ptr<io_uring_probe, decltype(&io_uring_free_probe)> probe(io_uring_get_probe(),
                                                                              io_uring_free_probe);
  if (probe == nullptr) return Status::NotSupported("io_uring: this kernel cannot be probed");
  for (const auto& [code, name] : {std::pair{IORING_OP_READ, "read"},
                                   {IORING_OP_WRITE, "write"},
                                   {IORING_OP_FSYNC, "fsync"},
                                   {IORING_OP_FALLOCATE, "fallocate"},
                                   {IORING_OP_OPENAT, "openat"},
                                   {IORING_OP_MKDIRAT, "mkdirat"},
                                   {IORING_OP_RENAMEAT, "renameat"},
                                   {IORING_OP_UNLINKAT, "unlinkat"}}) {
    if (!io_uring_opcode_supported(probe.get(), code)) {
      return Status::NotSupported(std::string("io_uring: this kernel has no ") + name + " in it");
    }
  }
  return TruncatesInRing(*probe);
}

Result<std::unique_ptr<Io>> MakeUring(const SettingBag& settings) {
  const Result<bool> usable = Probe(settings);
  if (usable.ok()) {
    return Result<std::unique_ptr<Io>>(std::make_unique<UringIo>(
        ParseDirect(settings.Choice("direct")), /*truncates=*/usable.value(),
        static_cast<uint32_t>(settings.Integer("queue_depth")), RegisteredFiles(settings),
        settings.Bool("registered_buffers")));
  }
  if (settings.Choice("fallback") == "posix") return kPosixIo.make(settings);
  return Status::NotSupported(std::string(usable.status().message()) +
                              "; io.variant 'posix' works everywhere, io.fallback = 'posix' takes "
                              "it where io_uring is not to be had");
}

}  // namespace

constinit const IoVariant kUringIo{
    "uring",
    "io_uring: a ring per thread or loop, many reads of one caller at the device together; what "
    "still blocks: buffered writes without a sync, closing, and at open the lock and listings",
    kUringSettings, MakeUring};

}  // namespace lsmlab
