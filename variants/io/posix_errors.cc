#include "variants/io/posix_errors.h"

#include <cerrno>
#include <string>
#include <system_error>

namespace lsmlab {

Status StatusFromErrno(std::string_view operation, std::string_view path, int error) {
  std::string message(operation);
  message.append(" ").append(path).append(": ").append(std::generic_category().message(error));
  switch (error) {
    case ENOENT:
      return Status::NotFound(std::move(message));
    case ENOSPC:
    case EDQUOT:
      return Status::NoSpace(std::move(message));
    case EWOULDBLOCK:
      return Status::Busy(std::move(message));
    default:
      return Status::IoError(std::move(message));
  }
}

const char* IoKindName(IoKind kind) noexcept {
  switch (kind) {
    case IoKind::kOpen:
      return "open";
    case IoKind::kRead:
      return "read";
    case IoKind::kWrite:
      return "write";
    case IoKind::kSync:
      return "fsync";
    case IoKind::kDataSync:
      return "fdatasync";
    case IoKind::kAllocate:
      return "allocate";
    case IoKind::kTruncate:
      return "truncate";
    case IoKind::kSyncDir:
      return "fsync directory";
    case IoKind::kMakeDir:
      return "make directory";
    case IoKind::kList:
      return "list";
    case IoKind::kRename:
      return "rename";
    case IoKind::kUnlink:
      return "unlink";
    case IoKind::kLock:
      return "lock";
  }
  return "?";
}

const std::string& IoPath(const IoOp& op) noexcept {
  return op.file != nullptr ? op.file->path() : op.path;
}

}  // namespace lsmlab
