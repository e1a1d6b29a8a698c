#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"
#include "engine/parts/settings.h"
#include "engine/parts/tree_shape.h"

// Compaction policy: decides what to merge. Variants: `leveled`, `one-leveling`, `tiered`,
// `lazy-leveled`, `fifo`, `none`. A pure function of the shape, its own opaque state and the time:
// no I/O, no clock of its own, no hidden state; so it is const and safe from any thread, and the
// same call gives the same plan. Times are nanoseconds since 1970. A state that another policy left
// is taken for none.
//
// Invariant: once a plan is carried out, the newer versions of a key still lie in the newer runs or
// the upper levels; what runs beside it may end before or after it.
// Errors: none; what cannot be done now is no plan. Any bytes are safe as a state.
// Lifetime: shape and state are looked at during the call only; `cause` lives as long as the
// program. Nothing waits or suspends: the tree asks while it holds its mutex, so answers are quick.
//
// The part's own setting (start) is declared in engine/tree/part_settings.cc and acted on by the
// tree; the variants' stand in variants/compaction/. Provisional, as one variant has each: drops
// (`fifo`), a state (round-robin picks of `leveled`).
namespace lsmlab {

struct CompactionPlan {
  // A drop takes the inputs out of the tree, data and all. REQUIRES: nothing older is left.
  enum class Kind : uint8_t { kMerge, kMove, kDrop };
  // kInPlace: by size, and at the end of each input; for a rewrite of tables of one run, which then
  // leaves the gaps between them to others. REQUIRES: all inputs are in the output run.
  enum class Cut : uint8_t { kBySize, kAligned, kInPlace };
  Kind kind = Kind::kMerge;
  std::vector<uint64_t> inputs;  // file numbers; the tree adds nothing and leaves nothing out
  uint32_t output_level = 0;
  uint32_t output_run = 0;  // run of the output level that the outputs join
  Cut cut = Cut::kBySize;
  uint64_t output_file_bytes = 0;  // how large one output is to be; may differ from level to level
  std::vector<std::string> sub_range_bounds;  // reserved: empty, nobody reads it
  // At most 4 KiB: the state for the next Pick, taken over when the job begins, so that jobs side
  // by side build on each other, and committed with its result. Empty: it stays.
  std::string next_state;
  std::string_view cause;  // "l0 count", "level 2 size", ...: for the event log
};

class CompactionPolicy {
 public:
  virtual ~CompactionPolicy() = default;
  // How often Pick wants to be asked although nothing has changed; 0: never.
  virtual int64_t check_interval_ns() const noexcept { return 0; }
  // The most urgent job that may start beside the running ones, or nothing. Inputs are never
  // `being_compacted`; all tables of the input and output ranges that must be merged together are
  // in. ENSURES: when no table is being compacted, repeated application ends (no ping-pong).
  virtual std::optional<CompactionPlan> Pick(const TreeShape& shape, std::string_view state,
                                             int64_t now_ns) const = 0;
  // Fills target_bytes of each level for this shape.
  virtual void SetTargets(TreeShape& shape) const = 0;
  // How far behind the tree is: 0 nothing owed, 1 = writers should begin to slow down, 2 = writers
  // must stop. Continuous in between, so that pacing can be graded.
  virtual double Pressure(const TreeShape& shape) const = 0;
  // A plan that merges everything overlapping [begin, end] (empty: open ended) one step towards the
  // bottom; nothing when the range is in one run of the last occupied level. For CompactRange.
  // Nothing, too, while running jobs hold what it needs: the caller waits for a job to end and asks
  // again until none is running.
  virtual std::optional<CompactionPlan> PickRange(const TreeShape& shape, std::string_view begin,
                                                  std::string_view end) const = 0;
  virtual uint32_t levels() const noexcept = 0;
};

struct CompactionVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  std::unique_ptr<CompactionPolicy> (*make)(const SettingBag& bag);
};

}  // namespace lsmlab
