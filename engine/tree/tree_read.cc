#include "engine/parts/mailboxes.h"
#include "engine/tree/merging_iterator.h"
#include "engine/tree/run_iterator.h"
#include "engine/tree/step_work.h"
#include "engine/tree/tree.h"

// The read path. A read that finds everything in memory takes no lock, allocates nothing (but the
// caller's value) and enters no coroutine; one that must load a block starts over as a task with
// counted references.
namespace lsmlab {
namespace {

// MultiGet prepares this many keys together: enough independent cache misses in flight.
constexpr size_t kMultiGetStage = 16;
// Its reads in flight, at most: more find no faster disk, only longer queues.
constexpr size_t kReadsTogether = 32;
// A block that is read, checked and decoded is about as much work as copying so many bytes.
constexpr size_t kReadWork = 4096;

// What MultiGet has not found in memory: the key's place, and what stands for its value if only
// that was found.
struct MissingKey {
  size_t place = 0;
  std::string reference;
};
struct MissingKeys {
  std::span<std::string> values;  // of all keys, as the next
  std::span<Status> statuses;
  std::vector<MissingKey> keys;
  size_t next = 0;  // the first of them that nobody has begun to read
  StepWork step;
};

// One read after another of those that nobody has begun yet.
template <typename BeginRead>
Task<void> ReadMissing(Executor& executor, bool takes_turns, MissingKeys& missing,
                       const BeginRead& begin_read) {
  while (missing.next < missing.keys.size()) {
    MissingKey& key = missing.keys[missing.next++];
    Status status = co_await begin_read(key);
    missing.statuses[key.place] = std::move(status);
    const bool step_is_over =
        takes_turns && missing.step.Add(kReadWork + missing.values[key.place].size());
    if (step_is_over) co_await Yield(executor, Priority::kForeground);
  }
}

// On a loop others wait for the turns of this thread; any other is the system's to share out.
bool IsOnLoop(Executor& executor) {
  const Mailboxes* boxes = executor.mailboxes();
  return boxes != nullptr && boxes->CurrentLoop() >= 0;
}

}  // namespace

bool Tree::TryGetInView(const TreeView& view, const LookupKey& lookup, LookupFold& fold,
                        const ReadGuard& guard) noexcept {
  CounterCells& counters = env_.counters->Local();
  view.memtable()->memtable().Get(lookup, fold);
  for (size_t i = 0; !fold.done() && i < view.sealed().size(); ++i) {
    view.sealed()[i]->memtable().Get(lookup, fold);
  }
  if (fold.done()) {
    counters.Add(Counter::kMemtableHits, 1);
    return true;
  }
  TableReadCounters read;
  // What is missing is read again from the start, and counted then.
  if (!view.version()->TryGet(lookup, fold, guard, read)) return false;
  AddReadCounters(counters, read);
  return true;
}

void Tree::AddReadCounters(CounterCells& counters, const TableReadCounters& read) noexcept {
  counters.Add(Counter::kFilterProbes, read.filter_probes);
  counters.Add(Counter::kFilterNegatives, read.filter_negatives);
  counters.Add(Counter::kFilterFalsePositives, read.filter_false_positives);
  counters.Add(Counter::kCacheHits, read.cache_hits);
  counters.Add(Counter::kCacheMisses, read.cache_misses);
}

ValueOrTask<Status> Tree::Get(Slice key, ReadTarget target, Sequence snapshot) {
  env_.counters->Add(Counter::kGets, 1);
  ViewRef pinned;
  std::string reference;
  {
    ReadGuard guard;
    // The view first: what it holds was published before, so the sequence read after it covers it.
    TreeView* view = view_.load(std::memory_order_acquire);
    const Sequence sequence = snapshot == kMaxSequence ? published() : snapshot;
    const LookupKey lookup(key, sequence);
    LookupFold fold(sequence);
    if (TryGetInView(*view, lookup, fold, guard)) {
      if (fold.kind() != EntryKind::kPutInValueFile) return Deliver(fold, view, target);
      reference.assign(fold.value());
    }
    pinned = ViewRef::Share(view);
    snapshot = sequence;
  }
  if (!reference.empty()) {
    return GetValue(key, target, snapshot, std::move(pinned), std::move(reference));
  }
  return GetSlow(key, target, snapshot, std::move(pinned));
}

// Hands the answer over. REQUIRES: a guard or reference under which the fold was fed.
Status Tree::Deliver(const LookupFold& fold, TreeView* view, ReadTarget target) {
  if (!fold.operands().empty()) return CheckReadableKind(MakeTag(0, EntryKind::kMerge));
  switch (fold.state()) {
    case LookupFold::State::kFailed:
      return fold.status();
    case LookupFold::State::kFound:
      break;
    default:
      return Status::NotFound();
  }
  env_.counters->Add(Counter::kGetsFound, 1);
  if (target.text != nullptr) {
    target.text->assign(fold.value());
    return Status();
  }
  PinnedValue& pinned = *target.pinned;
  pinned.Reset();
  if (fold.pin()) {
    pinned.block_ = fold.pin();
  } else if (fold.block() != nullptr) {
    pinned.block_ = BlockRef::Share(fold.block());
  } else {
    view->Ref();
    pinned.view_ = view;
  }
  pinned.value_ = fold.value();
  return Status();
}

Task<Status> Tree::GetSlow(Slice key, ReadTarget target, Sequence snapshot, ViewRef view) {
  LookupKey lookup(key, snapshot);
  LookupFold fold(snapshot);
  view->memtable()->memtable().Get(lookup, fold);
  for (size_t i = 0; !fold.done() && i < view->sealed().size(); ++i) {
    view->sealed()[i]->memtable().Get(lookup, fold);
  }
  if (!fold.done()) {
    TableReadCounters read;
    Status status = co_await view->version()->Get(lookup, fold, read);
    AddReadCounters(env_.counters->Local(), read);
    if (!status.ok()) co_return status;
  }
  if (fold.state() == LookupFold::State::kFound && fold.kind() == EntryKind::kPutInValueFile) {
    std::string reference(fold.value());
    co_return co_await GetValue(key, target, snapshot, std::move(view), std::move(reference));
  }
  co_return Deliver(fold, view.get(), target);
}

// The rest of a read that has found a reference in the view.
Task<Status> Tree::GetValue(Slice key, ReadTarget target, Sequence snapshot, ViewRef view,
                            std::string reference) {
  Result<BlockRef> value = co_await ReadUserValue(*view->version(), key, reference);
  if (!value.ok()) co_return value.status();
  LookupFold resolved(snapshot);
  const BlockRef block = std::move(value).value();
  resolved.Feed(MakeTag(snapshot, EntryKind::kPut), block->bytes(), &block);
  co_return Deliver(resolved, view.get(), target);
}

Task<Status> Tree::MultiGet(std::span<const Slice> keys, std::span<std::string> values,
                            std::span<Status> statuses, Sequence snapshot) {
  ViewRef view = CurrentView();
  if (snapshot == kMaxSequence) snapshot = published();
  env_.counters->Add(Counter::kGets, keys.size());
  // However many are in memory, none of them waits for anything.
  const bool takes_turns = IsOnLoop(*env_.executor);
  StepWork step;
  MissingKeys missing;
  missing.values = values;
  missing.statuses = statuses;
  for (size_t next = 0; next < keys.size();) {
    bool step_is_over = false;
    {
      const size_t begin = next;
      const size_t end = std::min(keys.size(), begin + kMultiGetStage);
      std::vector<LookupKey> lookups;
      lookups.reserve(kMultiGetStage);
      ReadGuard guard;
      for (size_t i = begin; i < end; ++i) {
        const LookupKey& lookup = lookups.emplace_back(keys[i], snapshot);
        view->memtable()->memtable().PrefetchGet(lookup);
        view->version()->PrefetchGet(lookup);
      }
      for (; next < end && !step_is_over; ++next) {
        LookupFold fold(snapshot);
        ReadTarget target;
        target.text = &values[next];
        if (!TryGetInView(*view.get(), lookups[next - begin], fold, guard)) {
          missing.keys.push_back({next, std::string()});
        } else if (fold.kind() == EntryKind::kPutInValueFile) {
          missing.keys.push_back({next, std::string(fold.value())});
        } else {
          statuses[next] = Deliver(fold, view.get(), target);
        }
        step_is_over = takes_turns && step.Add(keys[next].size() + values[next].size());
      }
    }
    if (step_is_over) co_await Yield(*env_.executor, Priority::kForeground);
  }
  const auto begin_read = [&](MissingKey& key) {
    ReadTarget target;
    target.text = &values[key.place];
    ViewRef held = ViewRef::Share(view.get());
    if (key.reference.empty()) return GetSlow(keys[key.place], target, snapshot, std::move(held));
    return GetValue(keys[key.place], target, snapshot, std::move(held), std::move(key.reference));
  };
  // The reads of what is missing overlap where the I/O part can do that: whoever has ended one
  // begins the next, so that a slow one holds up nothing but itself.
  std::vector<Task<void>> readers;
  const size_t together = std::min(missing.keys.size(), env_.io->defers() ? kReadsTogether : 1);
  while (readers.size() < together) {
    readers.push_back(ReadMissing(*env_.executor, takes_turns, missing, begin_read));
  }
  for (Task<void>& reader : readers) reader.Start();
  for (Task<void>& reader : readers) co_await reader.Join();
  co_return Status();
}

ViewRef Tree::CurrentView() {
  ReadGuard guard;
  return ViewRef::Share(view_.load(std::memory_order_acquire));
}

std::unique_ptr<TreeIterator> Tree::NewIterator(Sequence snapshot, const ReadOptions& options) {
  ViewRef current = CurrentView();
  if (snapshot == kMaxSequence) snapshot = published();
  auto iterator = std::make_unique<TreeIterator>(std::move(current), *env_.counters, snapshot,
                                                 options.lower_bound, options.upper_bound);
  const TreeView& view = *iterator->view().get();
  Table::IteratorOptions table_options;
  table_options.fill_cache = options.fill_cache;
  table_options.counters = iterator->read_counters();
  const bool bounded = !options.lower_bound.empty() || !options.upper_bound.empty();
  MergeSources sources;
  sources.reserve(1 + view.sealed().size() + view.version()->run_count());
  for (MemtableHandle* sealed : view.sealed()) {
    sources.push_back(sealed->memtable().NewIterator());
  }
  for (const std::vector<Run>& runs : view.version()->levels()) {
    for (const Run& run : runs) {
      if (bounded && !MayHoldRange(run, options.lower_bound, options.upper_bound,
                                   *iterator->read_counters())) {
        continue;
      }
      sources.push_back(NewRunIterator(run, table_options));
    }
  }
  // An empty memtable holds nothing up to the snapshot, whatever comes: the snapshot is older than
  // this look.
  const Memtable& memtable = view.memtable()->memtable();
  if (memtable.entries() > 0 || sources.empty()) sources.push_back(memtable.NewIterator());
  iterator->SetSource(NewMergingIterator(std::move(sources)));
  return iterator;
}

}  // namespace lsmlab
