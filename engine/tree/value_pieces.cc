#include "engine/tree/value_pieces.h"

#include <algorithm>

namespace lsmlab {

ValuePieces::ValuePieces(size_t files)
    : piece_most_(std::clamp(kMemory / std::max<size_t>(files, 1), kPieceLeast, kPieceMost)) {}

// Bytes that the next read is to bring; 0: the record alone.
size_t ValuePieces::Wanted(const Piece& before, ValueReference next) const noexcept {
  const uint64_t bytes = before.end - before.begin;
  // A record that the piece cuts off begins in it.
  const bool close = next.offset > before.begin && next.offset <= before.end + kGapMost;
  if (!close || before.used * kUsedShare < bytes) return 0;
  return static_cast<size_t>(std::min<uint64_t>(2 * bytes, piece_most_));
}

Task<Result<Slice>> ValuePieces::Read(const ValueFile& file, ValueReference reference, Slice key) {
  Piece& piece = pieces_[reference.file];
  const bool held = piece.block && reference.offset >= piece.begin &&
                    reference.offset <= piece.end && reference.size <= piece.end - reference.offset;
  if (!held) {
    Result<BlockRef> read =
        co_await file.ReadPiece(reference, Wanted(piece, reference), IoSite::kValueCollect);
    if (!read.ok()) co_return read.status();
    piece.block = std::move(read).value();
    piece.begin = reference.offset;
    piece.end = piece.begin + piece.block->size;
    piece.used = 0;
    bytes_read_ += file.ReadBytes(piece.begin, piece.block->size);
  }
  piece.used += reference.size;
  Result<StoredValue> found = file.Take(piece.block, piece.begin, reference, key);
  if (!found.ok()) co_return found.status();
  value_ = std::move(found).value();
  // A single large value is nothing that others lie in.
  if (piece.end - piece.begin > piece_most_) piece.block = BlockRef();
  co_return value_.value;
}

}  // namespace lsmlab
