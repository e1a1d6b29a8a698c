#pragma once

#include <cstdint>

#include "engine/format/aligned_bytes.h"
#include "variants/table/block_file.h"

namespace lsmlab::table_internal {

// Blocks of a table file read ahead into private memory, past the cache: input of compactions and
// of Verify. A raw block is used where the read has put it. One user at a time.
class ReadWindow {
 public:
  static constexpr uint64_t kReadBytes = 256u << 10;  // about what one read is to take

  bool Has(const BlockHandle& block) const noexcept {
    return block.offset >= start_ && block.offset + block.size + kBlockTrailerBytes <= end_;
  }
  // Reads the bytes from `start` to `end`. After a failure the window is empty.
  Task<Status> Fill(const BlockFile& file, uint64_t start, uint64_t end, IoSite site);
  // The decoded, checked block; valid until the next call of Fill or Open. REQUIRES: Has it.
  Result<Slice> Open(const BlockFile& file, const ExpectedBlock& expected);

 private:
  ReadBuffer buffer_;
  AlignedBytes decoded_;
  uint64_t start_ = 0, end_ = 0;  // bytes of the file held
  uint64_t offset_ = 0;           // of the buffer's first byte in the file
};

}  // namespace lsmlab::table_internal
