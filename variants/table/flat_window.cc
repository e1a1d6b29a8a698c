#include "variants/table/flat_window.h"

namespace lsmlab::table_internal {

Task<Status> FlatWindow::Fill(const FlatFile& file, uint32_t i, Direction direction, IoSite site) {
  const BlockIndex& index = file.index();
  const auto end_of = [&index](uint32_t b) {
    return index.handle(b).offset + index.handle(b).size + kBlockTrailerBytes;
  };
  uint32_t first = i, last = i;
  if (direction == Direction::kForward) {
    while (last + 1 < index.count() && end_of(last + 1) - index.handle(i).offset <= kReadBytes) {
      ++last;
    }
  } else {
    while (first > 0 && end_of(i) - index.handle(first - 1).offset <= kReadBytes) --first;
  }
  const uint64_t start = index.handle(first).offset;
  const AlignedRange range(file.file(), start, end_of(last) - start);
  first_ = end_ = 0;
  // Spare bytes for searches that look past a block's end.
  if (buffer_.bytes() < range.length + 64) buffer_ = ReadBuffer(file.io(), range.length + 64);
  LSMLAB_CO_TRY(co_await file.Read(range, buffer_.data(), site));
  offset_ = range.offset;
  first_ = first;
  end_ = last + 1;
  co_return Status();
}

Result<Slice> FlatWindow::Open(const FlatFile& file, uint32_t i) {
  const BlockHandle handle = file.index().handle(i);
  const Slice stored(buffer_.data() + (handle.offset - offset_),
                     static_cast<size_t>(handle.size) + kBlockTrailerBytes);
  const Result<BlockTrailer> trailer = file.CheckTrailer(i, stored);
  if (!trailer.ok()) return trailer.status();
  Slice block = stored.substr(0, static_cast<size_t>(handle.size));
  if (trailer->codec != 0) {
    if (decoded_.size() < trailer->raw_size) decoded_ = AlignedBytes(trailer->raw_size);
    LSMLAB_TRY(file.Decode(i, block, trailer.value(), decoded_.data()));
    block = Slice(decoded_.data(), trailer->raw_size);
  }
  LSMLAB_TRY(file.CheckDecoded(i, block));
  return block;
}

}  // namespace lsmlab::table_internal
