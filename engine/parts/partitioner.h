#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/slice.h"
#include "engine/parts/settings.h"

// Partitioner: which shard a key lives in. Variants: `single`, `hash`, `first-byte`. A pure
// function, fixed for the life of a store: identity() is written at creation and compared at every
// open.
//
// Invariants:
//  1. ShardOf depends on the key's bytes and the settings alone, in every process; shards() is at
//     least 1. Both stay as they are: stores on disk depend on them.
//  2. Two partitioners that place some key differently have different identities.
// Errors: none here; a store opened with another identity is refused with InvalidArgument.
// Lifetime: the store's; a key is looked at during the call only.
// ShardOf does not allocate, and nothing here locks, blocks or suspends. The part has no settings
// of its own; a variant's stand in its file.
namespace lsmlab {

class Partitioner {  // Stateless; any thread. Called once per key.
 public:
  virtual ~Partitioner() = default;
  virtual uint32_t shards() const noexcept = 0;
  // In [0, shards()).
  virtual uint32_t ShardOf(Slice key) const noexcept = 0;
  // Name and parameters, one line.
  virtual std::string identity() const = 0;
};

struct PartitionerVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  std::unique_ptr<Partitioner> (*make)(const SettingBag& bag);
};

}  // namespace lsmlab
