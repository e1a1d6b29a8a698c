#pragma once

#include <string_view>

#include "engine/base/status.h"

namespace lsmlab {

// The one place where an errno becomes a Status: ENOENT NotFound, ENOSPC and EDQUOT NoSpace,
// EWOULDBLOCK Busy, everything else IoError. The message names operation, path and errno text.
Status StatusFromErrno(std::string_view operation, std::string_view path, int error);

}  // namespace lsmlab
