#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/base/arena.h"
#include "engine/base/slice.h"
#include "engine/format/entry.h"
#include "engine/format/lookup.h"
#include "engine/parts/internal_iterator.h"
#include "engine/parts/settings.h"

// Memtable: the sorted (or sortable) buffer of recent writes. Variants: `skiplist`,
// `arena-skiplist`, `btree`, `vector`, `hash-skiplist`, `art`. Hot: one virtual call per operation;
// the search inside is not virtual.
//
// Thread safety: one writer (Add) at a time; any number of concurrent readers (Get, iterators) that
// never wait for the writer beyond a bounded spin, then yield. Readers hold a ReadGuard or a
// counted reference to the memtable's owner.
//
// Invariants:
//  1. (key, tag) pairs are unique. An entry, once added, never changes or moves.
//  2. A reader that knows a sequence was published (after Add returned) finds its entry.
//  3. After Seal() no Add; then iteration is ordered in every variant.
// Memory: entries and what finds them come from the Arena handed in (or are charged to it), which
// outlives the memtable; what is sorted at Seal or for an iterator lies beside it, uncounted.
// Errors: none. Nothing suspends or reads a file; Seal may take as long as sorting does.
//
// The part's own settings (size, max_waiting, max_age, smallest) are declared in
// engine/tree/part_settings.cc and acted on by the tree; a variant's stand in its file.
namespace lsmlab {

class Memtable {
 public:
  virtual ~Memtable() = default;

  // REQUIRES: not sealed; one caller at a time; tag not present for this key; key at most 65,535
  // bytes, value at most 64 MiB. Copies key and value once. Throws std::bad_alloc only.
  virtual void Add(Slice key, Tag tag, Slice value) = 0;

  // Feeds the versions of lookup.key, newest to oldest from lookup.snapshot on, until the fold is
  // done or no older version is here. Slices fed live as long as the memtable. Never allocates.
  virtual void Get(const LookupKey& lookup, LookupFold& fold) const = 0;

  // Hints: the caller is about to Get or Add this key.
  virtual void PrefetchGet(const LookupKey& lookup) const noexcept {}

  // A walk over the entries. While mutable it sees at least what was published when it was
  // positioned, and may see later entries (callers skip tags above their snapshot); after Seal()
  // exactly all. It points into the memtable, which must outlive it. Never suspends.
  virtual std::unique_ptr<InternalIterator> NewIterator() const = 0;
  // False: NewIterator before Seal() sorts a copy (its cost is said in the variant).
  virtual bool ordered_while_mutable() const noexcept = 0;

  // No more writes; may sort. Idempotent. Called once by the flush worker (any thread).
  virtual void Seal() = 0;

  // Counts every Add that happened before this call.
  virtual uint64_t entries() const noexcept = 0;
};

struct MemtableVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  // `bag` holds exactly `settings` (and the part's own settings, see registry).
  std::unique_ptr<Memtable> (*make)(const SettingBag& bag, Arena& arena);
};

}  // namespace lsmlab
