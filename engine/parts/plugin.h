#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "engine/parts/block_cache.h"
#include "engine/parts/catalog.h"
#include "engine/parts/codec.h"
#include "engine/parts/compaction_policy.h"
#include "engine/parts/executor.h"
#include "engine/parts/filter.h"
#include "engine/parts/io.h"
#include "engine/parts/memtable.h"
#include "engine/parts/partitioner.h"
#include "engine/parts/table.h"
#include "engine/parts/value_store.h"
#include "engine/parts/wal.h"

// Plugin: variants that live outside this repository, in a shared object that the program loads
// with --plugin. It exports one function:
//
//   extern "C" const lsmlab::Plugin* lsmlab_plugin() noexcept;
//
// written by LSMLAB_EXPORT_PLUGIN(plugin). docs/adding-a-part.md shows a whole one.
//
// The object and the program share C++ types, so both must come from the same contract headers, the
// same C++ ABI and the same flags that change layouts: PluginIdentity says so, and any difference
// is refused. Only factories (`make` and the like) may throw; everything else of a contract must
// not. What is exported lives until the program ends; a plugin is never unloaded.
//
// Thread safety: the function is called once, by one thread, when the program starts; what it
// returns never changes. Errors: a refusal is one line (variants/plugin_loader.h), nothing is added
// then.
namespace lsmlab {

inline constexpr char kPluginMagic[8] = {'L', 'S', 'M', 'L', 'A', 'B', 'P', '1'};
inline constexpr const char* kPluginSymbol = "lsmlab_plugin";

// Bits: what changes the layout of types or the calls made on them.
inline constexpr uint32_t kPluginFlags =
#ifdef LSMLAB_SANITIZED
    1u |
#endif
#ifdef LSMLAB_CHECK_INVARIANTS
    2u |
#endif
#ifdef _GLIBCXX_DEBUG
    4u |
#endif
#if _GLIBCXX_USE_CXX11_ABI
    8u |
#endif
    sizeof(void*) << 8;

// Its layout never changes: it is read before anything else is believed.
struct PluginIdentity {
  char magic[8];
  uint32_t flags;
  uint32_t cxx_abi;   // __GXX_ABI_VERSION
  char contract[65];  // LSMLAB_CONTRACT_HASH, zero-terminated
  char compiler[63];  // __VERSION__, cut; zero-terminated. Coroutine frames depend on it
};
static_assert(sizeof(PluginIdentity) == 144);

struct Plugin {
  PluginIdentity identity;
  std::string_view name;  // for messages and records
  std::span<const MemtableVariant* const> memtables;
  std::span<const WalVariant* const> wals;
  std::span<const TableVariant* const> tables;
  std::span<const FilterVariant* const> filters;
  std::span<const CodecVariant* const> codecs;
  std::span<const CacheVariant* const> caches;
  std::span<const ValuesVariant* const> values;
  std::span<const CompactionVariant* const> compactions;
  std::span<const CatalogVariant* const> catalogs;
  std::span<const IoVariant* const> ios;
  std::span<const ExecutorVariant* const> executors;
  std::span<const PartitionerVariant* const> partitioners;
};

// The identity of what is being compiled. `contract`: LSMLAB_CONTRACT_HASH of the generated header
// lsmlab_contract_hash.h.
inline PluginIdentity CompiledIdentity(const char* contract) noexcept {
  PluginIdentity identity{};
  std::memcpy(identity.magic, kPluginMagic, sizeof kPluginMagic);
  identity.flags = kPluginFlags;
  identity.cxx_abi = __GXX_ABI_VERSION;
  const std::string_view hash = contract, compiler = __VERSION__;
  hash.copy(identity.contract, sizeof identity.contract - 1);
  compiler.copy(identity.compiler, sizeof identity.compiler - 1);
  return identity;
}

using PluginFunction = const Plugin* (*)() noexcept;

}  // namespace lsmlab

// Exports `plugin`, an object of type lsmlab::Plugin.
#define LSMLAB_EXPORT_PLUGIN(plugin)                                                         \
  extern "C" [[gnu::visibility("default")]] const lsmlab::Plugin* lsmlab_plugin() noexcept { \
    return &(plugin);                                                                        \
  }
