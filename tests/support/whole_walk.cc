#include "tests/support/whole_walk.h"

#include "tests/support/checked_value.h"

namespace lsmlab::test {
namespace {

// `at` to `end`: what the walk should show, in its order.
template <typename At>
Status CheckWalk(Iterator& walk, At at, At end, Status (Iterator::*step)()) {
  for (; at != end; ++at) {
    const auto& [key, value] = *at;
    if (!walk.valid()) return Status::Corruption("a walk ends before key " + ShownKey(key));
    if (walk.key() != Slice(key)) {
      return Status::Corruption("a walk shows key " + ShownKey(walk.key()) + ", want " +
                                ShownKey(key));
    }
    Result<Slice> shown = walk.Value();
    if (!shown.ok()) return shown.status();
    if (shown.value() != Slice(value)) {
      return Status::Corruption("a walk shows another value of key " + ShownKey(key));
    }
    LSMLAB_TRY((walk.*step)());
  }
  if (!walk.valid()) return Status();
  return Status::Corruption("a walk shows key " + ShownKey(walk.key()) + ", want its end");
}

}  // namespace

void AddContent(const StoreModel& model, uint64_t at, WholeContent* content) {
  for (const auto& [key, versions] : model.map()) {
    const StoreModel::Version* version = model.Find(key, at);
    if (version == nullptr) continue;
    (*content)[key] = CheckedValue(key, version->operation, version->length);
  }
}

Status CheckWholeWalks(Store& store, const WholeContent& content) {
  auto walk = store.NewIterator();
  LSMLAB_TRY(walk->SeekToFirst());
  LSMLAB_TRY(CheckWalk(*walk, content.begin(), content.end(), &Iterator::Next));
  LSMLAB_TRY(walk->SeekToLast());
  return CheckWalk(*walk, content.rbegin(), content.rend(), &Iterator::Prev);
}

}  // namespace lsmlab::test
