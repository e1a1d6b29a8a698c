#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/support/checked_value.h"
#include "tests/support/compositions.h"
#include "tests/support/part_doubles.h"
#include "variants/io/simulated_io.h"

// What the store does above its trees: several shards, statistics; on the simulated disk. Random
// operations on the same compositions are in the model test.
namespace lsmlab::test {
namespace {

// Lays every table of level 0 beside those of level 1, whatever their keys.
class CarelessPolicy final : public CompactionPolicy {
 public:
  std::optional<CompactionPlan> Pick(const TreeShape& shape, std::string_view,
                                     int64_t) const override {
    if (shape.levels[0].runs.empty()) return std::nullopt;
    CompactionPlan plan;
    plan.kind = CompactionPlan::Kind::kMove;
    plan.inputs = {shape.levels[0].runs.back().tables[0].file};
    plan.output_level = plan.output_run = 1;
    plan.cause = "test";
    return plan;
  }
  void SetTargets(TreeShape&) const override {}
  double Pressure(const TreeShape&) const override { return 0; }
  std::optional<CompactionPlan> PickRange(const TreeShape&, std::string_view,
                                          std::string_view) const override {
    return std::nullopt;
  }
  uint32_t levels() const noexcept override { return 7; }
};
const CompactionVariant kCareless = {
    "careless", "", {}, [](const SettingBag&) -> std::unique_ptr<CompactionPolicy> {
      return std::make_unique<CarelessPolicy>();
    }};

class StorePartsTest : public testing::Test {
 protected:
  void Open(const TestComposition& composition, const Settings& more = {},
            const CompactionVariant* compaction = nullptr) {
    store_.reset();
    StoreOptions options;
    options.path = "/store";
    Settings settings = more;
    settings.emplace_back("engine.executor.variant", "inline");
    options.composition = ComposeSmall(composition, settings);
    if (compaction != nullptr) options.composition.compaction.variant = compaction;
    io_ = MakeSimulatedIo(disk_);
    options.io = io_;
    auto store = Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
  }
  void Fill(int keys, size_t length) {
    for (int i = 0; i < keys; ++i) {
      const std::string key = "key" + std::to_string(1000 + i);
      ASSERT_TRUE(store_->Put(key, CheckedValue(key, i, length)).ok());
    }
  }
  void WriteReadAndCompareCounters();
  const TestComposition shards_{"three_shards", "", {}, &kThreeShards};
  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  std::shared_ptr<Io> io_;
  std::unique_ptr<Store> store_;
};

// What would make a tree that no open takes is not committed.
TEST_F(StorePartsTest, APlanThatBreaksARunIsRefused) {
  const TestComposition plain{"plain", "", {}};
  Open(plain, {}, &kCareless);
  ASSERT_TRUE(store_->Put("a", "1").ok());
  ASSERT_TRUE(store_->Put("m", "1").ok());
  ASSERT_TRUE(store_->Drain().ok());
  ASSERT_TRUE(store_->Put("n", "2").ok());
  ASSERT_TRUE(store_->Put("z", "2").ok());
  ASSERT_TRUE(store_->Drain().ok()) << "side by side they may lie";
  ASSERT_TRUE(store_->Put("b", "3").ok());
  ASSERT_TRUE(store_->Put("y", "3").ok());
  const Status refused = store_->Drain();
  EXPECT_NE(refused.ToString().find("would overlap table"), std::string::npos)
      << refused.ToString();
  Open(plain);
  for (const auto& [key, written] :
       {std::pair("a", "1"), std::pair("z", "2"), std::pair("b", "3"), std::pair("y", "3")}) {
    std::string value;
    EXPECT_TRUE(store_->Get(key, &value).ok()) << key;
    EXPECT_EQ(value, written);
  }
}

TEST_F(StorePartsTest, ABatchOverSeveralShardsIsOneWrite) {
  Open(shards_);
  WriteBatch batch;
  batch.Put("a0", "x");
  batch.Put("a1", "y");
  batch.Put("a3", "z");
  batch.Delete("a1");
  const auto before = store_->NewSnapshot();
  ASSERT_TRUE(store_->Write(batch).ok());
  EXPECT_EQ(store_->Shapes().size(), 3u);
  std::string value;
  EXPECT_TRUE(store_->Get("a0", &value).ok());
  EXPECT_TRUE(store_->Get("a1", &value).IsNotFound());
  EXPECT_TRUE(store_->Get("a3", &value).ok());
  ReadOptions then;
  then.snapshot = before.get();
  EXPECT_TRUE(store_->Get("a0", &value, then).IsNotFound());
  EXPECT_TRUE(store_->Get("a3", &value, then).IsNotFound());
  EXPECT_EQ(store_->Stats().batches, 1u);
  EXPECT_EQ(store_->Stats().operations_written, 4u);
}

// Its parts would be atomic by the logs.
TEST_F(StorePartsTest, WithoutALogABatchOverSeveralShardsIsRefusedWhole) {
  Open(shards_, {{"engine.wal.variant", "off"}});
  WriteBatch batch;
  batch.Put("a0", "x");
  batch.Put("a3", "y");
  EXPECT_TRUE(store_->Write(batch).ok()) << "one shard";
  batch.Put("a1", "z");
  const Status refused = store_->Write(batch);
  EXPECT_EQ(refused.code(), StatusCode::kNotSupported);
  EXPECT_NE(refused.message().find("wal.variant is off"), std::string::npos);
  std::string value;
  EXPECT_TRUE(store_->Get("a1", &value).IsNotFound());
}

// Who overwrites what readers use leaves them with a cold cache, unless what is written fills it.
TEST_F(StorePartsTest, WhatReadersUseStaysCachedThroughFlushAndCompaction) {
  std::map<std::string, uint64_t> reads;
  for (const std::string fill : {"reads", "compactions", "writes"}) {
    store_.reset();
    disk_ = SimDisk::Make();
    Open({"", "fast", {{"engine.cache.bytes", "4MiB"}, {"engine.cache.fill_by", fill}}});
    std::string value;
    const auto read_all = [&] {
      for (int i = 0; i < 600; ++i) {
        ASSERT_TRUE(store_->Get("key" + std::to_string(1000 + i), &value).ok());
      }
    };
    Fill(600, 300);
    ASSERT_TRUE(store_->CompactRange({}, {}).ok());
    read_all();
    for (int i = 0; i < 600; i += 8) {
      const std::string key = "key" + std::to_string(1000 + i);
      ASSERT_TRUE(store_->Put(key, CheckedValue(key, i, 300)).ok());
      ASSERT_TRUE(store_->Get(key, &value).ok());
    }
    ASSERT_TRUE(store_->Flush().ok());
    ASSERT_TRUE(store_->CompactRange({}, {}).ok());
    const uint64_t before = store_->Stats().block_reads;
    read_all();
    reads[fill] = store_->Stats().block_reads - before;
  }
  EXPECT_GT(reads["reads"], 100u);
  EXPECT_LT(reads["compactions"], reads["reads"] / 2);
  EXPECT_LT(reads["writes"], reads["reads"] / 10);
}

// A store whose tables keep nothing but a top index in memory, with a cache of a fraction of their
// filters and indexes; and its tables are read whatever variant writes the next ones.
TEST_F(StorePartsTest, PartitionedTablesNeedTwoReadsAndMix) {
  const TestComposition partitioned{"partitioned", "", {{"engine.table.variant", "partitioned"}}};
  constexpr int kKeys = 12'000;
  const Settings small = {{"engine.cache.bytes", "16KiB"}};
  Open(partitioned, small);
  Fill(kKeys, 40);
  ASSERT_TRUE(store_->Flush().ok());
  ASSERT_TRUE(store_->CompactRange("", "").ok());
  Random random(1);
  std::string value;
  const auto reads = [&](const std::string& key, bool present) {
    const uint64_t before = store_->Stats().block_reads;
    const Status status = store_->Get(key, &value);
    EXPECT_EQ(status.ok(), present) << status.ToString();
    return store_->Stats().block_reads - before;
  };
  for (int i = 0; i < 500; ++i) {
    const std::string key = "key" + std::to_string(1000 + random.Below(kKeys));
    ASSERT_LE(reads(key, true), 2u);
    ASSERT_LE(reads(key + "x", false), 2u);
  }
  const uint64_t pinned = store_->Stats().pinned_bytes;
  Open({"flat", "", {}}, small);
  EXPECT_EQ(reads("key1000", true), 2u) << "the table is as it was written";
  ASSERT_TRUE(store_->Put("key1000", CheckedValue("key1000", 1, 40)).ok());
  ASSERT_TRUE(store_->Flush().ok());
  ASSERT_TRUE(store_->CompactRange("", "").ok());
  EXPECT_GT(store_->Stats().pinned_bytes, pinned);
  Open(partitioned, small);
  for (int i = 0; i < kKeys; i += 7) reads("key" + std::to_string(1000 + i), true);
  ASSERT_TRUE(store_->Verify().ok());
}

// Outputs that end where tables of the next level begin are merged with fewer of these.
TEST_F(StorePartsTest, AlignedOutputsCostFewerCompactionBytes) {
  uint64_t written[2];
  for (const bool aligned : {false, true}) {
    disk_ = SimDisk::Make();
    Open({"cut", "", {}}, {{"engine.table.output.cut", aligned ? "aligned" : "size"},
                           {"engine.compaction.l0_trigger", "2"}});
    Random random(3);
    for (uint64_t i = 0; i < 30'000; ++i) {
      const std::string key = "key" + std::to_string(100'000 + random.Below(12'000));
      ASSERT_TRUE(store_->Put(key, CheckedValue(key, i, 60)).ok());
    }
    ASSERT_TRUE(store_->Flush().ok());
    written[aligned] = store_->Stats().compaction_bytes_written;
    ASSERT_TRUE(store_->Verify().ok());
  }
  std::printf("compaction bytes: size %llu, aligned %llu\n",
              static_cast<unsigned long long>(written[0]),
              static_cast<unsigned long long>(written[1]));
  EXPECT_LT(written[1], written[0]);
}

TEST_F(StorePartsTest, FifoKeepsTheNewestAndDropsTheRest) {
  const TestComposition fifo{
      "fifo",
      "",
      {{"engine.compaction.variant", "fifo"}, {"engine.compaction.max_size", "256KiB"}}};
  Open(fifo);
  Fill(3'000, 300);
  ASSERT_TRUE(store_->Drain().ok());
  const auto check = [this] {
    EXPECT_LE(store_->Stats().table_bytes, 256u << 10);
    EXPECT_GT(store_->Stats().table_bytes, 128u << 10);
    std::string value;
    EXPECT_TRUE(store_->Get("key1000", &value).IsNotFound());
    auto iterator = store_->NewIterator({});
    ASSERT_TRUE(iterator->SeekToFirst().ok());
    // What is left is what was written last, without a gap.
    ASSERT_TRUE(iterator->valid());
    int first = std::stoi(std::string(iterator->key().substr(3)));
    EXPECT_GT(first, 2'000);
    for (; iterator->valid(); ++first) {
      ASSERT_EQ(iterator->key(), "key" + std::to_string(first));
      ASSERT_TRUE(iterator->Next().ok());
    }
    EXPECT_EQ(first, 4'000);
  };
  check();
  const std::vector<StoreEvent> events = store_->TakeEvents();
  EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const StoreEvent& event) {
    return event.kind == StoreEvent::Kind::kDrop && event.bytes_in > 0 && event.bytes_out == 0;
  }));
  Open(fifo);
  check();
}

TEST_F(StorePartsTest, AWalkMergesTheShardsInBothDirections) {
  Open(shards_);
  Fill(600, 100);
  ASSERT_TRUE(store_->Flush().ok());
  auto snapshot = store_->NewSnapshot();
  Fill(50, 50);
  ASSERT_TRUE(store_->Delete("key1100").ok());
  ReadOptions options;
  options.snapshot = snapshot.get();
  auto iterator = store_->NewIterator(options);
  ASSERT_TRUE(iterator->SeekToFirst().ok());
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(iterator->valid());
    ASSERT_EQ(iterator->key(), "key" + std::to_string(1000 + i));
    ASSERT_EQ(iterator->Value().value().size(), 100u);
    if (i % 7 == 3) {  // turn around, twice
      ASSERT_TRUE(iterator->Prev().ok());
      ASSERT_EQ(iterator->key(), "key" + std::to_string(1000 + i - 1));
      ASSERT_TRUE(iterator->Next().ok());
    }
    ASSERT_TRUE(iterator->Next().ok());
  }
  EXPECT_FALSE(iterator->valid());
}

TEST_F(StorePartsTest, AFailedSyncInOneShardStopsAll) {
  Open(shards_, {{"engine.wal.sync", "group"}});
  ASSERT_TRUE(store_->Put("a0", "x").ok());
  ASSERT_TRUE(store_->Put("a1", "x").ok());
  SimFault fault;
  fault.kind = IoKind::kDataSync;
  fault.site = IoSite::kWal;
  disk_->Arm(fault);
  EXPECT_FALSE(store_->Put("a0", "y").ok());
  disk_->DisarmFaults();
  for (const char* key : {"a0", "a1", "a2"}) {
    const Status status = store_->Put(key, "z");
    EXPECT_FALSE(status.ok()) << key << " was acknowledged after a failed sync";
    EXPECT_FALSE(status.message().empty());
  }
  EXPECT_FALSE(store_->Flush().ok());
  std::string value;
  EXPECT_TRUE(store_->Get("a1", &value).ok()) << "reads go on";
  Status ignored = store_->Close();
  (void)ignored;
  Open(shards_, {{"engine.wal.sync", "group"}});
  EXPECT_TRUE(store_->Put("a1", "z").ok());
}

// Bytes by cause are what the disk was given for that cause.
TEST_F(StorePartsTest, StatisticsEqualWhatTheDiskCounted) {
  Open({"default", "", {}}, {{"engine.wal.sync", "group"}});
  WriteReadAndCompareCounters();
  EXPECT_EQ(store_->Stats().wal_syncs, 3000u);
}
TEST_F(StorePartsTest, StatisticsOfTheRingEqualWhatTheDiskCounted) {
  Open(RingComposition(false), {{"engine.wal.sync", "group"}});
  WriteReadAndCompareCounters();
  EXPECT_GT(store_->Stats().wal_syncs, 3000u);  // also one per segment
  EXPECT_EQ(io_->Counters(IoSite::kWal).writes, 0u);
}

TEST_F(StorePartsTest, StatisticsOfFootersEqualWhatTheDiskCounted) {
  Open(FootersCompositions().front(), {{"engine.wal.sync", "group"}});
  WriteReadAndCompareCounters();
  EXPECT_GT(store_->Stats().catalog_bytes, 0u);  // tables without entries
}

void StorePartsTest::WriteReadAndCompareCounters() {
  Random random(3);
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "key" + std::to_string(random.Below(800));
    ASSERT_TRUE(store_->Put(key, CheckedValue(key, i, 28 + random.Below(600))).ok());
    std::string value;
    ASSERT_TRUE(store_->Get(key, &value).ok());
    const Status other = store_->Get("key" + std::to_string(random.Below(800)), &value);
    ASSERT_TRUE(other.ok() || other.IsNotFound());
  }
  ASSERT_TRUE(store_->CompactRange({}, {}).ok());
  ASSERT_TRUE(store_->Drain().ok());
  const StoreStats stats = store_->Stats();
  const auto written = [this](IoSite site) { return io_->Counters(site).write_bytes; };
  EXPECT_GT(stats.flushes, 3u);
  EXPECT_GT(stats.compactions, 3u);
  EXPECT_EQ(stats.wal_bytes, written(IoSite::kWal) + written(IoSite::kDurableWal));
  EXPECT_EQ(stats.flush_bytes, written(IoSite::kFlush));
  EXPECT_EQ(stats.compaction_bytes_written, written(IoSite::kCompactionWrite));
  EXPECT_EQ(stats.catalog_bytes, written(IoSite::kCatalog));
  EXPECT_EQ(stats.block_reads, io_->Counters(IoSite::kBlockRead).reads);
  EXPECT_EQ(stats.block_read_bytes, io_->Counters(IoSite::kBlockRead).read_bytes);
  EXPECT_EQ(stats.device_write_bytes, disk_->counters().write_bytes);
  EXPECT_EQ(stats.device_read_bytes, disk_->counters().read_bytes);
  EXPECT_EQ(stats.fsyncs, disk_->counters().syncs);
  uint64_t by_site = 0;
  for (size_t site = 0; site < static_cast<size_t>(IoSite::kCount); ++site) {
    by_site += written(static_cast<IoSite>(site));
  }
  EXPECT_EQ(by_site, disk_->counters().write_bytes);
  EXPECT_EQ(stats.batches, 3000u);
  EXPECT_EQ(stats.operations_written, 3000u);
  EXPECT_EQ(stats.gets, 6000u);
  EXPECT_EQ(stats.cache_hits + stats.cache_misses + stats.filter_negatives > 0, true);
  const double expected = static_cast<double>(stats.flush_bytes + stats.compaction_bytes_written) /
                          static_cast<double>(stats.user_bytes_written);
  EXPECT_DOUBLE_EQ(stats.WriteAmplification(), expected);
}

}  // namespace
}  // namespace lsmlab::test
