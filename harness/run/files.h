#pragma once

#include <string>
#include <string_view>

#include "engine/base/status.h"

// The few file operations of the harness. Errors are IoError, NoSpace or NotFound and name the
// path.
namespace lsmlab::harness {

// Replaces the file by one with these bytes: written beside it, synced, renamed. On an error it is
// as it was.
Status WriteWholeFile(const std::string& path, std::string_view bytes);
// A regular file of at most `limit` bytes.
Result<std::string> ReadWholeFile(const std::string& path, size_t limit);
// Appends line and newline in one write and syncs: a line that is there, is there whole, but for a
// crash. On an error (a full disk) the file is as it was.
Status AppendLine(const std::string& path, const std::string& line);

// Creates it and its parents.
Status MakeDirectories(const std::string& path);
// A directory that did not exist before, below `parent`: "<prefix>XXXXXX".
Result<std::string> MakeFreshDirectory(const std::string& parent, const std::string& prefix);
// Removes a directory that this program has created in this or an earlier run, with all in it.
// REQUIRES: not a link; a missing one is fine.
Status RemoveOwnDirectory(const std::string& path);
// Makes `to`, which must not exist, a copy of the directory `from` with all in it, on the device
// when this returns: nothing is left to be written back while a run on the copy is measured.
Status CopyDirectory(const std::string& from, const std::string& to);
std::string ParentDirectory(const std::string& path);

}  // namespace lsmlab::harness
