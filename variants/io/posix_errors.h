#pragma once

#include <string>
#include <string_view>

#include "engine/base/status.h"
#include "engine/parts/io.h"

namespace lsmlab {

// The one place where an errno becomes a Status: ENOENT NotFound, ENOSPC and EDQUOT NoSpace,
// EWOULDBLOCK Busy, everything else IoError. The message names operation, path and errno text.
Status StatusFromErrno(std::string_view operation, std::string_view path, int error);

// What messages call an operation ("fsync", "make directory"), and the path it works on.
const char* IoKindName(IoKind kind) noexcept;
const std::string& IoPath(const IoOp& op) noexcept;

}  // namespace lsmlab
