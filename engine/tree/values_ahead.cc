#include "engine/tree/values_ahead.h"

#include <tuple>

namespace lsmlab {

Task<Status> ValuesAhead::ReadOne(Item* item) {
  Result<BlockRef> value =
      co_await item->tree->ReadUserValue(*item->version, item->key, item->value);
  if (!value.ok()) {
    Keep(value.status(), item);
    co_return Status();
  }
  StoredValue found;
  found.block = std::move(value).value();
  found.value = found.block->bytes();
  Keep(std::move(found), item);
  co_return Status();
}

// Of one file, by rising place, all references to it.
Task<Status> ValuesAhead::ReadGroup(std::span<Item* const> group) {
  if (group.size() == 1) co_return co_await ReadOne(group.front());
  const Item& first = *group.front();
  const ValueReference last = group.back()->at;
  ValueReference at;
  const Result<const ValueFile*> file = first.tree->FindValue(*first.version, first.value, &at);
  if (!file.ok()) {
    for (Item* item : group) Keep(file.status(), item);
    co_return Status();
  }
  const uint64_t bytes = last.offset + last.size - at.offset;
  const Result<BlockRef> piece = co_await file.value()->ReadPiece(at, static_cast<size_t>(bytes));
  first.tree->CountValueRead(file.value()->ReadBytes(at.offset, bytes));
  for (Item* item : group) {
    if (!piece.ok()) {
      Keep(piece.status(), item);
    } else {
      Keep(file.value()->Take(piece.value(), at.offset, item->at, item->key), item);
    }
  }
  co_return Status();
}

Task<Status> ValuesAhead::ReadValues() {
  std::vector<Item*> order;
  for (Item& item : items_) {
    if (item.kind != EntryKind::kPutInValueFile) continue;
    if (!DecodeValueReference(item.value, &item.at)) item.at = ValueReference();
    order.push_back(&item);
  }
  std::sort(order.begin(), order.end(), [](const Item* a, const Item* b) {
    return std::tie(a->version, a->at.file, a->at.offset) <
           std::tie(b->version, b->at.file, b->at.offset);
  });
  std::vector<Task<Status>> reads;
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    const ValueReference first = order[begin]->at;
    uint64_t read_to = first.offset + first.size;
    for (end = begin + 1; end < order.size(); ++end) {
      const ValueReference next = order[end]->at;
      const bool close = order[end]->version == order[begin]->version && next.file == first.file &&
                         next.offset >= read_to && next.offset - read_to <= kGapMost &&
                         next.offset + next.size - first.offset <= kGroupMost;
      if (!close || first.file == 0) break;
      read_to = next.offset + next.size;
    }
    reads.push_back(ReadGroup(std::span(order).subspan(begin, end - begin)));
  }
  for (Task<Status>& read : reads) read.Start();
  for (Task<Status>& read : reads) {
    Status ignored = co_await read.Join();
    (void)ignored;  // every failure is in its entry
  }
  co_return Status();
}

}  // namespace lsmlab
