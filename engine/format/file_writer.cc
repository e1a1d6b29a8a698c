#include "engine/format/file_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/base/assert.h"

namespace lsmlab {
namespace {

constexpr char kZeros[4096] = {};  // largest alignment of a file

constexpr uint64_t kReserveBytes = 2u << 20;

constexpr size_t kPiecesFast = 4;
constexpr size_t kPiecesBesideSyncs = 2;

// A write through the page cache is a copy by the thread that calls, also where the Io defers
// others: a large one would hold up what shares its event loop.
bool BlocksLoops(const Io& io, const IoFile& file) noexcept {
  return io.defers() && file.alignment() == 1;
}

Task<Status> WritePiece(Io& io, IoSite site, IoFile& file, uint64_t offset, char* data,
                        size_t length) {
  IoOp op(IoKind::kWrite, site);
  op.file = &file;
  op.offset = offset;
  op.data = data;
  op.length = length;
  co_await IoWait(io, op);
  co_return std::move(op.status);
}

}  // namespace

FileWriter::FileWriter(Io& io, IoSite site, std::unique_ptr<IoFile> file, WritePace pace)
    : io_(io),
      site_(site),
      piece_bytes_(PieceBytes(BlocksLoops(io, *file) ? WritePace::kBesideSyncs : pace)),
      under_way_most_(!io.defers()               ? 0
                      : pace == WritePace::kFast ? kPiecesFast
                                                 : kPiecesBesideSyncs),
      file_(std::move(file)),
      reserves_(under_way_most_ > 0 && file_->alignment() > 1) {
  open_ = NewPiece();
}

FileWriter::~FileWriter() {
  LSMLAB_ASSERT(under_way_.empty());
  for (const Piece& piece : full_) io_.FreeBuffer(piece.data, piece_bytes_);
  for (char* data : spare_) io_.FreeBuffer(data, piece_bytes_);
  io_.FreeBuffer(open_.data, piece_bytes_);
}

FileWriter::Piece FileWriter::NewPiece() {
  Piece piece;
  piece.offset = offset_;
  if (spare_.empty()) {
    piece.data = static_cast<char*>(io_.AllocateBuffer(piece_bytes_));
  } else {
    piece.data = spare_.back();
    spare_.pop_back();
  }
  return piece;
}

void FileWriter::Append(Slice bytes) {
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), piece_bytes_ - open_.used);
    std::memcpy(open_.data + open_.used, bytes.data(), n);
    open_.used += n;
    offset_ += n;
    bytes.remove_prefix(n);
    if (open_.used == piece_bytes_) {
      full_.push_back(open_);
      open_ = NewPiece();
    }
  }
}

void FileWriter::Pad(size_t alignment) {
  size_t left = static_cast<size_t>((alignment - offset_ % alignment) % alignment);
  while (left > 0) {
    const size_t n = std::min(left, sizeof kZeros);
    Append(Slice(kZeros, n));
    left -= n;
  }
}

uint64_t FileWriter::TailOffset(size_t tail_bytes) const noexcept {
  const uint64_t alignment = file_->alignment();
  const uint64_t end = offset_ + tail_bytes;
  return (end + alignment - 1) / alignment * alignment - tail_bytes;
}

Task<Status> FileWriter::WaitForOldest() {
  Write oldest = std::move(under_way_.front());
  under_way_.pop_front();
  Status status = co_await oldest.task.Join();
  spare_.push_back(oldest.data);
  co_return status;
}

Task<void> FileWriter::Reserve(uint64_t end) {
  if (!reserves_ || end <= reserved_) co_return;
  IoOp more(IoKind::kAllocate, site_);
  more.file = file_.get();
  more.offset = reserved_;
  more.length =
      static_cast<size_t>((end - reserved_ + kReserveBytes - 1) / kReserveBytes * kReserveBytes);
  co_await IoWait(io_, more);
  reserved_ += more.length;
  // What is written may still have room.
  if (!more.status.ok()) reserves_ = false;
}

Task<Status> FileWriter::Flush() {
  Status status;
  // Not for the last piece, which ends the file.
  if (!full_.empty() && full_.back().used == piece_bytes_) {
    co_await Reserve(full_.back().offset + piece_bytes_);
  }
  for (const Piece& piece : full_) {
    Write& write = under_way_.emplace_back();
    write.data = piece.data;
    write.task = WritePiece(io_, site_, *file_, piece.offset, piece.data, piece.used);
    write.task.Start();
  }
  full_.clear();
  while (status.ok() && under_way_.size() > under_way_most_) status = co_await WaitForOldest();
  co_return status;
}

Task<Status> FileWriter::Settle() {
  Status status;
  while (!under_way_.empty()) {
    Status one = co_await WaitForOldest();
    if (status.ok()) status = std::move(one);
  }
  co_return status;
}

Task<Status> FileWriter::Finish(Slice tail) {
  const uint64_t tail_offset = TailOffset(tail.size());
  LSMLAB_ASSERT(tail_offset - offset_ <= sizeof kZeros);
  Append(Slice(kZeros, static_cast<size_t>(tail_offset - offset_)));
  Append(tail);
  if (open_.used > 0) {
    full_.push_back(open_);
    open_ = NewPiece();
  }
  Status written = co_await Flush();
  Status settled = co_await Settle();
  LSMLAB_CO_TRY(std::move(written));
  LSMLAB_CO_TRY(std::move(settled));
  if (reserved_ > offset_) {
    IoOp cut(IoKind::kTruncate, site_);
    cut.file = file_.get();
    cut.length = static_cast<size_t>(offset_);
    co_await IoWait(io_, cut);
    LSMLAB_CO_TRY(std::move(cut.status));
  }
  IoOp sync(IoKind::kDataSync, site_);
  sync.file = file_.get();
  co_await IoWait(io_, sync);
  if (!sync.status.ok()) co_return FailedSync(sync.status);
  file_.reset();
  co_return Status();
}

}  // namespace lsmlab
