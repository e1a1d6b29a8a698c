#include "engine/tree/merging_iterator.h"

#include <string>
#include <utility>

#include "engine/base/key_buffer.h"

namespace lsmlab {
namespace {

// Keeps its positioned sources sorted by their entries: a step moves the first one back to its
// place, which costs one comparison where a run goes on by itself and few for the sizes of levels.
// After a seek, sources whose entries certainly come later wait unpositioned until the first step.
// Sources that must read do so side by side.
class MergingIterator final : public InternalIterator {
 public:
  explicit MergingIterator(MergeSources sources) : sources_(std::move(sources)) {
    order_.reserve(sources_.size());
    waiting_.reserve(sources_.size());
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
    Start(/*forward=*/true);
    // From the last source on: the largest runs, whose entries lie densest, stand near the end.
    for (size_t i = sources_.size(); i-- > 0;) {
      InternalIterator& source = *sources_[i];
      if (!order_.empty() && source.PreparedAfter(order_[0]->key())) {
        waiting_.push_back(&source);
        continue;
      }
      ValueOrTask<Status> result = source.Seek(key, tag);
      if (!result.ready()) return SeekRest(result.TakeTask(), i, key, tag);
      Status status = result.Take();
      if (!status.ok()) return Fail(std::move(status));
      Place(source);
    }
    if (!waiting_.empty()) {
      target_.assign(key);
      target_tag_ = tag;
    }
    ShowFirst();
    return Status();
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
    if (!waiting_.empty()) {
      ValueOrTask<Status> settled = Settle();
      if (!settled.ready()) return NextAfter(settled.TakeTask());
      Status status = settled.Take();
      if (!status.ok()) [[unlikely]]
        return status;
    }
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
  enum class Move : uint8_t { kSeekBefore, kFirst, kLast };

  bool StepInMemory() noexcept override {
    if (!forward_ || !waiting_.empty() || !order_[0]->TryNext()) return false;
    Reorder();
    return true;
  }

  Status Fail(Status status) {
    valid_ = false;
    order_.clear();
    waiting_.clear();
    return status;
  }
  // Whether a comes before b in the direction of the walk.
  bool Before(const InternalIterator& a, const InternalIterator& b) const noexcept {
    const int c = CompareEntry(a.key(), a.tag(), b.key(), b.tag());
    return forward_ ? c < 0 : c > 0;
  }
  // All sources are about to be positioned.
  void Start(bool forward) noexcept {
    forward_ = forward;
    order_.clear();
    waiting_.clear();
  }
  // The source has been positioned. Room is reserved for all.
  void Place(InternalIterator& source) noexcept {
    if (!source.valid()) return;
    order_.push_back(&source);
    for (size_t i = order_.size() - 1; i > 0 && Before(*order_[i], *order_[i - 1]); --i) {
      std::swap(order_[i], order_[i - 1]);
    }
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

  // Moves of sources that have something to read first.
  class Moves {
   public:
    void Add(InternalIterator& source, Task<Status> move) {
      sources_.push_back(&source);
      moves_.push_back(std::move(move));
    }
    // Carries them out side by side; the first failure.
    Task<Status> Run(MergingIterator& merge) {
      Status status;
      for (Task<Status>& move : moves_) move.Start();
      for (size_t i = 0; i < moves_.size(); ++i) {
        Status moved = co_await moves_[i].Join();
        if (moved.ok()) {
          merge.Place(*sources_[i]);
        } else if (status.ok()) {
          status = std::move(moved);
        }
      }
      co_return status;
    }

   private:
    std::vector<InternalIterator*> sources_;
    std::vector<Task<Status>> moves_;
  };
  // A move of `source` was asked for: places it if that is done already.
  void Take(InternalIterator& source, ValueOrTask<Status> move, Moves& moves, Status& status) {
    if (!move.ready()) return moves.Add(source, move.TakeTask());
    Status moved = move.Take();
    if (moved.ok()) {
      Place(source);
    } else if (status.ok()) {
      status = std::move(moved);
    }
  }
  Task<Status> Finish(Moves moves, Status status) {
    Status moved = co_await moves.Run(*this);
    if (status.ok()) status = std::move(moved);
    if (!status.ok()) co_return Fail(std::move(status));
    ShowFirst();
    co_return Status();
  }

  static ValueOrTask<Status> Position(InternalIterator& source, Slice key, Tag tag, Move move) {
    switch (move) {
      case Move::kSeekBefore:
        return source.SeekBefore(key, tag);
      case Move::kFirst:
        return source.SeekToFirst();
      default:
        return source.SeekToLast();
    }
  }
  ValueOrTask<Status> PositionAll(Slice key, Tag tag, Move move) {
    Start(/*forward=*/move == Move::kFirst);
    for (size_t i = 0; i < sources_.size(); ++i) {
      ValueOrTask<Status> result = Position(*sources_[i], key, tag, move);
      if (!result.ready()) return PositionRest(result.TakeTask(), i, key, tag, move);
      Status status = result.Take();
      if (!status.ok()) return Fail(std::move(status));
      Place(*sources_[i]);
    }
    ShowFirst();
    return Status();
  }
  // `first` moves source i; those behind it have not moved yet.
  Task<Status> PositionRest(Task<Status> first, size_t i, Slice key, Tag tag, Move move) {
    Moves moves;
    Status status;
    moves.Add(*sources_[i], std::move(first));
    while (++i < sources_.size()) {
      Take(*sources_[i], Position(*sources_[i], key, tag, move), moves, status);
    }
    return Finish(std::move(moves), std::move(status));
  }
  // `first` seeks source i; those before it have not moved yet. Leaves none waiting.
  Task<Status> SeekRest(Task<Status> first, size_t i, Slice key, Tag tag) {
    Moves moves;
    Status status;
    moves.Add(*sources_[i], std::move(first));
    while (i-- > 0) Take(*sources_[i], sources_[i]->Seek(key, tag), moves, status);
    SeekWaiting(key, tag, moves, status);
    return Finish(std::move(moves), std::move(status));
  }
  void SeekWaiting(Slice key, Tag tag, Moves& moves, Status& status) {
    for (InternalIterator* source : waiting_) {
      Take(*source, source->Seek(key, tag), moves, status);
    }
    waiting_.clear();
  }
  // Positions those that wait. Their entries come after the first one's, which stays.
  ValueOrTask<Status> Settle() {
    while (!waiting_.empty()) {
      InternalIterator* const source = waiting_.back();
      waiting_.pop_back();
      ValueOrTask<Status> result = source->Seek(target_, target_tag_);
      if (!result.ready()) {
        Moves moves;
        Status status;
        moves.Add(*source, result.TakeTask());
        SeekWaiting(target_, target_tag_, moves, status);
        return Finish(std::move(moves), std::move(status));
      }
      Status status = result.Take();
      if (!status.ok()) return Fail(std::move(status));
      Place(*source);
    }
    return Status();
  }
  Task<Status> NextAfter(Task<Status> settled) {
    Status status = co_await settled;
    if (!status.ok()) co_return status;
    co_return co_await Next();
  }
  Task<Status> FinishStep(Task<Status> step) {
    Status status = co_await step;
    if (!status.ok()) co_return Fail(std::move(status));
    AfterStep();
    co_return Status();
  }
  // Changes direction: every other source moves to the far side of the current entry. Entries are
  // unique, so the first at or after the current one is after it.
  Task<Status> TurnAndStep(bool forward) {
    const std::string target(key());
    const Tag target_tag = tag();
    InternalIterator* const current = order_[0];
    Start(forward);
    Moves moves;
    Status status;
    Take(*current, forward ? current->Next() : current->Prev(), moves, status);
    for (auto& source : sources_) {
      if (source.get() == current) continue;
      Take(*source,
           forward ? source->Seek(target, target_tag) : source->SeekBefore(target, target_tag),
           moves, status);
    }
    Status finished = co_await Finish(std::move(moves), std::move(status));
    co_return finished;
  }

  using Places = std::vector<InternalIterator*, FrameAllocator<InternalIterator*>>;

  const MergeSources sources_;
  Places order_;    // the positioned valid ones, the nearest entry first
  Places waiting_;  // forward: prepared for a seek to target_, behind the first one's entry
  KeyBuffer target_;
  Tag target_tag_ = 0;
  bool forward_ = true;
};

}  // namespace

std::unique_ptr<InternalIterator> NewMergingIterator(MergeSources sources) {
  if (sources.size() == 1) return std::move(sources[0]);
  return std::make_unique<MergingIterator>(std::move(sources));
}

}  // namespace lsmlab
