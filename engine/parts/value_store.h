#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/parts/settings.h"
#include "engine/parts/tree_shape.h"

// Value store: which values live in value files instead of in the tables, and when the garbage in
// these files is collected. Variants: `inline` (none), `separated`. The bytes of a value file are
// no variant's (engine/format/value_file.h), nor is its life (the tree's): so a store can be read,
// and its values brought back, under any variant.
//
// A value goes out when a flush or a compaction meets it in a table or memtable and it is large
// enough. The value of an entry that is overwritten or deleted becomes garbage when a compaction
// drops the entry. A file that no table refers to any more is deleted. Before that, garbage is
// collected by compactions: one that meets an entry whose value lies in a file to be collected
// copies the value to where it belongs now.
//
// Like a compaction policy a pure function of what it is shown: no I/O, no state; const and safe
// from any thread. Nothing fails, waits or suspends; the tree may ask while it holds its mutex.
// Lifetime: the tree's; shapes are looked at during the call only. The part has no settings of its
// own; a variant's stand in its file.
namespace lsmlab {

class ValueStore {
 public:
  virtual ~ValueStore() = default;

  // Values of at least so many bytes go out. SIZE_MAX: none. Constant.
  virtual size_t threshold_bytes() const noexcept = 0;
  // A value file is cut when it has this size.
  virtual uint64_t file_bytes() const noexcept = 0;
  // The codec of values, by the name of its variant, for each value by itself.
  virtual std::string_view codec() const noexcept = 0;
  // How many values a scan reads ahead together, when the I/O part can.
  virtual size_t read_ahead() const noexcept = 0;

  // `files`: by rising number. Both return numbers, rising.
  // The files whose values a compaction copies when it meets them.
  virtual std::vector<uint64_t> Collectable(std::span<const ValueFileShape> files) const = 0;
  // The files that must be collected soon, by compactions made for it, because garbage takes more
  // space than allowed; all of them are collectable. Empty: nothing is owed.
  // ENSURES: each has garbage, so that a tree at rest comes to an end with collecting.
  virtual std::vector<uint64_t> Overdue(std::span<const ValueFileShape> files) const = 0;
  // Bytes of garbage beyond what is allowed; 0: nothing is overdue.
  virtual uint64_t DebtBytes(std::span<const ValueFileShape> files) const = 0;
};

struct ValuesVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  std::unique_ptr<ValueStore> (*make)(const SettingBag& bag);
};

}  // namespace lsmlab
