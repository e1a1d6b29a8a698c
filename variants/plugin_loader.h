#pragma once

#include <span>
#include <string>

#include "engine/base/status.h"

namespace lsmlab {

struct Plugin;

struct LoadedPlugin {
  std::string path;  // as given
  std::string hash;  // 16 hex digits over the file's bytes, for records
  const Plugin* plugin = nullptr;
};

// Loads a shared object of variants (engine/parts/plugin.h) and adds them to the registry; it is
// never unloaded. InvalidArgument, one line, and nothing is added: not a plugin, made for other
// contracts, by another compiler or with other flags, a name that is taken, a factory that throws
// with the default settings. NotFound: no such file. REQUIRES: as AddVariants.
Status LoadPlugin(const std::string& path);

// In the order of loading.
std::span<const LoadedPlugin> LoadedPlugins() noexcept;

}  // namespace lsmlab
