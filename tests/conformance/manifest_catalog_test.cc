#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/conformance/catalog_fixture.h"
#include "tests/support/fault_io.h"
#include "tests/support/test_scale.h"
#include "variants/catalog/catalogs.h"
#include "variants/catalog/manifest_edits.h"

// What is the manifest's own: its files, and damage in them.
namespace lsmlab::catalog_test {
namespace {

class ManifestTest : public ::testing::Test {
 protected:
  std::unique_ptr<Catalog> Make(Io& io, int64_t edit_log_size = 1024) {
    return MakeCatalog(kManifestCatalog, io, shard_, edit_log_size);
  }
  // Opens a new one and commits.
  void Fill(uint64_t commits, bool close, int64_t edit_log_size = 1 << 20) {
    std::unique_ptr<Catalog> catalog = Make(io_, edit_log_size);
    Result<CatalogState> opened = Finish(catalog->Open(true, false));
    ASSERT_TRUE(opened.ok());
    ASSERT_TRUE(Finish(catalog->StartWriting()).ok());
    CatalogState state = opened.value();
    for (uint64_t i = 1; i <= commits; ++i) {
      const VersionEdit edit = NextEdit(state, state.last_sequence + 1);
      ASSERT_TRUE(Finish(catalog->Commit(i, edit, nullptr)).ok());
      ASSERT_TRUE(ApplyEdit(edit, &state).ok());
    }
    expected_ = Print(state);
    ASSERT_TRUE(!close || Finish(catalog->Close()).ok());
  }
  std::string ManifestPath() const {
    for (const std::string& name : io_.Names()) {
      if (name.find("MANIFEST-") != std::string::npos) return name;
    }
    return {};
  }
  Result<CatalogState> Read(FaultIo& io) { return Finish(Make(io)->Open(false, true)); }

  FaultIo io_;
  FakeShard shard_{io_};
  std::string expected_;
};

TEST_F(ManifestTest, OneManifestIsLeftAndOwned) {
  Fill(60, false, 1024);
  std::unique_ptr<Catalog> catalog = Make(io_);
  ASSERT_TRUE(Finish(catalog->Open(false, false)).ok());
  ASSERT_TRUE(Finish(catalog->StartWriting()).ok());
  ASSERT_EQ(io_.Names().size(), 2u);
  for (const std::string& path : io_.Names()) {
    EXPECT_TRUE(catalog->OwnsFile(path.substr(kShardDirectory.size() + 1))) << path;
  }
  EXPECT_FALSE(catalog->OwnsFile("MANIFEST-000001"));
  EXPECT_FALSE(catalog->OwnsFile("000001.sst"));
  EXPECT_FALSE(catalog->OwnsFile("CURRENT.tmp"));
}

TEST_F(ManifestTest, EveryFlippedByteIsAnErrorOrHarmless) {
  for (bool close : {true, false}) {
    io_ = FaultIo();
    Fill(12, close);
    for (const std::string& path : io_.Names()) {
      for (size_t at = 0; at < io_.Bytes(path).size(); ++at) {
        auto disk = io_.Copy();
        disk->Bytes(path)[at] ^= 0x04;
        Result<CatalogState> state = Read(*disk);
        if (!state.ok()) {
          ASSERT_TRUE(state.status().IsCorruption()) << state.status().ToString();
          ASSERT_NE(state.status().message().find(path), std::string_view::npos);
        } else {  // only in the last mark, behind which nothing is
          ASSERT_EQ(Print(state.value()), expected_);
          ASSERT_GE(at + 40, io_.Bytes(path).size());
        }
      }
    }
  }
}

TEST_F(ManifestTest, DataBehindTheEndMarkIsAnError) {
  Fill(3, true);
  io_.Bytes(ManifestPath()).append("x");
  EXPECT_TRUE(Read(io_).status().IsCorruption());
}

TEST_F(ManifestTest, EveryCutIsAnErrorOrAPrefix) {
  Fill(12, false);
  const std::string path = ManifestPath();
  for (size_t size = 0; size < io_.Bytes(path).size(); ++size) {
    auto disk = io_.Copy();
    disk->Bytes(path).resize(size);
    Result<CatalogState> state = Read(*disk);
    if (state.ok()) {
      ASSERT_EQ(Print(state.value()), TheHistory().printed[state->last_sequence]);
    } else {
      ASSERT_TRUE(state.status().IsCorruption());
    }
  }
}

TEST_F(ManifestTest, MissingFilesAreErrors) {
  Fill(3, true);
  auto disk = io_.Copy();
  disk->Remove(ManifestPath());
  EXPECT_TRUE(Read(*disk).status().IsCorruption());
  EXPECT_TRUE(Finish(Make(*disk)->Open(true, false)).status().IsCorruption());
  disk = io_.Copy();
  disk->Remove(kShardDirectory + "/CURRENT");
  ASSERT_TRUE(
      Finish(OpenFile(*disk, IoSite::kOther, OpenMode::kCreate, kShardDirectory + "/000001.sst"))
          .ok());
  EXPECT_TRUE(Finish(Make(*disk)->Open(true, false)).status().IsCorruption());
}

TEST_F(ManifestTest, SnapshotOfManyTablesIsCutIntoEdits) {
  {
    std::unique_ptr<Catalog> catalog = Make(io_, 64 << 20);
    ASSERT_TRUE(Finish(catalog->Open(true, false)).ok());
    ASSERT_TRUE(Finish(catalog->StartWriting()).ok());
    VersionEdit edit;
    for (uint64_t file = 1; file <= 9000; ++file) {
      TableEntry table;
      table.file = file;
      table.largest_key = "k";
      edit.added.push_back(table);
    }
    ASSERT_TRUE(Finish(catalog->Commit(1, edit, nullptr)).ok());
  }
  std::unique_ptr<Catalog> catalog = Make(io_);
  ASSERT_TRUE(Finish(catalog->Open(false, false)).ok());
  ASSERT_TRUE(Finish(catalog->StartWriting()).ok());
  Result<CatalogState> state = Read(io_);
  ASSERT_TRUE(state.ok()) << state.status().ToString();
  EXPECT_EQ(state->tables.size(), 9000u);
  // All of the snapshot has to be there, also when it ends between two edits.
  const size_t size = io_.Bytes(ManifestPath()).size() - 40;  // behind it stands a mark
  const size_t stride = static_cast<size_t>(997 / std::min(1.0, test::TestScale()));
  for (size_t cut = 0; cut < size; cut += cut < 400 ? 1 : stride) {
    auto disk = io_.Copy();
    disk->Bytes(ManifestPath()).resize(cut);
    ASSERT_TRUE(Read(*disk).status().IsCorruption()) << cut;
  }
  auto disk = io_.Copy();
  disk->Bytes(ManifestPath()).resize(size);
  EXPECT_TRUE(Read(*disk).ok());
}

// Tables with keys so long that a record holds some hundred of them.
VersionEdit LongKeyedTables(uint64_t first_file, int count) {
  VersionEdit edit;
  for (int i = 0; i < count; ++i) {
    TableEntry& table = edit.added.emplace_back();
    table.file = first_file + static_cast<uint64_t>(i);
    table.smallest_key = std::string(60'000, 'a') + std::to_string(i);
    table.largest_key = std::string(60'000, 'b') + std::to_string(i);
  }
  edit.next_file = first_file + static_cast<uint64_t>(count);
  edit.last_sequence = first_file;
  return edit;
}

// An edit that no record can hold is there whole or not at all, wherever its end was lost.
TEST_F(ManifestTest, AnEditInPartsIsWholeOrNotThere) {
  constexpr int kTables = 150;
  constexpr size_t kStride = 512 << 10;
  Fill(3, false, 256 << 20);
  std::unique_ptr<Catalog> catalog = Make(io_, 256 << 20);
  CatalogState state = Finish(catalog->Open(false, false)).value();
  ASSERT_TRUE(Finish(catalog->StartWriting()).ok());
  // Others take the place of the first ones: what is removed is in parts, too.
  for (const uint64_t first_file : {1000, 2000}) {
    VersionEdit edit = LongKeyedTables(first_file, kTables);
    for (const TableEntry& table : state.tables) edit.removed.push_back({table.file});
    for (const ValueFileEntry& file : state.value_files) edit.values_removed.push_back(file.file);
    const std::string before = Print(state);
    const size_t begins = io_.Bytes(ManifestPath()).size();
    ASSERT_TRUE(Finish(catalog->Commit(1, edit, nullptr)).ok());
    ASSERT_TRUE(ApplyEdit(edit, &state).ok());
    const std::string after = Print(state);
    const size_t ends = io_.Bytes(ManifestPath()).size();
    ASSERT_GT(ends - begins, kMaxEditBytes);
    for (size_t cut = begins; cut < ends; cut += kStride) {
      auto disk = io_.Copy();
      disk->Bytes(ManifestPath()).resize(cut);
      Result<CatalogState> left = Read(*disk);
      ASSERT_TRUE(left.ok()) << left.status().ToString();
      ASSERT_TRUE(Print(left.value()) == before) << "cut after " << cut - begins << " bytes";
    }
    Result<CatalogState> whole = Read(io_);
    ASSERT_TRUE(whole.ok()) << whole.status().ToString();
    ASSERT_TRUE(Print(whole.value()) == after);
    // Damage in the first part is no torn end: the mark behind says that it was synced.
    auto damaged = io_.Copy();
    damaged->Bytes(ManifestPath())[begins + kStride] ^= 1;
    EXPECT_TRUE(Read(*damaged).status().IsCorruption());
  }
  // The next manifest begins with all of that.
  ASSERT_TRUE(Finish(catalog->Close()).ok());
  catalog = Make(io_);
  ASSERT_TRUE(Finish(catalog->Open(false, false)).ok());
  ASSERT_TRUE(Finish(catalog->StartWriting()).ok());
  Result<CatalogState> again = Read(io_);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_TRUE(Print(again.value()) == Print(state));
}

TEST_F(ManifestTest, NumbersWithoutAnyAboveAreErrors) {
  Fill(3, true);
  ASSERT_TRUE(Finish(OpenFile(io_, IoSite::kOther, OpenMode::kCreate,
                              kShardDirectory + "/MANIFEST-18446744073709551615"))
                  .ok());
  const Status status = Finish(Make(io_)->Open(false, false)).status();
  EXPECT_TRUE(status.IsCorruption());
  EXPECT_NE(status.message().find("MANIFEST-18446744073709551615"), std::string_view::npos);
}

// The last number that may be read leaves none for the next manifest: refused before it is made.
TEST_F(ManifestTest, TheLastNumberIsRefusedBeforeAnythingChanges) {
  Fill(3, true);
  const std::string before = Print(Read(io_).value());
  const std::string last = kShardDirectory + "/MANIFEST-4294967294";
  ASSERT_TRUE(Finish(OpenFile(io_, IoSite::kOther, OpenMode::kCreate, last)).ok());
  for (int round = 0; round < 2; ++round) {
    const auto catalog = Make(io_);
    Status status = Finish(catalog->Open(false, false)).status();
    if (status.ok()) status = Finish(catalog->StartWriting());
    EXPECT_TRUE(status.IsCorruption()) << status.ToString();
    EXPECT_NE(status.message().find("MANIFEST-4294967294"), std::string_view::npos);
  }
  ASSERT_TRUE(Finish(UnlinkFile(io_, IoSite::kOther, last)).ok());
  Result<CatalogState> again = Read(io_);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_TRUE(Print(again.value()) == before);
}

TEST(ManifestEdits, PartsNameNoMoreFilesThanOneMay) {
  VersionEdit part;
  part.removed.resize(kMaxTables);
  part.continues = true;
  EditJoiner joiner;
  ASSERT_TRUE(joiner.Add(std::move(part)).ok());
  VersionEdit last;
  last.removed.resize(1);
  EXPECT_TRUE(joiner.Add(std::move(last)).IsCorruption());
}

TEST(ManifestEdits, PartsAreJoinedAsTheyWereSplit) {
  VersionEdit edit = LongKeyedTables(100, 150);
  edit.policy_state = "state";
  edit.log_number = 7;
  for (uint64_t file = 1; file <= 5000; ++file) edit.removed.push_back({file});
  edit.values_added.resize(3);
  edit.values_removed = {1, 2};
  EditJoiner joiner;
  int parts = 0;
  SplitEdit(edit, [&](const VersionEdit& part) {
    std::string encoded;
    EncodeVersionEdit(part, encoded);
    EXPECT_LE(encoded.size(), kMaxEditBytes);
    EXPECT_EQ(parts++ > 0, joiner.open());
    EXPECT_TRUE(joiner.Add(part).ok());
  });
  EXPECT_GE(parts, 3);
  ASSERT_FALSE(joiner.open());
  std::string whole, joined;
  EncodeVersionEdit(edit, whole);
  EncodeVersionEdit(joiner.edit(), joined);
  EXPECT_TRUE(joined == whole);
}

TEST(ManifestEdits, PartsThatDoNotFitAreErrors) {
  VersionEdit begun, other;
  begun.continues = true;
  other.tree = 1;
  EditJoiner joiner;
  ASSERT_TRUE(joiner.Add(begun).ok());
  EXPECT_TRUE(joiner.Add(other).IsCorruption());
  begun.log_number = 3;
  EXPECT_TRUE(joiner.Add(begun).IsCorruption());
}

TEST(ManifestEdits, AManifestHasALimit) {
  EXPECT_TRUE(CheckManifestBytes(kManifestBytesMax - kManifestReserve, kManifestBytesMax).ok());
  EXPECT_EQ(CheckManifestBytes(kManifestBytesMax, kManifestBytesMax).code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lsmlab::catalog_test
