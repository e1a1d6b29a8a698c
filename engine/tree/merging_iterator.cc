#include "engine/tree/merging_iterator.h"

#include <string>
#include <utility>

#include "engine/base/key_buffer.h"

namespace lsmlab {
namespace {

// Keeps its positioned sources sorted by their entries: a step moves the first one back to its
// place, which costs one comparison where a run goes on by itself and few for the sizes of levels.
// After a seek, sources whose entries certainly come later wait unpositioned until the first step.
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
  Task<Status> PositionRest(Task<Status> first, size_t i, Slice key, Tag tag, Move move) {
    Status status = co_await first;
    while (status.ok()) {
      Place(*sources_[i]);
      if (++i == sources_.size()) break;
      status = co_await Position(*sources_[i], key, tag, move);
    }
    if (!status.ok()) co_return Fail(std::move(status));
    ShowFirst();
    co_return Status();
  }
  // The seek goes on from source i, which `first` positions, and leaves none waiting.
  Task<Status> SeekRest(Task<Status> first, size_t i, Slice key, Tag tag) {
    Status status = co_await first;
    while (status.ok()) {
      Place(*sources_[i]);
      if (i-- == 0) break;
      status = co_await sources_[i]->Seek(key, tag);
    }
    while (status.ok() && !waiting_.empty()) {
      InternalIterator* const source = waiting_.back();
      waiting_.pop_back();
      status = co_await source->Seek(key, tag);
      if (status.ok()) Place(*source);
    }
    if (!status.ok()) co_return Fail(std::move(status));
    ShowFirst();
    co_return Status();
  }
  // Positions those that wait. Their entries come after the first one's, which stays.
  ValueOrTask<Status> Settle() {
    while (!waiting_.empty()) {
      InternalIterator* const source = waiting_.back();
      waiting_.pop_back();
      ValueOrTask<Status> result = source->Seek(target_, target_tag_);
      if (!result.ready()) return SettleRest(result.TakeTask(), source);
      Status status = result.Take();
      if (!status.ok()) return Fail(std::move(status));
      Place(*source);
    }
    return Status();
  }
  Task<Status> SettleRest(Task<Status> first, InternalIterator* source) {
    Status status = co_await first;
    while (status.ok()) {
      Place(*source);
      if (waiting_.empty()) co_return Status();
      source = waiting_.back();
      waiting_.pop_back();
      status = co_await source->Seek(target_, target_tag_);
    }
    co_return Fail(std::move(status));
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
  // Changes direction: every other source moves to the far side of the current entry.
  Task<Status> TurnAndStep(bool forward) {
    const std::string target(key());
    const Tag target_tag = tag();
    const InternalIterator* const current = order_[0];
    Start(forward);
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
      Place(*source);
    }
    ShowFirst();
    co_return Status();
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
