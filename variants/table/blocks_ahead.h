#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/async/task.h"
#include "engine/parts/block.h"

namespace lsmlab::table_internal {

// The blocks that a walk has read before it comes to them, side by side with the one that it came
// for. A walk that goes on from one missing block to the next gets twice as many each time, so a
// short one reads little in vain, and a long one waits seldom.
class BlocksAhead {
 public:
  // Bytes that are read together at most, but for the first block: large ones are not read ahead.
  static constexpr uint64_t kBytesMost = 256u << 10;

  // Blocks to read together at block `i`, which is missing: at most `most`, and `left` from it on.
  // What they hold in memory is bounded by the largest of the last window: they may be stored in a
  // fraction of it.
  uint32_t Window(uint32_t i, uint32_t left, uint32_t most) noexcept {
    most = std::min(most, static_cast<uint32_t>(std::max<uint64_t>(kBytesMost / largest_, 1)));
    window_ = i == next_ ? std::min(2 * window_, most) : 1;
    blocks_.clear();
    next_ = i;
    return std::min(window_, left);
  }
  // The window goes on to block `i`, which need not be read.
  void Pass(uint32_t i) noexcept { next_ = i + 1; }
  // The same, and the next Read reads it. Not started before.
  void Add(uint32_t i, Task<Result<BlockRef>> read) {
    Pass(i);
    blocks_.emplace_back(i, BlockRef());
    reads_.push_back(std::move(read));
  }
  // Waits for all, and gives the first one of them; what fails of the others is read again when it
  // is needed.
  Task<Result<BlockRef>> Read() {
    for (Task<Result<BlockRef>>& read : reads_) read.Start();
    Result<BlockRef> first = co_await reads_[0].Join();
    largest_ = first.ok() ? std::max(first.value()->size, 1u) : 1;
    for (size_t n = 1; n < reads_.size(); ++n) {
      Result<BlockRef> block = co_await reads_[n].Join();
      if (block.ok()) {
        blocks_[n].second = std::move(block).value();
        largest_ = std::max(largest_, blocks_[n].second->size);
      }
    }
    reads_.clear();
    co_return first;
  }
  // The block, if it was read ahead, and it is here no more; empty otherwise.
  BlockRef Take(uint32_t i) noexcept {
    for (auto& [number, block] : blocks_) {
      if (number == i) return std::exchange(block, BlockRef());
    }
    return BlockRef();
  }

 private:
  std::vector<std::pair<uint32_t, BlockRef>> blocks_;
  std::vector<Task<Result<BlockRef>>> reads_;
  uint32_t next_ = UINT32_MAX;  // behind the last window
  uint32_t window_ = 1;
  uint32_t largest_ = 1;  // block of the last window, in bytes
};

}  // namespace lsmlab::table_internal
