#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/composition.h"

// The list of every variant of every part: registry.cc, to be read top to bottom. A part's
// conformance suite runs over the rows of its list and over nothing else, so a new variant is
// tested, listed and measured by adding its row there.
//
// All functions but AddVariants are thread-safe and return what lives as long as the program.
namespace lsmlab {

struct Plugin;

enum class Part : uint8_t {
  kMemtable,
  kWal,
  kTable,
  kFilter,
  kCodec,
  kCache,
  kValues,
  kCompaction,
  kCatalog,
  kIo,
  kExecutor,
  kPartitioner,
};
constexpr size_t kPartCount = 12;

// The rows themselves. The first one is the part's default.
std::span<const MemtableVariant* const> MemtableVariants() noexcept;
std::span<const WalVariant* const> WalVariants() noexcept;
std::span<const TableVariant* const> TableVariants() noexcept;
std::span<const FilterVariant* const> FilterVariants() noexcept;
std::span<const CodecVariant* const> CodecVariants() noexcept;
std::span<const CacheVariant* const> CacheVariants() noexcept;
std::span<const ValuesVariant* const> ValuesVariants() noexcept;
std::span<const CompactionVariant* const> CompactionVariants() noexcept;
std::span<const CatalogVariant* const> CatalogVariants() noexcept;
std::span<const IoVariant* const> IoVariants() noexcept;
std::span<const ExecutorVariant* const> ExecutorVariants() noexcept;
std::span<const PartitionerVariant* const> PartitionerVariants() noexcept;

// What people are shown of a variant, whatever its part.
struct VariantInfo {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
};

struct PartInfo {
  Part part;
  std::string_view name;  // as in "engine.<name>.variant"
  std::string_view summary;
  std::span<const SettingSpec> settings;  // of the part, whatever variant fills it
  std::vector<VariantInfo> variants;      // the first one is the default

  const VariantInfo* Find(std::string_view variant) const noexcept;  // null: unknown
};

// Appends the rows of a plugin to those of their parts, all or none. InvalidArgument: a name or a
// codec's id is taken, an id is not from 128 to 255, or a default does not parse. REQUIRES: at the
// start of the program, before anything of this file is kept or another thread runs.
Status AddVariants(const Plugin& plugin);
// The same without adding anything.
Status CheckVariants(const Plugin& plugin);

// In the order of Part.
const std::array<PartInfo, kPartCount>& AllParts();
const PartInfo* FindPart(std::string_view name);  // null: unknown

}  // namespace lsmlab
