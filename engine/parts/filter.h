#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/parts/settings.h"

// Filter: answers "certainly not in this table" for a point read. Variants: `none`, `bloom`,
// `blocked-bloom`, `ribbon`, `prefix-bloom` (which answers for iterators, too). The name is written
// into each table; a reader picks the decoder by that name, never by today's settings.
//
// Thread safety: a builder has one user; probing is const and safe from any thread.
// Invariant: no false negative. may_contain is true for the hash of every key that was added, and
// of its prefix where the filter knows prefixes; a false positive costs a read, never an answer.
// Errors: only `open` has some, Corruption ("a ..., found ..."); the caller adds file and offset.
// Nothing here reads a file, locks, blocks or suspends; probing does not allocate either.
//
// The part's own settings (bits_per_key, allocation) are declared in engine/tree/part_settings.cc
// and spent by the tree (engine/tree/filter_allocation.h); a variant's stand in its file.
// Provisional: prefix_bytes, which one variant has.
namespace lsmlab {

class FilterBuilder {
 public:
  virtual ~FilterBuilder() = default;
  // Once per distinct user key, in key order. `hash` is KeyHash(user_key).
  virtual void Add(Slice user_key, uint64_t hash) = 0;
  // Appends the encoded filter (its own parameters included) to `out`; the builder is empty after.
  virtual void Finish(std::string& out) = 0;
};

// Probing is on the path of every Get: a non-virtual call through a function pointer chosen when
// the table was opened, so that a table keeps pointer and bytes side by side.
struct FilterProbe {
  // False: the key is certainly absent. `data` was validated by `open`. Null: any key may be there.
  bool (*may_contain)(const char* data, size_t size, uint64_t hash) = nullptr;
  // Prefetches the line that may_contain will touch; may be null.
  void (*prefetch)(const char* data, size_t size, uint64_t hash) = nullptr;
};

struct FilterVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  // Null builder for `none`. `bits_per_key` comes from the allocation over levels.
  std::unique_ptr<FilterBuilder> (*make_builder)(const SettingBag& bag, double bits_per_key,
                                                 uint64_t expected_keys);
  // Checks the structure of encoded bytes (hostile input: any bytes) and returns how to probe them;
  // Corruption says what is wrong. `data` must be 64-byte aligned and stay alive. The functions are
  // the same for all filters of the variant: what differs between filters stands in their bytes.
  Result<FilterProbe> (*open)(Slice encoded);
  // For filters that know key prefixes, null for others: how many bytes such a prefix has in these
  // bytes, which `open` accepted; 0: none are in it. A prefix is probed by its PrefixHash
  // (engine/format/key_prefix.h) instead of a KeyHash. Keys shorter than a prefix have none.
  uint32_t (*prefix_bytes)(Slice encoded) = nullptr;
};

}  // namespace lsmlab
