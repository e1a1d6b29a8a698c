#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/store.h"
#include "tests/support/compositions.h"
#include "tests/support/idle_policy.h"
#include "variants/io/simulated_io.h"

// CompactRange beside other jobs, and with much to commit.
namespace lsmlab::test {
namespace {

// Rewrites the oldest run of level 0 where it is, once whenever it is told to, as a collection of
// value files may; a range goes down as with `leveled`.
class RewritingPolicy final : public IdlePolicy {
 public:
  static constexpr std::string_view kCause = "in place";
  static bool rewrites;

  using IdlePolicy::IdlePolicy;
  std::optional<CompactionPlan> Pick(const TreeShape& shape, std::string_view,
                                     int64_t) const override {
    if (!rewrites || shape.levels[0].runs.size() < 2) return std::nullopt;
    rewrites = false;
    const RunShape& oldest = shape.levels[0].runs.back();
    CompactionPlan plan;
    plan.inputs = {oldest.tables.front().file};
    plan.output_run = oldest.run;
    plan.output_file_bytes = UINT64_MAX;
    plan.cause = kCause;
    return plan;
  }
};
bool RewritingPolicy::rewrites = false;

const CompactionVariant kRewriting = VariantOf<RewritingPolicy>("rewriting");

// The flush that CompactRange begins with starts such a job, whose output has a file number above
// all that were given out then; it is older than the run that was flushed, all the same.
TEST(StoreCompactRangeTest, ARunThatIsRewrittenMeanwhileGoesDownWithTheOthers) {
  StoreOptions options;
  options.path = "/store";
  options.composition = ComposeSmall({}, {{"engine.executor.variant", "inline"}});
  options.composition.compaction.variant = &kRewriting;
  options.io = MakeSimulatedIo(SimDisk::Make());
  auto opened = Store::Open(std::move(options));
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  Store& store = *opened.value();
  ASSERT_TRUE(store.Put("key", "old").ok());
  ASSERT_TRUE(store.Flush().ok());
  ASSERT_TRUE(store.Put("key", "new").ok());
  RewritingPolicy::rewrites = true;
  ASSERT_TRUE(store.CompactRange({}, {}).ok());
  const std::vector<StoreEvent> events = store.TakeEvents();
  EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const StoreEvent& event) {
    return event.cause == RewritingPolicy::kCause;
  })) << "the job that this is about did not run";
  std::string value;
  ASSERT_TRUE(store.Get("key", &value).ok());
  EXPECT_EQ(value, "new");
  EXPECT_TRUE(store.Shapes()[0].levels[0].runs.empty());
  ASSERT_TRUE(store.Verify().ok());
}

// Many outputs whose smallest and largest keys take more room than a record of the catalog has.
TEST(StoreCompactRangeTest, AJobWithMoreKeysThanARecordHoldsIsCommitted) {
  constexpr int kKeys = 140;
  const auto key = [](int i) { return std::string(65'000, 'k') + std::to_string(1000 + i); };
  for (const char* catalog : {"manifest", "footers"}) {
    SCOPED_TRACE(catalog);
    std::shared_ptr<SimDisk> disk = SimDisk::Make();
    const auto open = [&] {
      StoreOptions options;
      options.path = "/store";
      options.composition = ComposeSmall({}, {{"engine.executor.variant", "inline"},
                                              {"engine.compaction.variant", "none"},
                                              {"engine.memtable.size", "64MiB"},
                                              {"engine.catalog.variant", catalog}});
      options.io = MakeSimulatedIo(disk);
      return Store::Open(std::move(options));
    };
    {
      auto store = open();
      ASSERT_TRUE(store.ok()) << store.status().ToString();
      for (const char* value : {"old", "new"}) {
        for (int i = 0; i < kKeys; ++i) ASSERT_TRUE(store.value()->Put(key(i), value).ok());
        ASSERT_TRUE(store.value()->Flush().ok());
      }
      const Status compacted = store.value()->CompactRange({}, {});
      ASSERT_TRUE(compacted.ok()) << compacted.ToString();
      EXPECT_GE(store.value()->Stats().tables, 130u) << "one edit was not too large";
      disk = disk->Crash(CrashMode::kDurable, 1);
    }
    auto store = open();
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    EXPECT_GE(store.value()->Stats().tables, 130u);
    for (int i = 0; i < kKeys; ++i) {
      std::string value;
      ASSERT_TRUE(store.value()->Get(key(i), &value).ok()) << i;
      EXPECT_EQ(value, "new");
    }
  }
}

}  // namespace
}  // namespace lsmlab::test
