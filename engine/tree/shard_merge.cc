#include "engine/tree/shard_merge.h"

#include <string>

namespace lsmlab {

ValueOrTask<Status> ShardMerge::Move(TreeIterator& walk, To to, Slice target) {
  switch (to) {
    case To::kKey:
      return walk.Seek(target);
    case To::kKeyOrBefore:
      return walk.SeekForPrev(target);
    case To::kFirst:
      return walk.SeekToFirst();
    case To::kLast:
      return walk.SeekToLast();
  }
  return Status();
}

ValueOrTask<Status> ShardMerge::Position(To to, Slice target) {
  forward_ = to == To::kKey || to == To::kFirst;
  current_ = nullptr;
  if (several()) return PositionAll(to, target);
  ValueOrTask<Status> moved = Move(*shards_.front().second, to, target);
  if (!moved.ready()) return After(moved.TakeTask());
  Status status = moved.Take();
  if (status.ok()) Choose();
  return status;
}

Task<Status> ShardMerge::PositionAll(To to, Slice target) {
  if (to == To::kKey) {
    for (auto& [tree, walk] : shards_) walk->PrepareSeek(target);
  }
  Status status;
  std::vector<Task<Status>> tasks;
  for (auto& [tree, walk] : shards_) {
    ValueOrTask<Status> moved = Move(*walk, to, target);
    if (moved.ready()) {
      Status done = moved.Take();
      if (status.ok()) status = std::move(done);
    } else {
      tasks.push_back(moved.TakeTask());
      tasks.back().Start();
    }
  }
  for (Task<Status>& task : tasks) {
    Status done = co_await task.Join();
    if (status.ok()) status = std::move(done);
  }
  if (status.ok()) Choose();
  co_return status;
}

Task<Status> ShardMerge::After(Task<Status> move) {
  Status status = co_await move;
  if (status.ok()) {
    Choose();
  } else {
    current_ = nullptr;
  }
  co_return status;
}

ValueOrTask<Status> ShardMerge::Step(bool forward) {
  if (forward != forward_ && several()) return Turn(forward);
  forward_ = forward;
  ValueOrTask<Status> moved = forward ? current_->Next() : current_->Prev();
  if (!moved.ready()) return After(moved.TakeTask());
  Status status = moved.Take();
  if (status.ok()) {
    Choose();
  } else {
    current_ = nullptr;
  }
  return status;
}

// The other walks go to the far side of the current key.
Task<Status> ShardMerge::Turn(bool forward) {
  const std::string key(current_->key());
  TreeIterator* turning = current_;
  forward_ = forward;
  current_ = nullptr;
  for (auto& [tree, walk] : shards_) {
    ValueOrTask<Status> move = TurnOne(*walk, walk.get() == turning, forward, key);
    Status status = co_await move;
    if (!status.ok()) co_return status;
  }
  Choose();
  co_return Status();
}

ValueOrTask<Status> ShardMerge::TurnOne(TreeIterator& walk, bool turning, bool forward,
                                        const std::string& key) {
  if (turning) return forward ? walk.Next() : walk.Prev();
  return forward ? walk.Seek(key) : walk.SeekForPrev(key);
}

void ShardMerge::Choose() noexcept {
  current_ = nullptr;
  for (auto& [tree, walk] : shards_) {
    if (!walk->valid()) continue;
    if (current_ == nullptr ||
        (forward_ ? walk->key() < current_->key() : walk->key() > current_->key())) {
      current_ = walk.get();
      tree_ = tree;
    }
  }
}

}  // namespace lsmlab
