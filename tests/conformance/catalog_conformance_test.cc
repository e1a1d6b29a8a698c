#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/format/file_name.h"
#include "tests/support/fault_io.h"
#include "tests/support/test_scale.h"
#include "variants/catalog/catalogs.h"
#include "variants/io/simulated_io.h"

namespace lsmlab {
namespace {

const std::string kDirectory = "d";

std::unique_ptr<Catalog> MakeCatalog(Io& io, uint64_t edit_log_size = 1024,
                                     uint64_t store_id = 77) {
  CatalogEnvironment environment;
  environment.io = &io;
  environment.directory = kDirectory;
  environment.shard = 2;
  environment.store_id = store_id;
  SettingBag bag;
  bag.Set("edit_log_size", static_cast<int64_t>(edit_log_size));
  return kManifestCatalog.make(bag, environment);
}

// A state as text, for comparison.
std::string Print(const CatalogState& state) {
  std::string out = std::to_string(state.log_number) + " " + std::to_string(state.last_sequence) +
                    " " + std::to_string(state.next_file) + " " + state.policy_state + ":";
  for (const TableEntry& table : state.tables) {
    out += " " + std::to_string(table.tree) + "/" + std::to_string(table.level) + "/" +
           std::to_string(table.file) + "[" + table.smallest_key + "," + table.largest_key + "]";
    for (const ValueFileUse& use : table.values) {
      out += "v" + std::to_string(use.file) + "*" + std::to_string(use.bytes);
    }
  }
  for (const ValueFileEntry& file : state.value_files) {
    out += " " + std::to_string(file.tree) + "/v" + std::to_string(file.file) + ":" +
           std::to_string(file.records);
  }
  return out;
}

// Edits that a tree could make: each follows from the state and the number of the commit.
VersionEdit NextEdit(const CatalogState& state, uint64_t commit) {
  Random random(commit * 7919);
  VersionEdit edit;
  edit.tree = static_cast<uint32_t>(commit % 3 == 0);
  edit.next_file = state.next_file;
  for (uint64_t n = random.Below(3); n > 0; --n) {
    TableEntry table;
    table.tree = edit.tree;
    table.file = (*edit.next_file)++;
    table.level = static_cast<uint32_t>(random.Below(7));
    table.smallest_key = "a" + std::string(random.Below(60), 'x');
    table.largest_key = "b" + std::to_string(commit);
    table.max_sequence = commit;
    if (random.OneIn(2)) {
      ValueFileEntry values;
      values.tree = edit.tree;
      values.file = (*edit.next_file)++;
      values.records = commit;
      edit.values_added.push_back(values);
      table.values = {{values.file, commit}};
    }
    edit.added.push_back(table);
  }
  for (const ValueFileEntry& file : state.value_files) {
    if (random.OneIn(6)) edit.values_removed.push_back(file.file);
  }
  for (const TableEntry& table : state.tables) {
    if (random.OneIn(6)) edit.removed.push_back({table.file});
  }
  edit.last_sequence = commit;
  if (random.OneIn(2)) edit.log_number = commit;
  if (random.OneIn(3)) edit.policy_state = "state " + std::to_string(commit);
  return edit;
}

Task<Status> CommitNext(Catalog& catalog, CatalogState& state, uint64_t commit) {
  const VersionEdit edit = NextEdit(state, commit);
  const uint64_t job = catalog.BeginJob({}, Catalog::JobKind::kOther);
  LSMLAB_CO_TRY(co_await catalog.Commit(job, edit));
  co_return ApplyEdit(edit, &state);
}

// The states after 0, 1, 2 ... commits.
struct History {
  History() {
    CatalogState state;
    for (uint64_t commit = 1; commit < 120; ++commit) {
      printed.push_back(Print(state));
      EXPECT_TRUE(ApplyEdit(NextEdit(state, commit), &state).ok());
    }
  }
  std::vector<std::string> printed;
};
const History& TheHistory() {
  static const History history;
  return history;
}

// One process: opens, checks that the state is that after some number of commits between the
// acknowledged and the issued ones, commits on until the disk stops.
void Process(Io& io, uint64_t commits, bool close, uint64_t* acked, uint64_t* issued) {
  std::unique_ptr<Catalog> catalog = MakeCatalog(io);
  Result<CatalogState> opened = Finish(catalog->Open(true, false));
  if (!opened.ok()) {
    ASSERT_FALSE(opened.status().IsCorruption()) << opened.status().ToString();
    return;
  }
  CatalogState state = opened.value();
  const uint64_t done = state.last_sequence;
  ASSERT_GE(done, *acked);
  ASSERT_LE(done, *issued);
  ASSERT_EQ(Print(state), TheHistory().printed[done]);
  *acked = *issued = done;
  for (uint64_t i = 1; i <= commits; ++i) {
    *issued = done + i;
    const Status status = Finish(CommitNext(*catalog, state, done + i));
    ASSERT_FALSE(status.IsCorruption()) << status.ToString();
    if (!status.ok()) {
      VersionEdit more;
      ASSERT_EQ(Finish(catalog->Commit(0, more)).code(), StatusCode::kAborted);
      ASSERT_EQ(Finish(catalog->Close()).code(), StatusCode::kAborted);
      return;
    }
    *acked = done + i;
  }
  if (close) (void)Finish(catalog->Close()).ok();
}

TEST(CatalogCrash, StateIsAPrefixAtEveryOperation) {
  constexpr uint64_t kCommits = 25;
  FaultIo whole;
  uint64_t acked = 0, issued = 0, states = 0;
  Process(whole, kCommits, true, &acked, &issued);
  ASSERT_EQ(acked, kCommits);
  for (uint64_t stop = 1; stop <= whole.operations(); ++stop) {
    for (FaultCrash mode : kFaultCrashes) {
      for (uint64_t seed = 0; seed < test::Scaled(12); ++seed) {
        auto disk = std::make_unique<FaultIo>();
        disk->StopAt(stop);
        acked = issued = 0;
        Process(*disk, kCommits, true, &acked, &issued);
        for (uint64_t depth = 1; depth <= 3; ++depth) {
          Random random(seed * 1000003 + stop * 101 + depth);
          disk = disk->Crash(depth == 1 ? mode : kFaultCrashes[random.Below(6)], random.Next());
          if (depth < 3) disk->StopAt(random.Below(40) + 1);
          Process(*disk, random.Below(10), false, &acked, &issued);
          ++states;
          ASSERT_FALSE(::testing::Test::HasFailure())
              << "stop " << stop << " mode " << static_cast<int>(mode) << " seed " << seed
              << " depth " << depth;
        }
      }
    }
  }
  std::printf("%llu crash states\n", static_cast<unsigned long long>(states));
}

// The same on the simulated disk of the io part: an image after each of its steps.
TEST(CatalogCrash, HoldsOnTheSimulatedDisk) {
  struct Moment {
    std::shared_ptr<SimDisk> image;
    uint64_t acked, issued;
  };
  std::shared_ptr<SimDisk> disk = SimDisk::Make();
  disk->MakeDirectories(kDirectory);
  uint64_t acked = 0, issued = 0, states = 0;
  std::vector<Moment> moments;
  disk->SetAfterStep([&](uint64_t) { moments.push_back({disk->Snapshot(), acked, issued}); });
  Process(*MakeSimulatedIo(disk), 25, true, &acked, &issued);
  disk->SetAfterStep(nullptr);
  for (const Moment& moment : moments) {
    for (int mode = 0; mode < kCrashModes; ++mode) {
      for (uint64_t seed = 0; seed < test::Scaled(8); ++seed) {
        acked = moment.acked;
        issued = moment.issued;
        std::shared_ptr<SimDisk> left = moment.image->Crash(static_cast<CrashMode>(mode), seed);
        Process(*MakeSimulatedIo(left), seed, false, &acked, &issued);
        left = left->Crash(static_cast<CrashMode>((mode + seed) % kCrashModes), seed);
        Process(*MakeSimulatedIo(left), 2, true, &acked, &issued);
        states += 2;
        ASSERT_FALSE(::testing::Test::HasFailure()) << "mode " << mode << " seed " << seed;
      }
    }
  }
  std::printf("%llu crash states\n", static_cast<unsigned long long>(states));
}

TEST(CatalogFault, NothingIsTakenAfterAFailure) {
  FaultIo whole;
  uint64_t acked = 0, issued = 0;
  Process(whole, 20, true, &acked, &issued);
  for (uint64_t fail = 1; fail <= whole.operations(); ++fail) {
    for (StatusCode code : {StatusCode::kIoError, StatusCode::kNoSpace}) {
      auto disk = std::make_unique<FaultIo>();
      disk->FailAt(fail, code);
      acked = issued = 0;
      Process(*disk, 20, true, &acked, &issued);
      disk = disk->Crash(kFaultCrashes[fail % 6], fail);
      disk->FailAt(0);
      Process(*disk, 3, true, &acked, &issued);
      ASSERT_FALSE(::testing::Test::HasFailure()) << fail;
    }
  }
}

class ManifestTest : public ::testing::Test {
 protected:
  // Opens a new one and commits.
  void Fill(uint64_t commits, bool close, uint64_t edit_log_size = 1 << 20) {
    std::unique_ptr<Catalog> catalog = MakeCatalog(io_, edit_log_size);
    Result<CatalogState> opened = Finish(catalog->Open(true, false));
    ASSERT_TRUE(opened.ok());
    CatalogState state = opened.value();
    for (uint64_t i = 1; i <= commits; ++i) {
      ASSERT_TRUE(Finish(CommitNext(*catalog, state, state.last_sequence + 1)).ok());
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
  Result<CatalogState> Read(FaultIo& io, uint64_t store_id = 77) {
    return Finish(MakeCatalog(io, 1024, store_id)->Open(false, true));
  }

  FaultIo io_;
  std::string expected_;
};

TEST_F(ManifestTest, ReadOnlyOpenWritesNothing) {
  Fill(9, false);
  const std::vector<std::string> names = io_.Names();
  const IoCounters before = io_.Counters();
  Result<CatalogState> state = Read(io_);
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(Print(state.value()), expected_);
  EXPECT_EQ(io_.Names(), names);
  EXPECT_EQ(io_.Counters().writes, before.writes);
  EXPECT_EQ(io_.Counters().syncs, before.syncs);
}

TEST_F(ManifestTest, OpensWhatIsThereAndCreatesOnlyWhenAsked) {
  EXPECT_TRUE(Read(io_).status().IsNotFound());
  EXPECT_TRUE(Finish(MakeCatalog(io_)->Open(false, false)).status().IsNotFound());
  Fill(3, true);
  Fill(2, true);  // create = true on an existing one opens it
  EXPECT_EQ(expected_, TheHistory().printed[5]);
}

TEST_F(ManifestTest, OneManifestIsLeftAndOwned) {
  Fill(60, false, 1024);
  std::unique_ptr<Catalog> catalog = MakeCatalog(io_);
  ASSERT_TRUE(Finish(catalog->Open(false, false)).ok());
  ASSERT_EQ(io_.Names().size(), 2u);
  for (const std::string& path : io_.Names()) {
    EXPECT_TRUE(catalog->OwnsFile(path.substr(kDirectory.size() + 1))) << path;
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

TEST_F(ManifestTest, ForeignOrMissingFilesAreErrors) {
  Fill(3, true);
  EXPECT_TRUE(Read(io_, 78).status().IsCorruption());
  auto disk = io_.Copy();
  disk->Remove(ManifestPath());
  EXPECT_TRUE(Read(*disk).status().IsCorruption());
  EXPECT_TRUE(Finish(MakeCatalog(*disk)->Open(true, false)).status().IsCorruption());
  disk = io_.Copy();
  disk->Remove(kDirectory + "/CURRENT");
  ASSERT_TRUE(
      Finish(OpenFile(*disk, IoSite::kOther, OpenMode::kCreate, kDirectory + "/000001.sst")).ok());
  EXPECT_TRUE(Finish(MakeCatalog(*disk)->Open(true, false)).status().IsCorruption());
}

TEST_F(ManifestTest, RefusesAContradictingEditForGood) {
  std::unique_ptr<Catalog> catalog = MakeCatalog(io_);
  ASSERT_TRUE(Finish(catalog->Open(true, false)).ok());
  VersionEdit edit;
  edit.removed = {{99}};
  EXPECT_TRUE(Finish(catalog->Commit(1, edit)).IsCorruption());
  EXPECT_EQ(Finish(catalog->Commit(2, VersionEdit())).code(), StatusCode::kAborted);
  EXPECT_TRUE(Read(io_).ok());
}

TEST_F(ManifestTest, SnapshotOfManyTablesIsCutIntoEdits) {
  {
    std::unique_ptr<Catalog> catalog = MakeCatalog(io_, 64 << 20);
    ASSERT_TRUE(Finish(catalog->Open(true, false)).ok());
    VersionEdit edit;
    for (uint64_t file = 1; file <= 9000; ++file) {
      TableEntry table;
      table.file = file;
      table.largest_key = "k";
      edit.added.push_back(table);
    }
    ASSERT_TRUE(Finish(catalog->Commit(1, edit)).ok());
  }
  std::unique_ptr<Catalog> catalog = MakeCatalog(io_);
  ASSERT_TRUE(Finish(catalog->Open(false, false)).ok());
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

}  // namespace
}  // namespace lsmlab
