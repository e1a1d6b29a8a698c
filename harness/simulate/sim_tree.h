#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/parts/compaction_policy.h"
#include "harness/simulate/merge_model.h"

namespace lsmlab::harness {

// The key at a position, as policies compare it: 8 bytes.
std::string KeyAt(uint64_t position);

// A table of the simulated tree: what the policy sees of it stands in the shape.
struct SimTable {
  uint64_t file = 0;
  uint32_t level = 0, run = 0;
  ContentRange range;
  // No delete in it is older, nor a lost one; 0: there are none. The shape says the same, once they
  // come to a whole key.
  int64_t oldest_delete_ns = 0;
};

// The tables of one tree, as contents, and beside them the TreeShape that the policy is shown. The
// shape is kept up to date instead of being made anew for every decision, which at ten thousands of
// tables would be all the time there is. Every field of it is what Version::Shape of the engine
// would say. One user.
class SimTree {
 public:
  // A change as a job commits it. `added` are in key order and disjoint; their level, run and file
  // are set.
  struct Edit {
    std::vector<uint64_t> removed;  // files
    std::vector<SimTable> added;
    std::vector<TableShape> shapes;  // of `added`, one by one; the tree fills in keys and overlap
  };

  explicit SimTree(uint32_t levels);

  const TreeShape& shape() const noexcept { return shape_; }
  // For job lists, targets and waiting bytes. REQUIRES: levels' tables are left alone.
  TreeShape& mutable_shape() noexcept { return shape_; }
  size_t tables() const noexcept { return tables_.size(); }
  const SimTable* Find(uint64_t file) const;
  const TableShape& ShapeOf(const SimTable& table) const;
  const std::unordered_map<uint64_t, SimTable>& all() const noexcept { return tables_; }
  bool empty() const noexcept { return tables_.empty(); }
  // Whether a level below this one holds data.
  bool HoldsDataBelow(uint32_t level) const;
  // What lies in `level` and below within [begin, end), but for `inputs`: what may be older than
  // the result of a merge into `level`.
  std::vector<ContentRange> OlderThan(uint32_t level, uint64_t begin, uint64_t end,
                                      const std::vector<uint64_t>& inputs) const;

  void MarkCompacted(const std::vector<uint64_t>& files, bool on);
  void Apply(Edit edit);

 private:
  struct Place {
    RunShape* run;
    size_t index;
  };
  Place PlaceOf(const SimTable& table);
  RunShape& RunOf(uint32_t level, uint32_t run);
  // Tables of one run, in key order, and the first and last key of them all.
  struct Group {
    uint32_t level, run;
    std::string smallest, largest;
    std::vector<const SimTable*> tables;
  };
  std::vector<Group> GroupByRun(const std::vector<uint64_t>& files) const;
  void TakeOut(const Group& group, std::vector<TableShape>* shapes);
  void Insert(RunShape& run, std::vector<TableShape> fresh);
  void CountLevel(uint32_t level, const TableShape& table, int sign);
  void RefreshAbove(uint32_t level, const std::string& smallest, const std::string& largest);
  uint64_t OverlapBelow(const TableShape& table) const;

  TreeShape shape_;
  std::unordered_map<uint64_t, SimTable> tables_;
};

}  // namespace lsmlab::harness
