#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "engine/base/assert.h"

namespace lsmlab::test {

// A fresh directory on a real disk, removed at the end.
class TempDirectory {
 public:
  TempDirectory() : path_((std::filesystem::temp_directory_path() / "lsmlab-XXXXXX").string()) {
    LSMLAB_ASSERT(::mkdtemp(path_.data()) != nullptr);
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

}  // namespace lsmlab::test
