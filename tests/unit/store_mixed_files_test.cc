#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "engine/tree/identity.h"
#include "tests/support/compositions.h"
#include "tests/support/finish.h"
#include "variants/catalog/catalogs.h"
#include "variants/io/simulated_io.h"
#include "variants/wal/ring_slot.h"

// Files that are intact, each by itself, and do not belong together: an open says so, and names
// the file. Without that a read would look past keys, or take an old version for a new one.
namespace lsmlab::test {
namespace {

constexpr const char* kShard = "/store/shard-0000";

class MixedFilesTest : public testing::Test {
 protected:
  Status Open(std::unique_ptr<Store>* store = nullptr) {
    StoreOptions options;
    options.path = "/store";
    options.composition = ComposeSmall(composition_, {{"engine.executor.variant", "inline"},
                                                      {"engine.compaction.variant", "none"}});
    options.io = MakeSimulatedIo(disk_);
    options.seed = seed_;
    auto opened = Store::Open(std::move(options));
    if (opened.ok() && store != nullptr) *store = std::move(opened).value();
    return opened.status();
  }
  // Two tables in level 0, closed cleanly.
  void Build() {
    std::unique_ptr<Store> store;
    ASSERT_TRUE(Open(&store).ok());
    for (const char* value : {"old", "new"}) {
      for (int i = 100; i < 200; ++i) {
        ASSERT_TRUE(store->Put("key" + std::to_string(i), value).ok());
      }
      ASSERT_TRUE(store->Flush().ok());
    }
    ASSERT_TRUE(store->Close().ok());
  }
  std::vector<std::string> PathsOf(std::string_view suffix) const {
    std::vector<std::string> paths = disk_->Files();
    std::erase_if(paths, [suffix](const std::string& path) { return !path.ends_with(suffix); });
    return paths;
  }
  StoreIdentity Identity() const {
    return DecodeIdentity(disk_->Contents("/store/IDENTITY").value(), "IDENTITY").value();
  }
  // Lets the catalog say something else of the newest table, or of all.
  void ChangeCatalog(const std::function<void(TableEntry&, VersionEdit&)>& change) {
    const std::shared_ptr<Io> io = MakeSimulatedIo(disk_);
    CatalogEnvironment environment;
    environment.io = io.get();
    environment.directory = kShard;
    environment.store_id = Identity().store_id;
    const auto catalog =
        kManifestCatalog.make(DefaultSettings(kManifestCatalog.settings), environment);
    const Result<CatalogState> state = Finish(catalog->Open(false, false));
    ASSERT_TRUE(state.ok()) << state.status().ToString();
    ASSERT_EQ(state->tables.size(), 2u);
    ASSERT_TRUE(Finish(catalog->StartWriting()).ok());
    VersionEdit edit;
    edit.added.push_back(state->tables.back());
    edit.removed.push_back({edit.added[0].file});
    change(edit.added[0], edit);
    ASSERT_TRUE(Finish(catalog->Commit(1, edit, nullptr)).ok());
    ASSERT_TRUE(Finish(catalog->Close()).ok());
  }
  void ExpectRefused(const char* what, const std::string& named,
                     const std::function<void(TableEntry&, VersionEdit&)>& change) {
    SCOPED_TRACE(what);
    const std::shared_ptr<SimDisk> before = std::exchange(disk_, disk_->Snapshot());
    ASSERT_NO_FATAL_FAILURE(ChangeCatalog(change));
    const Status status = Open();
    EXPECT_TRUE(status.IsCorruption()) << status.ToString();
    EXPECT_NE(status.message().find(named), std::string_view::npos) << status.ToString();
    disk_ = before;
  }

  TestComposition composition_;
  uint64_t seed_ = 3;
  std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
};

TEST_F(MixedFilesTest, TablesUnderEachOthersNamesAreRefused) {
  for (const char* catalog : {"manifest", "footers"}) {
    SCOPED_TRACE(catalog);
    disk_ = SimDisk::Make();
    composition_ = TestComposition();
    composition_.changes.emplace_back("engine.catalog.variant", catalog);
    ASSERT_NO_FATAL_FAILURE(Build());
    const std::vector<std::string> tables = PathsOf(".sst");
    ASSERT_GE(tables.size(), 2u);
    const std::string first = disk_->Contents(tables[0]).value();
    ASSERT_TRUE(disk_->SetContents(tables[0], disk_->Contents(tables[1]).value()).ok());
    ASSERT_TRUE(disk_->SetContents(tables[1], first).ok());
    const Status status = Open();
    EXPECT_TRUE(status.IsCorruption()) << status.ToString();
    EXPECT_NE(status.message().find(".sst"), std::string_view::npos) << status.ToString();
  }
}

TEST_F(MixedFilesTest, ATableOfAnotherStoreIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Build());
  const std::string table = PathsOf(".sst").front();
  const std::string foreign = disk_->Contents(table).value();
  disk_ = SimDisk::Make();
  ++seed_;
  ASSERT_NO_FATAL_FAILURE(Build());
  ASSERT_TRUE(disk_->SetContents(table, foreign).ok());
  const Status status = Open();
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_NE(status.message().find(table), std::string_view::npos) << status.ToString();
}

TEST_F(MixedFilesTest, AnEntryThatIsNotTheTablesIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Build());
  const std::string table = PathsOf(".sst").back();
  const std::shared_ptr<SimDisk> before = std::exchange(disk_, disk_->Snapshot());
  ASSERT_NO_FATAL_FAILURE(ChangeCatalog([](TableEntry&, VersionEdit&) {}));
  ASSERT_TRUE(Open().ok()) << "nothing was changed";
  disk_ = before;
  using Entry = TableEntry;
  ExpectRefused("hides keys", table, [](Entry& e, auto&) { e.smallest_key = "key150"; });
  ExpectRefused("more keys below", table, [](Entry& e, auto&) { e.smallest_key = "a"; });
  ExpectRefused("hides the end", table, [](Entry& e, auto&) { e.largest_key = "key150"; });
  ExpectRefused("more keys above", table, [](Entry& e, auto&) { e.largest_key = "z"; });
  ExpectRefused("smallest tag", table, [](Entry& e, auto&) { e.smallest_tag += 1u << 8; });
  ExpectRefused("largest tag", table, [](Entry& e, auto&) { e.largest_tag -= 1u << 8; });
  ExpectRefused("entries", table, [](Entry& e, auto&) { ++e.entries; });
  ExpectRefused("oldest sequence", table, [](Entry& e, auto&) { ++e.min_sequence; });
  ExpectRefused("newest sequence", table, [](Entry& e, auto&) { --e.max_sequence; });
}

TEST_F(MixedFilesTest, NumbersThatNobodyHasGivenOutAreRefused) {
  ASSERT_NO_FATAL_FAILURE(Build());
  const std::string table = PathsOf(".sst").back();
  ExpectRefused("a log", kShard, [](TableEntry&, VersionEdit& e) { e.log_number = 1u << 30; });
  ExpectRefused("a run", table, [](TableEntry& e, VersionEdit&) { e.run = 1u << 30; });
  ExpectRefused("a sequence", table,
                [](TableEntry& e, VersionEdit&) { e.max_sequence = kMaxSequence; });
}

// A slot that holds the segment of a number behind which there is none.
TEST_F(MixedFilesTest, ALogSegmentWithoutANextNumberIsRefused) {
  composition_ = RingComposition(false);
  ASSERT_NO_FATAL_FAILURE(Build());
  const std::vector<std::string> slots = PathsOf(".ring");
  ASSERT_FALSE(slots.empty());
  for (const std::string& path : slots) {
    const std::shared_ptr<SimDisk> before = std::exchange(disk_, disk_->Snapshot());
    std::string bytes = disk_->Contents(path).value();
    RingSlotOwner owner;
    owner.store_id = Identity().store_id;
    owner.slot = std::stoull(path.substr(path.rfind('/') + 1));
    RingSlotHead head;
    head.slot_bytes = bytes.size();
    head.log_number = UINT64_MAX;
    head.incarnation = 1;
    EncodeRingSlotHead(owner, head, bytes.data());
    ASSERT_TRUE(disk_->SetContents(path, bytes).ok());
    const Status status = Open();
    EXPECT_TRUE(status.IsCorruption()) << path << ": " << status.ToString();
    disk_ = before;
  }
}

}  // namespace
}  // namespace lsmlab::test
