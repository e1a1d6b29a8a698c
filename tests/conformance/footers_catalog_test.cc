#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/conformance/catalog_fixture.h"
#include "tests/support/fault_io.h"
#include "variants/catalog/catalogs.h"
#include "variants/catalog/footer_mark.h"

// What is the own of catalog `footers`: marks, records, and damage in them.
namespace lsmlab::catalog_test {
namespace {

class FootersTest : public ::testing::Test {
 protected:
  // A new shard with so many commits of the history.
  void Fill(uint64_t commits) {
    catalog_ = MakeCatalog(kFootersCatalog, io_, shard_);
    Result<CatalogState> opened = Finish(catalog_->Open(true, false));
    ASSERT_TRUE(opened.ok());
    ASSERT_TRUE(Finish(catalog_->StartWriting()).ok());
    state_ = opened.value();
    for (uint64_t i = 1; i <= commits; ++i) {
      bool refused = false;
      ASSERT_TRUE(Finish(CommitNext(*catalog_, shard_, io_, state_, i, &refused)).ok());
    }
  }
  static Result<CatalogState> Read(FaultIo& io) {
    FakeShard shard(io);
    return Finish(MakeCatalog(kFootersCatalog, io, shard)->Open(false, true));
  }
  std::vector<uint64_t> Tables() const {
    std::vector<uint64_t> files;
    for (const std::string& path : io_.Names()) {
      const auto file = ParseNumberedFileName("", ".sst", path.substr(kShardDirectory.size() + 1));
      if (file) files.push_back(*file);
    }
    return files;
  }
  std::string MarkOf(uint64_t file) { return Finish(shard_.ReadTable(file)).value().mark; }

  FaultIo io_;
  FakeShard shard_{io_};
  std::unique_ptr<Catalog> catalog_;
  CatalogState state_;
};

TEST_F(FootersTest, HasNoOtherFilesAndOneRecord) {
  Fill(60);
  ASSERT_TRUE(Finish(shard_.Sweep(*catalog_, state_)).ok());
  for (const std::string& path : io_.Names()) {
    EXPECT_TRUE(path.ends_with(".sst") || path.ends_with(".val")) << path;
  }
  EXPECT_EQ(Tables().size(), state_.tables.size() + 1);
}

TEST_F(FootersTest, EveryDamagedMarkIsAnErrorThatNamesTheTable) {
  Fill(14);
  for (const uint64_t file : Tables()) {
    const std::string mark = MarkOf(file);
    for (size_t at = 0; at < mark.size(); ++at) {
      auto disk = io_.Copy();
      FakeShard shard(*disk);
      std::string damaged = mark;
      damaged[at] ^= 0x10;
      ASSERT_TRUE(shard.Replace(file, damaged).ok());
      const Status status = Read(*disk).status();
      ASSERT_TRUE(status.IsCorruption()) << file << " at " << at << ": " << status.ToString();
      ASSERT_NE(status.message().find(FilePath(file, ".sst")), std::string_view::npos);
    }
  }
}

TEST_F(FootersTest, AMarkOfAnotherTableIsAnError) {
  Fill(14);
  ASSERT_GE(state_.tables.size(), 2u);
  const uint64_t first = state_.tables.front().file, last = state_.tables.back().file;
  const std::string mark = MarkOf(first);
  ASSERT_TRUE(shard_.Replace(last, mark).ok());
  const Status status = Read(io_).status();
  EXPECT_TRUE(status.IsCorruption());
  EXPECT_NE(status.message().find(FilePath(last, ".sst")), std::string_view::npos);
}

TEST_F(FootersTest, AMissingTableOrRecordIsAnError) {
  Fill(14);
  VersionEdit edit;  // without outputs: a record
  ASSERT_TRUE(Finish(catalog_->Commit(1, edit, nullptr)).ok());
  ASSERT_TRUE(Finish(shard_.Sweep(*catalog_, state_)).ok());
  ASSERT_TRUE(Read(io_).ok());
  for (const uint64_t file : Tables()) {
    auto disk = io_.Copy();
    disk->Remove(FilePath(file, ".sst"));
    EXPECT_TRUE(Read(*disk).status().IsCorruption()) << file;
  }
}

// As the last output, a table cannot be half of what its job has done.
TEST_F(FootersTest, OutputsWithoutTheirCommitAreNotThere) {
  Fill(14);
  const std::string before = Print(state_);
  VersionEdit edit;
  for (uint64_t file : {500, 501}) {
    TableEntry table;
    table.file = file;
    table.smallest_key = table.largest_key = "k";
    edit.added.push_back(table);
  }
  const TableEntry* last = nullptr;
  ASSERT_TRUE(Finish(WriteOutputs(*catalog_, shard_, io_, 1, state_, edit, &last)).ok());
  ASSERT_EQ(last, &edit.added.back());
  EXPECT_EQ(Print(Read(io_).value()), before);
  FakeLastOutput output(shard_, *last);
  ASSERT_TRUE(Finish(catalog_->Commit(1, edit, &output)).ok());
  EXPECT_EQ(Read(io_)->tables.size(), state_.tables.size() + 2);
}

// What has grown under `manifest` may be more than a record can hold.
TEST_F(FootersTest, AStateThatNoRecordHoldsIsRefusedAndLeftAsItIs) {
  constexpr uint64_t kTables = 300, kUses = 10'000;
  std::unique_ptr<Catalog> manifest = MakeCatalog(kManifestCatalog, io_, shard_);
  ASSERT_TRUE(Finish(manifest->Open(true, false)).ok());
  ASSERT_TRUE(Finish(manifest->StartWriting()).ok());
  VersionEdit edit;
  for (uint64_t file = 1; file <= kTables; ++file) {
    TableEntry& table = edit.added.emplace_back();
    table.file = file;
    for (uint64_t use = 1; use <= kUses; ++use) {
      table.values.push_back({use, uint64_t{1} << 30});
    }
  }
  ASSERT_TRUE(Finish(manifest->Commit(1, edit, nullptr)).ok());
  ASSERT_TRUE(Finish(manifest->Close()).ok());
  TableEntry orphan;
  orphan.file = kTables + 1;
  ASSERT_TRUE(Finish(shard_.WriteTable(orphan, std::string())).ok());
  const std::vector<std::string> names = io_.Names();
  const auto footers = MakeCatalog(kFootersCatalog, io_, shard_);
  ASSERT_TRUE(Finish(footers->Open(false, false)).ok());
  const Status refused = Finish(footers->StartWriting());
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << refused.ToString();
  EXPECT_NE(refused.message().find("expected a mark of at most"), std::string_view::npos);
  EXPECT_EQ(io_.Names(), names);
  manifest = MakeCatalog(kManifestCatalog, io_, shard_);
  EXPECT_EQ(Finish(manifest->Open(false, false))->tables.size(), kTables);
}

FooterMark SampleMark() {
  FooterMark mark;
  OutputMark& output = mark.output.emplace();
  output.file = 700;
  output.run = 3;
  output.values = {{5, 100}, {9, 1 << 20}};
  CommitMark& commit = mark.commit.emplace();
  commit.number = 40;
  commit.base = 31;
  commit.numbers.log_number = 12;
  commit.numbers.policy_state = "state";
  ListedTable table;
  table.file = 3;
  commit.tables.push_back(table);
  table.file = 300;
  table.form = ListedTable::Form::kMoved;
  table.level = 4;
  table.run = 17;
  commit.tables.push_back(table);
  table.file = 301;
  table.form = ListedTable::Form::kForeign;
  table.id = {1, 2};
  table.values = output.values;
  commit.tables.push_back(table);
  commit.removed = {1, 2, 200};
  return mark;
}

TEST(FooterMarkFormat, IsReadAsItWasWritten) {
  const std::string bytes = EncodeFooterMark(SampleMark(), 7);
  Result<FooterMark> mark = DecodeFooterMark(bytes, 7);
  ASSERT_TRUE(mark.ok()) << mark.status().ToString();
  EXPECT_EQ(EncodeFooterMark(mark.value(), 7), bytes);
  EXPECT_EQ(mark->commit->tables[2].values[1].bytes, 1u << 20);
  EXPECT_EQ(mark->commit->tables[1].level, 4u);
  EXPECT_EQ(mark->commit->removed, (std::vector<uint64_t>{1, 2, 200}));
  EXPECT_TRUE(DecodeFooterMark(bytes, 8).status().IsCorruption());
}

// Any bytes under a right checksum: refused, or a mark that is written as it was read.
TEST(FooterMarkFormat, TakesAnyBytes) {
  const std::string bytes = EncodeFooterMark(SampleMark(), 7);
  Random random(3);
  uint64_t read = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string hostile = bytes.substr(0, bytes.size() - 8);
    for (uint64_t n = 1 + random.Below(3); n > 0; --n) {
      const size_t at = 8 + random.Below(hostile.size() - 8);
      if (random.OneIn(4)) {
        hostile.resize(at + 1);
      } else {
        hostile[at] = static_cast<char>(random.Next());
      }
      if (hostile.size() <= 9) break;
    }
    PutFixed64(hostile, Checksum(hostile, 7));
    Result<FooterMark> mark = DecodeFooterMark(hostile, 7);
    if (!mark.ok()) {
      ASSERT_TRUE(mark.status().IsCorruption());
      continue;
    }
    ++read;
    for (size_t n = 1; mark->commit && n < mark->commit->tables.size(); ++n) {
      ASSERT_LT(mark->commit->tables[n - 1].file, mark->commit->tables[n].file);
    }
  }
  EXPECT_GT(read, 0u);
}

}  // namespace
}  // namespace lsmlab::catalog_test
