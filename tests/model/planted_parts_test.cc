#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "tests/model/model_runner.h"
#include "tests/support/compositions.h"
#include "variants/cache/caches.h"
#include "variants/filter/filters.h"
#include "variants/io/simulated_io.h"
#include "variants/registry.h"
#include "variants/table/tables.h"

// That the model tests can fail: parts with bugs of the kind that they are there for, each in the
// place of a sound one, must all be found.
namespace lsmlab::test {
namespace {

constexpr uint64_t kPlantSeeds = 4;

// Looks for a difference from the model in runs of several seeds; Ok: there was none.
Status FirstDifference(const TestComposition& composition,
                       const std::function<void(Composition*)>& plant) {
  for (uint64_t seed = 1; seed <= kPlantSeeds; ++seed) {
    ModelRun run;
    run.name = composition.name;
    run.seed = seed;
    run.operations = 3000;
    run.keys = 300;
    run.options.composition = ComposeSmall(composition, {{"engine.executor.variant", "inline"}});
    plant(&run.options.composition);
    run.options.io = MakeSimulatedIo(SimDisk::Make());
    run.options.path = "/store";
    run.options.seed = seed;
    LSMLAB_TRY(ModelRunner(run).Run());
  }
  return Status();
}

void ExpectDifference(const TestComposition& composition,
                      const std::function<void(Composition*)>& plant) {
  const Status found = FirstDifference(composition, plant);
  EXPECT_FALSE(found.ok()) << composition.name << " was not noticed";
  std::printf("%s\n", found.ToString().c_str());
}

// A walk over a memtable as it should be; the bugs below change a step of it.
class PlantedWalk : public InternalIterator {
 public:
  explicit PlantedWalk(std::unique_ptr<InternalIterator> inner) : inner_(std::move(inner)) {}
  ValueOrTask<Status> Seek(Slice key, Tag tag) override { return At(inner_->Seek(key, tag)); }
  ValueOrTask<Status> SeekBefore(Slice key, Tag tag) override {
    return At(inner_->SeekBefore(key, tag));
  }
  ValueOrTask<Status> SeekToFirst() override { return At(inner_->SeekToFirst()); }
  ValueOrTask<Status> SeekToLast() override { return At(inner_->SeekToLast()); }
  ValueOrTask<Status> Next() override { return At(inner_->Next()); }
  ValueOrTask<Status> Prev() override { return At(inner_->Prev()); }

 protected:
  // A memtable's walk never waits.
  Status At(ValueOrTask<Status> moved) {
    Status status = moved.Take();
    valid_ = inner_->valid();
    if (valid_) Show(*inner_);
    return status;
  }
  bool IsAt(Slice key) const { return inner_->valid() && inner_->key() == key; }

  const std::unique_ptr<InternalIterator> inner_;
};

// A flush that asks no snapshots: only the newest version of each key comes.
class ForgetsSnapshots final : public PlantedWalk {
 public:
  using PlantedWalk::PlantedWalk;
  ValueOrTask<Status> Next() override {
    const std::string key(inner_->key());
    do {
      LSMLAB_TRY(At(inner_->Next()));
    } while (IsAt(key));
    return Status();
  }
};

// A flush that takes its table for the oldest data: no delete comes.
class ForgetsDeletes final : public PlantedWalk {
 public:
  using PlantedWalk::PlantedWalk;
  ValueOrTask<Status> SeekToFirst() override {
    LSMLAB_TRY(At(inner_->SeekToFirst()));
    return PastDeletes();
  }
  ValueOrTask<Status> Next() override {
    LSMLAB_TRY(At(inner_->Next()));
    return PastDeletes();
  }

 private:
  Status PastDeletes() {
    while (inner_->valid() && TagKind(inner_->tag()) == EntryKind::kDelete) {
      LSMLAB_TRY(At(inner_->Next()));
    }
    return Status();
  }
};

// Backwards, every second version of a key is passed over.
class MissesVersionsBackwards final : public PlantedWalk {
 public:
  using PlantedWalk::PlantedWalk;
  ValueOrTask<Status> Prev() override {
    const std::string key(inner_->key());
    LSMLAB_TRY(At(inner_->Prev()));
    if (!IsAt(key)) return Status();
    return At(inner_->Prev());
  }
};

enum class Walked : bool { kAlways, kByAFlush };

// The default memtable, walked over by a PlantedWalk.
template <typename Walk, Walked kWalked>
class PlantedMemtable final : public Memtable {
 public:
  explicit PlantedMemtable(std::unique_ptr<Memtable> inner) : inner_(std::move(inner)) {}
  void Add(Slice key, Tag tag, Slice value) override { inner_->Add(key, tag, value); }
  void Get(const LookupKey& lookup, LookupFold& fold) const override { inner_->Get(lookup, fold); }
  std::unique_ptr<InternalIterator> NewIterator() const override {
    std::unique_ptr<InternalIterator> walk = inner_->NewIterator();
    if (kWalked == Walked::kByAFlush && !sealed_) return walk;
    return std::make_unique<Walk>(std::move(walk));
  }
  bool ordered_while_mutable() const noexcept override { return inner_->ordered_while_mutable(); }
  void Seal() override {
    inner_->Seal();
    sealed_ = true;
  }
  uint64_t entries() const noexcept override { return inner_->entries(); }

  static const MemtableVariant* Variant() {
    static const MemtableVariant variant = {
        "planted", "the default with a bug", {}, [](const SettingBag& bag, Arena& arena) {
          return std::unique_ptr<Memtable>(
              std::make_unique<PlantedMemtable>(MemtableVariants().front()->make(bag, arena)));
        }};
    return &variant;
  }

 private:
  const std::unique_ptr<Memtable> inner_;
  std::atomic<bool> sealed_{false};
};

template <typename Walk, Walked kWalked>
void PlantMemtable(Composition* composition) {
  composition->memtable.variant = PlantedMemtable<Walk, kWalked>::Variant();
}

// Builds tables of `flat` that lack the entries which Loses takes, but for the first.
template <typename Loses>
class PlantedBuilder final : public TableBuilder {
 public:
  PlantedBuilder(std::unique_ptr<TableBuilder> inner, const TableBuildContext& context)
      : inner_(std::move(inner)), loses_{context} {}
  Status Add(Slice key, Tag tag, Slice value) override {
    lost_ = loses_.Takes(tag) && inner_->entries() > 0;
    return lost_ ? Status() : inner_->Add(key, tag, value);
  }
  void AddLostDelete() override {
    if (!lost_) inner_->AddLostDelete();
  }
  uint64_t EstimatedFileBytes() const noexcept override { return inner_->EstimatedFileBytes(); }
  uint64_t entries() const noexcept override { return inner_->entries(); }
  Status Finish(Slice mark, TableProperties* properties) override {
    return inner_->Finish(mark, properties);
  }

  static void Plant(Composition* composition) {
    static const TableVariant variant = [] {
      TableVariant planted = kFlatTable;
      planted.make_builder = [](const TableEnvironment& environment,
                                const TableBuildContext& context, FileWriter& writer) {
        return std::unique_ptr<TableBuilder>(std::make_unique<PlantedBuilder>(
            kFlatTable.make_builder(environment, context, writer), context));
      };
      return planted;
    }();
    composition->table.variant = &variant;
  }

 private:
  const std::unique_ptr<TableBuilder> inner_;
  Loses loses_;
  bool lost_ = false;
};

struct LosesNothing {
  TableBuildContext context;
  bool Takes(Tag) const { return false; }
};

// A merge that takes its output for the bottom of the tree.
struct LosesDeletesAboveTheBottom {
  TableBuildContext context;
  bool Takes(Tag tag) const {
    return context.reason == TableBuildContext::Reason::kCompaction && !context.last_level &&
           TagKind(tag) == EntryKind::kDelete;
  }
};

// A merge that loses an entry now and then, as where one block ends and the next begins.
struct LosesSomeEntriesOfMerges {
  TableBuildContext context;
  uint64_t added = 0;
  bool Takes(Tag) {
    return context.reason == TableBuildContext::Reason::kCompaction && ++added % 100 == 0;
  }
};

// A filter that was not told of every key.
class ForgetfulFilter final : public FilterBuilder {
 public:
  explicit ForgetfulFilter(std::unique_ptr<FilterBuilder> inner) : inner_(std::move(inner)) {}
  void Add(Slice key, uint64_t hash) override {
    if (++added_ % 50 != 0) inner_->Add(key, hash);
  }
  void Finish(std::string& out) override { inner_->Finish(out); }

  static void Plant(Composition* composition) {
    static const FilterVariant variant = [] {
      FilterVariant planted = kBloomFilter;
      planted.make_builder = [](const SettingBag& bag, double bits, uint64_t keys) {
        return std::unique_ptr<FilterBuilder>(
            std::make_unique<ForgetfulFilter>(kBloomFilter.make_builder(bag, bits, keys)));
      };
      return planted;
    }();
    composition->filter.variant = &variant;
  }

 private:
  const std::unique_ptr<FilterBuilder> inner_;
  uint64_t added_ = 0;
};

// A cache that knows a block by its place in the file and not by the file.
class MixesUpFiles final : public BlockCache {
 public:
  explicit MixesUpFiles(std::unique_ptr<BlockCache> inner) : inner_(std::move(inner)) {}
  Block* TryPin(BlockSlot& slot, const BlockId& id, const ReadGuard& guard) noexcept override {
    return inner_->TryPin(slot, Known(id), guard);
  }
  Block* Peek(BlockSlot& slot, const BlockId& id, const ReadGuard& guard) noexcept override {
    return inner_->Peek(slot, Known(id), guard);
  }
  bool swizzled_slots() const noexcept override { return false; }
  BlockRef Insert(BlockSlot& slot, const BlockId& id, BlockRef block) override {
    return inner_->Insert(slot, Known(id), std::move(block));
  }
  void Unpin(std::span<BlockSlot>, uint64_t) noexcept override {}
  void Forget(std::span<BlockSlot>, uint64_t) noexcept override {}
  CacheCounters Counters() const noexcept override { return inner_->Counters(); }
  uint64_t capacity_bytes() const noexcept override { return inner_->capacity_bytes(); }

  static void Plant(Composition* composition) {
    static const CacheVariant variant = [] {
      CacheVariant planted = kLruCache;
      planted.make = [](const SettingBag& bag) {
        return std::unique_ptr<BlockCache>(std::make_unique<MixesUpFiles>(kLruCache.make(bag)));
      };
      return planted;
    }();
    composition->cache.variant = &variant;
  }

 private:
  static BlockId Known(const BlockId& id) { return BlockId{1, id.offset}; }
  const std::unique_ptr<BlockCache> inner_;
};

TEST(PlantedPartTest, AFlushThatForgetsSnapshotsIsFound) {
  ExpectDifference({"forgets_snapshots", "", {}},
                   PlantMemtable<ForgetsSnapshots, Walked::kByAFlush>);
}
TEST(PlantedPartTest, AFlushThatForgetsDeletesIsFound) {
  ExpectDifference({"forgets_deletes", "", {}}, PlantMemtable<ForgetsDeletes, Walked::kByAFlush>);
}
TEST(PlantedPartTest, AWalkBackThatMissesVersionsIsFound) {
  ExpectDifference({"misses_versions", "", {}},
                   PlantMemtable<MissesVersionsBackwards, Walked::kAlways>);
}
TEST(PlantedPartTest, AMergeThatDropsDeletesTooEarlyIsFound) {
  ExpectDifference({"drops_deletes", "", {{"engine.compaction.l0_trigger", "2"}}},
                   PlantedBuilder<LosesDeletesAboveTheBottom>::Plant);
}
TEST(PlantedPartTest, AMergeThatLosesEntriesIsFound) {
  ExpectDifference({"loses_entries", "", {}}, PlantedBuilder<LosesSomeEntriesOfMerges>::Plant);
}
TEST(PlantedPartTest, AFilterThatForgetsKeysIsFound) {
  ExpectDifference({"forgets_keys", "", {{"engine.filter.variant", "bloom"}}},
                   ForgetfulFilter::Plant);
}
TEST(PlantedPartTest, ACacheThatMixesUpFilesIsFound) {
  ExpectDifference({"mixes_up_files", "", {{"engine.cache.variant", "lru"}}}, MixesUpFiles::Plant);
}

// And no false alarm by the same search, with the same parts between.
TEST(PlantedPartTest, PartsThatOnlyPassOnAreNotFound) {
  const Status found = FirstDifference({"passes_on", "", {}}, [](Composition* composition) {
    PlantMemtable<PlantedWalk, Walked::kAlways>(composition);
    PlantedBuilder<LosesNothing>::Plant(composition);
  });
  EXPECT_TRUE(found.ok()) << found.ToString();
}

}  // namespace
}  // namespace lsmlab::test
