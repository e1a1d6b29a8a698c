#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/async/frame_pool.h"
#include "engine/tree/tree.h"
#include "engine/tree/tree_iterator.h"

namespace lsmlab {

using ShardWalk = std::pair<Tree*, std::unique_ptr<TreeIterator>>;
using ShardWalks = std::vector<ShardWalk, FrameAllocator<ShardWalk>>;

// One walk per shard, merged: what the blocking and the awaitable iterator of a store have in
// common. Keys live in exactly one shard. One user at a time; nothing else is called while a task
// of it is under way.
class ShardMerge {
 public:
  enum class To : uint8_t { kKey, kKeyOrBefore, kFirst, kLast };

  explicit ShardMerge(ShardWalks shards) noexcept : shards_(std::move(shards)) {}

  // The walk that stands at the merged position, and its shard; null: there is no such key, or a
  // move has failed.
  TreeIterator* current() const noexcept { return current_; }
  Tree* tree() const noexcept { return tree_; }
  bool forward() const noexcept { return forward_; }
  bool several() const noexcept { return shards_.size() > 1; }
  size_t read_ahead() const noexcept { return shards_.front().first->read_ahead(); }

  // The shards' reads overlap where the I/O part can do that. `target` outlives the task.
  ValueOrTask<Status> Position(To to, Slice target);
  // REQUIRES: current() is not null.
  ValueOrTask<Status> Step(bool forward);
  // After current()->TryNext(): which walk stands first now.
  void Choose() noexcept;

 private:
  static ValueOrTask<Status> Move(TreeIterator& walk, To to, Slice target);
  Task<Status> PositionAll(To to, Slice target);
  // Waits for a move of the current walk and chooses.
  Task<Status> After(Task<Status> move);
  Task<Status> Turn(bool forward);
  static ValueOrTask<Status> TurnOne(TreeIterator& walk, bool turning, bool forward,
                                     const std::string& key);

  ShardWalks shards_;
  TreeIterator* current_ = nullptr;
  Tree* tree_ = nullptr;
  bool forward_ = true;
};

}  // namespace lsmlab
