#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "variants/plugin_loader.h"

// Main of the suites that `lsmlab check` runs over plugins: LSMLAB_PLUGINS names their files,
// separated by ':', to be in the registry before the suites are made from it.
int main(int argc, char** argv) {
  const char* plugins = std::getenv("LSMLAB_PLUGINS");
  std::istringstream paths(plugins == nullptr ? "" : plugins);
  for (std::string path; std::getline(paths, path, ':');) {
    const lsmlab::Status status = lsmlab::LoadPlugin(path);
    if (status.ok()) continue;
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 2;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
