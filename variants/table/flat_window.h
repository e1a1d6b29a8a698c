#pragma once

#include <cstdint>

#include "engine/format/aligned_bytes.h"
#include "variants/table/flat_file.h"

namespace lsmlab::table_internal {

// Blocks of a flat file read ahead into private memory, past the cache: input of compactions and of
// Verify. A raw block is used where the read has put it. One user at a time.
class FlatWindow {
 public:
  static constexpr uint64_t kReadBytes = 256u << 10;

  enum class Direction : uint8_t { kForward, kBackward };

  bool Has(uint32_t i) const noexcept { return i >= first_ && i < end_; }
  // Reads block i and its neighbours in `direction`, about kReadBytes in all. After a failure the
  // window is empty.
  Task<Status> Fill(const FlatFile& file, uint32_t i, Direction direction, IoSite site);
  // The decoded, checked block; valid until the next call of Fill or Open. REQUIRES: Has(i).
  Result<Slice> Open(const FlatFile& file, uint32_t i);

 private:
  ReadBuffer buffer_;
  AlignedBytes decoded_;
  uint32_t first_ = 0, end_ = 0;  // blocks held
  uint64_t offset_ = 0;           // of the buffer's first byte in the file
};

}  // namespace lsmlab::table_internal
