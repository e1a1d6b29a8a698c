#include <string>
#include <utility>

#include "engine/parts/io.h"

namespace lsmlab {
namespace {

Status Shorter(const IoFile& file, uint64_t offset, size_t expected, size_t found) {
  return Status::Corruption(file.path() + " offset " + std::to_string(offset) + ": expected " +
                            std::to_string(expected) + " bytes, found " + std::to_string(found) +
                            " before the end of the file");
}

}  // namespace

Task<Result<std::unique_ptr<IoFile>>> OpenFile(Io& io, IoSite site, OpenMode mode,
                                               std::string path) {
  IoOp op(IoKind::kOpen, site);
  op.mode = mode;
  op.path = std::move(path);
  co_await IoWait(io, op);
  if (!op.status.ok()) co_return std::move(op.status);
  co_return std::move(op.opened);
}

Task<Status> ReadAtLeast(Io& io, IoSite site, IoFile& file, uint64_t offset, void* data,
                         size_t length, size_t least) {
  IoOp op(IoKind::kRead, site);
  op.file = &file;
  op.offset = offset;
  op.data = data;
  op.length = length;
  co_await IoWait(io, op);
  if (op.status.ok() && op.transferred < least) {
    co_return Shorter(file, offset, least, op.transferred);
  }
  co_return std::move(op.status);
}

Task<Status> ReadExactly(Io& io, IoSite site, IoFile& file, uint64_t offset, void* data,
                         size_t length) {
  return ReadAtLeast(io, site, file, offset, data, length, length);
}

Task<Status> WriteAt(Io& io, IoSite site, IoFile& file, uint64_t offset, const void* data,
                     size_t length) {
  IoOp op(IoKind::kWrite, site);
  op.file = &file;
  op.offset = offset;
  op.data = const_cast<void*>(data);  // kWrite only reads it
  op.length = length;
  co_await IoWait(io, op);
  co_return std::move(op.status);
}

Task<Status> WriteDurably(Io& io, IoSite site, IoFile& file, uint64_t offset, const void* data,
                          size_t length) {
  IoOp op(IoKind::kWrite, site);
  op.file = &file;
  op.offset = offset;
  op.data = const_cast<void*>(data);  // kWrite only reads it
  op.length = length;
  op.data_sync_after = true;
  co_await IoWait(io, op);
  co_return FailedSync(op.status);
}

Task<Status> DataSync(Io& io, IoSite site, IoFile& file) {
  IoOp op(IoKind::kDataSync, site);
  op.file = &file;
  co_await IoWait(io, op);
  co_return FailedSync(op.status);
}

Task<Status> SyncDirectory(Io& io, IoSite site, std::string path) {
  IoOp op(IoKind::kSyncDir, site);
  op.path = std::move(path);
  co_await IoWait(io, op);
  co_return FailedSync(op.status);
}

Task<Status> MakeDirectory(Io& io, IoSite site, std::string path) {
  IoOp op(IoKind::kMakeDir, site);
  op.path = std::move(path);
  co_await IoWait(io, op);
  co_return std::move(op.status);
}

Task<Result<std::vector<DirEntry>>> ListDirectory(Io& io, IoSite site, std::string path) {
  IoOp op(IoKind::kList, site);
  op.path = std::move(path);
  co_await IoWait(io, op);
  if (!op.status.ok()) co_return std::move(op.status);
  co_return std::move(op.entries);
}

Task<Status> RenameFile(Io& io, IoSite site, std::string from, std::string to) {
  IoOp op(IoKind::kRename, site);
  op.path = std::move(from);
  op.path_to = std::move(to);
  co_await IoWait(io, op);
  co_return std::move(op.status);
}

Task<Status> UnlinkFile(Io& io, IoSite site, std::string path) {
  IoOp op(IoKind::kUnlink, site);
  op.path = std::move(path);
  co_await IoWait(io, op);
  co_return std::move(op.status);
}

Task<Result<std::string>> ReadFile(Io& io, IoSite site, std::string path, size_t limit) {
  Result<std::unique_ptr<IoFile>> opened = co_await OpenFile(io, site, OpenMode::kRead, path);
  if (!opened.ok()) co_return opened.status();
  IoFile& file = *opened.value();
  const uint64_t size = file.size();
  if (size > limit) {
    co_return Status::InvalidArgument(path + ": " + std::to_string(size) +
                                      " bytes, allowed are at most " + std::to_string(limit));
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  if (file.alignment() == 1) {
    LSMLAB_CO_TRY(co_await ReadExactly(io, site, file, 0, bytes.data(), bytes.size()));
    co_return std::move(bytes);
  }
  // A direct file is read through an aligned buffer, rounded up; the end of the file cuts it.
  const size_t step = file.alignment();
  const size_t rounded = (bytes.size() + step - 1) / step * step;
  if (rounded == 0) co_return std::move(bytes);
  IoOp op(IoKind::kRead, site);
  op.file = &file;
  op.data = io.AllocateBuffer(rounded);
  op.length = rounded;
  co_await IoWait(io, op);
  const size_t found = op.transferred;
  if (op.status.ok() && found >= bytes.size()) {
    bytes.assign(static_cast<const char*>(op.data), bytes.size());
  }
  io.FreeBuffer(op.data, rounded);
  if (!op.status.ok()) co_return std::move(op.status);
  if (found < bytes.size()) co_return Shorter(file, 0, bytes.size(), found);
  co_return std::move(bytes);
}

}  // namespace lsmlab
