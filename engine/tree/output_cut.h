#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/slice.h"
#include "engine/parts/compaction_policy.h"

namespace lsmlab {

// Where a compaction ends one output table and begins the next.
//
// `kBySize`: once a table has reached its target. `kAligned`: where a table of the level below the
// output's begins, so that the output shares few tables there with its neighbours: a table of size
// S over a level T times as dense overlaps about T + 1 tables when it ends anywhere, and T when it
// ends where one of them does, and the next compaction reads and writes that much less. The first
// such place after half the target is taken if the output has passed few of them; where they lie
// close together there will be better ones nearer to the target. Without any the output grows up to
// twice its target. This is the scheme that RocksDB uses since 7.8. `kInPlace`: as kBySize, and at
// the end of each input, so that no output spans a gap between two of them.
//
// Versions of one key are never parted. One user at a time.
class OutputCut {
 public:
  // `boundaries`, rising: for kAligned the first keys of the tables one level below the output's,
  // for kInPlace the last ones of the inputs; of no use to kBySize.
  OutputCut(CompactionPlan::Cut rule, uint64_t target_bytes, std::vector<std::string> boundaries)
      : in_place_(rule == CompactionPlan::Cut::kInPlace),
        target_(target_bytes),
        limit_(rule == CompactionPlan::Cut::kAligned && !boundaries.empty() ? 2 * target_bytes
                                                                            : target_bytes),
        boundaries_(std::move(boundaries)) {
    if (rule == CompactionPlan::Cut::kBySize) boundaries_.clear();
  }

  // Whether the open output of `bytes` (0: none is open) ends before `key`, which comes next. To be
  // asked before each entry, in order.
  bool EndsBefore(Slice key, uint64_t bytes) {
    bool ends = bytes >= limit_ && key != last_key_;
    if (in_place_) {
      for (; next_ < boundaries_.size() && key > boundaries_[next_]; ++next_) ends = true;
      return ends;
    }
    if (next_ < boundaries_.size() && key >= boundaries_[next_]) {
      do {
        ++passed_;
      } while (++next_ < boundaries_.size() && key >= boundaries_[next_]);
      // The key before was below the boundary, so it is another one.
      ends = ends || bytes >= target_ / 100 * PercentToAlign();
    }
    if (ends) passed_ = 0;
    return ends;
  }
  // To be told after each entry, with the bytes of the output that it is in.
  void Took(Slice key, uint64_t bytes) {
    if (bytes >= limit_) last_key_.assign(key);
  }

 private:
  // Of the target, from which on a boundary is taken.
  uint64_t PercentToAlign() const noexcept { return 50 + 5 * (passed_ < 8 ? passed_ : 8); }

  const bool in_place_;
  const uint64_t target_;
  const uint64_t limit_;
  std::vector<std::string> boundaries_;
  size_t next_ = 0;       // the first boundary that was not passed yet
  uint64_t passed_ = 0;   // since the output began
  std::string last_key_;  // of the last entry, once the output has reached its limit
};

}  // namespace lsmlab
