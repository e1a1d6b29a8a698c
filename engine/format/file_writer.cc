#include "engine/format/file_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/base/assert.h"

namespace lsmlab {
namespace {

constexpr char kZeros[4096] = {};  // largest alignment of a file

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

FileWriter::FileWriter(Io& io, IoSite site, std::unique_ptr<IoFile> file)
    : io_(io),
      site_(site),
      pieces_together_(io.defers() ? kPiecesTogether : 1),
      file_(std::move(file)) {
  open_ = NewPiece();
}

FileWriter::~FileWriter() {
  for (const Piece& piece : full_) io_.FreeBuffer(piece.data, kPieceBytes);
  for (char* data : spare_) io_.FreeBuffer(data, kPieceBytes);
  io_.FreeBuffer(open_.data, kPieceBytes);
}

FileWriter::Piece FileWriter::NewPiece() {
  Piece piece;
  piece.offset = offset_;
  if (spare_.empty()) {
    piece.data = static_cast<char*>(io_.AllocateBuffer(kPieceBytes));
  } else {
    piece.data = spare_.back();
    spare_.pop_back();
  }
  return piece;
}

void FileWriter::Append(Slice bytes) {
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), kPieceBytes - open_.used);
    std::memcpy(open_.data + open_.used, bytes.data(), n);
    open_.used += n;
    offset_ += n;
    bytes.remove_prefix(n);
    if (open_.used == kPieceBytes) {
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

Task<Status> FileWriter::Flush() {
  std::vector<Task<Status>> writes;
  for (const Piece& piece : full_) {
    writes.push_back(WritePiece(io_, site_, *file_, piece.offset, piece.data, piece.used));
    writes.back().Start();
  }
  // All have ended before it returns, also when one has failed: the pieces are the writer's.
  Status status;
  for (Task<Status>& write : writes) {
    Status one = co_await write.Join();
    if (status.ok()) status = std::move(one);
  }
  if (!status.ok()) co_return status;
  for (const Piece& piece : full_) spare_.push_back(piece.data);
  full_.clear();
  co_return Status();
}

Task<Status> FileWriter::Finish(Slice tail) {
  const uint64_t tail_offset = TailOffset(tail.size());
  LSMLAB_ASSERT(tail_offset - offset_ <= sizeof kZeros);
  Append(Slice(kZeros, static_cast<size_t>(tail_offset - offset_)));
  Append(tail);
  LSMLAB_CO_TRY(co_await Flush());
  if (open_.used > 0) {
    LSMLAB_CO_TRY(co_await WritePiece(io_, site_, *file_, open_.offset, open_.data, open_.used));
  }
  IoOp sync(IoKind::kDataSync, site_);
  sync.file = file_.get();
  co_await IoWait(io_, sync);
  if (!sync.status.ok()) co_return FailedSync(sync.status);
  file_.reset();
  co_return Status();
}

}  // namespace lsmlab
