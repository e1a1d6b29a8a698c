#pragma once

#include <memory>
#include <string>

#include "engine/base/status.h"
#include "engine/parts/io.h"

namespace lsmlab {

// Takes the exclusive lock file at `path`, which is created if missing and never unlinked: flock
// keeps other processes out, a registry by (device, inode) other stores of this process (also
// through another path). Held until the object is destroyed. Busy, naming the holder, when taken.
Result<std::unique_ptr<IoFile>> AcquirePosixLock(const std::string& path);

}  // namespace lsmlab
