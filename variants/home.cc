#include "variants/home.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace lsmlab {
namespace {

namespace fs = std::filesystem;

bool IsHome(const fs::path& path) {
  std::error_code ignored;
  return !path.empty() && fs::is_directory(path / "variants" / "presets", ignored);
}

std::string Find() {
  // Read before any thread is started; the program never sets it.
  if (const char* home = std::getenv("LSMLAB_HOME"); home != nullptr && *home != '\0') return home;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path bin = program.parent_path();
  for (const fs::path& candidate :
       {bin.parent_path(), bin.parent_path() / "share" / "lsmlab", fs::path(LSMLAB_SOURCE_DIR)}) {
    if (IsHome(candidate)) return candidate.string();
  }
  return {};
}

}  // namespace

const std::string& HomeDirectory() {
  static const std::string home = Find();
  return home;
}

std::string FindShippedFile(std::string_view path) {
  const fs::path given(path);
  std::error_code ignored;
  if (given.is_absolute() || fs::exists(given, ignored)) return std::string(path);
  const fs::path shipped = fs::path(HomeDirectory()) / given;
  return fs::exists(shipped, ignored) ? shipped.string() : std::string(path);
}

}  // namespace lsmlab
