#pragma once

#include <string>
#include <string_view>

namespace lsmlab {

// The directory that holds the files which come with the program (presets, experiments, workloads,
// the Python package): the first of LSMLAB_HOME, the parent of the program's own directory, its
// ../share/lsmlab, and the source tree it was built from that has variants/presets in it; empty
// when there is none. Looked up once; thread-safe.
const std::string& HomeDirectory();

// `path` as given when such a file exists or the path is absolute, else below HomeDirectory() when
// it exists there, else `path` again (so that the message of whoever opens it names it).
std::string FindShippedFile(std::string_view path);

}  // namespace lsmlab
