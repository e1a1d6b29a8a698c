#pragma once

#include <cstdint>
#include <map>

#include "engine/format/value_file.h"

namespace lsmlab {

// Reads the values that a compaction takes out of value files. In a file they lie in the order of
// their keys, which is the compaction's, with garbage between them: so one read brings several,
// more and more while they lie close together and most of what was read was asked for. One user at
// a time.
class ValuePieces {
 public:
  // Of so many files at most.
  explicit ValuePieces(size_t files);

  // The value, verified; valid until the next call. The key outlives the task.
  Task<Result<Slice>> Read(const ValueFile& file, ValueReference reference, Slice key);
  uint64_t bytes_read() const noexcept { return bytes_read_; }  // from the files

 private:
  // Garbage up to so many bytes is read with what lies behind it: about what a device gives in the
  // time that another read would take.
  static constexpr uint64_t kGapMost = 16u << 10;
  static constexpr size_t kPieceMost = 256u << 10;
  static constexpr size_t kPieceLeast = 16u << 10;
  static constexpr size_t kMemory = 8u << 20;  // for the pieces of up to 512 files together
  // Pieces grow while one of so many bytes was asked for.
  static constexpr uint64_t kUsedShare = 4;

  struct Piece {
    BlockRef block;  // null: it was not worth keeping
    uint64_t begin = 0, end = 0;
    uint64_t used = 0;  // bytes of it that were asked for
  };
  size_t Wanted(const Piece& before, ValueReference next) const noexcept;

  const size_t piece_most_;
  std::map<uint64_t, Piece> pieces_;  // the last one of each file
  StoredValue value_;                 // given last
  uint64_t bytes_read_ = 0;
};

}  // namespace lsmlab
