#include "engine/tree/merging_iterator.h"

namespace lsmlab {
namespace {

// Keeps its sources sorted by their entries: a step moves the first one back to its place, which
// costs one comparison where a run goes on by itself and few for the sizes of levels.
class MergingIterator final : public InternalIterator {
 public:
  explicit MergingIterator(std::vector<std::unique_ptr<InternalIterator>> sources)
      : sources_(std::move(sources)) {
    order_.reserve(sources_.size());
  }

  void PrepareSeek(Slice key) noexcept override {
    for (auto& source : sources_) source->PrepareSeek(key);
  }
  void PrepareBlock(Slice key) noexcept override {
    for (auto& source : sources_) source->PrepareBlock(key);
  }
  void PrepareEntry(Slice key) noexcept override {
    for (auto& source : sources_) source->PrepareEntry(key);
  }
  ValueOrTask<Status> Seek(Slice key, Tag tag) override {
    PrepareSeek(key);
    PrepareBlock(key);
    PrepareEntry(key);
    return PositionAll(key, tag, Move::kSeek);
  }
  ValueOrTask<Status> SeekBefore(Slice key, Tag tag) override {
    PrepareSeek(key);
    PrepareBlock(key);
    return PositionAll(key, tag, Move::kSeekBefore);
  }
  ValueOrTask<Status> SeekToFirst() override { return PositionAll({}, 0, Move::kFirst); }
  ValueOrTask<Status> SeekToLast() override { return PositionAll({}, 0, Move::kLast); }

  ValueOrTask<Status> Next() override {
    if (!forward_) return TurnAndStep(/*forward=*/true);
    ValueOrTask<Status> result = order_[0]->Next();
    if (!result.ready()) return FinishStep(result.TakeTask());
    Status status = result.Take();
    if (!status.ok()) [[unlikely]]
      return Fail(std::move(status));
    AfterStep();
    return Status();
  }
  ValueOrTask<Status> Prev() override {
    if (forward_) return TurnAndStep(/*forward=*/false);
    ValueOrTask<Status> result = order_[0]->Prev();
    if (!result.ready()) return FinishStep(result.TakeTask());
    Status status = result.Take();
    if (!status.ok()) [[unlikely]]
      return Fail(std::move(status));
    AfterStep();
    return Status();
  }

 private:
  enum class Move : uint8_t { kSeek, kSeekBefore, kFirst, kLast };

  bool StepInMemory() noexcept override {
    if (!forward_ || !order_[0]->TryNext()) return false;
    Reorder();
    return true;
  }

  Status Fail(Status status) {
    valid_ = false;
    order_.clear();
    return status;
  }
  // Whether a comes before b in the direction of the walk.
  bool Before(const InternalIterator& a, const InternalIterator& b) const noexcept {
    const int c = CompareEntry(a.key(), a.tag(), b.key(), b.tag());
    return forward_ ? c < 0 : c > 0;
  }
  // All sources have moved.
  void Sort() noexcept {
    order_.clear();
    for (auto& source : sources_) {
      if (!source->valid()) continue;
      order_.push_back(source.get());
      for (size_t i = order_.size() - 1; i > 0 && Before(*order_[i], *order_[i - 1]); --i) {
        std::swap(order_[i], order_[i - 1]);
      }
    }
    ShowFirst();
  }
  // The first source has moved. Levels differ in size by a factor, so it mostly stays the first.
  void Reorder() noexcept {
    InternalIterator* const moved = order_[0];
    size_t i = 0;
    for (; i + 1 < order_.size() && !Before(*moved, *order_[i + 1]); ++i) order_[i] = order_[i + 1];
    order_[i] = moved;
    Show(*order_[0]);
  }
  void ShowFirst() noexcept {
    if (order_.empty()) {
      valid_ = false;
    } else {
      Show(*order_[0]);
    }
  }
  void AfterStep() noexcept {
    if (order_[0]->valid()) return Reorder();
    order_.erase(order_.begin());
    ShowFirst();
  }

  static ValueOrTask<Status> Start(InternalIterator& source, Slice key, Tag tag, Move move) {
    switch (move) {
      case Move::kSeek:
        return source.Seek(key, tag);
      case Move::kSeekBefore:
        return source.SeekBefore(key, tag);
      case Move::kFirst:
        return source.SeekToFirst();
      default:
        return source.SeekToLast();
    }
  }
  ValueOrTask<Status> PositionAll(Slice key, Tag tag, Move move) {
    forward_ = move == Move::kSeek || move == Move::kFirst;
    for (size_t i = 0; i < sources_.size(); ++i) {
      ValueOrTask<Status> result = Start(*sources_[i], key, tag, move);
      if (!result.ready()) return PositionRest(result.TakeTask(), i + 1, key, tag, move);
      Status status = result.Take();
      if (!status.ok()) return Fail(std::move(status));
    }
    Sort();
    return Status();
  }
  Task<Status> PositionRest(Task<Status> first, size_t next, Slice key, Tag tag, Move move) {
    Status status = co_await first;
    for (size_t i = next; status.ok() && i < sources_.size(); ++i) {
      status = co_await Start(*sources_[i], key, tag, move);
    }
    if (!status.ok()) co_return Fail(std::move(status));
    Sort();
    co_return Status();
  }
  Task<Status> FinishStep(Task<Status> step) {
    Status status = co_await step;
    if (!status.ok()) co_return Fail(std::move(status));
    AfterStep();
    co_return Status();
  }
  // Changes direction: every other source moves to the far side of the current entry.
  Task<Status> TurnAndStep(bool forward) {
    forward_ = forward;
    const std::string target(key());
    const Tag target_tag = tag();
    const InternalIterator* const current = order_[0];
    for (auto& source : sources_) {
      Status status;
      if (source.get() == current) {
        if (forward) {
          status = co_await source->Next();
        } else {
          status = co_await source->Prev();
        }
      } else if (forward) {
        // Entries are unique, so the first at or after the current one is after it.
        status = co_await source->Seek(target, target_tag);
      } else {
        status = co_await source->SeekBefore(target, target_tag);
      }
      if (!status.ok()) co_return Fail(std::move(status));
    }
    Sort();
    co_return Status();
  }

  std::vector<std::unique_ptr<InternalIterator>> sources_;
  std::vector<InternalIterator*> order_;  // the valid ones, the nearest entry first
  bool forward_ = true;
};

}  // namespace

std::unique_ptr<InternalIterator> NewMergingIterator(
    std::vector<std::unique_ptr<InternalIterator>> sources) {
  if (sources.size() == 1) return std::move(sources[0]);
  return std::make_unique<MergingIterator>(std::move(sources));
}

}  // namespace lsmlab
