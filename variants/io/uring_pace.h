#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/parts/io.h"

namespace lsmlab {

// Whether only a flush, a compaction or the opening of a file waits for the bytes.
inline bool IsBackgroundTransfer(const IoOp& op) noexcept {
  if (op.kind != IoKind::kRead && op.kind != IoKind::kWrite) return false;
  switch (op.site) {
    case IoSite::kFlush:
    case IoSite::kCompactionRead:
    case IoSite::kCompactionWrite:
    case IoSite::kValueFile:
    case IoSite::kValueCollect:
    case IoSite::kTableOpen:
      return true;
    default:
      return false;
  }
}

// Whether a caller of the store waits for the device: a read of his, or a log that is made durable.
inline bool IsAwaitedByCaller(const IoOp& op) noexcept {
  switch (op.site) {
    case IoSite::kBlockRead:
    case IoSite::kValueRead:
      return op.kind == IoKind::kRead;
    case IoSite::kWal:
    case IoSite::kDurableWal:
      return op.data_sync_after || op.kind == IoKind::kDataSync;
    default:
      return false;
  }
}

// How the background transfers of one ring go to the device. A read of 4 KiB behind four writes of
// 512 KiB waits for many times its own time, and so does the sync of a log. So while callers ask
// the device for anything, on whichever ring, a ring has two background transfers there at a time
// (so that a merge reads while it writes), and of each a piece: the next piece goes behind what
// callers have begun meanwhile. Otherwise they go whole, and many together. Callers count as gone
// when some transfers in a row have begun without a request of theirs in between: that needs no
// clock, and adapts to what the device gives.
//
// Each ring has room for its own, so none waits for what another one has there. One user at a time;
// the count of what callers ask for is shared.
class BackgroundPace {
 public:
  static constexpr size_t kPieceBytes = 128u << 10;
  static constexpr uint32_t kPiecesTogether = 2;
  static constexpr uint32_t kQuietTransfers = 8;

  // `asked`: how often callers have asked; null: nobody counts, as if they never did. `most`:
  // transfers under way together without callers, at least 1.
  BackgroundPace(const std::atomic<uint64_t>* asked, uint32_t most) noexcept
      : asked_(asked), most_(most) {}

  bool HasRoom() const noexcept {
    return under_way_ < (IsGentle() ? std::min(kPiecesTogether, most_) : most_);
  }
  // A transfer begins or goes on. Returns how many bytes may go to the device at once.
  size_t Begin() noexcept {
    ++under_way_;
    const uint64_t asked = asked_ == nullptr ? 0 : asked_->load(std::memory_order_relaxed);
    const bool quiet = std::exchange(asked_before_, asked) == asked;
    quiet_ = quiet ? std::min(quiet_ + 1, kQuietTransfers) : 0;
    return IsGentle() ? kPieceBytes : SIZE_MAX;
  }
  void End() noexcept { --under_way_; }

 private:
  bool IsGentle() const noexcept { return quiet_ < kQuietTransfers; }

  const std::atomic<uint64_t>* const asked_;
  const uint32_t most_;
  uint64_t asked_before_ = 0;
  uint32_t quiet_ = kQuietTransfers;  // transfers since callers asked last, up to so many
  uint32_t under_way_ = 0;
};

}  // namespace lsmlab
