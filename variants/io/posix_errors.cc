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

}  // namespace lsmlab
