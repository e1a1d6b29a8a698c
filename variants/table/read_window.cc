#include "variants/table/read_window.h"

namespace lsmlab::table_internal {

Task<Status> ReadWindow::Fill(const BlockFile& file, uint64_t start, uint64_t end, IoSite site) {
  const AlignedRange range(file.file(), start, end - start);
  start_ = end_ = 0;
  // Spare bytes for searches that look past a block's end.
  if (buffer_.bytes() < range.length + 64) buffer_ = ReadBuffer(file.io(), range.length + 64);
  LSMLAB_CO_TRY(co_await file.Read(range, buffer_.data(), site));
  offset_ = range.offset;
  start_ = start;
  end_ = end;
  co_return Status();
}

Result<Slice> ReadWindow::Open(const BlockFile& file, const ExpectedBlock& expected) {
  const BlockHandle handle = expected.handle;
  const Slice stored(buffer_.data() + (handle.offset - offset_),
                     static_cast<size_t>(handle.size) + kBlockTrailerBytes);
  const Result<BlockTrailer> trailer = file.CheckTrailer(handle.offset, stored);
  if (!trailer.ok()) return trailer.status();
  Slice block = stored.substr(0, static_cast<size_t>(handle.size));
  if (trailer->codec != 0) {
    if (decoded_.size() < trailer->raw_size) decoded_ = AlignedBytes(trailer->raw_size);
    LSMLAB_TRY(file.Decode(handle.offset, block, trailer.value(), decoded_.data()));
    block = Slice(decoded_.data(), trailer->raw_size);
  }
  LSMLAB_TRY(file.CheckDecoded(expected, block));
  return block;
}

}  // namespace lsmlab::table_internal
