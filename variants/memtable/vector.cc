// `vector`: entries in the order they came, sorted once, when the memtable is sealed. The cheapest
// Add there is, for loads that read nothing meanwhile (RocksDB's VectorRep is alike). A Get before
// Seal compares a 4-byte hash per entry, newest first; an iterator before Seal sorts a copy.

#include <array>
#include <atomic>
#include <bit>
#include <limits>
#include <memory>
#include <vector>

#include "engine/base/assert.h"
#include "variants/memtable/memtables.h"
#include "variants/memtable/record.h"
#include "variants/memtable/sorted_copy.h"

namespace lsmlab {
namespace {

using memtable_parts::Record;
using memtable_parts::SealedRecords;
using memtable_parts::SortedCopyIterator;
using memtable_parts::SortedRecords;

// A growing array of (hash, record) that never moves: chunk c has kFirst << c slots.
//
// Thread safety: Append by one thread at a time. What lies below a size() that a reader has seen
// never changes.
class HashedLog {
 public:
  explicit HashedLog(Arena& arena) : arena_(arena) {}

  void Append(uint32_t hash, const Record* record) {
    const uint64_t i = size_.load(std::memory_order_relaxed);
    const int c = ChunkOf(i);
    const uint64_t at = i - StartOf(c);
    Chunk& chunk = chunks_[static_cast<size_t>(c)];
    if (at == 0) {
      const size_t slots = kFirst << c;
      char* memory = arena_.Allocate(slots * (sizeof(uint64_t) + sizeof(uint32_t)), 64);
      chunk.records = reinterpret_cast<const Record**>(memory);
      chunk.hashes = reinterpret_cast<uint32_t*>(memory + slots * sizeof(uint64_t));
    }
    chunk.records[at] = record;
    chunk.hashes[at] = hash;
    size_.store(i + 1, std::memory_order_release);
  }
  uint64_t size() const noexcept { return size_.load(std::memory_order_acquire); }

  // Calls visit(record) for those of the first `size` that have the hash, last to first, until it
  // returns true.
  template <typename Visit>
  void FindBackward(uint64_t size, uint32_t hash, Visit visit) const {
    if (size == 0) return;
    for (int c = ChunkOf(size - 1); c >= 0; size = StartOf(c), --c) {
      const Chunk& chunk = chunks_[static_cast<size_t>(c)];
      for (uint64_t end = size - StartOf(c); end > 0;) {
        const uint64_t start = (end - 1) & ~(kAtOnce - 1);
        if (end - start < kAtOnce || HasAny(chunk.hashes + start, hash)) {
          for (uint64_t i = end; i-- > start;) {
            if (chunk.hashes[i] == hash && visit(*chunk.records[i])) return;
          }
        }
        end = start;
      }
    }
  }
  std::vector<const Record*> Records() const {
    const uint64_t size = this->size();
    std::vector<const Record*> all;
    all.reserve(size);
    for (uint64_t i = 0; i < size; ++i) {
      const int c = ChunkOf(i);
      all.push_back(chunks_[static_cast<size_t>(c)].records[i - StartOf(c)]);
    }
    return all;
  }

 private:
  static constexpr uint64_t kFirst = 1024;
  static constexpr uint64_t kAtOnce = 16;
  struct Chunk {
    const Record** records = nullptr;
    uint32_t* hashes = nullptr;
  };
  static int ChunkOf(uint64_t i) noexcept { return std::bit_width(i / kFirst + 1) - 1; }
  static uint64_t StartOf(int c) noexcept { return ((uint64_t{1} << c) - 1) * kFirst; }
  // Without a branch per slot, so that the compiler compares many at once.
  static bool HasAny(const uint32_t* hashes, uint32_t hash) noexcept {
    uint32_t any = 0;
    for (uint64_t i = 0; i < kAtOnce; ++i) any |= hashes[i] == hash;
    return any != 0;
  }

  Arena& arena_;
  std::atomic<uint64_t> size_{0};
  std::array<Chunk, 40> chunks_;
};

class VectorMemtable final : public Memtable {
 public:
  explicit VectorMemtable(Arena& arena) : arena_(arena), log_(arena) {}

  void Add(Slice key, Tag tag, Slice value) override {
    LSMLAB_ASSERT(sealed_.get() == nullptr);
    LSMLAB_ASSERT(key.size() <= kMaxKeyBytes && value.size() <= kMaxValueBytes);
    const Record* record =
        Record::Write(arena_.Allocate(Record::BytesFor(key, value)), key, tag, value);
    // The store publishes ascending tags; anything else is found by slower searches.
    if (tag <= last_tag_ && log_.size() > 0) ascending_.store(false, std::memory_order_relaxed);
    last_tag_ = tag;
    log_.Append(HashOf(KeyHash(key)), record);
  }

  void Get(const LookupKey& lookup, LookupFold& fold) const override {
    if (sealed_.get() != nullptr) {
      return sealed_.Get(lookup.key, SnapshotTag(lookup.snapshot), fold);
    }
    const uint64_t size = log_.size();
    const uint32_t hash = HashOf(lookup.hash);
    if (ascending_.load(std::memory_order_relaxed)) {
      log_.FindBackward(size, hash, [&](const Record& record) {
        return record.key() == lookup.key && fold.Feed(record.tag, record.value());
      });
      return;
    }
    GetUnordered(size, hash, lookup, fold);
  }

  std::unique_ptr<InternalIterator> NewIterator() const override {
    return std::make_unique<SortedCopyIterator<VectorMemtable>>(*this);
  }
  bool ordered_while_mutable() const noexcept override { return false; }
  void Seal() override { sealed_.Make(log_.Records()); }
  uint64_t entries() const noexcept override { return log_.size(); }

  const SortedRecords* sealed() const noexcept { return sealed_.get(); }
  std::vector<const Record*> Records() const { return log_.Records(); }

 private:
  // Versions that came in any order, newest first: each walk takes so many of those left.
  void GetUnordered(uint64_t size, uint32_t hash, const LookupKey& lookup, LookupFold& fold) const {
    std::array<const Record*, 32> newest;
    const Record* last = nullptr;
    size_t found;
    do {
      found = 0;
      log_.FindBackward(size, hash, [&](const Record& record) {
        if ((last != nullptr && record.tag >= last->tag) || record.key() != lookup.key)
          return false;
        size_t at = found < newest.size() ? found++ : newest.size();
        for (; at > 0 && newest[at - 1]->tag < record.tag; --at) {
          if (at < newest.size()) newest[at] = newest[at - 1];
        }
        if (at < newest.size()) newest[at] = &record;
        return false;
      });
      for (size_t i = 0; i < found; ++i) {
        if (fold.Feed(newest[i]->tag, newest[i]->value())) return;
        last = newest[i];
      }
    } while (found == newest.size());
  }
  static uint32_t HashOf(uint64_t key_hash) noexcept {
    return static_cast<uint32_t>(key_hash >> 32);
  }

  Arena& arena_;
  HashedLog log_;
  SealedRecords sealed_;
  Tag last_tag_ = 0;  // the writer's
  std::atomic<bool> ascending_{true};
};

}  // namespace

const MemtableVariant kVectorMemtable = {
    "vector",
    "appends, and sorts once when it is sealed: for loads without reads",
    {},
    [](const SettingBag&, Arena& arena) -> std::unique_ptr<Memtable> {
      return std::make_unique<VectorMemtable>(arena);
    }};

}  // namespace lsmlab
