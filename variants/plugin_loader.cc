#include "variants/plugin_loader.h"

#include <dlfcn.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/parts/plugin.h"
#include "lsmlab_contract_hash.h"
#include "variants/factory_trial.h"
#include "variants/registry.h"

namespace lsmlab {
namespace {

std::vector<LoadedPlugin>& Loaded() {
  static std::vector<LoadedPlugin> loaded;
  return loaded;
}

Status Refuse(const std::string& path, const std::string& why) {
  return Status::InvalidArgument("--plugin: '" + path + "': " + why);
}

// Text that a plugin claims; it may lack its end.
template <size_t N>
std::string Claimed(const char (&text)[N]) {
  return std::string(text, strnlen(text, N));
}

Status CheckIdentity(const std::string& path, const PluginIdentity& its) {
  const PluginIdentity ours = CompiledIdentity(LSMLAB_CONTRACT_HASH);
  if (std::memcmp(its.magic, ours.magic, sizeof its.magic) != 0) {
    return Refuse(path,
                  "its function lsmlab_plugin does not return a plugin of interface version 1");
  }
  const std::string compiler = Claimed(its.compiler);
  if (its.cxx_abi != ours.cxx_abi || compiler != ours.compiler) {
    return Refuse(path, "made by compiler " + compiler + " (ABI " + std::to_string(its.cxx_abi) +
                            "); allowed is " + ours.compiler + " (ABI " +
                            std::to_string(ours.cxx_abi) + ")");
  }
  if (its.flags != ours.flags) {
    return Refuse(path, "made with layout flags " + std::to_string(its.flags) + "; allowed is " +
                            std::to_string(ours.flags) +
                            " (sanitizer 1, invariants 2, debug library 4, C++11 strings 8)");
  }
  const std::string contract = Claimed(its.contract);
  if (contract != ours.contract) {
    return Refuse(path, "made for the contracts " + contract.substr(0, 12) + "; allowed is " +
                            std::string(ours.contract).substr(0, 12) +
                            ": build it again with this source tree");
  }
  return {};
}

std::string HashOfFile(std::ifstream& file) {
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(Checksum(bytes, 0)));
  return text;
}

}  // namespace

Status LoadPlugin(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status::NotFound("--plugin: no file '" + path + "' that can be read");
  // A name without a slash would be looked for in the system's directories.
  const std::string place = path.find('/') == std::string::npos ? "./" + path : path;
  void* object = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) return Refuse(path, std::string("cannot be loaded: ") + dlerror());
  const auto function = reinterpret_cast<PluginFunction>(dlsym(object, kPluginSymbol));
  if (function == nullptr) {
    return Refuse(path,
                  "lacks the function lsmlab_plugin; allowed is a shared object that exports "
                  "it (docs/adding-a-part.md)");
  }
  const Plugin* plugin = function();
  if (plugin == nullptr) return Refuse(path, "its function lsmlab_plugin returned nothing");
  LSMLAB_TRY(CheckIdentity(path, plugin->identity));
  if (const Status status = CheckVariants(*plugin); !status.ok()) {
    return Refuse(path, std::string(status.message()));
  }
  if (const Status status = TryFactories(*plugin); !status.ok()) {
    return Refuse(path, std::string(status.message()));
  }
  LSMLAB_TRY(AddVariants(*plugin));
  Loaded().push_back({path, HashOfFile(file), plugin});
  return {};
}

std::span<const LoadedPlugin> LoadedPlugins() noexcept { return Loaded(); }

}  // namespace lsmlab
